#include "harness/measure/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "harness/files/write_file.h"
#include "harness/report/results_csv.h"
#include "harness/run/cell.h"
#include "harness/run/status_codes.h"
#include "harness/trace/op.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

// A cell's columns as a file name without ending: what is no letter or digit becomes an underscore.
std::string FileName(const CellColumns& cell) {
  std::string name =
      absl::StrCat(cell.workload, "-", cell.params, "-", cell.allocator, "-", cell.layout);
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

absl::Status AreDistinct(const std::string& out, const std::string& record) {
  if (out.empty() || record.empty()) return absl::OkStatus();
  std::string stem = out;
  for (const std::string_view ending : {".zst", ".csv"}) {
    if (stem.ends_with(ending)) stem.resize(stem.size() - ending.size());
  }
  const auto real = [](const std::string& path) {
    std::error_code error;
    const std::filesystem::path full = std::filesystem::absolute(path, error);
    const std::filesystem::path known = std::filesystem::weakly_canonical(full, error);
    return error ? full : known;
  };
  for (const std::string& name : {out, stem + ".env.json"}) {
    for (const char* suffix : {"", ".partial"}) {
      if (real(name).string() + suffix != real(record)) continue;
      return UsageError(absl::StrCat("cannot record to ", record, ": -o ", out, " writes ", name,
                                     suffix, ", which is the same file. Choose another name."));
    }
  }
  return absl::OkStatus();
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

absl::Status CanRecord(const std::string& path) {
  absl::Status status = CanWrite(path);
  if (status.ok()) return status;
  return FileError(absl::StrCat(std::string(status.message()), ". Choose another place."));
}

absl::Status RecordTrace(const Program& program, const std::string& path) {
  const absl::Status status = WriteTextFile(path, WriteTrace(program));
  return status.ok() ? status : FileError(std::string(status.message()));
}

std::vector<std::string> HistogramPaths(const std::string& folder,
                                        const std::vector<CellColumns>& cells) {
  std::vector<std::string> paths;
  std::set<std::string> names;
  for (const CellColumns& cell : cells) {
    std::string name = FileName(cell);
    if (!names.insert(name).second) {
      absl::StrAppend(&name, "-", cell.stream_hash);
      const std::string stem = name;
      for (int number = 2; !names.insert(name).second; ++number) {
        name = absl::StrCat(stem, "-", number);
      }
    }
    paths.push_back(absl::StrCat(folder, "/", name, ".hist"));
  }
  return paths;
}

absl::Status MayWriteHistograms(const std::string& folder, const std::vector<std::string>& paths,
                                bool force) {
  struct stat about {};
  int error = 0;
  if (stat(folder.c_str(), &about) != 0 || access(folder.c_str(), W_OK | X_OK) != 0) {
    error = errno;
  } else if (!S_ISDIR(about.st_mode)) {
    error = ENOTDIR;
  }
  if (error != 0) {
    return FileError(absl::StrCat("cannot write histograms to ", folder, ": ", std::strerror(error),
                                  ". Name a folder that exists."));
  }
  for (const std::string& path : paths) {
    if (force || access(path.c_str(), F_OK) != 0) continue;
    return FileError(absl::StrCat("cannot write histograms: ", path,
                                  ": the file exists. Choose another folder or --force."));
  }
  return absl::OkStatus();
}

absl::Status WriteHistograms(const std::string& path, const PooledTimes& times,
                             double ns_per_tick) {
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
  return FileError(absl::StrCat("cannot write ", path, ". Is there room in its folder?"));
}

void RemovePartial(const ResultsWriter& writer) {
  std::remove(writer.partial_path().c_str());
  std::remove(absl::StrCat(writer.environment_path(), ".partial").c_str());
}

}  // namespace pagealloc::bench
