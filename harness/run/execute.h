/// execute.h: executes one cell in this process: checked and counted, or timed.
///
///   options.allocator, .layout --> types, once --> Runner<L, PageAllocator<L>> --> plain results
///
/// Both change the process for good where the options ask for it (CPU, huge pages), which is why
/// they usually run in a child (isolation.h). Errors: FailedPrecondition when the operating system
/// refuses memory or the CPU; Internal when an allocator places differently in two passes, or a
/// program that runs one breaks down.
#pragma once

#include <span>

#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

/// Executes everything untimed, comparing each result with what the trace expects and, if `verify`,
/// with the model; at the end the statistics too. Counts the work of the measured operations.
/// `heap` is checked without the model: no page has two holders, and none is lost.
///
/// @param judgement  of this program (contract).
/// @param others     programs of the threads but the first; empty: all run `program`.
absl::StatusOr<CheckedResult> ExecuteChecked(const CellOptions& options, const Program& program,
                                             const Judgement& judgement, bool verify,
                                             std::span<const Program> others = {});

/// One repetition: the passes that the options ask for, each from the same initial state. Several
/// threads are timed together, from the first start to the last end, as one batch.
absl::StatusOr<TimedResult> ExecuteTimed(const CellOptions& options, const Program& program,
                                         std::span<const Program> others = {});

}  // namespace pagealloc::bench
