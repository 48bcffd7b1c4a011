/// commands.h: does what a Command says.
#pragma once

#include "absl/status/status.h"
#include "harness/cli.h"

namespace pagealloc::bench {

/// Standard output gets the result, stderr notes and warnings; the error is for the caller to
/// print.
absl::Status Execute(const Command& command);

/// `list`: what there is.
absl::Status List(const ListOptions& options);

/// `trace validate`, `trace inspect`. All files are read before anything is printed.
absl::Status ExamineTraces(const TraceOptions& options);

}  // namespace pagealloc::bench
