/// reach_index.h: finds the lowest run of N free pages without reading every bitmap.
///
/// Of each chunk the index knows its reach: the length of the longest free run that BEGINS in it,
/// counted in full wherever it ends, up to kMost pages. A run is as long as it can be, so a chunk
/// in the middle of one has no run of its own:
///
///   chunk       7          8          9         10
///   bitmap  1100 0110  0000 0000  0000 1101  1000 1110      1 = allocated
///   reach      13          0          1          3          13: page 7 of chunk 7 to page 3 of
///                                                           chunk 9 are one run
///
/// So the lowest place for N pages is in the first chunk whose reach is at least N (max_lanes.h
/// finds it): the lowest run of N in its bitmap, or, if there is none, the run that leaves it at
/// its end. No run lies "between" two entries. The lanes, their maxima, and the bits of wholly free
/// chunks, by which the length of a long run is told, are in the chunk map.
///
/// Freeing tells the joined run from the neighbours' bits and raises one number; the next chunk
/// loses its run if that was joined. Allocating takes from a run: only if that was its chunk's
/// longest, the next one is looked for, by the runs of the bitmap's words (word_runs.h), which also
/// tell a search where in a chunk to look. Numbers are exact between two operations, but for
/// one: while a heap is filled page by page, the chunk in which that happens is "lazy", its number
/// an upper bound. It is put right when a search looks there in vain, or another chunk becomes
/// lazy.
///
/// Idea: Go 1.26, mpagealloc.go (pageAlloc.summary, find, update), which keeps the free pages at
/// the start, in the middle and at the end of everything instead; summary_view.h still tells them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>

#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/free_walk.h"
#include "pagealloc/layout.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/units.h"
#include "pagealloc/word_runs.h"
#include "pagealloc/work_counters.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

/// Where a run of free pages lies.
struct Found {
  PageOffset first;
  /// No page below this one is free. Page-exact only sometimes; lies in the heap.
  PageOffset hint;

  friend constexpr bool operator==(Found, Found) = default;
};

/// Every method comes after the bits of the pages it speaks of were changed.
template <Layout L, class Counters>
class ReachIndex {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Block = typename Chunks::Block;
  using Bits = PageBits<static_cast<unsigned>(G::kChunkPages.raw)>;
  using Walk = FreeWalk<L, Counters>;
  using Lanes = MaxLanes<Chunks::kBlockChunks>;
  static constexpr auto kPages = static_cast<unsigned>(G::kChunkPages.raw);

 public:
  /// Longer runs are known to be at least so long.
  static constexpr unsigned kMost = Lanes::kMost;

  /// Whole chunks joined the heap, all free.
  void Grown(Chunks& chunks, PageRange pages, Counters& counters) {
    if (bounds_.empty()) {
      bounds_ = pages;
    } else {
      bounds_ = {std::min(bounds_.begin, pages.begin), std::max(bounds_.end, pages.end)};
    }
    FreedOverBorders(chunks, pages, counters);
  }

  /// A non-empty range is free now, none of it was.
  void Freed(Chunks& chunks, PageRange pages, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(pages.begin);
    const unsigned first = G::PageInChunk(pages.begin);
    const std::uint64_t limit = first + (pages.end.raw - pages.begin.raw);
    if (limit > kPages) {
      FreedOverBorders(chunks, pages, counters);
      return;
    }
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const auto& bits = block.chunks[i].allocated;
    const unsigned below = bits.ZerosBelow(first);
    const unsigned end =
        static_cast<unsigned>(limit) + bits.ZerosFrom(static_cast<unsigned>(limit));
    counters.WordsScanned(2 + (below + end - limit) / 64);
    JoinRuns(block.words[i].runs, bits, first - below, static_cast<unsigned>(limit), end);
    const bool from_start = below == first;
    const bool to_end = end == kPages;
    if (from_start && to_end) block.whole.Set(i);
    if (from_start && Walk::IsFree(chunks, pages.begin.raw - first - 1)) {
      Joined(chunks, pages, counters);
    } else if (to_end && Walk::IsFree(chunks, G::ChunkBegin(at).raw + kPages)) {
      // No longer run can begin here; but the next chunk may have to give one up.
      if (limit == kPages || block.reach.Get(i) < kMost) Joined(chunks, pages, counters);
    } else {
      RaiseTo(chunks, at, end - first + below, counters);
    }
  }

  /// A run of a batch is free now, the index is not asked for it yet. FreedInBatch() comes when
  /// this was said of all runs.
  void NoteInBatch(Chunks& chunks, PageRange pages) {
    if (!InOneChunk(pages)) {
      NoteWholeChunks(chunks, pages);
      return;
    }
    const ChunkIndex at = G::ChunkOf(pages.begin);
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    CountWords(chunks, pages);
    if (block.chunks[i].allocated.ZerosFrom(0) == kPages) block.whole.Set(i);
    if (block.freed_once.Get(i)) block.freed_again.Set(i);
    block.freed_once.Set(i);
  }

  /// Once for each run of the batch. The first of a chunk with several does it for all of them.
  void FreedInBatch(Chunks& chunks, PageRange pages, Counters& counters) {
    if (InOneChunk(pages)) {
      const ChunkIndex at = G::ChunkOf(pages.begin);
      Block& block = chunks.BlockAt(at);
      const std::size_t i = Chunks::IndexInBlock(at);
      if (!block.freed_once.Get(i)) return;
      block.freed_once.Clear(i);
      if (block.freed_again.Get(i)) {
        block.freed_again.Clear(i);
        FreedHereAndThere(chunks, at, counters);
        return;
      }
    }
    Freed(chunks, pages, counters);
  }

  /// The lowest pages of a free run are allocated now.
  void TakenFromStart(Chunks& chunks, PageRange pages, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(pages.begin);
    const unsigned first = G::PageInChunk(pages.begin);
    const std::uint64_t limit = first + (pages.end.raw - pages.begin.raw);
    if (limit >= kPages) {
      Taken(chunks, pages, counters);
      return;
    }
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    if (first == 0) block.whole.Clear(i);
    const auto& bits = block.chunks[i].allocated;
    const auto left = static_cast<unsigned>(limit);
    unsigned end = left + bits.ZerosFrom(left, WordRuns::kMost);
    counters.WordsScanned(1 + (end - left) / 64);
    CutRun(block.words[i].runs, bits, first, left, end);
    if (at == lazy_) return;
    if (end - left >= WordRuns::kMost) end += bits.ZerosFrom(end);
    std::uint64_t rest = end - left;
    if (end == kPages)
      rest += Walk::FreeFrom(chunks, G::ChunkBegin(at) + G::kChunkPages, kMost, counters);
    if (limit - first + rest < block.reach.Get(i) || StillLongest(block, i)) return;
    if (end == kPages && rest >= first) {
      // The rest is the longest again, and so it goes on while a heap is filled.
      if (rest >= kMost) return;
      if (lazy_ != kNoChunk) Recompute(chunks, lazy_, counters);
      lazy_ = at;
    } else {
      Recompute(chunks, at, counters);
    }
  }

  /// A non-empty range, all of one free run, is allocated now.
  [[gnu::noinline]] void Taken(Chunks& chunks, PageRange pages, Counters& counters) {
    CountWords(chunks, pages);
    for (ChunkIndex at = G::ChunkOf(pages.begin); G::ChunkBegin(at) < pages.end; ++at) {
      chunks.BlockAt(at).whole.Clear(Chunks::IndexInBlock(at));
    }
    const std::uint64_t below = Walk::FreeBelow(chunks, pages.begin, kMost, counters);
    const std::uint64_t above = Walk::FreeFrom(chunks, pages.end, kMost, counters);
    const ChunkIndex next = G::ChunkOf(pages.end);
    if (below < kMost) {  // else the chunk that the run begins in is still as good as before
      const ChunkIndex at = G::ChunkOf(PageOffset{pages.begin.raw - below});
      Shortened(chunks, at, below + pages.size().raw + above, counters);
      if (at == next) return;
    }
    if (above > 0) RaiseTo(chunks, next, above, counters);
  }

  /// All free pages of a 64-page block were taken: `taken`, not 0.
  void TakenInWord(Chunks& chunks, PageOffset base, std::uint64_t taken, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(base);
    const unsigned first = G::PageInChunk(base);
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    block.whole.Clear(i);
    CountWords(chunks, PageRange::Of(base, PageCount{64}));
    if (!StillLongest(block, i)) Recompute(chunks, at, counters);
    // Only runs that reach into other chunks change more than that.
    const auto low = static_cast<unsigned>(std::countr_one(taken));
    const auto high = static_cast<unsigned>(std::countl_one(taken));
    const bool at_end = first + 64 == kPages;
    const bool from_start = low > 0 && block.chunks[i].allocated.ZerosBelow(first) == first;
    counters.WordsScanned(low > 0 ? 1 + first / 64 : 0);
    if (from_start || (at_end && low == 64)) {
      Taken(chunks, PageRange::Of(base, PageCount{low}), counters);
    }
    if (at_end && high > 0 && high < 64) {
      Taken(chunks, {base + PageCount{64 - high}, base + PageCount{64}}, counters);
    }
  }

  /// Of a 64-page block the pages `freed`, not 0, are free now, none of them was.
  void FreedInWord(Chunks& chunks, PageOffset base, std::uint64_t freed, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(base);
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    std::uint64_t free = ~block.chunks[i].allocated.WordOf(G::PageInChunk(base));
    CountWords(chunks, PageRange::Of(base, PageCount{64}));
    // The runs at the block's ends may go on outside.
    const auto low = static_cast<unsigned>(std::countr_one(free));
    const std::uint64_t low_run = low == 0 ? 0 : WordMask(0, low);
    const auto high = static_cast<unsigned>(std::countl_one(free & ~low_run));
    const std::uint64_t high_run = high == 0 ? 0 : WordMask(64 - high, high);
    for (const std::uint64_t run : {freed & low_run, freed & high_run}) {
      if (run == 0) continue;
      const auto first = static_cast<unsigned>(std::countr_zero(run));
      const auto end = 64 - static_cast<unsigned>(std::countl_zero(run));
      Freed(chunks, {base + PageCount{first}, base + PageCount{end}}, counters);
    }
    // Runs that lay between the freed pages are no longer this chunk's if all began further down.
    const unsigned in_chunk = G::PageInChunk(base);
    if ((freed & low_run) != 0 && block.reach.Get(i) > 0 &&
        block.chunks[i].allocated.ZerosBelow(in_chunk) == in_chunk &&
        Walk::IsFree(chunks, G::ChunkBegin(at).raw - 1)) {
      Recompute(chunks, at, counters);
    }
    free &= ~(low_run | high_run);
    unsigned longest = block.reach.Get(i);
    const unsigned before = longest;
    for (std::uint64_t starts = RunStarts64(free, longest + 1); starts != 0;) {
      ++longest;
      starts &= free >> longest;  // those that go on for one more
    }
    if (longest > before) RaiseTo(chunks, at, longest, counters);
  }

  /// Lowest run of `want` pages, at least 1; nullopt if there is none. Nothing below `from` may be
  /// free, and `from` must lie in the heap (Go: find).
  [[nodiscard]] std::optional<Found> Find(Chunks& chunks, PageCount want, PageOffset from,
                                          Counters& counters) {
    const auto bound = static_cast<unsigned>(std::min<std::uint64_t>(want.raw, kMost));
    const ChunkIndex start = G::ChunkOf(from);
    std::optional<ChunkIndex> at = start;
    if (chunks.BlockAt(start).reach.Get(Chunks::IndexInBlock(start)) < bound) {
      at = FirstAtLeast(chunks, start + ChunkCount{1}, bound, counters);
    }
    while (at) {
      const unsigned in_chunk = *at == start ? G::PageInChunk(from) : 0;
      if (const auto found = Look(chunks, *at, in_chunk, want, from, counters)) return found;
      if (*at == lazy_) {
        Recompute(chunks, *at, counters);
      } else if (want.raw <= kMost) {
        BrokenPromise(at->raw, want);
      }
      at = FirstAtLeast(chunks, *at + ChunkCount{1}, bound, counters);
    }
    return std::nullopt;
  }

  /// Lowest and one past the highest page that ever joined; empty at first.
  [[nodiscard]] PageRange bounds() const { return bounds_; }

  /// The index promised a run that is not there: memory was overwritten, or an update forgotten.
  [[noreturn]] static void BrokenPromise(std::uint64_t chunk, PageCount want) {
    internal::Broken("invariant", "a run that the index promised exists", "chunk, want", __FILE__,
                     __LINE__, chunk, want);
  }

 private:
  friend struct testing::AllocatorAccess;

  static constexpr ChunkIndex kNoChunk{G::kChunks.raw};

  static bool InOneChunk(PageRange pages) {
    return G::PageInChunk(pages.begin) + (pages.end.raw - pages.begin.raw) <= kPages;
  }

  /// Whether a run as long as the chunk's longest is still there, after one became shorter. Not
  /// always known: the chunk's lowest run may have begun further down.
  PA_HOT static bool StillLongest(const Block& block, std::size_t i) {
    const unsigned reach = block.reach.Get(i);
    if (reach == 0) return true;
    return reach < WordRuns::kMost && block.chunks[i].allocated.Get(0) &&
           block.words[i].runs.FirstAtLeast(reach) < WordRuns::kWords;
  }

  /// Any of these pages changed.
  static void CountWords(Chunks& chunks, PageRange pages) {
    for (PageOffset from = pages.begin; from < pages.end;) {
      const ChunkIndex at = G::ChunkOf(from);
      Block& block = chunks.BlockAt(at);
      const std::size_t i = Chunks::IndexInBlock(at);
      const PageOffset next = G::ChunkBegin(at) + G::kChunkPages;
      CountRuns(block.words[i].runs, block.chunks[i].allocated, G::PageInChunk(from),
                next <= pages.end ? kPages : G::PageInChunk(pages.end));
      from = next;
    }
  }

  static void NoteWholeChunks(Chunks& chunks, PageRange pages) {
    CountWords(chunks, pages);
    for (ChunkIndex at = G::ChunkOf(pages.begin); G::ChunkBegin(at) < pages.end; ++at) {
      Block& block = chunks.BlockAt(at);
      const std::size_t i = Chunks::IndexInBlock(at);
      const PageOffset begin = G::ChunkBegin(at);
      const bool inner = pages.begin <= begin && begin + G::kChunkPages <= pages.end;
      if (inner || block.chunks[i].allocated.ZerosFrom(0) == kPages) {
        block.whole.Set(i);
      }
    }
  }

  [[gnu::noinline]] void FreedOverBorders(Chunks& chunks, PageRange pages, Counters& counters) {
    NoteWholeChunks(chunks, pages);
    Joined(chunks, pages, counters);
  }

  /// Any pages of a chunk are free now that were not.
  void FreedHereAndThere(Chunks& chunks, ChunkIndex at, Counters& counters) {
    Recompute(chunks, at, counters);
    const auto& bits = chunks[at].allocated;
    const PageOffset begin = G::ChunkBegin(at);
    if (!bits.Get(0)) {  // its first run may have begun further down
      const std::uint64_t below = Walk::FreeBelow(chunks, begin, kMost, counters);
      if (below > 0 && below < kMost) {
        const ChunkIndex first = G::ChunkOf(PageOffset{begin.raw - below});
        const std::uint64_t above = Walk::FreeFrom(chunks, begin, kMost, counters);
        RaiseTo(chunks, first, below + above, counters);
      }
    }
    if (!bits.Get(kPages - 1)) {  // and the next chunk's may begin here now
      const PageOffset end = begin + G::kChunkPages;
      const std::uint64_t above = Walk::FreeFrom(chunks, end, kMost, counters);
      if (above > 0) Shortened(chunks, G::ChunkOf(end), above, counters);
    }
  }

  /// Free pages are part of a run that may begin and end in other chunks.
  [[gnu::noinline]] void Joined(Chunks& chunks, PageRange pages, Counters& counters) {
    const std::uint64_t below = Walk::FreeBelow(chunks, pages.begin, kMost, counters);
    const std::uint64_t above = Walk::FreeFrom(chunks, pages.end, kMost, counters);
    const ChunkIndex next = G::ChunkOf(pages.end);
    // kNoChunk: so far down that its number is the highest there is.
    const ChunkIndex at =
        below < kMost ? G::ChunkOf(PageOffset{pages.begin.raw - below}) : kNoChunk;
    if (above > 0 && at != next) {  // the run above belonged to the next chunk
      Shortened(chunks, next, above, counters);
    }
    if (at != kNoChunk) {
      RaiseTo(chunks, at, below + pages.size().raw + above, counters);
    }
  }

  /// A run of so many pages begins in the chunk.
  void RaiseTo(Chunks& chunks, ChunkIndex at, std::uint64_t run, Counters& counters) {
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const auto reach = static_cast<unsigned>(std::min<std::uint64_t>(run, kMost));
    if (reach <= block.reach.Get(i)) return;
    const unsigned levels = block.reach.Raise(i, reach);
    counters.IndexWritten(levels);
    if (levels == Lanes::kShape.levels) counters.IndexWritten(chunks.MaxChanged(at));
  }

  /// A run of `before` pages that began in the chunk is gone, or shorter now.
  void Shortened(Chunks& chunks, ChunkIndex at, std::uint64_t before, Counters& counters) {
    const unsigned reach = chunks.BlockAt(at).reach.Get(Chunks::IndexInBlock(at));
    if (std::min<std::uint64_t>(before, kMost) >= reach) Recompute(chunks, at, counters);
  }

  [[gnu::noinline]] void Recompute(Chunks& chunks, ChunkIndex at, Counters& counters) {
    if (at == lazy_) lazy_ = kNoChunk;
    SetReach(chunks, at, Reach(chunks, at, counters), counters);
  }

  void SetReach(Chunks& chunks, ChunkIndex at, std::uint64_t run, Counters& counters) {
    Block& block = chunks.BlockAt(at);
    const auto reach = static_cast<unsigned>(std::min<std::uint64_t>(run, kMost));
    const unsigned levels = block.reach.Set(Chunks::IndexInBlock(at), reach);
    counters.IndexWritten(levels);
    if (levels == Lanes::kShape.levels) counters.IndexWritten(chunks.MaxChanged(at));
  }

  /// The longest run that begins in the chunk, from the bitmaps.
  [[nodiscard]] static unsigned Reach(const Chunks& chunks, ChunkIndex at, Counters& counters) {
    const PageOffset begin = G::ChunkBegin(at);
    const PageOffset next = begin + G::kChunkPages;
    const auto& bits = chunks[at].allocated;
    counters.WordsScanned(kPages / 64);
    std::uint64_t longest = chunks.BlockAt(at).words[Chunks::IndexInBlock(at)].runs.max();
    if (!bits.Get(0) && Walk::IsFree(chunks, begin.raw - 1)) {  // the first run began further down
      const unsigned start = bits.ZerosFrom(0);
      if (start == kPages) return 0;
      auto others = bits;
      others.SetRange(0, start);
      longest = others.Summarize().max.raw;
    } else if (longest == WordRuns::kMost) {
      longest = bits.Summarize().max.raw;
    }
    if (!bits.Get(kPages - 1)) {
      const unsigned tail = bits.ZerosBelow(kPages);
      longest = std::max(longest, tail + Walk::FreeFrom(chunks, next, kMost, counters));
    }
    return static_cast<unsigned>(std::min<std::uint64_t>(longest, kMost));
  }

  /// The first chunk at or after `at` with such a reach, as far as is known.
  [[nodiscard]] std::optional<ChunkIndex> FirstAtLeast(const Chunks& chunks, ChunkIndex at,
                                                       unsigned reach, Counters& counters) const {
    if (G::ChunkBegin(at) >= bounds_.end) return std::nullopt;
    std::uint64_t lines = 0;
    std::optional<ChunkIndex> found;
    std::uint64_t block = Chunks::BlockOf(at);
    const Block* const first = chunks.LookupBlock(at);
    std::uint64_t i = Chunks::kBlockChunks;
    if (first != nullptr) {
      i = first->reach.FirstAtLeast(Chunks::IndexInBlock(at), reach, lines);
    }
    if constexpr (Chunks::kBlocks > 1) {
      const std::uint64_t last = Chunks::BlockOf(G::ChunkOf(PageOffset{bounds_.end.raw - 1}));
      if (i == Chunks::kBlockChunks && block < last) {
        block = chunks.FirstBlockAtLeast(block + 1, reach, lines);
        if (block < Chunks::kBlocks) {
          i = chunks.BlockAt(ChunkIndex{block << G::kChunkMapL2Bits})
                  .reach.FirstAtLeast(0, reach, lines);
        }
      }
    }
    counters.IndexRead(lines);
    if (i < Chunks::kBlockChunks) found = ChunkIndex{(block << G::kChunkMapL2Bits) + i};
    return found;
  }

  /// The lowest run of `want` pages that begins in the chunk.
  [[nodiscard]] static std::optional<Found> Look(const Chunks& chunks, ChunkIndex at,
                                                 unsigned in_chunk, PageCount want, PageOffset from,
                                                 Counters& counters) {
    const Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const Bits& bits = block.chunks[i].allocated;
    const PageOffset base = G::ChunkBegin(at);
    if (want.raw <= WordRuns::kMost) {
      const auto count = static_cast<unsigned>(want.raw);
      const WordRuns runs = block.words[i].runs;
      counters.WordsScanned(1);
      if (const unsigned word = runs.FirstAtLeast(count); word < WordRuns::kWords) {
        const PageOffset first = base + PageCount{LowestBeginning(bits, word, count)};
        if (count == 1 || at != G::ChunkOf(from)) return Found{first, count == 1 ? first : from};
        return Found{first, base + PageCount{LowestBeginning(bits, runs.FirstAtLeast(1), 1)}};
      }
    } else {
      std::uint64_t words = 0;
      const auto match = bits.Find(want.raw, in_chunk, words);
      counters.WordsScanned(words);
      if (match) return Found{base + PageCount{match->first}, from};
    }
    const unsigned tail = bits.ZerosBelow(kPages);
    if (tail == 0) return std::nullopt;
    const PageOffset end = base + G::kChunkPages;
    const std::uint64_t run = tail + Walk::FreeFrom(chunks, end, want.raw, counters);
    if (run < want.raw) return std::nullopt;
    return Found{PageOffset{end.raw - tail}, from};
  }

  PageRange bounds_{};
  ChunkIndex lazy_ = kNoChunk;  // its number is an upper bound
};

}  // namespace pagealloc
