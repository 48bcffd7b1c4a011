/// reach_search.h: finds the lowest run of N free pages without reading every bitmap.
///
/// By what the index knows of each chunk, its reach (reach_index.h), the lowest place for N pages
/// is in the first chunk whose reach is at least N:
///
///   maxima of blocks --> maxima in the block --> reach of 32 chunks --> runs of the chunk's 8
///   words
///    (several blocks)     a line a level          the first >= N         --> the run in one word
///
/// There it is the lowest run of N in the chunk's bitmap, or, if none of those is so long, the run
/// that leaves the chunk at its end. No run lies "between" two entries. Nothing below the place can
/// have such a reach, so a search begins at the top and needs to know nothing else: each level is
/// one line of 32 numbers, compared at once, and no step depends on a guess. Only for runs longer
/// than a number can say are further chunks looked at.
///
/// Idea: Go 1.26, mpagealloc.go (pageAlloc.find).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/free_walk.h"
#include "pagealloc/hot.h"
#include "pagealloc/layout.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/units.h"
#include "pagealloc/word_runs.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

template <Layout L, class Counters>
class ReachSearch {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Block = typename Chunks::Block;
  using Bits = PageBits<static_cast<unsigned>(G::kChunkPages.raw)>;
  using Walk = FreeWalk<L, Counters>;
  using Lanes = MaxLanes<Chunks::kBlockChunks>;
  static constexpr auto kPages = static_cast<unsigned>(G::kChunkPages.raw);

 public:
  /// No page: one past the address space.
  static constexpr PageOffset kNowhere{G::kAddressPages.raw};

  /// Whole chunks joined the heap.
  void Grown(const Chunks& chunks, PageRange pages) {
    if (bounds_.empty()) {
      bounds_ = pages;
    } else {
      bounds_ = {std::min(bounds_.begin, pages.begin), std::max(bounds_.end, pages.end)};
    }
    const ChunkIndex first = G::ChunkOf(bounds_.begin);
    const bool one =
        Chunks::BlockOf(first) == Chunks::BlockOf(G::ChunkOf(PageOffset{bounds_.end.raw - 1}));
    only_ = one ? &chunks.BlockAt(first) : nullptr;
    only_begin_ = BlockBegin(Chunks::BlockOf(first));
    top_ = one ? Lanes::TopOf(Chunks::IndexInBlock(first),
                              Chunks::IndexInBlock(G::ChunkOf(PageOffset{bounds_.end.raw - 1})))
               : typename Lanes::Top{};
  }

  /// First page of the lowest run of `want` pages, at least 1; kNowhere if there is none.
  [[nodiscard]] PA_HOT PageOffset Find(const Chunks& chunks, PageCount want,
                                       Counters& counters) const {
    const auto bound = static_cast<unsigned>(std::min<std::uint64_t>(want.raw, Lanes::kMost));
    const Block* block = only_;
    std::uint64_t chunk = only_begin_;
    if (block == nullptr) {
      const std::uint64_t number = FirstBlock(chunks, bound, counters);
      if (number == Chunks::kBlocks) return kNowhere;
      chunk = BlockBegin(number);
      block = &chunks.BlockAt(ChunkIndex{chunk});
    }
    if (bound > block->reach.max()) return kNowhere;
    counters.IndexRead(top_.level + 1);
    const auto i = static_cast<std::size_t>(block->reach.First(bound, top_));
    chunk += i;
    if (bound <= WordRuns::kMost) {
      counters.WordsScanned(1);
      const unsigned word = block->words[i].runs.FirstAtLeast(bound);
      if (word < WordRuns::kWords) {
        return PageOffset{chunk * kPages +
                          LowestBeginning(block->chunks[i].allocated, word, bound)};
      }
    }
    return FindFrom(chunks, ChunkIndex{chunk}, want, counters);
  }

 private:
  friend struct testing::AllocatorAccess;

  /// The index promised a run that is not there: memory was overwritten, or an update forgotten.
  [[noreturn]] static void BrokenPromise(std::uint64_t chunk, PageCount want) {
    internal::Broken("invariant", "a run that the index promised exists", "chunk, want", __FILE__,
                     __LINE__, chunk, want);
  }

  static constexpr std::uint64_t BlockBegin(std::uint64_t block) {
    return block * Chunks::kBlockChunks;
  }

  [[nodiscard]] std::uint64_t FirstBlock(const Chunks& chunks, unsigned bound,
                                         Counters& counters) const {
    std::uint64_t lines = 0;
    const std::uint64_t block = bounds_.empty() ? Chunks::kBlocks : chunks.FirstBlock(bound, lines);
    counters.IndexRead(lines);
    return block;
  }

  /// The lowest run, which begins in a chunk from `at` on; `at` has the reach for it.
  [[nodiscard]] [[gnu::noinline]] PageOffset FindFrom(const Chunks& chunks, ChunkIndex at,
                                                      PageCount want, Counters& counters) const {
    const auto bound = static_cast<unsigned>(std::min<std::uint64_t>(want.raw, Lanes::kMost));
    for (std::optional<ChunkIndex> next = at; next;
         next = FirstAtLeast(chunks, *next + ChunkCount{1}, bound, counters)) {
      const PageOffset found = Look(chunks, *next, want, counters);
      if (found != kNowhere) return found;
      if (want.raw <= Lanes::kMost) BrokenPromise(next->raw, want);
    }
    return kNowhere;
  }

  /// The first chunk at or after `at` with such a reach.
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
          i = chunks.BlockAt(ChunkIndex{BlockBegin(block)}).reach.FirstAtLeast(0, reach, lines);
        }
      }
    }
    counters.IndexRead(lines);
    if (i < Chunks::kBlockChunks) found = ChunkIndex{BlockBegin(block) + i};
    return found;
  }

  /// The lowest run of `want` pages that begins in the chunk; kNowhere if there is none.
  [[nodiscard]] static PageOffset Look(const Chunks& chunks, ChunkIndex at, PageCount want,
                                       Counters& counters) {
    const Bits& bits = chunks[at].allocated;
    const PageOffset base = G::ChunkBegin(at);
    if (want.raw > WordRuns::kMost) {  // else no word had such a run
      std::uint64_t words = 0;
      const auto match = bits.Find(want.raw, 0, words);
      counters.WordsScanned(words);
      if (match) return base + PageCount{match->first};
    }
    const unsigned tail = bits.ZerosBelow(kPages);
    if (tail == 0) return kNowhere;
    const PageOffset end = base + G::kChunkPages;
    const std::uint64_t run = tail + Walk::FreeFrom(chunks, end, want.raw, counters);
    return run < want.raw ? kNowhere : PageOffset{end.raw - tail};
  }

  PageRange bounds_{};  // lowest and one past the highest page that ever joined; empty at first
  const Block* only_ = nullptr;   // the heap's block of chunks, if it has one only
  std::uint64_t only_begin_ = 0;  // its first chunk
  typename Lanes::Top top_;       // where in it the heap lies; for every block if there are several
};

}  // namespace pagealloc
