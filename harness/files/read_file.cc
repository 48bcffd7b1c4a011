#include "harness/files/read_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/files/compression.h"

namespace pagealloc::bench {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
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
