#include "harness/files/write_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace pagealloc::bench {
namespace {

constexpr int kCompressionLevel = 9;  // a trace of 10^7 records in seconds, not in minutes

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct FreeStream {
  void operator()(ZSTD_CCtx* stream) const { ZSTD_freeCCtx(stream); }
};

absl::Status Failed(int error, const std::string& path) {
  return absl::ErrnoToStatus(error, absl::StrCat("cannot write ", path));
}

/// Where a path leads: the file itself if it is a link to one.
std::string Resolved(const std::string& path) {
  std::error_code error;
  const std::filesystem::path target = std::filesystem::canonical(path, error);
  return error ? path : target.string();
}

absl::StatusOr<std::string> Compressed(const std::string& path, std::string_view text) {
  const std::unique_ptr<ZSTD_CCtx, FreeStream> stream(ZSTD_createCCtx());
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_compressionLevel, kCompressionLevel);
  ZSTD_CCtx_setParameter(stream.get(), ZSTD_c_checksumFlag, 1);  // damage is not to read as text
  std::string bytes(ZSTD_compressBound(text.size()), '\0');
  const std::size_t size =
      ZSTD_compress2(stream.get(), bytes.data(), bytes.size(), text.data(), text.size());
  if (ZSTD_isError(size) != 0) {
    return absl::InternalError(
        absl::StrCat("cannot compress ", path, ": ", ZSTD_getErrorName(size)));
  }
  bytes.resize(size);
  return bytes;
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

absl::Status CanWrite(const std::string& path) {
  if (IsSpecial(path)) return absl::OkStatus();
  const bool exists = access(path.c_str(), F_OK) == 0;
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
  if (file < 0) return Failed(errno, path);
  close(file);
  if (!exists) unlink(Resolved(path).c_str());
  return absl::OkStatus();
}

absl::Status WriteTextFile(const std::string& path, std::string_view text) {
  std::string compressed;
  if (path.ends_with(".zst")) {
    absl::StatusOr<std::string> bytes = Compressed(path, text);
    if (!bytes.ok()) return bytes.status();
    compressed = *std::move(bytes);
    text = compressed;
  }
  if (IsSpecial(path) || LeadsNowhere(path)) return WriteBytes(path, text, path);
  const std::string target = Resolved(path);
  const std::string aside = target + ".partial";
  absl::Status status = WriteBytes(aside, text, path);
  if (status.ok() && std::rename(aside.c_str(), target.c_str()) != 0) status = Failed(errno, path);
  if (!status.ok()) unlink(aside.c_str());
  return status;
}

}  // namespace pagealloc::bench
