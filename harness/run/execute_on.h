/// execute_on.h: the bodies of execute.h for one layout and one allocator type.
///
/// Included only by the execute_*.cc files, which instantiate it for every layout: one file an
/// allocator, so that they compile side by side.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/base/clock.h"
#include "harness/run/cell.h"
#include "harness/run/heap_state.h"
#include "harness/run/null_subject.h"
#include "harness/run/region.h"
#include "harness/run/region_meter.h"
#include "harness/run/runner.h"
#include "harness/run/stage.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "pagealloc/layout.h"

namespace pagealloc::bench {

/// The user's words for a refusal of the operating system.
absl::Status RefusedMemory(const CellOptions& options, OsStatus status);
/// What to say when two passes over the same program place differently.
absl::Status PassesDiffer(const CellOptions& options);

/// A null subject over the same batches, three times; the fastest, as neighbours only add time.
template <Layout L>
std::vector<Batch> TimeEmptyLoop(const Program& program, HeapState& runs, const Clock& clock,
                                 std::vector<Batch> batches) {
  std::vector<Batch> fastest;
  for (int i = 0; i < 3; ++i) {
    NullSubject nothing;
    Runner<L, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
    // It cannot fail: there is no memory to refuse.
    static_cast<void>(runner.TimeBatches(clock, batches));
    if (fastest.empty() || TotalTicks(batches) < TotalTicks(fastest)) fastest = batches;
  }
  return fastest;
}

template <Layout L, Subject S>
absl::Status TimeBatchPass(const CellOptions& options, const Program& program, HeapState& runs,
                           const Clock& clock, TimedResult& result) {
  std::vector<Batch> batches = CutBatches(program, options.batch, options.batches_by_kind);
  {
    const std::uint64_t resident = ResidentBytes();
    const auto stage = std::make_unique<Stage<L, S>>();
    if (const OsStatus status = stage->Open(options); !status.ok()) {
      return RefusedMemory(options, status);
    }
    // A program that never grows has no window, and nothing to touch.
    HeapWindow* const window = stage->committed_window(options);
    const std::uint64_t longest = std::min<std::uint64_t>(options.batch, program.ops.size());
    Runner<L, S> runner(stage->subject(), program, runs, window,
                        options.memory == HeapMemory::kTouch && window != nullptr, longest);
    if (!runner.SetUp()) return RefusedMemory(options, runner.failure());
    RegionMeter meter;
    runner.set_meter(&meter);
    if (!runner.TimeBatches(clock, batches)) return RefusedMemory(options, runner.failure());
    result.batch_costs = meter.Stop();
    result.rss_bytes = ResidentBytes() - std::min(resident, ResidentBytes());
    result.result_hash = runner.result_hash();
  }
  const std::vector<Batch> empty = TimeEmptyLoop<L>(program, runs, clock, batches);
  result.batches = SumUpBatches(program, clock, batches, empty, options.batches_by_kind);
  return absl::OkStatus();
}

template <Layout L, Subject S>
absl::Status TimeOpPass(const CellOptions& options, const Program& program, HeapState& runs,
                        const Clock& clock, TimedResult& result) {
  std::vector<std::uint32_t> ticks(program.ops.size() - program.measured_from);
  {
    const std::uint64_t resident = ResidentBytes();
    const auto stage = std::make_unique<Stage<L, S>>();
    if (const OsStatus status = stage->Open(options); !status.ok()) {
      return RefusedMemory(options, status);
    }
    HeapWindow* const window = stage->committed_window(options);
    Runner<L, S> runner(stage->subject(), program, runs, window,
                        options.memory == HeapMemory::kTouch && window != nullptr, 1);
    if (!runner.SetUp()) return RefusedMemory(options, runner.failure());
    RegionMeter meter;
    runner.set_meter(&meter);
    if (!runner.TimeOps(clock, ticks)) return RefusedMemory(options, runner.failure());
    result.op_costs = meter.Stop();
    if (!options.time_batches) {
      result.rss_bytes = ResidentBytes() - std::min(resident, ResidentBytes());
      result.result_hash = runner.result_hash();
    } else if (result.result_hash != runner.result_hash()) {
      return PassesDiffer(options);
    }
  }
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const RowOp op = RowOpOf(program.ops[program.measured_from + i].kind);
    result.service[static_cast<std::size_t>(op)].Record(ticks[i]);
  }
  NullSubject nothing;
  Runner<L, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
  static_cast<void>(runner.TimeOps(clock, ticks));
  for (const std::uint32_t taken : ticks) result.null_op.Record(taken);
  return absl::OkStatus();
}

template <Layout L, Subject S>
absl::StatusOr<TimedResult> ExecuteTimedOn(const CellOptions& options, const Program& program) {
  const Clock clock(options.clock);
  HeapState runs(program.id_count);
  TimedResult result;
  if (options.time_batches) {
    const absl::Status status = TimeBatchPass<L, S>(options, program, runs, clock, result);
    if (!status.ok()) return status;
  }
  if (options.time_ops) {
    const absl::Status status = TimeOpPass<L, S>(options, program, runs, clock, result);
    if (!status.ok()) return status;
  }
  return result;
}

/// The subject's work counters as rows know them; nothing for a subject that has no tree.
template <Subject S>
std::optional<TreeWork> WorkOf(const S& subject) {
  if constexpr (requires { subject.counters().summary_visits(); }) {
    const auto& counters = subject.counters();
    return TreeWork{counters.bitmap_words_scanned, counters.summary_visits(),
                    counters.summary_updates};
  } else {
    return std::nullopt;
  }
}

template <Layout L, Subject S>
absl::StatusOr<CheckedResult> ExecuteCheckedOn(CellOptions options, const Program& program,
                                               const Judgement& judgement, bool verify) {
  // Nothing is timed, and no allocator looks at the heap's own pages.
  options.memory = HeapMemory::kSimulate;
  options.prefault = false;
  const auto stage = std::make_unique<Stage<L, S>>();
  if (const OsStatus status = stage->Open(options); !status.ok()) {
    return RefusedMemory(options, status);
  }
  HeapState runs(program.id_count);
  Runner<L, S> runner(stage->subject(), program, runs, nullptr, false, 0);
  const Judgement* model = verify ? &judgement : nullptr;
  std::optional<Judgement> of_this_layout;
  if (verify && program.FirstOf({OpKind::kScavenge}) != nullptr) {
    auto judged =
        Judge(program, {.max_ops = judgement.judged, .scavenged_chunk = Geometry<L>::kChunkPages});
    PA_EXPECT(judged.ok());
    of_this_layout = std::move(judged).value();
    model = &*of_this_layout;
  }
  CheckedResult result;
  if (!runner.Check(0, program.measured_from, model, result.mismatch)) {
    return RefusedMemory(options, runner.failure());
  }
  if (result.mismatch) return result;
  const std::optional<TreeWork> before = WorkOf(stage->subject());
  if (!runner.Check(program.measured_from, program.ops.size(), model, result.mismatch)) {
    return RefusedMemory(options, runner.failure());
  }
  if (result.mismatch) return result;
  result.work = WorkOf(stage->subject());
  if (result.work) {
    result.work->words_scanned -= before->words_scanned;
    result.work->summary_visits -= before->summary_visits;
    result.work->summary_updates -= before->summary_updates;
  }
  if (verify && judgement.judged == program.ops.size()) {
    result.mismatch = CheckStatistics(program.ops.size(), stage->subject().stats(), *model);
  }
  result.metadata_bytes = stage->subject().metadata().committed.raw;
  result.result_hash = runner.result_hash();
  return result;
}

}  // namespace pagealloc::bench
