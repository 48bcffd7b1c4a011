#include "harness/trace/trace_file.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "harness/files/read_file.h"

namespace pagealloc::bench {
namespace {

/// A trace of which no line can be trusted.
ParsedTrace Refuse(const std::string& path, std::string reason) {
  TraceError error;
  error.where.file = path;
  error.where.line = 1;
  error.reason = std::move(reason);
  error.advice = "Copy or record it again; test it with: zstd -t FILE.";
  ParsedTrace trace;
  trace.program.name = path;
  trace.error = std::move(error);
  return trace;
}

}  // namespace

absl::StatusOr<ParsedTrace> ReadTraceFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadTextFile(path, kMaxTraceBytes);
  if (text.ok()) return ParseTrace(path, *std::move(text));
  if (!absl::IsDataLoss(text.status())) return text.status();
  return Refuse(path, std::string(text.status().message()));
}

}  // namespace pagealloc::bench
