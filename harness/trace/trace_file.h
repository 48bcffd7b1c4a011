/// trace_file.h: traces from the file system: plain, compressed with zstd, or from standard input.
///
/// The one part of trace reading that needs more than the standard library.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {

/// Reads and parses a trace.
///
/// @param path  a file; "-" is standard input, never compressed; a name that ends in ".zst" is
///              compressed with zstd, in one frame or several.
/// @return      a Status if the file cannot be read (the world's fault: NotFound,
///              PermissionDenied, ...); else what ParseTrace() gives. Data that does not decompress
///              is the trace's own fault and stands in ParsedTrace::error, on line 1.
[[nodiscard]] absl::StatusOr<ParsedTrace> ReadTraceFile(const std::string& path);

}  // namespace pagealloc::bench
