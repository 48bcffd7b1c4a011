/// micro_child.h: one repetition of one micro-benchmark, in a process of its own.
///
/// The benchmarks stand beside the code that they measure (allocator/pagealloc/*_benchmark.cc, with
/// Google Benchmark) and are linked into this program. The library's reporters are not used: ours
/// hands over what it counted, and the parent makes rows of it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pagealloc::bench {

/// Every benchmark by the library's name: "Churn<LinuxAmd64>/max:16/percent:90".
std::vector<std::string> MicroBenchmarks();

struct MicroResult {
  double ns = 0;                 ///< of one operation
  std::uint64_t operations = 0;  ///< behind it
  std::uint64_t iterations = 0;  ///< of the timed loop, which may hold several operations

  friend bool operator==(const MicroResult&, const MicroResult&) = default;
};

/// @param min_time  the library repeats the loop until it takes that long.
/// @param cpu       to pin the process to.
absl::StatusOr<MicroResult> RunMicroBenchmark(const std::string& name,
                                              std::chrono::nanoseconds min_time,
                                              std::optional<unsigned> cpu);

/// The first argument of a child, which the name, the time in ns and the CPU follow. No user needs
/// it.
inline constexpr std::string_view kMicroArgument = "--internal-micro";
/// What the child prints.
std::string AnswerMicro(const std::vector<std::string>& arguments);

}  // namespace pagealloc::bench
