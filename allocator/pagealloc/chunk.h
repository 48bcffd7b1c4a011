/// chunk.h: the two bitmaps of a chunk, side by side (Go: pallocData).
///
/// `allocated`: 1 = allocated. `scavenged`: 1 = the operating system has the page's memory (given
/// back, or never touched). Allocating clears scavenged bits, freeing leaves them as they are, so a
/// freed page is "not scavenged" because its bit was cleared when it was allocated. 128 bytes with
/// 512 pages: two neighbouring cache lines.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// In what pieces the operating system takes memory back.
struct ReleaseUnits {
  /// Its page, in pages of ours: only aligned groups of so many can be released. A power of two, 1
  /// to 64; 1 where its page is no larger than ours (Go: minPages).
  PageCount page{1};
  /// Its huge page, in pages of ours: not to be split without need. A power of two; 0: there are
  /// none, or they are not looked after (Go: physHugePageSize).
  PageCount huge{0};

  friend constexpr bool operator==(ReleaseUnits, ReleaseUnits) = default;
};

template <unsigned kPages>
struct Chunk {
  PageBits<kPages> allocated;
  PageBits<kPages> scavenged;

  /// Marks pages [first, first + count) allocated and not scavenged; returns how many were
  /// scavenged (Go: allocRange). Here and below: count >= 1, inside the chunk (checked builds).
  PA_HOT constexpr unsigned Allocate(unsigned first, unsigned count) {
    PA_ASSERT(count >= 1 && first < kPages && count <= kPages - first, first, count);
    if (count == 1) {  // the most frequent size by far
      const unsigned was_scavenged = scavenged.Get(first) ? 1 : 0;
      allocated.Set(first);
      scavenged.Clear(first);
      return was_scavenged;
    }
    if (first % 64 + count <= 64) {
      const std::uint64_t mask = WordMask(first % 64, count);
      const std::uint64_t given_back = scavenged.WordOf(first) & mask;
      allocated.SetInWord(first, mask);
      if (given_back == 0) return 0;
      scavenged.ClearInWord(first, mask);
      return Ones64(given_back);
    }
    allocated.SetRange(first, count);
    if (!scavenged.AnyInRange(first, count)) return 0;
    const unsigned was_scavenged = scavenged.CountRange(first, count);
    scavenged.ClearRange(first, count);
    return was_scavenged;
  }
  /// The same for all pages (Go: allocAll).
  PA_HOT constexpr unsigned AllocateAll() {
    const unsigned was_scavenged = scavenged.CountAll();
    allocated.SetAll();
    if (was_scavenged != 0) scavenged.ClearAll();
    return was_scavenged;
  }

  /// Marks pages free; scavenged bits stay (Go: free, free1, freeAll).
  PA_HOT constexpr void Free(unsigned first, unsigned count) {
    PA_ASSERT(count >= 1 && first < kPages && count <= kPages - first, first, count);
    if (first % 64 + count <= 64) {
      FreeInWord(first, count);
    } else {
      allocated.ClearRange(first, count);
    }
  }

  /// The same for pages of one 64-page word (checked builds).
  PA_HOT constexpr void FreeInWord(unsigned first, unsigned count) {
    PA_ASSERT(count >= 1 && first < kPages && first % 64 + count <= 64, first, count);
    allocated.ClearInWord(first, WordMask(first % 64, count));
  }

  /// Pages of the chunk, a run.
  struct Run {
    unsigned first;
    unsigned count;
    friend constexpr bool operator==(Run, Run) = default;
  };

  /// The highest pages that can be released: free, not scavenged, whole units. Looks from the word
  /// of page `from` downwards, takes at most `most` pages (rounded up to a unit, at least one) from
  /// the top of the run, or more where that would split a huge page that is free as a whole.
  /// nullopt: nothing (Go: findScavengeCandidate).
  [[nodiscard]] constexpr std::optional<Run> FindScavengeCandidate(unsigned from, PageCount most,
                                                                   ReleaseUnits units) const {
    PA_EXPECT(from < kPages, from);
    const auto unit = static_cast<unsigned>(units.page.raw);
    PageBits<kPages> unusable;
    unusable.SetAll();
    unsigned end = 0;  // of the run
    for (unsigned w = from / 64 + 1; w-- > 0;) {
      const std::uint64_t word = FillAligned(allocated.word(w) | scavenged.word(w), unit);
      unusable.ClearInWord(w * 64, ~word);
      if (end == 0 && word != ~std::uint64_t{0}) {
        end = w * 64 + 64 - static_cast<unsigned>(std::countl_one(word));
      }
    }
    if (end == 0) return std::nullopt;
    const unsigned run = unusable.ZerosBelow(end);
    const std::uint64_t wanted = std::min<std::uint64_t>(std::max(most.raw, units.page.raw), run);
    const unsigned count = (static_cast<unsigned>(wanted) + unit - 1) / unit * unit;
    unsigned first = end - count;
    if (units.huge > units.page && units.huge.raw <= kPages) {
      const auto huge = static_cast<unsigned>(units.huge.raw);
      const unsigned above = (first + huge - 1) / huge * huge;
      const unsigned below = first / huge * huge;
      if (above <= end && below >= end - run) first = below;
    }
    return Run{first, end - first};
  }

  friend constexpr bool operator==(const Chunk&, const Chunk&) = default;
};

}  // namespace pagealloc
