/// page_cache.h: up to 64 free pages that one processor owns and hands out without a lock.
///
/// A cache is a 64-page-aligned block of one chunk and two words. In `pages` a 1 is a page that is
/// free and owned by this cache (the opposite of a chunk's bitmap, in which it reads as allocated);
/// in `scavenged` a 1 says that the operating system has the page's memory. PageAllocator takes and
/// flushes caches under its caller's lock; Allocate() needs none. Cost: a few shifts.
/// Idea: Go 1.26, mpagecache.go (pageCache, allocToCache, flush).
#pragma once

#include <bit>
#include <cstdint>
#include <optional>

#include "pagealloc/contract.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/units.h"

namespace pagealloc {

struct PageCache {
  static constexpr PageCount kPages{64};

  PageOffset base;
  std::uint64_t pages = 0;
  std::uint64_t scavenged = 0;

  [[nodiscard]] constexpr bool empty() const { return pages == 0; }
  [[nodiscard]] constexpr PageCount size() const { return PageCount{Ones64(pages)}; }

  /// Takes the lowest run of `want` pages, at least 1 (contract); nullopt if none fits, which more
  /// than 64 never do. Bits outside the run stay.
  [[nodiscard]] constexpr std::optional<Allocation> Allocate(PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    const unsigned at = LowestRun64(pages, want.raw);
    if (at >= 64) return std::nullopt;
    const std::uint64_t run = WordMask(at, static_cast<unsigned>(want.raw));
    const unsigned was_scavenged = Ones64(scavenged & run);
    pages &= ~run;
    scavenged &= ~run;
    return Allocation{base + PageCount{at}, PageCount{was_scavenged}};
  }

  friend constexpr bool operator==(const PageCache&, const PageCache&) = default;
};

}  // namespace pagealloc
