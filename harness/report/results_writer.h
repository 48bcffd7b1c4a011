/// results_writer.h: writes a results file so that no crash, full disk or Ctrl-C loses rows.
///
///   Create()   NAME.csv.partial: header;  NAME.env.json.partial: the environment, complete
///   Write()    appends the rows of one repetition and hands them to the kernel before it returns
///   Finish()   fsync, NAME.env.json and then NAME.csv get their names, fsync of the folder
///
/// NAME.csv never exists half-written, and an older NAME.csv stays as it is until Finish() replaces
/// it, which only `force` allows. Without Finish() (the destructor only closes) the .partial stays
/// and is readable; .csv.zst consists of one complete zstd frame a Write(), so that holds there
/// too. There is no buffer between calls: a forked child may exit without writing anything twice.
/// A file-size limit raises SIGXFSZ: ignore it (main does), and it becomes an error here.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/report/run_report.h"

namespace pagealloc::bench {

class ResultsWriter {
 public:
  /// Opens the files aside and writes header and environment.
  ///
  /// Errors, each with what, where, why and what to do; only the code matters to callers:
  ///   InvalidArgument  the name ends neither in .csv nor in .csv.zst (bad usage)
  ///   AlreadyExists    the file, its .env.json, or a .partial with rows of an older run exists,
  ///                    and `force` is not set
  ///   any other        the system refused: missing folder, no permission, disk full, a folder or
  ///                    device of that name, another process is writing the same results
  static absl::StatusOr<std::unique_ptr<ResultsWriter>> Create(const std::string& path,
                                                               const RunReport& report, bool force);
  /// The same for results of another program.
  ///
  /// @param environment  the text of its .env.json.
  static absl::StatusOr<std::unique_ptr<ResultsWriter>> Create(const std::string& path,
                                                               const RunColumns& run,
                                                               const std::string& environment,
                                                               bool force);
  ~ResultsWriter();
  ResultsWriter(const ResultsWriter&) = delete;
  ResultsWriter& operator=(const ResultsWriter&) = delete;

  /// Appends rows. After an error the file ends with the last complete Write(), and every further
  /// call returns that error.
  absl::Status Write(std::span<const ResultRow> rows);

  /// Writes another environment in the place of the first: what only the run itself could tell.
  absl::Status ReplaceEnvironment(const Environment& environment);

  /// Gives the files their names. Call it once, after the last Write().
  absl::Status Finish();

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const std::string& partial_path() const { return partial_path_; }
  [[nodiscard]] const std::string& environment_path() const { return environment_path_; }
  /// A sentence for stderr when an older run's .partial was replaced, otherwise empty.
  [[nodiscard]] const std::string& note() const { return note_; }

 private:
  class File;

  ResultsWriter();
  absl::Status Append(std::string_view text);

  std::string path_;
  std::string partial_path_;
  std::string environment_path_;
  std::string note_;
  RunColumns run_;
  bool force_ = false;
  bool compressed_ = false;
  absl::Status failed_;
  std::unique_ptr<File> results_;
  std::unique_ptr<File> environment_;  ///< kept open: its lock holds the name until Finish()
};

}  // namespace pagealloc::bench
