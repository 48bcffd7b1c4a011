/// with_layout.h: turns a layout's name into its type, once, outside every loop.
#pragma once

#include <string_view>
#include <vector>

#include "pagealloc/layout.h"

namespace pagealloc::bench {

/// Names of all layouts, in the order of the documentation.
inline std::vector<std::string_view> LayoutNames() {
  std::vector<std::string_view> names;
  ForEachLayout([&names]<Layout L>() { names.push_back(L::kName); });
  return names;
}

/// Calls `visit.template operator()<L>()` for the layout of that name.
///
/// @return  false when there is no such layout; then nothing was called.
template <class Visitor>
bool WithLayout(std::string_view name, Visitor&& visit) {
  bool found = false;
  ForEachLayout([&]<Layout L>() {
    if (L::kName == name) {
      found = true;
      visit.template operator()<L>();
    }
  });
  return found;
}

}  // namespace pagealloc::bench
