#include "harness/base/glob.h"

#include <cstddef>

namespace pagealloc::bench {

bool MatchesGlob(std::string_view glob, std::string_view name) {
  // After a mismatch behind a `*`, that `*` takes one character more.
  std::size_t at = 0, star = std::string_view::npos, retry = 0, i = 0;
  while (i < name.size()) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      retry = i;
    } else if (at < glob.size() && (glob[at] == '?' || glob[at] == name[i])) {
      ++at;
      ++i;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      i = ++retry;
    } else {
      return false;
    }
  }
  return glob.find_first_not_of('*', at) == std::string_view::npos;
}

}  // namespace pagealloc::bench
