#include "harness/base/temporary_folder.h"

#include <cerrno>
#include <cstdlib>
#include <filesystem>

namespace pagealloc::bench {

TemporaryFolder::TemporaryFolder() {
  const char* const chosen = std::getenv("TMPDIR");
  path_ = chosen != nullptr && *chosen != '\0' ? chosen : "/tmp";
  path_ += "/pagealloc-bench-XXXXXX";
  if (mkdtemp(path_.data()) == nullptr) error_.assign(errno, std::generic_category());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // what is left in a temporary folder harms nobody
  if (!error_) std::filesystem::remove_all(path_, ignored);
}

}  // namespace pagealloc::bench
