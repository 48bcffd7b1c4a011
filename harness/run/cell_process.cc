#include "harness/run/cell_process.h"

#include <exception>
#include <new>

#include "absl/status/status.h"
#include "harness/run/cell_wire.h"
#include "harness/run/execute.h"
#include "harness/run/isolation.h"
#include "harness/run/status_codes.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

absl::StatusOr<TimedResult> ExecuteWorkload(const WorkloadCell& cell) {
  OrProblem<Program> program = MakeWorkload(cell.workload);
  if (!program.ok()) return absl::InternalError(program.error().sentence);
  const auto others = ProgramsOfOtherThreads(cell.workload, cell.options.threads);
  if (!others.ok()) return absl::InternalError(others.error().sentence);
  return ExecuteTimed(cell.options, program.value(), others.value());
}

std::string EncodeResult(const absl::StatusOr<TimedResult>& result) {
  return result.ok() ? EncodeTimed(*result) : EncodeError(result.status());
}

// What a child's work throws goes to the parent as an error: it must not unwind the parent's stack.
template <class Work>
std::string Guarded(Work work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return EncodeError(OutOfMemoryError());
  } catch (const std::exception& exception) {
    return EncodeError(absl::InternalError(exception.what()));
  }
}

}  // namespace

absl::StatusOr<CheckedResult> RunChecked(Isolation isolation, const CellOptions& options,
                                         const Source& source, bool verify) {
  const auto execute = [&]() -> absl::StatusOr<CheckedResult> {
    if (!source.workload) return ExecuteChecked(options, source.program, source.judgement, verify);
    const auto others = ProgramsOfOtherThreads(*source.workload, options.threads);
    if (!others.ok()) return absl::InternalError(others.error().sentence);
    return ExecuteChecked(options, source.program, source.judgement, verify, others.value());
  };
  if (isolation == Isolation::kNone) return execute();
  const absl::StatusOr<std::string> text = RunForked([&] {
    return Guarded([&] {
      const absl::StatusOr<CheckedResult> result = execute();
      return result.ok() ? EncodeChecked(*result) : EncodeError(result.status());
    });
  });
  if (!text.ok()) return text.status();
  return DecodeChecked(*text);
}

absl::StatusOr<TimedResult> RunTimed(Isolation isolation, const CellOptions& options,
                                     const Source& source) {
  if (isolation == Isolation::kNone) {
    return source.workload ? ExecuteWorkload({*source.workload, options})
                           : ExecuteTimed(options, source.program);
  }
  const absl::StatusOr<std::string> text =
      source.workload
          ? RunReexecuted(
                {std::string(kRepetitionArgument), EncodeWorkloadCell({*source.workload, options})})
          : RunForked([&] {
              return Guarded([&] { return EncodeResult(ExecuteTimed(options, source.program)); });
            });
  if (!text.ok()) return text.status();
  return DecodeTimed(*text);
}

std::string AnswerRepetition(std::string_view cell_text) {
  const absl::StatusOr<WorkloadCell> cell = DecodeWorkloadCell(cell_text);
  if (!cell.ok()) return EncodeError(cell.status());
  return Guarded([&] { return EncodeResult(ExecuteWorkload(*cell)); });
}

}  // namespace pagealloc::bench
