// execute_go.cc: the Go runtime's page allocator, in a program of its own that replays a pass and
// says what came of it. It is a fresh process for each cell and repetition.
#include <utility>

#include "absl/strings/str_cat.h"
#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/go_program.h"
#include "harness/run/go_stream.h"
#include "harness/run/isolation.h"
#include "harness/run/occupancy.h"
#include "harness/run/result_check.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

absl::StatusOr<GoAnswer> Ask(const CellOptions& options, const GoRequest& request) {
  const std::string input = EncodeGoRequest(request);
  const absl::StatusOr<std::string> text =
      RunForeign({.path = GoProgram(options.layout), .standard_input = input});
  if (!text.ok()) return text.status();
  return DecodeGoAnswer(request, *text);
}

template <Layout L>
GoRequest RequestOn(const Program& program) {
  using G = Geometry<L>;
  return {
      .program = program, .heap_base = L::kHeapBase, .heap_pages = G::kHeapEnd - G::kHeapBasePage};
}

absl::StatusOr<CheckedResult> Check(const CellOptions& options, GoRequest request,
                                    const Judgement& judgement, bool verify) {
  request.check = true;
  const absl::StatusOr<GoAnswer> answer = Ask(options, request);
  if (!answer.ok()) return answer.status();
  CheckedResult result;
  const std::vector<Op>& ops = request.program.ops;
  for (std::size_t i = 0; i < ops.size() && !result.mismatch; ++i) {
    const bool judged = verify && i < judgement.judged;
    result.mismatch =
        CheckResult(ops[i], i, answer->outcomes[i], judged ? &judgement.outcomes[i] : nullptr);
  }
  if (!result.mismatch && verify && judgement.judged == ops.size()) {
    result.occupancy = OccupancyOf(request.program, answer->outcomes);
  }
  result.metadata_bytes = answer->metadata_bytes;
  result.result_hash = answer->checked_hash;
  return result;
}

std::vector<Batch> WithTicks(std::vector<Batch> batches, std::span<const std::uint64_t> ticks) {
  for (std::size_t i = 0; i < batches.size(); ++i) batches[i].ticks = ticks[i];
  return batches;
}

absl::StatusOr<TimedResult> Time(const CellOptions& options, GoRequest request) {
  const Program& program = request.program;
  const std::vector<Batch> batches = CutBatches(program, options.batch, options.batches_by_kind);
  request.time_batches = options.time_batches;
  request.time_ops = options.time_ops;
  request.clock = options.clock.source;
  request.each_locked = options.allocator == kGoLocked;
  if (options.time_batches) request.batches = batches;
  const absl::StatusOr<GoAnswer> answer = Ask(options, request);
  if (!answer.ok()) return answer.status();
  TimedResult result;
  if (options.time_batches) {
    result.batches =
        SumUpBatches(program, Clock(options.clock), WithTicks(batches, answer->batch_ticks),
                     WithTicks(batches, answer->idle_batch_ticks), answer->batches.costs.lost_ns,
                     options.batches_by_kind);
    result.batch_costs = answer->batches.costs;
  }
  for (std::size_t i = 0; i < answer->op_ticks.size(); ++i) {
    const RowOp op = RowOpOf(program.ops[program.measured_from + i].kind);
    result.service[static_cast<std::size_t>(op)].Record(answer->op_ticks[i]);
  }
  for (const std::uint32_t taken : answer->idle_op_ticks) result.null_op.Record(taken);
  result.op_costs = answer->ops.costs;
  const GoPass& first = options.time_batches ? answer->batches : answer->ops;
  result.result_hash = first.result_hash;
  result.rss_bytes = first.rss_bytes;
  if (options.time_ops && answer->ops.result_hash != first.result_hash) {
    return PassesDiffer(options);
  }
  return result;
}

}  // namespace

void CheckGo(const CellOptions& options, const Program& program, const Judgement& judgement,
             bool verify, absl::StatusOr<CheckedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result = Check(options, RequestOn<L>(program), judgement, verify);
  });
}

void TimeGo(const CellOptions& options, const Program& program,
            absl::StatusOr<TimedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() { result = Time(options, RequestOn<L>(program)); });
}

}  // namespace pagealloc::bench
