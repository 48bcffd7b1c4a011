/// callgrind.h: what a function of this program costs in instructions, and how many of its branches
/// are hard to predict, under valgrind's callgrind.
///
/// valgrind executes the program on a processor of its own, so that the numbers do not depend on
/// the machine's speed, load or caches: with the same binary and the same input they are the same
/// on every run. Its branch predictor is simpler than those of processors today and as a rule
/// misses more than they do: for comparing, not for adding up. Collection is on inside the function
/// only. What could differ from run to run is fixed: addresses, environment, arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pagealloc::bench {

/// Where valgrind is, by $PATH. An EnvironmentError that names the package if it is nowhere.
absl::StatusOr<std::string> FindValgrind();

/// "valgrind-3.19.0".
absl::StatusOr<std::string> ValgrindVersion(const std::string& valgrind);

/// Instructions, and branches and indirect jumps that went elsewhere than predicted.
struct Counts {
  std::uint64_t instructions = 0;
  std::uint64_t branches_missed = 0;

  friend bool operator==(const Counts&, const Counts&) = default;
};

struct CountedFunction {
  std::string name;  ///< demangled, with its parameters
  Counts counts;     ///< of all its calls, and of what they called

  friend bool operator==(const CountedFunction&, const CountedFunction&) = default;
};

struct CountedRun {
  std::string output;                      ///< what the program printed
  std::vector<CountedFunction> functions;  ///< that were seen while collection was on
};

/// Runs this program anew, with one argument and `input` as its standard input, and counts.
///
/// @param pattern  of function names, with `*`: collection is on inside these. They must not be
///                 inlined, and none of them may call another.
/// @return         a FileError if there is no room for the files in between; Internal for a child
///                 that fails, with what valgrind said.
absl::StatusOr<CountedRun> CountFunctions(const std::string& valgrind, const std::string& argument,
                                          const std::string& input, const std::string& pattern);

/// Reads what callgrind wrote: every function, with all that it cost while collection was on. One
/// that encloses the functions of the pattern has their costs too.
///
/// @return  nullopt if the text is no such file or was cut.
std::optional<std::vector<CountedFunction>> ParseCallgrind(std::string_view text);

}  // namespace pagealloc::bench
