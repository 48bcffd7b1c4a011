/// nearest_name.h: which of the names that exist a user may have meant.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace pagealloc::bench {

/// Letters to insert, remove, replace or swap with their neighbour to make `b` of `a`, upper and
/// lower case being equal (optimal string alignment).
std::size_t EditDistance(std::string_view a, std::string_view b);

/// The candidate closest to `given`; a candidate that begins with `given` counts as close. The
/// first of equals wins. Empty only when there are no candidates: an answer far off still shows the
/// form.
std::string_view NearestName(std::span<const std::string_view> candidates, std::string_view given);

/// "unknown <what> '<given>'. The nearest is '<name>'; <how_to_list>." Without candidates the
/// middle sentence is left out. `how_to_list` ("see pagealloc-bench list workloads") may be empty.
std::string UnknownName(std::string_view what, std::span<const std::string_view> candidates,
                        std::string_view given, std::string_view how_to_list);

}  // namespace pagealloc::bench
