#include "harness/commands/trace_files.h"

#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"
#include "harness/measure/files.h"
#include "harness/run/console.h"
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

void AddOutputFlags(CLI::App& app, OutputFlags& flags) {
  app.add_option("-o,--out", flags.out, "write to this file, not to standard output")
      ->type_name("FILE")
      ->group("Output");
  app.add_flag("--force", flags.force, "replace the file if it exists")->group("Output");
}

absl::Status MayWrite(const OutputFlags& flags) {
  if (flags.out.empty()) return absl::OkStatus();
  if (!flags.force && access(flags.out.c_str(), F_OK) == 0) {
    return FileError(
        absl::StrCat("cannot write ", flags.out, ": it exists. Choose another name or --force."));
  }
  return CanRecord(flags.out);
}

absl::Status WriteOutput(const OutputFlags& flags, const std::string& text) {
  if (flags.out.empty()) return WriteResult(text);
  const absl::Status status = WriteTraceFile(flags.out, text);
  return status.ok() ? status : FileError(std::string(status.message()));
}

}  // namespace pagealloc::bench
