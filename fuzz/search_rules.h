/// search_rules.h: what one operation may do to the search position, and how much it may read.
///
/// Addresses cannot see a search position that is too low (it only costs time) nor work that is
/// done for nothing, so both are asserted. After every operation nothing below the position is
/// free. Beyond that (Go's rules, exactly where they are exact):
///
///   rule           operation                              position afterwards
///   kTookLowest    one page allocated                     that page
///   kFoundNothing  no page for one, or no cache           "nothing is free"
///   kTookBlock     a page cache taken                     at or above its lowest page
///   kSearched      several pages allocated                not lower than before
///   kLooked        a search that takes nothing            as before
///   kLeft          no search, and nothing becomes free    as before
///   kFreed         pages freed or grown                   the lower of before and the first page
///
/// Work. A search reads at most two lines of the index a level, in two blocks and above them, and
/// one bitmap; or, for a run longer than the index can tell, so much for each run that is as long
/// as it can tell. A change writes at most a number and the maxima above it for the chunk in which
/// a run began or begins now: two of them, and six when a page cache's block changes (the runs at
/// its two ends, and the longest inside); of a batch so much for each run; and as much as for a
/// block for the one word that waits. For each it may read a bitmap twice, and the bits of the
/// whole chunks around it as far as the index can tell. All bounds are generous.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>

#include "fuzz/finding.h"
#include "pagealloc/page_allocator.h"
#include "testing/invariants.h"

namespace pagealloc::fuzz {

enum class SearchRule : std::uint8_t {
  kTookLowest,
  kFoundNothing,
  kTookBlock,
  kSearched,
  kLooked,
  kLeft,
  kFreed,
};

/// Made before an operation, asked after it.
template <class Allocator>
class SearchRules {
  using G = Geometry<typename Allocator::LayoutType>;
  using Access = testing::AllocatorAccess;

 public:
  explicit SearchRules(Allocator& allocator)
      : from_(Access::search_from(allocator)),
        heap_(Access::bounds(allocator)),
        counters_(allocator.counters()) {}

  /// @param at           the page that the rule speaks of
  /// @param lowest_free  the model's, after the operation
  [[nodiscard]] std::string CheckPosition(const Allocator& allocator, SearchRule rule,
                                          PageOffset at,
                                          std::optional<PageOffset> lowest_free) const {
    constexpr PageOffset kNothing = Access::template nothing_free<Allocator>();
    const PageOffset got = Access::search_from(allocator);
    PageOffset lowest_allowed = from_;
    PageOffset highest_allowed = lowest_free.value_or(kNothing);
    switch (rule) {
      case SearchRule::kTookLowest:
        lowest_allowed = highest_allowed = at;
        break;
      case SearchRule::kFoundNothing:
        lowest_allowed = highest_allowed = kNothing;
        break;
      case SearchRule::kTookBlock:
        lowest_allowed = at;
        break;
      case SearchRule::kSearched:
        break;
      case SearchRule::kLooked:
      case SearchRule::kLeft:
        highest_allowed = from_;
        break;
      case SearchRule::kFreed:
        lowest_allowed = highest_allowed = std::min(from_, at);
        break;
    }
    if (lowest_allowed <= got && got <= highest_allowed && got <= lowest_free.value_or(kNothing)) {
      return {};
    }
    return Differ("search position (between)", {got.raw},
                  {lowest_allowed.raw, highest_allowed.raw});
  }

  /// @param changed  how many runs became free or allocated, or blocks of a page cache changed
  [[nodiscard]] std::string CheckWork(const Allocator& allocator, SearchRule rule,
                                      std::size_t changed) const {
    const bool searched = rule != SearchRule::kLeft && rule != SearchRule::kFreed;
    const std::uint64_t changes = 6 * changed + (changed > 0 || searched ? 6 : 0);
    const std::uint64_t looks =
        searched ? 1 + (heap_.end.raw - heap_.begin.raw) / MaxLanes<1>::kMost : 0;
    const WorkCounters& now = allocator.counters();
    const std::uint64_t read = now.index_lines_read - counters_.index_lines_read;
    if (read > looks * 2 * (2 * kLevels + kLevelsAbove)) {
      return Differ("lines of the index read by one operation, at most", {read},
                    {looks * 2 * (2 * kLevels + kLevelsAbove)});
    }
    const std::uint64_t written = now.index_entries_written - counters_.index_entries_written;
    if (written > changes * (kLevels + kLevelsAbove)) {
      return Differ("entries of the index written by one operation, at most", {written},
                    {changes * (kLevels + kLevelsAbove)});
    }
    const std::uint64_t allowed = (looks + changes) * 2 * (kWords + kWordsAround);
    const std::uint64_t scanned = now.bitmap_words_scanned - counters_.bitmap_words_scanned;
    if (scanned > allowed) {
      return Differ("bitmap words scanned by one operation, at most", {scanned}, {allowed});
    }
    return {};
  }

 private:
  using Chunks = ChunkMap<typename Allocator::LayoutType>;
  static constexpr std::uint64_t kLevels = MaxLanes<Chunks::kBlockChunks>::kShape.levels;
  static constexpr std::uint64_t kLevelsAbove = Chunks::kLevelsAbove;
  static constexpr std::uint64_t kWords = G::kChunkPages.raw / 64;
  /// Down or up to the first chunk that is not free as a whole, or as far as matters.
  static constexpr std::uint64_t kWordsAround =
      MaxLanes<1>::kMost / (64 * G::kChunkPages.raw) + 4 + kWords;

  PageOffset from_;
  PageRange heap_;
  WorkCounters counters_;
};

}  // namespace pagealloc::fuzz
