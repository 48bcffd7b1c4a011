/// execute.h: executes one cell in this process: checked and counted, or timed.
///
///   options.allocator, .layout --> types, once --> Runner<L, PageAllocator<L>> --> plain results
///
/// Both change the process for good where the options ask for it (CPU, huge pages), which is why
/// they usually run in a child (isolation.h). Errors: FailedPrecondition when the operating system
/// refuses memory or the CPU; Internal when an allocator places differently in two passes.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

struct AllocatorInfo {
  std::string_view name;
  std::string_view sentence;  ///< for `list allocators`
};
/// Every allocator that `-a` takes, in the order of the documentation.
const std::vector<AllocatorInfo>& AllAllocators();

/// Executes everything untimed, comparing each result with what the trace expects and, if `verify`,
/// with the model; at the end the statistics too. Counts the work of the measured operations.
///
/// @param judgement  of this program (contract).
absl::StatusOr<CheckedResult> ExecuteChecked(const CellOptions& options, const Program& program,
                                             const Judgement& judgement, bool verify);

/// One repetition: the passes that the options ask for, each from the same initial state.
absl::StatusOr<TimedResult> ExecuteTimed(const CellOptions& options, const Program& program);

}  // namespace pagealloc::bench
