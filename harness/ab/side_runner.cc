#include "harness/ab/side_runner.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/files/read_file.h"
#include "harness/report/results_reader.h"
#include "harness/run/isolation.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr std::size_t kMostEnvironment = std::size_t{1} << 24;
constexpr std::size_t kMostErrorText = std::size_t{1} << 14;

/// A file in memory that takes what a child says on stderr.
class ErrorText {
 public:
  ErrorText() : file_(memfd_create("errors", MFD_CLOEXEC)) {}
  ~ErrorText() {
    if (file_ >= 0) close(file_);
  }
  ErrorText(const ErrorText&) = delete;
  ErrorText& operator=(const ErrorText&) = delete;

  [[nodiscard]] int file() const { return file_; }
  /// What came so far, without the last line end.
  [[nodiscard]] std::string Read() const {
    std::string text(kMostErrorText, '\0');
    const ssize_t got = pread(file_, text.data(), text.size(), 0);
    text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
    while (text.ends_with('\n')) text.pop_back();
    return text;
  }

 private:
  int file_;
};

absl::StatusCode CodeOf(int exit_status) {
  switch (exit_status) {
    case 1:
      return absl::StatusCode::kAborted;
    case 2:
      return absl::StatusCode::kInvalidArgument;
    case 3:
      return absl::StatusCode::kOutOfRange;
    case 4:
      return absl::StatusCode::kUnavailable;
    case 5:
      return absl::StatusCode::kFailedPrecondition;
    case 130:
    case 143:
      return absl::StatusCode::kCancelled;
    default:
      return absl::StatusCode::kInternal;
  }
}

std::string CannotMeasure(const AbSide& side) {
  return absl::StrCat("cannot measure ", side.name, " (", side.program, "): ");
}

}  // namespace

absl::Status CanStart(const AbSide& side) {
  if (access(side.program.c_str(), X_OK) == 0) return absl::OkStatus();
  return UsageError(absl::StrCat("--", side.name, ": cannot start ", side.program, ": ",
                                 std::strerror(errno), ". Give the path of a pagealloc-bench."));
}

absl::StatusOr<SideResult> MeasureSide(const AbSide& side,
                                       const std::vector<std::string>& arguments,
                                       const std::string& folder) {
  const std::string stem = absl::StrCat(folder, "/", side.name);
  const std::array<std::string, 2> files{stem + ".csv", stem + ".env.json"};
  ForeignProgram program{side.program, arguments};
  program.arguments.insert(program.arguments.end(), side.flags.begin(), side.flags.end());
  for (const char* word : {"-q", "--format", "csv", "--force", "-o"}) {
    program.arguments.emplace_back(word);
  }
  program.arguments.push_back(files[0]);
  const ErrorText errors;
  program.standard_error = errors.file();
  const absl::StatusOr<ForeignEnd> end = RunForeignToItsEnd(program);
  if (!end.ok()) return end.status();
  if (end->exit_status != 0) {
    const std::string said = errors.Read();
    return absl::Status(CodeOf(end->exit_status),
                        absl::StrCat(CannotMeasure(side), "it ended with status ", end->exit_status,
                                     said.empty() ? "." : absl::StrCat(":\n", said)));
  }
  absl::StatusOr<ResultsFile> file = ReadResults(files[0], false);
  if (!file.ok()) {
    return UsageError(absl::StrCat(CannotMeasure(side), "it wrote no results (",
                                   std::string(file.status().message()),
                                   ") Is it a pagealloc-bench?"));
  }
  std::erase_if(file->rows, [](const ResultsFile::Row& row) { return row.result.rep.has_value(); });
  if (file->runs.size() != 1 || file->rows.empty()) {
    return UsageError(absl::StrCat(CannotMeasure(side), "there is nothing in its results."));
  }
  const absl::StatusOr<std::string> environment = ReadBytes(files[1], kMostEnvironment);
  for (const std::string& path : files) unlink(path.c_str());
  return SideResult{*std::move(file), environment.value_or("{}\n")};
}

}  // namespace pagealloc::bench
