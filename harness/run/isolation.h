/// isolation.h: runs one piece of work in a process of its own and brings its text back.
///
///   parent --fork--> child --work()--> text --pipe--> parent           (traces: parsed already)
///   parent --fork, exec /proc/self/exe--> child's standard output --pipe--> parent  (workloads)
///   parent --fork, exec another program--> the same                                 (tools)
///
/// A child that crashes, is killed or fails is an Internal error that says how it ended; an
/// interrupt (interrupts.h) while waiting kills the child and is a Cancelled error. The child dies
/// with the parent. The parent must have one thread.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace pagealloc::bench {

/// Runs `work` in a forked child.
absl::StatusOr<std::string> RunForked(const std::function<std::string()>& work);

/// Runs this program anew with the given arguments (without its name) and returns what it prints on
/// standard output.
absl::StatusOr<std::string> RunReexecuted(const std::vector<std::string>& arguments);

/// Another program, and all that it sees of its surroundings.
struct ForeignProgram {
  std::string path;
  std::vector<std::string> arguments{};                   ///< without its name
  std::optional<std::vector<std::string>> environment{};  ///< NAME=VALUE; nullopt: as ours
  std::optional<std::string_view> standard_input{};       ///< the text; nullopt: as ours
  int standard_error = -1;                                ///< a descriptor; -1: as ours
  bool fixed_addresses = false;  ///< at the same addresses every time, if the kernel can
};

/// Runs it and returns what it prints on standard output.
absl::StatusOr<std::string> RunForeign(const ForeignProgram& program);

/// How a program ended that may say so by its status.
struct ForeignEnd {
  std::string text;     ///< what it printed on standard output
  int exit_status = 0;  ///< 128 + its number for a signal
};

/// The same for a program whose exit status is no error here.
absl::StatusOr<ForeignEnd> RunForeignToItsEnd(const ForeignProgram& program);

}  // namespace pagealloc::bench
