#include "harness/report/results_writer.h"

#include <fcntl.h>
#include <stdio.h>  // renameat2
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "harness/files/compression.h"
#include "harness/files/write_file.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {
namespace {

constexpr char kCsv[] = ".csv";
constexpr char kCompressedCsv[] = ".csv.zst";

absl::Status Refused(const std::string& path, const std::string& why, const std::string& advice) {
  return absl::UnavailableError("cannot write results: " + path + ": " + why + ". " + advice);
}

std::string FolderOf(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

/// An error that a system call left in errno.
absl::Status SystemRefused(const std::string& path, int error) {
  std::string advice = "Choose another place with -o.";
  if (error == ENOENT || error == ENOTDIR) {
    advice = "Create the folder: mkdir -p " + FolderOf(path);
  } else if (error == EACCES || error == EPERM || error == EROFS) {
    advice = "Choose a folder that you may write to with -o.";
  } else if (error == ENOSPC || error == EDQUOT) {
    advice = "Free some space there, or choose another place with -o.";
  } else if (error == EFBIG) {
    advice = "Raise the limit on file sizes (ulimit -f), or write .csv.zst.";
  }
  return Refused(path, std::generic_category().message(error), advice);
}

absl::Status Exists(const std::string& path, const std::string& advice) {
  return absl::AlreadyExistsError("cannot write results: " + path + ": the file exists. " + advice);
}

/// Whether `path` may get a new file: there is none, or a plain one and `force`.
absl::Status MayCreate(const std::string& path, bool force) {
  struct stat about {};
  if (stat(path.c_str(), &about) != 0) {
    return errno == ENOENT ? absl::OkStatus() : SystemRefused(path, errno);
  }
  if (S_ISDIR(about.st_mode)) {
    return Refused(path, "it is a folder", "Name a file in it: -o " + path + "/results.csv");
  }
  if (!S_ISREG(about.st_mode)) {
    return Refused(path, "it is no plain file and must not be replaced",
                   "For results on standard output leave -o out and use --format csv.");
  }
  if (force) return absl::OkStatus();
  const std::string_view ending = ".env.json";
  if (path.ends_with(ending)) {
    const std::string stem = path.substr(0, path.size() - ending.size());
    return Exists(path, "It belongs to the results " + stem + ".csv or " + stem +
                            ".csv.zst. Choose another name, or replace it with --force.");
  }
  return Exists(path, "Choose another name, or replace it with --force.");
}

/// Like rename(), but fails with EEXIST instead of replacing a file, unless `force`.
int RenameFile(const std::string& from, const std::string& to, bool force) {
  if (force) return rename(from.c_str(), to.c_str());
  const int result = renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE);
  if (result == 0 || (errno != EINVAL && errno != ENOSYS)) return result;
  // A file system without that flag: a hard link refuses to replace a file as well.
  if (link(from.c_str(), to.c_str()) != 0) return -1;
  return unlink(from.c_str());
}

}  // namespace

/// An open file that is being written aside.
class ResultsWriter::File {
 public:
  explicit File(std::string path) : path_(std::move(path)) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  /// Opens it empty, and locks it until it is closed, so that two runs never share it. What an
  /// older run left in it goes only with `replace`.
  absl::Status Open(bool replace) {
    descriptor_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor_ < 0) return SystemRefused(path_, errno);
    struct stat opened {};
    struct stat named {};
    const bool locked = flock(descriptor_, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK;
    // The other run may have renamed the file between open and lock.
    if (!locked || fstat(descriptor_, &opened) != 0 || stat(path_.c_str(), &named) != 0 ||
        opened.st_ino != named.st_ino) {
      return Refused(path_, "another run is writing it",
                     "Wait for it, or use another name with -o.");
    }
    was_there_ = opened.st_size > 0;
    if (was_there_ && !replace) {
      return Exists(path_, "It has the " + std::to_string(opened.st_size) +
                               " bytes that an interrupted run left. Rename it to keep them, or "
                               "replace it with --force.");
    }
    if (was_there_ && ftruncate(descriptor_, 0) != 0) return SystemRefused(path_, errno);
    return absl::OkStatus();
  }

  /// Appends all of `bytes` or, on error, as good as none.
  absl::Status Append(std::string_view bytes) {
    const std::uint64_t before = size_;
    while (!bytes.empty()) {
      const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        const int error = errno;
        // A torn row would make the whole file unreadable. If even this fails, nothing helps.
        if (ftruncate(descriptor_, static_cast<off_t>(before)) == 0) size_ = before;
        return SystemRefused(path_, error);
      }
      size_ += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return absl::OkStatus();
  }

  /// Makes it empty again.
  absl::Status Clear() {
    if (ftruncate(descriptor_, 0) != 0 || lseek(descriptor_, 0, SEEK_SET) != 0) {
      return SystemRefused(path_, errno);
    }
    size_ = 0;
    return absl::OkStatus();
  }

  absl::Status Sync() {
    return fsync(descriptor_) == 0 ? absl::OkStatus() : SystemRefused(path_, errno);
  }
  void Remove() { unlink(path_.c_str()); }

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] bool was_there() const { return was_there_; }

 private:
  std::string path_;
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  bool was_there_ = false;
};

ResultsWriter::ResultsWriter() = default;
ResultsWriter::~ResultsWriter() = default;

absl::StatusOr<std::unique_ptr<ResultsWriter>> ResultsWriter::Create(const std::string& path,
                                                                     const RunReport& report,
                                                                     bool force) {
  return Create(path, report.run, ToJson(report.environment), force);
}

absl::StatusOr<std::unique_ptr<ResultsWriter>> ResultsWriter::Create(
    const std::string& path, const RunColumns& run, const std::string& environment_text,
    bool force) {
  std::unique_ptr<ResultsWriter> writer(new ResultsWriter);
  writer->compressed_ = path.ends_with(kCompressedCsv);
  std::error_code no_folder;
  if (std::filesystem::is_directory(path, no_folder)) {
    return absl::InvalidArgumentError("cannot write results: " + path +
                                      " is a folder. Name a file in it: -o " + path +
                                      "/results.csv");
  }
  if (const std::string name = std::filesystem::path(path).filename().string();
      name == kCsv || name == kCompressedCsv) {
    return absl::InvalidArgumentError("cannot write results: " + path +
                                      ": that is an ending without a name. Put one before it: -o " +
                                      path.substr(0, path.size() - name.size()) + "results" + name);
  }
  if (!writer->compressed_ && !path.ends_with(kCsv)) {
    return absl::InvalidArgumentError("cannot write results: " + path +
                                      ": the name ends neither in .csv nor in .csv.zst. "
                                      "The ending says how to write it: -o " +
                                      path + ".csv");
  }
  const std::size_t ending = (writer->compressed_ ? sizeof(kCompressedCsv) : sizeof(kCsv)) - 1;
  writer->environment_path_ = path.substr(0, path.size() - ending) + ".env.json";
  writer->path_ = FollowLinks(path);  // the rename is to replace what a link names
  writer->partial_path_ = writer->path_ + ".partial";
  writer->run_ = run;
  writer->force_ = force;
  for (const std::string& final_path : {writer->path_, writer->environment_path_}) {
    if (absl::Status status = MayCreate(final_path, force); !status.ok()) return status;
  }

  auto results = std::make_unique<File>(writer->partial_path_);
  if (absl::Status status = results->Open(force); !status.ok()) return status;
  if (results->was_there()) {
    writer->note_ = "replaced " + results->path() + ", which an interrupted run had left";
  }
  auto environment = std::make_unique<File>(writer->environment_path_ + ".partial");
  absl::Status status = environment->Open(true);  // it goes with the results, which are gone
  if (!status.ok()) {                             // it may be another run's
    results->Remove();
    return status;
  }
  status = environment->Append(environment_text);
  if (status.ok()) status = environment->Sync();
  writer->results_ = std::move(results);
  if (status.ok()) status = writer->Append(ResultsHeader());
  if (!status.ok()) {
    writer->results_->Remove();
    environment->Remove();
    return status;
  }
  writer->environment_ = std::move(environment);
  return writer;
}

absl::Status ResultsWriter::Append(std::string_view text) {
  if (!compressed_) return results_->Append(text);
  constexpr int kLevel = 3;
  const std::optional<std::string> frame = Compress(text, kLevel);
  if (!frame) return Refused(partial_path_, "zstd cannot compress it", "Write .csv instead.");
  return results_->Append(*frame);
}

absl::Status ResultsWriter::Write(std::span<const ResultRow> rows) {
  if (!failed_.ok() || rows.empty()) return failed_;
  std::string lines;
  for (const ResultRow& row : rows) lines += ResultsLine(run_, row);
  return failed_ = Append(lines);
}

absl::Status ResultsWriter::ReplaceEnvironment(const Environment& environment) {
  absl::Status status = environment_->Clear();
  if (status.ok()) status = environment_->Append(ToJson(environment));
  if (status.ok()) status = environment_->Sync();
  return status;
}

absl::Status ResultsWriter::Finish() {
  if (!failed_.ok()) return failed_;
  if (absl::Status status = results_->Sync(); !status.ok()) return status;
  for (const std::string& final_path : {environment_path_, path_}) {
    const std::string aside = final_path + ".partial";
    if (RenameFile(aside, final_path, force_) == 0) continue;
    if (errno != EEXIST) return SystemRefused(final_path, errno);
    return Exists(final_path, "It appeared during the run, whose results are in " + partial_path_ +
                                  ": rename that by hand.");
  }
  // The names are on disk once the folder is. A file system that cannot sync one (EINVAL) has done
  // what it can; the rows themselves are safe since the fsync above.
  const int folder = open(FolderOf(path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    fsync(folder);
    close(folder);
  }
  results_.reset();
  environment_.reset();
  return absl::OkStatus();
}

}  // namespace pagealloc::bench
