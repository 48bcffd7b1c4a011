#include "harness/files/read_file.h"

#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pagealloc::bench {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

struct FreeStream {
  void operator()(ZSTD_DCtx* stream) const { ZSTD_freeDCtx(stream); }
};

/// Devices such as /dev/zero and /dev/full never end; a terminal does, and /dev/null at once.
bool MayNeverEnd(std::FILE* file) {
  struct stat about {};
  struct stat null {};
  if (fstat(fileno(file), &about) != 0 || !S_ISCHR(about.st_mode)) return false;
  const bool is_null = stat("/dev/null", &null) == 0 && about.st_rdev == null.st_rdev;
  return !is_null && isatty(fileno(file)) == 0;
}

/// All bytes up to the end of the file, or a few more than `most`.
absl::StatusOr<std::string> ReadAll(std::FILE* file, const std::string& path, std::size_t most) {
  if (MayNeverEnd(file)) {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": it is a device that may never end. Give a file."));
  }
  std::string bytes;
  std::vector<char> buffer(std::size_t{1} << 20);
  while (bytes.size() <= most) {
    const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), file);
    bytes.append(buffer.data(), got);
    if (got == buffer.size()) continue;
    if (std::ferror(file) != 0) {
      return absl::ErrnoToStatus(errno, absl::StrCat("cannot read ", path));
    }
    break;
  }
  bytes.shrink_to_fit();
  return bytes;
}

}  // namespace

absl::StatusOr<std::string> ReadBytes(const std::string& path, std::size_t most) {
  if (path == "-") return ReadAll(stdin, "standard input", most);
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (file == nullptr) return absl::ErrnoToStatus(errno, absl::StrCat("cannot open ", path));
  return ReadAll(file.get(), path, most);
}

std::optional<std::string> Decompress(const std::string& bytes, std::size_t most,
                                      std::string& text) {
  if (bytes.empty()) return "the file is empty";
  const std::unique_ptr<ZSTD_DCtx, FreeStream> stream(ZSTD_createDCtx());
  std::vector<char> buffer(std::size_t{1} << 16);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  std::size_t wanted = 0;     // bytes of input that zstd still expects; 0 at the end of a frame
  while (in.pos < in.size) {  // zstd leaves input over while there is output to come
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    wanted = ZSTD_decompressStream(stream.get(), &out, &in);
    if (ZSTD_isError(wanted) != 0) return ZSTD_getErrorName(wanted);
    text.append(buffer.data(), out.pos);
    // Readers refuse a text of this length, so that the rest does not matter.
    if (text.size() > most) return std::nullopt;
  }
  if (wanted != 0) return "the compressed data ends too early";
  text.shrink_to_fit();
  return std::nullopt;
}

absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::size_t most) {
  absl::StatusOr<std::string> bytes = ReadBytes(path, most);
  if (!bytes.ok() || !path.ends_with(".zst")) return bytes;
  std::string text;
  if (const std::optional<std::string> damage = Decompress(*bytes, most, text)) {
    return absl::DataLossError(absl::StrCat("the file does not decompress: ", *damage));
  }
  return text;
}

}  // namespace pagealloc::bench
