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

/// `map`: the heap's occupancy over time, as text or as SVG.
absl::Status DrawMap(const MapOptions& options);

}  // namespace pagealloc::bench
