/// glob.h: patterns over names.
#pragma once

#include <string_view>

namespace pagealloc::bench {

/// Whether all of `name` is what the pattern says: `*` is any text, `?` any character.
bool MatchesGlob(std::string_view glob, std::string_view name);

}  // namespace pagealloc::bench
