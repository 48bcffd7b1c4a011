#include "harness/files/write_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "harness/files/compression.h"

namespace pagealloc::bench {
namespace {

constexpr int kCompressionLevel = 9;  // a trace of 10^7 records in seconds, not in minutes

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

absl::Status Failed(int error, const std::string& path) {
  return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path));
}

/// @param name  what an error calls the file.
absl::Status WriteBytes(const std::string& where, std::string_view bytes, const std::string& name) {
  std::unique_ptr<std::FILE, CloseFile> file(std::fopen(where.c_str(), "wbe"));
  if (file == nullptr) return Failed(errno, name);
  // A full disk may show only when the buffer is flushed, so closing is part of writing.
  const bool written = std::fwrite(bytes.data(), 1, bytes.size(), file.get()) == bytes.size();
  const int write_error = errno;
  const bool closed = std::fclose(file.release()) == 0;
  if (written && closed) return absl::OkStatus();
  return Failed(written ? errno : write_error, name);
}

/// A pipe, a device: something that is no file to be replaced.
bool IsSpecial(const std::string& path) {
  struct stat about {};
  return stat(path.c_str(), &about) == 0 && !S_ISREG(about.st_mode) && !S_ISDIR(about.st_mode);
}

/// A link to a file that is not there yet: there is nothing to lose, and the link is to stay.
bool LeadsNowhere(const std::string& path) {
  struct stat about {};
  return lstat(path.c_str(), &about) == 0 && stat(path.c_str(), &about) != 0;
}

}  // namespace

std::string FollowLinks(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

absl::Status CanWrite(const std::string& path) {
  if (IsSpecial(path)) return absl::OkStatus();
  const bool exists = access(path.c_str(), F_OK) == 0;
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return Failed(errno, path);
  close(file);
  if (!exists) unlink(FollowLinks(path).c_str());
  return absl::OkStatus();
}

absl::Status WriteTextFile(const std::string& path, std::string_view text) {
  std::optional<std::string> compressed;
  if (path.ends_with(".zst")) {
    compressed = Compress(text, kCompressionLevel);
    if (!compressed) return absl::InternalError(absl::StrCat("cannot compress ", path));
    text = *compressed;
  }
  if (IsSpecial(path) || LeadsNowhere(path)) return WriteBytes(path, text, path);
  const std::string target = FollowLinks(path);
  const std::string aside = target + ".partial";
  absl::Status status = WriteBytes(aside, text, path);
  if (status.ok() && std::rename(aside.c_str(), target.c_str()) != 0) status = Failed(errno, path);
  if (!status.ok()) unlink(aside.c_str());
  return status;
}

}  // namespace pagealloc::bench
