#include "pagealloc/contract.h"

#include <cstdio>
#include <cstdlib>

namespace pagealloc::internal {

void StopBroken(const char* kind, const char* rule, const char* names,
                std::initializer_list<std::uint64_t> values, const char* file, int line) noexcept {
  std::fprintf(stderr, "pagealloc: %s broken: %s", kind, rule);
  if (values.size() > 0) {
    std::fprintf(stderr, " [%s =", names);
    const char* separator = " ";
    for (std::uint64_t value : values) {
      std::fprintf(stderr, "%s%llu", separator, static_cast<unsigned long long>(value));
      separator = ", ";
    }
    std::fputs("]", stderr);
  }
  std::fprintf(stderr, " at %s:%d\n", file, line);
  std::abort();
}

}  // namespace pagealloc::internal
