#include "harness/commands/trace_files.h"

#include <utility>

#include "harness/run/status_codes.h"
#include "harness/trace/trace_file.h"

namespace pagealloc::bench {

absl::StatusOr<JudgedTrace> ReadJudgedTrace(const std::string& path) {
  absl::StatusOr<ParsedTrace> trace = ReadTraceFile(path);
  if (!trace.ok()) return FileError(std::string(trace.status().message()));
  Result<Judgement, TraceError> judgement = Judge(*trace);
  if (!judgement.ok()) return UsageError(judgement.error().Message());
  return JudgedTrace{std::move(trace->program), std::move(judgement).value()};
}

}  // namespace pagealloc::bench
