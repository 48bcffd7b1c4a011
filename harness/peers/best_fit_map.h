/// best_fit_map.h: best fit with the standard library's trees, as a peer to measure against.
///
/// Of the free runs that are long enough it takes from the start of the shortest, and of equally
/// short ones from the lowest. Two trees hold the free runs: by place, so that a freed run finds
/// the neighbours that it joins, and by length, so that a request finds its run. Both cost a walk
/// from root to leaf and an allocation or two of their own for each operation.
#pragma once

#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "pagealloc/contract.h"
#include "pagealloc/units.h"

namespace pagealloc::peers {

class BestFitMap {
 public:
  /// Adds free pages, none of which were added before (contract).
  void Grow(PageRange pages) { Free(pages); }

  /// Takes `want` pages, at least 1 (contract); nullopt if no free run is long enough.
  std::optional<PageOffset> Allocate(PageCount want) {
    PA_EXPECT(want > PageCount{0});
    const auto shortest = by_length_.lower_bound({want, PageOffset{0}});
    if (shortest == by_length_.end()) return std::nullopt;
    const auto [length, first] = *shortest;
    by_length_.erase(shortest);
    const auto place = by_place_.find(first);
    if (length > want) Add(std::next(place), {first + want, first + length});
    by_place_.erase(place);
    return first;
  }

  /// Gives pages back, all of which are taken (contract).
  void Free(PageRange pages) {
    const auto above = by_place_.lower_bound(pages.begin);
    PA_EXPECT(above == by_place_.end() || above->first >= pages.end);
    auto after = above;
    if (above != by_place_.begin()) {
      const auto below = std::prev(above);
      PA_EXPECT(below->second <= pages.begin);
      if (below->second == pages.begin) {
        pages.begin = below->first;
        Remove(below);
      }
    }
    if (above != by_place_.end() && above->first == pages.end) {
      pages.end = above->second;
      after = Remove(above);
    }
    Add(after, pages);
  }

  /// Bytes of the trees' nodes: three pointers, a colour and the value in each.
  [[nodiscard]] ByteCount metadata() const {
    constexpr std::size_t kNode = 4 * sizeof(void*) + 2 * sizeof(std::uint64_t);
    return ByteCount{(by_place_.size() + by_length_.size()) * kNode};
  }

 private:
  using Places = std::map<PageOffset, PageOffset>;  ///< free runs: first page to the end

  void Add(Places::iterator before, PageRange run) {
    by_place_.emplace_hint(before, run.begin, run.end);
    by_length_.insert({run.size(), run.begin});
  }
  Places::iterator Remove(Places::iterator run) {
    by_length_.erase({run->second - run->first, run->first});
    return by_place_.erase(run);
  }

  Places by_place_;
  std::set<std::pair<PageCount, PageOffset>> by_length_;
};

}  // namespace pagealloc::peers
