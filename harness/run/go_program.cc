#include "harness/run/go_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/run/go_stream.h"
#include "harness/run/isolation.h"

namespace pagealloc::bench {
namespace {

std::string Folder() {
  const char* const named = std::getenv(kGoFolderVariable);
  if (named != nullptr && *named != '\0') return named;
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return self.parent_path().string();
}

}  // namespace

std::string GoProgram(std::string_view layout) {
  return absl::StrCat(Folder(), "/go-peer-", std::string(layout));
}

std::optional<std::string> WhyNoGoProgram(std::string_view layout) {
  const std::string path = GoProgram(layout);
  const std::string build =
      absl::StrCat(" Build it: tools/build-go-peer -o ", Folder(), " ", std::string(layout));
  if (access(path.c_str(), X_OK) != 0) {
    return absl::StrCat("-a go needs ", path, ": ", std::strerror(errno), ".", build);
  }
  const absl::StatusOr<std::string> version =
      RunForeign({.path = path, .arguments = {"--version"}});
  if (!version.ok()) {
    return absl::StrCat("-a go cannot use ", path, ": ", std::string(version.status().message()),
                        ".", build);
  }
  if (!version->starts_with(absl::StrCat("pagealloc-go-peer ", kGoStreamVersion, " "))) {
    return absl::StrCat("-a go cannot use ", path, ": it was built for another version.", build);
  }
  return std::nullopt;
}

}  // namespace pagealloc::bench
