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
/// Work, per level, in entries read. A search reads at the root from its position to the heap's
/// end, one block on each level below, and one leaf more. A change of pages [b, e) reads, on each
/// level but the root, the blocks that hold an entry of [b, e), and writes at most the entries of
/// [b, e). In bitmaps: a search one chunk, a change twice the first and last chunk, and two words.
#pragma once

#include <algorithm>
#include <array>
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

  /// @param changed  the pages that became free or allocated; of a cache the whole block
  [[nodiscard]] std::string CheckWork(const Allocator& allocator, SearchRule rule,
                                      std::optional<PageRange> changed) const {
    const bool searched = rule != SearchRule::kLeft && rule != SearchRule::kFreed;
    const WorkCounters& now = allocator.counters();
    std::uint64_t writable = 0;
    for (unsigned level = 0; level < G::kLevels; ++level) {
      std::uint64_t allowed = searched ? SearchBudget(level) : 0;
      if (changed) {
        writable += EntriesOf(level, *changed);
        if (level > 0) allowed += EntriesOf(level - 1, *changed) << G::kIndexBits[level];
      }
      const std::uint64_t read = now.summaries_read[level] - counters_.summaries_read[level];
      if (read > allowed) {
        return Differ("summaries read by one operation (level, entries, at most)", {level, read},
                      {level, allowed});
      }
    }
    const std::uint64_t written = now.summary_updates - counters_.summary_updates;
    if (written > writable) {
      return Differ("summaries written by one operation, at most", {written}, {writable});
    }
    constexpr std::uint64_t kWords = G::kChunkPages.raw / 64;
    const std::uint64_t allowed = (searched ? kWords : 0) + (changed ? 2 * kWords + 2 : 0);
    const std::uint64_t scanned = now.bitmap_words_scanned - counters_.bitmap_words_scanned;
    if (scanned > allowed) {
      return Differ("bitmap words scanned by one operation, at most", {scanned}, {allowed});
    }
    return {};
  }

 private:
  static std::uint64_t EntriesOf(unsigned level, PageRange pages) {
    const auto entries = G::EntriesOf(level, pages);
    return entries.end - entries.begin;
  }

  [[nodiscard]] std::uint64_t SearchBudget(unsigned level) const {
    if (heap_.empty() || from_ >= heap_.end) return 0;
    const std::uint64_t first_look = level + 1 == G::kLevels ? 1 : 0;
    if (level > 0) return (std::uint64_t{1} << G::kIndexBits[level]) + first_look;
    return EntriesOf(0, {std::max(from_, heap_.begin), heap_.end});
  }

  PageOffset from_;
  PageRange heap_;
  WorkCounters counters_;
};

}  // namespace pagealloc::fuzz
