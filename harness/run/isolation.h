/// isolation.h: runs one piece of work in a process of its own and brings its text back.
///
///   parent --fork--> child --work()--> text --pipe--> parent           (traces: parsed already)
///   parent --fork, exec /proc/self/exe--> child's standard output --pipe--> parent  (workloads)
///
/// A child that crashes, is killed or fails is an Internal error that says how it ended; an
/// interrupt (interrupts.h) while waiting kills the child and is a Cancelled error. The child dies
/// with the parent. The parent must have one thread.
#pragma once

#include <functional>
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

/// Runs another program, which finds `input` on its standard input, and returns what it prints on
/// standard output.
absl::StatusOr<std::string> RunProgram(const std::string& path,
                                       const std::vector<std::string>& arguments,
                                       std::string_view input);

}  // namespace pagealloc::bench
