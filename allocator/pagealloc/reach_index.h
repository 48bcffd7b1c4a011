/// reach_index.h: of each chunk the longest free run that begins in it, kept while pages change.
///
/// A chunk's reach is the length of the longest free run that BEGINS in it, counted in full
/// wherever it ends, up to kMost pages. A run is as long as it can be, so a chunk in the middle of
/// one has no run of its own:
///
///   chunk       7          8          9         10
///   bitmap  1100 0110  0000 0000  0000 1101  1000 1110      1 = allocated
///   reach      13          0          1          3          13: page 7 of chunk 7 to page 3 of
///                                                           chunk 9 are one run
///
/// So the lowest place for N pages is in the first chunk whose reach is at least N
/// (reach_search.h). The lanes, their maxima (max_lanes.h), and the bits of wholly free chunks, by
/// which the length of a long run is told, are in the chunk map.
///
/// Freeing tells the joined run from the neighbours' bits and raises one number; the next chunk
/// loses its run if that was joined. Allocating takes from a run: only if that was its chunk's
/// longest, the next one is looked for, by the runs of the bitmap's words (word_runs.h).
///
/// One word may wait. While operations change pages of the same 64-page word as the one before
/// them, only the bitmap changes, and the index remembers that word as it was (all but allocations
/// of several pages, which need a search, and that an exact index):
///
///   Waits()  same word as last time?   yes: remember its bits, once; nothing else to do
///                                      no:  Settle(), and the change is told at once
///   Settle()  before a search, and before pages of another word change
///
/// Between two operations the index is exact for the bitmaps with that one word as it was.
///
/// Idea: Go 1.26, mpagealloc.go (pageAlloc.summary, update), which keeps the free pages at the
/// start, in the middle and at the end of everything instead; summary_view.h still tells them.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/free_walk.h"
#include "pagealloc/hot.h"
#include "pagealloc/layout.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/reach_search.h"
#include "pagealloc/units.h"
#include "pagealloc/word_runs.h"
#include "pagealloc/work_counters.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

template <Layout L, class Counters>
class ReachIndex {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Block = typename Chunks::Block;
  using Bits = PageBits<static_cast<unsigned>(G::kChunkPages.raw)>;
  using Walk = FreeWalk<L, Counters>;
  using Search = ReachSearch<L, Counters>;
  using Lanes = MaxLanes<Chunks::kBlockChunks>;
  static constexpr auto kPages = static_cast<unsigned>(G::kChunkPages.raw);

 public:
  /// Longer runs are known to be at least so long.
  static constexpr unsigned kMost = Lanes::kMost;

  /// Whether a non-empty range lies in the word in which pages changed last. If so, KeepsWaiting()
  /// is all that is to be said of a change.
  [[nodiscard]] PA_HOT bool InLastWord(PageOffset begin, PageOffset end) const {
    return begin.raw / 64 == last_word_ && (end.raw - 1) / 64 == last_word_;
  }
  /// Comes before bits of that word change; they are `now`.
  PA_HOT void KeepsWaiting(std::uint64_t now) {
    before_ = pending_ ? before_ : now;
    pending_ = true;
  }

  /// Comes before the bits of a non-empty range change. True: the change may wait, and nothing more
  /// is to be said. False: one of the methods below comes after the change.
  [[nodiscard]] PA_HOT bool Waits(Chunks& chunks, PageOffset begin, PageOffset end,
                                  Counters& counters) {
    if (InLastWord(begin, end)) {
      KeepsWaiting(chunks[G::ChunkOf(begin)].allocated.WordOf(G::PageInChunk(begin)));
      return true;
    }
    MovesOn(chunks, end, counters);
    return false;
  }
  /// Nothing is pending afterwards. The caller tells the change of the range that ends at `end`
  /// itself, and changes of that word may wait from then on.
  PA_HOT void MovesOn(Chunks& chunks, PageOffset end, Counters& counters) {
    Settle(chunks, counters);
    last_word_ = (end.raw - 1) / 64;
  }

  /// Nothing is pending afterwards.
  PA_HOT void Settle(Chunks& chunks, Counters& counters) {
    if (pending_) {
      pending_ = false;
      WordChanged(chunks, PageOffset{last_word_ * 64}, before_, counters);
    }
  }

  /// Whole chunks joined the heap, all free.
  void Grown(Chunks& chunks, PageRange pages, Counters& counters) {
    Settle(chunks, counters);
    search_.Grown(chunks, pages);
    for (PageOffset at = pages.begin; at < pages.end; at += G::kChunkPages) {
      const ChunkIndex chunk = G::ChunkOf(at);
      FreedAll(chunks.BlockAt(chunk), Chunks::IndexInBlock(chunk));
    }
    FreedParts(chunks, pages.begin, pages.end, {}, counters);
  }

  /// Free pages beside a range, in the chunks in which it begins and ends. By reference: two
  /// numbers in one register would wait for the stores that put them there.
  struct Beside {
    unsigned below = 0;
    unsigned above = 0;
  };

  /// A non-empty range of one chunk is free now, none of it was.
  PA_HOT void Freed(Chunks& chunks, PageOffset begin, PageOffset end, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(begin);
    const unsigned first = G::PageInChunk(begin);
    const unsigned limit = first + static_cast<unsigned>(end.raw - begin.raw);
    Block& block = chunks.BlockAt(at);
    Beside beside;
    FreedPart(block, Chunks::IndexInBlock(at), first, limit, beside, counters);
    if (beside.below == first || limit + beside.above == kPages) {
      FreedParts(chunks, begin, end, beside, counters);
    } else {
      RaiseTo(chunks, block, at, beside.below + (limit - first) + beside.above, counters);
    }
  }

  /// Pages [first, limit) of chunk i of a block are free now, a part of a range. FreedParts() comes
  /// when all parts of it are.
  PA_HOT static void FreedPart(Block& block, std::size_t i, unsigned first, unsigned limit,
                               Beside& beside, Counters& counters) {
    if (limit - first == kPages) {
      FreedAll(block, i);
      return;
    }
    const Bits& bits = block.chunks[i].allocated;
    const unsigned below = bits.ZerosBelow(first);
    const unsigned above = bits.ZerosFrom(limit);
    counters.WordsScanned(2 + (below + above) / 64);
    JoinRuns(block.words[i].runs, bits, first - below, limit, limit + above);
    if (below == first && limit + above == kPages) block.whole.Set(i);
    beside.below += below;  // 0 but for the first part
    beside.above += above;  // 0 but for the last one
  }
  [[gnu::noinline]] void FreedParts(Chunks& chunks, PageOffset begin, PageOffset end,
                                    const Beside& beside, Counters& counters) {
    const std::uint64_t below = AllBelow(chunks, begin, beside.below, counters);
    const std::uint64_t above = AllAbove(chunks, end, beside.above, counters);
    const ChunkIndex next = G::ChunkOf(end);
    // kNoChunk: so far down that its number is the highest there is.
    const ChunkIndex at = below < kMost ? G::ChunkOf(PageOffset{begin.raw - below}) : kNoChunk;
    if (above > 0 && at != next) {  // the run above belonged to the next chunk
      Shortened(chunks, next, above, counters);
    }
    if (at != kNoChunk) {
      RaiseTo(chunks, chunks.BlockAt(at), at, below + (end.raw - begin.raw) + above, counters);
    }
  }

  /// A run of a batch, in one chunk, is free now, the index is not asked for it yet. FreedInBatch()
  /// comes when this was said of all such runs, and FreedPart() of the parts of the others.
  void NoteInBatch(Chunks& chunks, PageRange pages, Counters& counters) {
    const ChunkIndex at = G::ChunkOf(pages.begin);
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const unsigned first = G::PageInChunk(pages.begin);
    Beside beside;  // of no use: what is free there may change with the next run
    FreedPart(block, i, first, static_cast<unsigned>(first + pages.size().raw), beside, counters);
    if (block.freed_once.Get(i)) block.freed_again.Set(i);
    block.freed_once.Set(i);
  }

  /// Once for each run of the batch. The first of a chunk with several does it for all of them.
  void FreedInBatch(Chunks& chunks, PageRange pages, Counters& counters) {
    if (G::InOneChunk(pages.begin, pages.end)) {
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
    const Bits& lowest = chunks[G::ChunkOf(pages.begin)].allocated;
    Beside beside{lowest.ZerosBelow(G::PageInChunk(pages.begin)), 0};
    if (const unsigned limit = G::PageInChunk(pages.end); limit != 0) {
      beside.above = chunks[G::ChunkOf(pages.end)].allocated.ZerosFrom(limit);
    }
    FreedParts(chunks, pages.begin, pages.end, beside, counters);
  }

  /// The lowest pages of a free run, all in one chunk, are allocated now.
  PA_HOT void TakenFromStart(Chunks& chunks, PageOffset begin, PageOffset end, Counters& counters) {
    const unsigned first = G::PageInChunk(begin);
    const unsigned limit = first + static_cast<unsigned>(end.raw - begin.raw);
    if (limit == kPages) {
      TakenAtBorder(chunks, begin, end, counters);
      return;
    }
    TakenInChunk(chunks, G::ChunkOf(begin), first, limit, counters);
  }

  /// A non-empty range of one chunk, all of one free run, is allocated now.
  PA_HOT void Taken(Chunks& chunks, PageOffset begin, PageOffset end, Counters& counters) {
    const unsigned first = G::PageInChunk(begin);
    const unsigned limit = first + static_cast<unsigned>(end.raw - begin.raw);
    const ChunkIndex at = G::ChunkOf(begin);
    const unsigned below = chunks[at].allocated.ZerosBelow(first);
    counters.WordsScanned(1 + below / 64);
    const bool from_below = below == first && Walk::IsFree(chunks, G::ChunkBegin(at).raw - 1);
    if (from_below || limit == kPages) {
      TakenAtBorder(chunks, begin, end, counters);
    } else {
      TakenInChunk(chunks, at, first - below, limit, counters);
    }
  }

  /// Pages [first, limit) of chunk i of a block are allocated now, a part of a range, all of one
  /// free run. TakenParts() comes when all parts of it are.
  PA_HOT static void TakenPart(Block& block, std::size_t i, unsigned first, unsigned limit,
                               Beside& beside, Counters& counters) {
    block.whole.Clear(i);
    if (limit - first == kPages) {
      block.words[i].runs = WordRuns{};
      return;
    }
    const Bits& bits = block.chunks[i].allocated;
    const unsigned below = bits.ZerosBelow(first);
    const unsigned above = bits.ZerosFrom(limit);
    counters.WordsScanned(2 + (below + above) / 64);
    CutRun(block.words[i].runs, bits, first - below, limit, above);
    beside.below += below;  // 0 but for the first part
    beside.above += above;  // 0 but for the last one
  }
  void TakenParts(Chunks& chunks, PageOffset begin, PageOffset end, const Beside& beside,
                  Counters& counters) {
    const std::uint64_t below = AllBelow(chunks, begin, beside.below, counters);
    const std::uint64_t above = AllAbove(chunks, end, beside.above, counters);
    const ChunkIndex next = G::ChunkOf(end);
    if (below < kMost) {  // else the chunk that the run begins in is still as good as before
      const ChunkIndex at = G::ChunkOf(PageOffset{begin.raw - below});
      Shortened(chunks, at, below + (end.raw - begin.raw) + above, counters);
      if (at == next) return;
    }
    if (above > 0) RaiseTo(chunks, chunks.BlockAt(next), next, above, counters);
  }

  /// Any pages of the 64-page word at `base` are free or allocated now that were not; its bits
  /// were `before`.
  [[gnu::noinline]] void WordChanged(Chunks& chunks, PageOffset base, std::uint64_t before,
                                     Counters& counters) {
    const ChunkIndex at = G::ChunkOf(base);
    const unsigned first = G::PageInChunk(base);
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const Bits& bits = block.chunks[i].allocated;
    const std::uint64_t now = bits.WordOf(first);
    if (now == before) return;
    block.whole.Clear(i);
    counters.WordsScanned(3);
    const CountedRuns runs = CountRuns(block.words[i].runs, bits, first / 64, before);
    const std::uint64_t free = ~(now & before);  // now or before
    const bool first_page_free = first == 0 ? (free & 1) != 0 : !bits.Get(0);
    if ((runs.lowest == 0 && first_page_free) ||
        (free >> 63 != 0 && first + 64 + bits.ZerosFrom(first + 64) == kPages)) {
      WordChangedAtBorder(chunks, at, first, before, counters);
      return;
    }
    const unsigned reach = block.reach.Get(i);
    const bool told = runs.now < WordRuns::kMost;
    if (told && runs.now == reach) return;
    if (told && runs.now > reach) {
      RaiseTo(chunks, block, at, runs.now, counters);
    } else if (std::max(runs.before, runs.now) >= std::min(reach, WordRuns::kMost)) {
      Recompute(chunks, at, counters);
    }
  }

  /// First page of the lowest run of `want` pages, at least 1; kNowhere if there is none.
  [[nodiscard]] PA_HOT PageOffset Find(Chunks& chunks, PageCount want, Counters& counters) {
    Settle(chunks, counters);
    return search_.Find(chunks, want, counters);
  }
  static constexpr PageOffset kNowhere = Search::kNowhere;

 private:
  friend struct testing::AllocatorAccess;

  static constexpr std::uint64_t kNoWord = ~std::uint64_t{0};

  /// Pages up to `limit` < kPages of chunk `at` are allocated now, of a run that began at page
  /// `begin` of the chunk.
  PA_HOT void TakenInChunk(Chunks& chunks, ChunkIndex at, unsigned begin, unsigned limit,
                           Counters& counters) {
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const Bits& bits = block.chunks[i].allocated;
    const unsigned end = limit + bits.ZerosFrom(limit);
    counters.WordsScanned(1 + (end - limit) / 64);
    const unsigned longest = CutRun(block.words[i].runs, bits, begin, limit, end - limit);
    if (begin == 0) block.whole.Clear(i);
    // A run that goes on behind the chunk may be the longest: to be counted anew.
    if (end == kPages || end - begin >= block.reach.Get(i)) {
      SetReach(chunks, block, at, longest, counters);
    }
  }

  /// The same to the end of the chunk, or of a run that began further down.
  [[gnu::noinline]] void TakenAtBorder(Chunks& chunks, PageOffset begin, PageOffset end,
                                       Counters& counters) {
    const ChunkIndex at = G::ChunkOf(begin);
    const unsigned first = G::PageInChunk(begin);
    Beside beside;
    TakenPart(chunks.BlockAt(at), Chunks::IndexInBlock(at), first,
              first + static_cast<unsigned>(end.raw - begin.raw), beside, counters);
    TakenParts(chunks, begin, end, beside, counters);
  }

  /// All pages of chunk i of a block are free now.
  static void FreedAll(Block& block, std::size_t i) {
    block.words[i].runs = WordRuns{};
    block.words[i].runs.Set(0, kPages);
    block.whole.Set(i);
  }

  /// Free pages below `begin`, of which so many are known in its chunk, and so above `end`. Not
  /// counted further than to the chunk in which there are kMost.
  [[nodiscard]] static std::uint64_t AllBelow(const Chunks& chunks, PageOffset begin,
                                              unsigned known, Counters& counters) {
    if (known < G::PageInChunk(begin)) return known;
    return known + Walk::FreeBelow(chunks, G::ChunkBegin(G::ChunkOf(begin)), kMost, counters);
  }
  [[nodiscard]] static std::uint64_t AllAbove(const Chunks& chunks, PageOffset end, unsigned known,
                                              Counters& counters) {
    const unsigned limit = G::PageInChunk(end);
    if (limit != 0 && limit + known < kPages) return known;
    return known + Walk::FreeFrom(chunks, end + PageCount{known}, kMost, counters);
  }

  /// A word changed, and of the runs counted one begins or ends at the chunk's border, or did.
  [[gnu::noinline]] void WordChangedAtBorder(Chunks& chunks, ChunkIndex at, unsigned first,
                                             std::uint64_t before, Counters& counters) {
    Block& block = chunks.BlockAt(at);
    const std::size_t i = Chunks::IndexInBlock(at);
    const Bits& bits = block.chunks[i].allocated;
    const std::uint64_t now = bits.WordOf(first);
    if (now == 0 && bits.ZerosFrom(0) == kPages) block.whole.Set(i);
    Recompute(chunks, at, counters);
    if (std::countr_zero(now) != std::countr_zero(before) && bits.ZerosBelow(first) == first) {
      const std::uint64_t below = Walk::FreeBelow(chunks, G::ChunkBegin(at), kMost, counters);
      if (below > 0 && below < kMost) {
        Recompute(chunks, G::ChunkOf(PageOffset{G::ChunkBegin(at).raw - below}), counters);
      }
    }
    const PageOffset next = G::ChunkBegin(at) + G::kChunkPages;
    if (first + 64 == kPages && (now ^ before) >> 63 != 0 && Walk::IsFree(chunks, next.raw)) {
      Recompute(chunks, G::ChunkOf(next), counters);
    }
  }

  /// Any pages of a chunk are free now that were not.
  void FreedHereAndThere(Chunks& chunks, ChunkIndex at, Counters& counters) {
    Recompute(chunks, at, counters);
    const Bits& bits = chunks[at].allocated;
    const PageOffset begin = G::ChunkBegin(at);
    if (!bits.Get(0)) {  // its first run may have begun further down
      const std::uint64_t below = Walk::FreeBelow(chunks, begin, kMost, counters);
      if (below > 0 && below < kMost) {
        const ChunkIndex first = G::ChunkOf(PageOffset{begin.raw - below});
        const std::uint64_t above = Walk::FreeFrom(chunks, begin, kMost, counters);
        RaiseTo(chunks, chunks.BlockAt(first), first, below + above, counters);
      }
    }
    if (!bits.Get(kPages - 1)) {  // and the next chunk's may begin here now
      const PageOffset end = begin + G::kChunkPages;
      const std::uint64_t above = Walk::FreeFrom(chunks, end, kMost, counters);
      if (above > 0) Shortened(chunks, G::ChunkOf(end), above, counters);
    }
  }

  /// A run of so many pages begins in the chunk.
  PA_HOT static void RaiseTo(Chunks& chunks, Block& block, ChunkIndex at, std::uint64_t run,
                             Counters& counters) {
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

  /// Changes a chunk's reach to what its words tell now.
  void Recompute(Chunks& chunks, ChunkIndex at, Counters& counters) {
    Block& block = chunks.BlockAt(at);
    SetReach(chunks, block, at, block.words[Chunks::IndexInBlock(at)].runs.max(), counters);
  }

  /// The same; `by_words` is the largest of the words' numbers.
  [[gnu::noinline]] static void SetReach(Chunks& chunks, Block& block, ChunkIndex at,
                                         unsigned by_words, Counters& counters) {
    const std::size_t i = Chunks::IndexInBlock(at);
    const Bits& bits = block.chunks[i].allocated;
    counters.WordsScanned(1);
    const std::uint64_t last = bits.Get(kPages - 1) ? 0 : LastRun(chunks, bits, at, counters);
    std::uint64_t longest = last;
    const unsigned start = bits.ZerosFrom(0);
    if (last < kPages && start < kPages) {
      const bool told = by_words < WordRuns::kMost && (start == 0 || start < by_words);
      const unsigned inside =
          told ? by_words
               : LongestInside(chunks, block.words[i].runs, bits, at, start, by_words, counters);
      longest = std::max<std::uint64_t>(last, inside);
    }
    const auto reach = static_cast<unsigned>(std::min<std::uint64_t>(longest, kMost));
    const unsigned levels = block.reach.Set(i, reach);
    counters.IndexWritten(levels);
    if (levels == Lanes::kShape.levels) counters.IndexWritten(chunks.MaxChanged(at));
  }

  /// The run that leaves the chunk at its end; 0 if it began below the chunk.
  [[nodiscard]] static std::uint64_t LastRun(const Chunks& chunks, const Bits& bits, ChunkIndex at,
                                             Counters& counters) {
    const unsigned tail = bits.ZerosBelow(kPages);
    if (tail == kPages && Walk::IsFree(chunks, G::ChunkBegin(at).raw - 1)) return 0;
    return tail + Walk::FreeFrom(chunks, G::ChunkBegin(at) + G::kChunkPages, kMost, counters);
  }

  /// The longest run that begins in a chunk and does not leave it, for what the words' numbers do
  /// not tell: long ones, and the first one, which may have begun below. `start`: its pages here,
  /// less than all; `by_words`: the largest of the numbers.
  [[nodiscard]] [[gnu::noinline]] static unsigned LongestInside(const Chunks& chunks, WordRuns runs,
                                                                const Bits& bits, ChunkIndex at,
                                                                unsigned start, unsigned by_words,
                                                                Counters& counters) {
    const bool from_below = start > 0 && Walk::IsFree(chunks, G::ChunkBegin(at).raw - 1);
    const unsigned longest =
        from_below ? std::max(runs.MaxBut(0), LongestBeginning(bits, 0, true)) : by_words;
    if (longest < WordRuns::kMost) return longest;
    counters.WordsScanned(kPages / 64);
    return bits.LongestOverAWord(from_below ? start : 0);
  }

  static constexpr ChunkIndex kNoChunk{G::kChunks.raw};

  Search search_;
  std::uint64_t last_word_ = kNoWord;  // of the last page that changed: page / 64
  std::uint64_t before_ = 0;           // its bits as the index knows them, if pending
  bool pending_ = false;
};

}  // namespace pagealloc
