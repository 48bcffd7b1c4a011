/// scavenge_steps.h: what a free and a scavenging may change, judged by what was there before.
///
/// CheckInvariants() sees one moment; these see two. CheckFreed() belongs after a free: INV-17, its
/// pages can be found. A ScavengeWitness is made before a scavenging and asked afterwards: INV-23,
/// no page in use was touched, what was gained is whole units and as much as was said; INV-17, no
/// cursor rose. Both answer like CheckInvariants(). Cost of a witness: all bitmaps, twice.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "testing/allocator_access.h"

namespace pagealloc::testing {

/// @param pages  were freed by the step before
template <class Allocator>
[[nodiscard]] std::string CheckFreed(const Allocator& allocator, PageRange pages) {
  const auto& index = allocator.scavenge_index();
  if (index.freed_end() < pages.end) {
    return Violation(17, "a page above the highest of its generation",
                     {pages.end.raw, index.freed_end().raw});
  }
  const PageOffset forced_end = index.cursor_end(ScavengeMode::kForced);
  if (forced_end < pages.end) {
    return Violation(17, "a page above the forced cursor", {pages.end.raw, forced_end.raw});
  }
  return {};
}

template <class Allocator>
class ScavengeWitness {
  using G = Geometry<typename Allocator::LayoutType>;

 public:
  explicit ScavengeWitness(Allocator& allocator) : allocator_(allocator), before_(Look()) {}

  /// @param released  what the scavenging, of which nothing was refused, says
  [[nodiscard]] std::string Check(PageCount released) const {
    const Moment after = Look();
    if (after.pages.size() != before_.pages.size()) return Violation(23, "the heap grew", {});
    const std::uint64_t unit = allocator_.release_units().page.raw;
    std::uint64_t gained = 0;
    std::uint64_t in_unit = 0;  // gained pages of the present unit
    for (std::size_t i = 0; i < after.pages.size(); ++i) {
      const Page& old = before_.pages[i];
      const Page& now = after.pages[i];
      if (now.allocated != old.allocated) {
        return Violation(23, "an allocation bit changed", {now.at.raw});
      }
      if (old.scavenged && !now.scavenged) {
        return Violation(23, "a scavenged bit was lost", {now.at.raw});
      }
      if (now.at.raw % unit == 0) in_unit = 0;
      if (now.scavenged && !old.scavenged) {
        ++in_unit;
        ++gained;
      }
      if ((now.at.raw + 1) % unit == 0 && in_unit % unit != 0) {
        return Violation(23, "a unit was released in part", {now.at.raw, in_unit, unit});
      }
    }
    if (gained != released.raw) {
      return Violation(23, "released: gained, said", {gained, released.raw});
    }
    if (after.forced_end > before_.forced_end || after.background_end > before_.background_end) {
      return Violation(17, "a search raised a cursor", {});
    }
    return {};
  }

 private:
  struct Page {
    PageOffset at;
    bool allocated;
    bool scavenged;
  };
  struct Moment {
    std::vector<Page> pages;
    PageOffset forced_end;
    PageOffset background_end;
  };

  [[nodiscard]] Moment Look() const {
    const auto& index = allocator_.scavenge_index();
    Moment now{
        {}, index.cursor_end(ScavengeMode::kForced), index.cursor_end(ScavengeMode::kBackground)};
    for (const auto& range : allocator_.ranges().ranges()) {
      for (PageOffset page = range.begin; page < range.end; page += PageCount{1}) {
        const auto& chunk = AllocatorAccess::chunks(allocator_)[G::ChunkOf(page)];
        const unsigned i = G::PageInChunk(page);
        now.pages.push_back({page, chunk.allocated.Get(i), chunk.scavenged.Get(i)});
      }
    }
    return now;
  }

  Allocator& allocator_;
  Moment before_;
};

}  // namespace pagealloc::testing
