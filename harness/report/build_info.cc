// The only file that is compiled again when the commit changes.
#include "build_info.h"

#include <gnu/libc-version.h>
#include <zstd.h>

#include <string>

#include "absl/base/config.h"
#include "commit.h"
#include "harness/report/environment.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

std::string Dotted(int major, int minor, int patch) {
  return std::to_string(major) + '.' + std::to_string(minor) + '.' + std::to_string(patch);
}

}  // namespace

BuildInfo ThisBuild() {
  BuildInfo build;
  build.version = PAGEALLOC_VERSION;
  build.commit = PAGEALLOC_COMMIT;
  build.build_type = PAGEALLOC_BUILD_TYPE;
  build.compiler = PAGEALLOC_COMPILER;
  build.flags = PAGEALLOC_BUILD_FLAGS;
  build.libraries = {
      {"abseil", Dotted(ABSL_LTS_RELEASE_VERSION, ABSL_LTS_RELEASE_PATCH_LEVEL, 0)},
      {"glibc", gnu_get_libc_version()},
      {"nlohmann-json", Dotted(NLOHMANN_JSON_VERSION_MAJOR, NLOHMANN_JSON_VERSION_MINOR,
                               NLOHMANN_JSON_VERSION_PATCH)},
      {"zstd", ZSTD_versionString()},
  };
  return build;
}

}  // namespace pagealloc::bench
