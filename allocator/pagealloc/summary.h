/// summary.h: what a region of pages looks like from outside, in one 64-bit word.
///
/// A summary holds three page counts of a region: free pages at its low end, the longest free run
/// anywhere, free pages at its high end. Two neighbours' summaries tell whether a run crosses their
/// border, so a parent is computed from its children alone (Merge). Each count takes b bits, b the
/// layout's Geometry<L>::kFieldBits (21 on 64 bits, 18 on 32 bits, 15 with wasm's small chunks):
///
///   63 |  62 .. 3b | 3b-1 .. 2b | 2b-1 .. b | b-1 .. 0
///   all|  0        | end        | max       | start        word 0: no free page
///
/// The count 2^b itself occurs only for a wholly free root entry, where all three are equal: bit 63
/// alone says so. Cost: pack and unpack are a few shifts; Merge reads its children once.
/// Idea and packing: Go 1.26, mpagealloc.go (pallocSum, packPallocSum, mergeSummaries).
#pragma once

#include <algorithm>
#include <cstdint>

#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// Free runs of a region of pages, unpacked.
struct FreeRuns {
  PageCount start;  ///< free pages at the low end
  PageCount max;    ///< longest free run anywhere
  PageCount end;    ///< free pages at the high end

  friend constexpr bool operator==(FreeRuns, FreeRuns) = default;
};

/// FreeRuns in one word (Go: pallocSum). Zero-initialised: no free page.
template <unsigned kFieldBits>
class PackedSummary {
  static_assert(kFieldBits >= 1 && 3 * kFieldBits <= 63);

 public:
  static constexpr std::uint64_t kMaxPages = std::uint64_t{1} << kFieldBits;
  static constexpr std::uint64_t kAllFree = std::uint64_t{1} << 63;

  constexpr PackedSummary() = default;

  /// Packs three counts (Go: packPallocSum). Counts that contradict each other break the contract:
  /// start, end <= max <= 2^b, and a count of 2^b needs all three to be.
  static constexpr PackedSummary Pack(FreeRuns runs) {
    PA_EXPECT(runs.start <= runs.max && runs.end <= runs.max && runs.max.raw <= kMaxPages,
              runs.start, runs.max, runs.end);
    if (runs.max.raw == kMaxPages) {
      PA_EXPECT(runs.start == runs.max && runs.end == runs.max, runs.start, runs.max, runs.end);
      return FromWord(kAllFree);
    }
    return FromWord(runs.start.raw | runs.max.raw << kFieldBits | runs.end.raw << 2 * kFieldBits);
  }
  /// A region of which every page is free.
  static constexpr PackedSummary OfFree(PageCount pages) { return Pack({pages, pages, pages}); }
  /// Takes a word as it lies in memory; any value is accepted (invariant checks look at it).
  static constexpr PackedSummary FromWord(std::uint64_t word) {
    PackedSummary summary;
    summary.word_ = word;
    return summary;
  }

  [[nodiscard]] constexpr PageCount start() const { return Field(0); }
  [[nodiscard]] constexpr PageCount max() const { return Field(kFieldBits); }
  [[nodiscard]] constexpr PageCount end() const { return Field(2 * kFieldBits); }
  [[nodiscard]] constexpr FreeRuns runs() const { return {start(), max(), end()}; }  // Go: unpack
  [[nodiscard]] constexpr std::uint64_t word() const { return word_; }
  /// No free page, or nothing here that was ever grown.
  [[nodiscard]] constexpr bool none_free() const { return word_ == 0; }

  friend constexpr bool operator==(PackedSummary, PackedSummary) = default;

  /// Summary of `count` consecutive regions of 2^span_page_bits pages each (Go: mergeSummaries).
  /// The children are never root entries, so none of them is kAllFree. Reads each child once.
  static constexpr PackedSummary Merge(const PackedSummary* children, std::uint64_t count,
                                       unsigned span_page_bits) {
    constexpr std::uint64_t kMask = kMaxPages - 1;
    const std::uint64_t span = std::uint64_t{1} << span_page_bits;
    std::uint64_t start = 0;
    std::uint64_t longest = 0;
    std::uint64_t run = 0;        // free pages that end at the border before the child
    bool free_from_start = true;  // every child so far is wholly free
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t word = children[i].word_;
      const std::uint64_t low = word & kMask;
      const std::uint64_t inside = word >> kFieldBits & kMask;
      const std::uint64_t high = word >> 2 * kFieldBits;
      start += free_from_start ? low : 0;
      free_from_start = free_from_start && low == span;
      longest = std::max(longest, std::max(inside, run + low));
      run = high == span ? run + span : high;
    }
    return Pack({PageCount{start}, PageCount{longest}, PageCount{run}});
  }

 private:
  [[nodiscard]] constexpr PageCount Field(unsigned shift) const {
    if ((word_ & kAllFree) != 0) return PageCount{kMaxPages};
    return PageCount{word_ >> shift & (kMaxPages - 1)};
  }

  std::uint64_t word_ = 0;
};

/// The summary word of a layout.
template <Layout L>
using Summary = PackedSummary<Geometry<L>::kFieldBits>;

}  // namespace pagealloc
