#include "harness/commands/output_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

absl::Status Failed(const std::string& path, const std::string& why) {
  return FileError(absl::StrCat("cannot write ", path, ": ", why));
}

}  // namespace

absl::Status MayWriteOutput(const std::string& path, bool force) {
  struct stat about {};
  if (path.empty() || stat(path.c_str(), &about) != 0) return absl::OkStatus();
  if (!S_ISREG(about.st_mode)) {
    return Failed(path, "it is no plain file. For standard output leave -o out.");
  }
  if (force) return absl::OkStatus();
  return Failed(path, "it exists. Choose another name or --force.");
}

absl::Status WriteOutput(const std::string& path, bool force, std::string_view text) {
  if (path.empty()) return WriteResult(text);
  if (absl::Status status = MayWriteOutput(path, force); !status.ok()) return status;
  const std::string aside = path + ".partial";
  errno = 0;
  std::ofstream file(aside, std::ios::binary);
  file << text;
  file.close();
  if (file && std::rename(aside.c_str(), path.c_str()) == 0) return absl::OkStatus();
  const std::string why = absl::StrCat(std::strerror(errno), ".");
  unlink(aside.c_str());
  return Failed(path, why);
}

}  // namespace pagealloc::bench
