/// invariants.h: every statement that must hold between two operations, checked one by one.
///
/// CheckInvariants() looks at a PageAllocator from inside and says which invariant is broken, with
/// its number from the table in allocator/README.md: "INV-1: leaf 7: ...". Empty: all hold. It
/// recomputes from the bitmaps alone and shares no code with the search structure; words are read
/// bit by bit where not all bits are alike. Cost: all words of the heap and all of its blocks, so
/// for tests and fuzzing.
/// What the scavenge index says is judged in scavenge_invariants.h.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/allocator_access.h"
#include "testing/scans.h"
#include "testing/scavenge_invariants.h"

namespace pagealloc::testing {

namespace internal {

/// INV-2 inside one array: "" or what is wrong. `block` is told with it.
template <std::uint64_t kLanes>
std::string CheckMaxima(const MaxLanes<kLanes>& lanes, std::uint64_t block) {
  constexpr auto& kShape = MaxLanes<kLanes>::kShape;
  for (unsigned level = 1; level < kShape.levels; ++level) {
    const auto above = AllocatorAccess::lanes(lanes, level);
    const auto below = AllocatorAccess::lanes(lanes, level - 1);
    if (const auto wrong = FindWrongMaximum(above, below, MaxLanes<kLanes>::kLine)) {
      return Violation(2, "a maximum of the index: block, level, entry, number, expected",
                       {block, level, wrong->entry, lanes.AtLevel(level, wrong->entry),
                        static_cast<std::uint64_t>(wrong->expected)});
    }
  }
  return {};
}

/// INV-2 and INV-13 in the blocks of a table, which exists.
template <Layout L, class Counters>
std::string CheckBlocks(PageAllocator<L, Counters>& allocator, std::uint64_t table) {
  using Chunks = ChunkMap<L>;
  const auto& reaches = *AllocatorAccess::table_reaches(allocator, table);
  const auto blocks = AllocatorAccess::table_blocks(allocator, table);
  for (std::uint64_t k = 0; k < Chunks::kTableBlocks; ++k) {
    const std::uint64_t i = table * Chunks::kTableBlocks + k;
    const auto* block = blocks[HostSize(k)];
    const unsigned max = block == nullptr ? 0 : block->reach.max();
    if (Chunks::kBlocks > 1 && reaches.Get(k) != max) {
      return Violation(2, "the maximum of a block: block, number, expected",
                       {i, reaches.Get(k), max});
    }
    if (block == nullptr) continue;
    if (std::string text = CheckMaxima(block->reach, i); !text.empty()) return text;
    if (!AllZero(std::as_bytes(std::span(&block->freed_once, 1))) ||
        !AllZero(std::as_bytes(std::span(&block->freed_again, 1)))) {
      return Violation(13, "a chunk is marked as part of a batch: block", {i});
    }
  }
  return {};
}

/// INV-29: the bits of word `word` of a chunk as the index knows them.
template <Layout L>
std::uint64_t KnownBits(std::optional<AllocatorAccess::WaitingWord> waiting, std::uint64_t chunk,
                        unsigned word, std::uint64_t now) {
  constexpr std::uint64_t kWords = Geometry<L>::kChunkPages.raw / 64;
  return waiting && waiting->number == chunk * kWords + word ? waiting->before : now;
}

/// INV-28 of chunk i of a block, page by page.
template <Layout L>
std::string CheckWords(const typename ChunkMap<L>::Block& block, std::size_t i, std::uint64_t chunk,
                       std::optional<AllocatorAccess::WaitingWord> waiting) {
  std::array<std::uint64_t, Geometry<L>::kChunkPages.raw / 64> allocated;
  for (unsigned word = 0; word < allocated.size(); ++word) {
    allocated[word] = KnownBits<L>(waiting, chunk, word, block.chunks[i].allocated.word(word));
  }
  const auto expected = RunsByWord(allocated, WordRuns::kMost);
  for (unsigned word = 0; word < WordRuns::kWords; ++word) {
    const unsigned got = block.words[i].runs.Get(word);
    if (got != expected[word]) {
      return Violation(28, "the longest run that begins in a word: chunk, word, number, expected",
                       {chunk, word, got, expected[word]});
    }
  }
  return {};
}

/// What INV-1 and INV-4 say of the chunks of one range of the heap, page by page.
template <Layout L>
class ExpectedReaches {
 public:
  explicit ExpectedReaches(std::uint64_t chunks)
      : reaches_(HostSize(chunks)), free_(HostSize(chunks)) {}

  /// The next 64 pages, upwards.
  void Add(std::uint64_t free) {
    if (free == 0 || free == ~std::uint64_t{0}) return AddAlike(64, free != 0);
    for (unsigned k = 0; k < 64; ++k) AddAlike(1, (free >> k & 1) != 0);
  }
  void EndRun() {
    constexpr std::uint64_t kMost = ReachIndex<L, NoCounters>::kMost;
    if (run_ > 0) {
      std::uint64_t& reach = reaches_[HostSize(begin_)];
      reach = std::max(reach, std::min(run_, kMost));
    }
    run_ = 0;
  }
  /// Longest run that begins in a chunk of the range; valid after EndRun().
  [[nodiscard]] std::uint64_t Reach(std::uint64_t chunk) const { return reaches_[HostSize(chunk)]; }
  [[nodiscard]] bool Whole(std::uint64_t chunk) const { return free_[HostSize(chunk)] == kPages; }

 private:
  static constexpr std::uint64_t kPages = Geometry<L>::kChunkPages.raw;

  /// `count` pages of one chunk.
  void AddAlike(std::uint64_t count, bool free) {
    if (!free) {
      EndRun();
    } else {
      if (run_ == 0) begin_ = page_ / kPages;
      run_ += count;
      free_[HostSize(page_ / kPages)] += count;
    }
    page_ += count;
  }

  std::vector<std::uint64_t> reaches_;
  std::vector<std::uint64_t> free_;  // pages of each chunk
  std::uint64_t page_ = 0;
  std::uint64_t run_ = 0;    // pages of the run that is not over
  std::uint64_t begin_ = 0;  // the chunk in which it began
};

}  // namespace internal

/// @param caches  page caches that are out, for INV-9; none if the caller does not know
/// @param held    what BeginScavenge() gave and FinishScavenge() has not had back: all of it
template <Layout L, class Counters>
[[nodiscard]] std::string CheckInvariants(PageAllocator<L, Counters>& allocator,
                                          std::span<const PageCache> caches = {},
                                          std::span<const PageRange> held = {}) {
  using G = Geometry<L>;
  using Access = AllocatorAccess;
  const auto& ranges = Access::ranges(allocator);
  const PageOffset search_from = Access::search_from(allocator);
  const PageOffset nothing_free = Access::template nothing_free<PageAllocator<L, Counters>>();

  // INV-11: sorted, non-empty, disjoint, never touching, whole chunks, total right.
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < ranges.ranges().size(); ++i) {
    const auto& range = ranges.ranges()[i];
    if (range.begin >= range.end) return Violation(11, "empty range", {i});
    if (i > 0 && ranges.ranges()[i - 1].end >= range.begin) {
      return Violation(11, "ranges touch, overlap or are not sorted", {i});
    }
    if (G::PageInChunk(range.begin) != 0 || G::PageInChunk(range.end) != 0) {
      return Violation(11, "range is not whole chunks", {range.begin.raw, range.end.raw});
    }
    total += range.end.raw - range.begin.raw;
  }
  if (total != ranges.total()) return Violation(11, "total of ranges", {ranges.total(), total});

  // INV-12: the search bounds are the lowest and highest grown page.
  const PageRange bounds = Access::bounds(allocator);
  if (ranges.empty() ? !bounds.empty()
                     : bounds.begin != ranges.ranges().front().begin ||
                           bounds.end != ranges.ranges().back().end) {
    return Violation(12, "search bounds", {bounds.begin.raw, bounds.end.raw});
  }

  // INV-29: at most one word waits, of the heap; the index is held against its bits before.
  const auto waiting = Access::waiting_word(allocator);
  if (waiting && !ranges.Contains(PageOffset{waiting->number * 64})) {
    return Violation(29, "the word that waits lies outside the heap", {waiting->number});
  }

  std::uint64_t in_use = 0;
  std::uint64_t scavenged = 0;
  std::optional<PageOffset> lowest_free;
  for (const auto& range : ranges.ranges()) {
    const std::uint64_t first_chunk = G::ChunkOf(range.begin).raw;
    const std::uint64_t last_chunk = G::ChunkOf(range.end).raw;
    internal::ExpectedReaches<L> expected(last_chunk - first_chunk);
    for (std::uint64_t c = first_chunk; c < last_chunk; ++c) {
      const auto* chunk = Access::chunks(allocator).Lookup(ChunkIndex{c});
      if (chunk == nullptr) return Violation(14, "grown chunk without a block", {c});
      for (unsigned i = 0; i < G::kChunkPages.raw; i += 64) {
        const std::uint64_t allocated = chunk->allocated.WordOf(i);
        const std::uint64_t given_back = chunk->scavenged.WordOf(i);
        if ((allocated & given_back) != 0) {
          return Violation(8, "pages are scavenged and allocated: chunk, first of 64, which",
                           {c, i, allocated & given_back});
        }
        expected.Add(~internal::KnownBits<L>(waiting, c, i / 64, allocated));
        in_use += static_cast<unsigned>(std::popcount(allocated));
        scavenged += static_cast<unsigned>(std::popcount(given_back));
        if (~allocated != 0 && !lowest_free) {
          const auto free = static_cast<unsigned>(std::countr_one(allocated));
          lowest_free = G::ChunkBegin(ChunkIndex{c}) + PageCount{i + free};
        }
      }
    }
    expected.EndRun();
    for (std::uint64_t c = first_chunk; c < last_chunk; ++c) {
      const auto& block = Access::chunks(allocator).BlockAt(ChunkIndex{c});
      const std::size_t i = ChunkMap<L>::IndexInBlock(ChunkIndex{c});
      const std::uint64_t reach = expected.Reach(c - first_chunk);
      if (block.reach.Get(i) != reach) {
        return Violation(1,
                         "reach is not the longest run that begins in the chunk: chunk, reach, run",
                         {c, block.reach.Get(i), reach});
      }
      if (std::string text = internal::CheckWords<L>(block, i, c, waiting); !text.empty())
        return text;
      const bool whole = block.whole.Get(i);
      if (whole != expected.Whole(c - first_chunk)) {
        return Violation(4, "a wholly free chunk without its bit, or the bit without it",
                         {c, whole});
      }
    }
  }

  // INV-2: every maximum, in every block that exists, in every table, and above them.
  using Chunks = ChunkMap<L>;
  for (std::uint64_t t = 0; t < Chunks::kTables; ++t) {
    const auto* table = Access::table_reaches(allocator, t);
    const unsigned max = table == nullptr ? 0 : table->max();
    if (Chunks::kTables > 1 && Access::tables_reaches(allocator).Get(t) != max) {
      return Violation(2, "the maximum of a table: table, number, expected",
                       {t, Access::tables_reaches(allocator).Get(t), max});
    }
    if (table == nullptr) continue;
    if (std::string text = internal::CheckBlocks(allocator, t); !text.empty()) return text;
    if (std::string text = internal::CheckMaxima(*table, t); !text.empty()) return text;
  }
  if (std::string text = internal::CheckMaxima(Access::tables_reaches(allocator), Chunks::kTables);
      !text.empty()) {
    return text;
  }

  // INV-3: between the ranges of the heap, all that is known of a chunk whose block exists is zero.
  constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << G::kChunkMapL2Bits;
  std::uint64_t hole = 0;
  for (std::size_t i = 0; i <= ranges.ranges().size(); ++i) {
    const bool last = i == ranges.ranges().size();
    const std::uint64_t end = last ? G::kChunks.raw : G::ChunkOf(ranges.ranges()[i].begin).raw;
    while (hole < end) {
      constexpr std::uint64_t kTable = Chunks::kTableBlocks * kBlockChunks;
      if (Access::table_reaches(allocator, hole / kTable) == nullptr) {
        hole = (hole / kTable + 1) * kTable;
        continue;
      }
      const std::uint64_t stop = std::min(end, (hole / kBlockChunks + 1) * kBlockChunks);
      const auto* chunk = Access::chunks(allocator).Lookup(ChunkIndex{hole});
      if (chunk != nullptr && !AllZero(std::as_bytes(std::span(chunk, HostSize(stop - hole))))) {
        return Violation(3, "a bitmap outside the heap is not zero: chunks", {hole, stop});
      }
      if (chunk != nullptr) {
        const auto& block = Access::chunks(allocator).BlockAt(ChunkIndex{hole});
        const std::size_t first = ChunkMap<L>::IndexInBlock(ChunkIndex{hole});
        const std::size_t count = HostSize(stop - hole);
        const auto lanes = Access::lanes(block.reach, 0).subspan(first, count);
        const auto words = std::span(block.words).subspan(first, count);
        if (!AllZero(std::as_bytes(lanes)) || !AllZero(std::as_bytes(words)) ||
            AnyBit(block.whole.words, first, count)) {
          return Violation(3, "the index knows a chunk outside the heap: chunks", {hole, stop});
        }
      }
      hole = stop;
    }
    if (!last) hole = G::ChunkOf(ranges.ranges()[i].end).raw;
  }

  // INV-5, INV-6, INV-7: where searches begin.
  if (lowest_free && search_from > *lowest_free) {
    return Violation(search_from == nothing_free ? 7 : 5, "a free page lies below the search",
                     {search_from.raw, lowest_free->raw});
  }
  if (search_from != nothing_free && !ranges.Contains(search_from)) {
    return Violation(6, "the search begins outside the heap", {search_from.raw});
  }

  // INV-9: caches own allocated pages, each its own.
  for (std::size_t k = 0; k < caches.size(); ++k) {
    const PageCache& cache = caches[k];
    if (cache.empty()) continue;
    if (cache.base.raw % PageCache::kPages.raw != 0 || !ranges.Contains(cache.base)) {
      return Violation(9, "cache block outside the heap or not aligned", {k, cache.base.raw});
    }
    if ((cache.scavenged & ~cache.pages) != 0) return Violation(9, "scavenged outside pages", {k});
    const auto& chunk = Access::chunks(allocator)[G::ChunkOf(cache.base)];
    const unsigned at = G::PageInChunk(cache.base);
    if ((cache.pages & ~chunk.allocated.WordOf(at)) != 0) {
      return Violation(9, "a cached page is free in the bitmap", {k, cache.base.raw});
    }
    if ((cache.pages & chunk.scavenged.WordOf(at)) != 0) {
      return Violation(9, "a cached page is scavenged in the bitmap", {k, cache.base.raw});
    }
    for (std::size_t other = 0; other < k; ++other) {
      if (caches[other].base == cache.base && (caches[other].pages & cache.pages) != 0) {
        return Violation(9, "two caches share a page", {other, k, cache.base.raw});
      }
    }
  }

  // INV-10: every page is accounted for.
  const auto& stats = Access::stats(allocator);
  if (stats.grown.raw != total || stats.in_use.raw + stats.held.raw != in_use ||
      stats.scavenged.raw != scavenged) {
    return Violation(10, "statistics: grown, in use, scavenged, held",
                     {stats.grown.raw, stats.in_use.raw, stats.scavenged.raw, stats.held.raw, total,
                      in_use, scavenged});
  }
  return internal::CheckScavengeInvariants(allocator, held);
}

}  // namespace pagealloc::testing
