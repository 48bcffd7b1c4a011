/// freed_pages.h: which pages were freed by range, and by which operation last.
///
/// Freeing by range (`u`, `k`) may take pages away from an ID, in parts too, and such an ID cannot
/// be freed as a whole afterwards, even when somebody else has its pages by then. A page's bit
/// cannot tell that, so the judge keeps these intervals beside the model.
#pragma once

#include <cstdint>
#include <iterator>
#include <map>
#include <optional>

#include "pagealloc/units.h"

namespace pagealloc::bench {

class FreedPages {
 public:
  /// The pages were freed by operation `number`, which is higher than all before it.
  void Add(PageRange pages, std::uint64_t number) {
    SplitAt(pages.begin);
    SplitAt(pages.end);
    intervals_.erase(intervals_.lower_bound(pages.begin), intervals_.lower_bound(pages.end));
    intervals_[pages.begin] = Interval{pages.end, number};
  }

  struct Freed {
    PageOffset page;
    std::uint64_t number;
  };
  /// The lowest of these pages that was freed after operation `number`, and by which operation.
  [[nodiscard]] std::optional<Freed> FirstSince(PageRange pages, std::uint64_t number) const {
    auto at = intervals_.upper_bound(pages.begin);
    if (at != intervals_.begin() && std::prev(at)->second.end > pages.begin) --at;
    for (; at != intervals_.end() && at->first < pages.end; ++at) {
      if (at->second.number > number) {
        return Freed{at->first < pages.begin ? pages.begin : at->first, at->second.number};
      }
    }
    return std::nullopt;
  }

 private:
  struct Interval {
    PageOffset end;
    std::uint64_t number;
  };

  /// Makes a border at this page: an interval over it becomes two.
  void SplitAt(PageOffset page) {
    const auto above = intervals_.lower_bound(page);
    if (above == intervals_.begin()) return;
    Interval& below = std::prev(above)->second;
    if (below.end <= page) return;
    intervals_.emplace_hint(above, page, below);
    below.end = page;
  }

  std::map<PageOffset, Interval> intervals_;  // by first page; they do not overlap
};

}  // namespace pagealloc::bench
