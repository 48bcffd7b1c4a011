#include "harness/run/counted_cell.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <exception>
#include <new>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/run/cell_wire.h"
#include "harness/run/execute.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

// The measured operations, and three times the same without an allocator (TimeEmptyLoop).
constexpr const char* kCountedFunctions = "*Runner*::TimeBatches(*";
constexpr std::uint64_t kEmptyLoops = 3;

std::string ReadStandardInput() {
  std::string bytes;
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const ssize_t got = read(STDIN_FILENO, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return bytes;
    bytes.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

absl::StatusOr<CountedResult> RunCounted(const std::string& valgrind, const CellOptions& options,
                                         const Program& program) {
  CellOptions counted = options;
  counted.time_batches = true;
  counted.time_ops = false;
  counted.batches_by_kind = false;
  counted.batch = std::max<std::uint64_t>(program.ops.size() - program.measured_from, 1);
  counted.clock =
      ClockCalibration{};  // nothing is timed, and the input is to be the same each time
  const absl::StatusOr<CountedRun> run =
      CountFunctions(valgrind, std::string(kCountArgument), EncodeProgramCell(counted, program),
                     kCountedFunctions);
  if (!run.ok()) return run.status();
  const absl::StatusOr<TimedResult> executed = DecodeTimed(run->output);
  if (!executed.ok()) return executed.status();
  CountedResult result;
  std::size_t passes = 0;
  for (const CountedFunction& function : run->functions) {
    if (function.name.find("::TimeBatches(") == std::string::npos) continue;
    const bool empty = function.name.find("NullSubject") != std::string::npos;
    Counts& counts = empty ? result.loop : result.operations;
    counts.instructions += function.counts.instructions;
    counts.branches_missed += function.counts.branches_missed;
    ++passes;
  }
  if (passes != 2) {
    return EnvironmentError(
        "callgrind does not find the replay, which it knows by the names of functions. Use a "
        "program that was not stripped, and valgrind 3.19 or later.");
  }
  const auto subtract_loop = [&result](std::uint64_t Counts::*count) {
    result.loop.*count /= kEmptyLoops;
    result.operations.*count -= std::min(result.operations.*count, result.loop.*count);
  };
  subtract_loop(&Counts::instructions);
  subtract_loop(&Counts::branches_missed);
  result.result_hash = executed->result_hash;
  return result;
}

absl::StatusOr<std::string> CountedPath(const std::string& valgrind) {
  const absl::StatusOr<CountedRun> run =
      CountFunctions(valgrind, std::string(kPathArgument), "", kCountedFunctions);
  if (!run.ok()) return run.status();
  return run->output;
}

std::string AnswerCount() {
  try {
    const absl::StatusOr<ProgramCell> cell = DecodeProgramCell(ReadStandardInput());
    if (!cell.ok()) return EncodeError(cell.status());
    const absl::StatusOr<TimedResult> result = ExecuteTimed(cell->options, cell->program);
    return result.ok() ? EncodeTimed(*result) : EncodeError(result.status());
  } catch (const std::bad_alloc&) {
    return EncodeError(OutOfMemoryError());
  } catch (const std::exception& exception) {
    return EncodeError(absl::InternalError(exception.what()));
  }
}

std::string AnswerPath() {
  std::string with;
  std::string without;
  [[maybe_unused]] const auto add = [&](const char* name, bool there) {
    std::string& list = there ? with : without;
    absl::StrAppend(&list, list.empty() ? "" : " ", name);
  };
#if defined(__x86_64__)
  add("sse4.2", __builtin_cpu_supports("sse4.2") != 0);
  add("popcnt", __builtin_cpu_supports("popcnt") != 0);
  add("avx2", __builtin_cpu_supports("avx2") != 0);
  add("bmi2", __builtin_cpu_supports("bmi2") != 0);
  add("avx512f", __builtin_cpu_supports("avx512f") != 0);
  const std::string name = "x86-64";
#elif defined(__aarch64__)
  const std::string name = "arm64";
#else
  const std::string name = "another processor";
#endif
  return absl::StrCat(name, with.empty() ? "" : " with ", with, without.empty() ? "" : ", without ",
                      without);
}

}  // namespace pagealloc::bench
