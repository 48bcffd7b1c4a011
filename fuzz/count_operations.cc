/// count_operations.cc: linked into every NAME_fuzz: when the process ends, appends how many
/// operations it compared to the file that PAGEALLOC_FUZZ_COUNT names, if it is set. libFuzzer
/// counts inputs only, and tools/nightly-fuzz runs many processes of one target; each adds one
/// line, in one write.

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "fuzz/target.h"

namespace pagealloc::fuzz {
namespace {

void Append() {
  const char* const path = std::getenv("PAGEALLOC_FUZZ_COUNT");
  if (path == nullptr) return;
  const int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (file < 0) return;
  char line[32];
  const int size = std::snprintf(line, sizeof line, "%llu\n",
                                 static_cast<unsigned long long>(CheckedOperations()));
  // Nobody is left to hear of a failure: the line is missing in the sum then.
  [[maybe_unused]] const ssize_t written = write(file, line, static_cast<std::size_t>(size));
  close(file);
}

[[maybe_unused]] const int kRegistered = std::atexit(Append);

}  // namespace
}  // namespace pagealloc::fuzz
