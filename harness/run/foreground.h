/// foreground.h: runs another program as a shell does: with our streams, and waits for its end.
///
/// Unlike isolation.h this is about programs that are not ours: how they end is for the caller to
/// judge. Ctrl-C reaches them too, and one that only we got is sent on; either way their end is
/// waited for, so that what they leave is whole. CatchInterrupts() must have been called.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pagealloc::bench {

struct ForegroundProgram {
  std::vector<std::string> words;        ///< at least its name, which is looked up in $PATH
  std::vector<std::string> environment;  ///< NAME=VALUE, before those of ours
  bool silent = false;                   ///< its output goes nowhere, and it has no input
};

/// How a program ended.
struct ProgramEnd {
  int exit_status = 0;
  int signal = 0;  ///< that ended it; 0: none

  [[nodiscard]] bool failed() const { return exit_status != 0 || signal != 0; }
  /// "ended with exit status 3", "was ended by signal 11 (Segmentation fault)".
  [[nodiscard]] std::string Text() const;
};

/// @return  a UsageError if it cannot be started.
absl::StatusOr<ProgramEnd> RunInForeground(const ForegroundProgram& program);

}  // namespace pagealloc::bench
