// map_command.cc: `map`.
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/commands.h"
#include "harness/console.h"
#include "harness/run/status_codes.h"
#include "harness/trace/heap_map.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_file.h"

namespace pagealloc::bench {
namespace {

absl::StatusOr<Program> LoadProgram(const MapOptions& options) {
  if (options.workload) {
    OrProblem<Program> program = MakeWorkload(*options.workload);
    if (!program.ok()) return UsageError(program.error().sentence);
    return std::move(program).value();
  }
  absl::StatusOr<ParsedTrace> trace = ReadTraceFile(options.trace);
  if (!trace.ok()) return FileError(std::string(trace.status().message()));
  if (const auto judged = Judge(*trace); !judged.ok()) return UsageError(judged.error().Message());
  trace->program.name = options.trace.substr(options.trace.find_last_of('/') + 1);
  return std::move(trace->program);
}

}  // namespace

absl::Status DrawMap(const MapOptions& options) {
  if (!options.out.empty() && !options.force && std::ifstream(options.out).good()) {
    return FileError(
        absl::StrCat("cannot write ", options.out, ": it exists. Choose another name or --force."));
  }
  const absl::StatusOr<Program> program = LoadProgram(options);
  if (!program.ok()) return program.status();
  const HeapMap map = MakeHeapMap(*program, options.columns, options.rows);
  const std::string picture = options.svg ? HeapMapSvg(map) : HeapMapText(map);
  if (options.out.empty()) return WriteResult(picture);
  errno = 0;
  std::ofstream file(options.out, std::ios::binary);
  file << picture;
  file.close();
  if (file) return absl::OkStatus();
  return FileError(absl::StrCat("cannot write ", options.out, ": ", std::strerror(errno), "."));
}

}  // namespace pagealloc::bench
