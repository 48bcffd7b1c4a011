#include "harness/measure_files.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "harness/report/results_csv.h"
#include "harness/run/cell.h"
#include "harness/run/status_codes.h"
#include "harness/trace/op.h"
#include "harness/trace/trace_file.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

// A cell's columns as a file name: what is no letter or digit becomes an underscore.
std::string FileName(const CellColumns& cell) {
  std::string name =
      absl::StrCat(cell.workload, "-", cell.params, "-", cell.allocator, "-", cell.layout, ".hist");
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.';
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace

absl::Status FromFile(const absl::Status& status) {
  if (status.ok() || status.code() == absl::StatusCode::kInvalidArgument) return status;
  return FileError(std::string(status.message()));
}

absl::Status MayRecord(const Program& program, const std::string& path, bool force) {
  if (program.FirstOf({OpKind::kFind}) != nullptr) {
    return UsageError(absl::StrCat("cannot record ", program.name,
                                   ": a trace has no record for find. Record another workload."));
  }
  if (!force && access(path.c_str(), F_OK) == 0) {
    return FileError(
        absl::StrCat("cannot record to ", path, ": it exists. Choose another name or --force."));
  }
  return absl::OkStatus();
}

absl::Status RecordTrace(const Program& program, const std::string& path) {
  const absl::Status status = WriteTraceFile(path, WriteTrace(program));
  return status.ok() ? status : FileError(std::string(status.message()));
}

absl::Status WriteHistograms(const std::string& folder, const CellColumns& cell,
                             const PooledTimes& times, double ns_per_tick) {
  const std::string path = absl::StrCat(folder, "/", FileName(cell));
  std::ofstream file(path);
  file << "pagealloc-histograms 1\nns-per-unit " << ShortestNumber(ns_per_tick) << '\n';
  for (std::size_t i = 0; i < times.service().size(); ++i) {
    const Histogram& histogram = times.service()[i];
    if (histogram.count() == 0) continue;
    file << RowOpName(static_cast<RowOp>(i)) << ' ' << histogram.ToText() << '\n';
  }
  if (times.null_op().count() > 0) file << "null_op " << times.null_op().ToText() << '\n';
  file.close();
  if (file) return absl::OkStatus();
  return FileError(absl::StrCat("cannot write ", path, ". Does the folder of --hist-dir exist?"));
}

void RemovePartial(const ResultsWriter& writer) {
  std::remove(writer.partial_path().c_str());
  std::remove(absl::StrCat(writer.environment_path(), ".partial").c_str());
}

std::vector<std::string> EnvironmentProblems(const Environment& environment) {
  std::vector<std::string> problems;
  const std::string& build = environment.build.build_type;
  if (build != "Release") {
    problems.push_back(absl::StrCat("this is a ", build,
                                    " build: its timings say nothing about a Release build."));
  }
  if (!environment.governor.empty() && environment.governor != "performance") {
    problems.push_back(absl::StrCat("the CPU's frequency governor is ", environment.governor,
                                    ": its speed may change during the run."));
  }
  if (environment.clock.source == ClockSource::kClockGettime) {
    problems.push_back("the CPU's counter cannot be trusted here; clock_gettime is used instead.");
  }
  const double load = std::strtod(environment.load_average.c_str(), nullptr);
  if (load > 0.5 * static_cast<double>(std::max<std::uint64_t>(environment.cores, 1))) {
    problems.push_back(absl::StrCat("the machine is busy (load average ", environment.load_average,
                                    " on ", environment.cores, " CPUs)."));
  }
  return problems;
}

}  // namespace pagealloc::bench
