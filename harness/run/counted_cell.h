/// counted_cell.h: the instructions of a cell's measured operations, and the branches they miss.
///
///   parent: cell and program as bytes --> valgrind: this program --> ExecuteTimed, one batch
///           callgrind's count of Runner::TimeBatches: the allocator's, and the empty loop's
///
/// So what is counted is the code that `run` times. What the loop costs without an allocator is
/// subtracted, as it is from batch_ns.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "harness/run/callgrind.h"
#include "harness/run/cell.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

struct CountedResult {
  Counts operations;  ///< of all measured operations, without those of the loop
  Counts loop;        ///< of the loop alone
  std::optional<std::uint64_t> result_hash;
};

/// Counts one cell; needs the program's operations.
///
/// @param valgrind  its path (callgrind.h).
/// @cost            some 50 times the execution, and half a second.
absl::StatusOr<CountedResult> RunCounted(const std::string& valgrind, const CellOptions& options,
                                         const Program& program);

/// What the processor offers as valgrind shows it, of that for which compilers and libraries have
/// code of their own: "sse4.2 popcnt avx avx2 bmi2, without avx512f".
absl::StatusOr<std::string> CountedPath(const std::string& valgrind);

/// The first argument with which the child under valgrind is started. No user needs it.
inline constexpr std::string_view kCountArgument = "--internal-count";
inline constexpr std::string_view kPathArgument = "--internal-path";

/// What the child prints: the answer to the cell on its standard input.
std::string AnswerCount();
std::string AnswerPath();

}  // namespace pagealloc::bench
