/// radix_tree.h: finds the lowest run of N free pages without reading every bitmap.
///
/// An entry sums up a piece of the address space (summary.h): free pages at its start, the longest
/// free run inside, free pages at its end. A parent is the merge of its children; only Update()
/// writes entries, bottom up, and stops at the first level on which nothing changed. Find() goes
/// down where the longest run inside fits, and stops where neighbours' free ends and starts fit
/// together. Entries of address space that never joined the heap are 0: they look fully allocated.
///
///   level 0  [0][1] ... [16383]         16 GiB an entry (linux-amd64)
///                \__________
///   level 1  [0][1][2] ... [7]           2 GiB        levels 2, 3: 256 MiB, 32 MiB
///                \__________
///   level 4  [0][1][2] ... [7]           4 MiB = one chunk
///                \__________
///   bitmap   1101 0000 ... 0111          512 pages, 1 = allocated
///
/// This class is the whole search structure: PageAllocator owns the bitmaps and knows nothing of
/// summaries but Init, Grow, Update, Find and LongestRun. Below the root a search reads one cache
/// line a level; at the root it reads from the search position to the heap's end, not the level's.
/// Idea: Go 1.26, mpagealloc.go (pageAlloc.summary, update, find).
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/reserved_array.h"
#include "pagealloc/summary.h"
#include "pagealloc/work_counters.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

/// How the pages of a range changed.
enum class Change : std::uint8_t {
  kAllocated,  ///< all of them were free and are allocated now
  kFreed,      ///< all of them were allocated (or not in the heap) and are free now
  kMixed,      ///< some of them; the range lies in one chunk
};

/// Where a run of free pages lies.
struct Found {
  PageOffset first;
  /// No page below this one is free. Page-exact only sometimes; lies in the heap.
  PageOffset hint;

  friend constexpr bool operator==(Found, Found) = default;
};

template <Layout L, class Counters>
class RadixTree {
  using G = Geometry<L>;
  using Word = Summary<L>;
  static_assert(G::kLevels <= WorkCounters::kMaxLevels, "each level has a counter");

 public:
  static constexpr unsigned kLevels = G::kLevels;
  static constexpr unsigned kLeaf = kLevels - 1;

  /// Reserves address space for all levels (Go: sysInit). Once. On a refusal it may be tried again
  /// on a new object; this one must only be destroyed.
  OsStatus Init(OsMemory& os) {
    if constexpr (L::kSummaryMemory == SummaryMemory::kOneBlockAtStart) {
      std::uint64_t sum = 0;
      for (const std::uint64_t entries : G::kEntries) sum += entries;
      if (const OsStatus status = memory_[0].Reserve(os, sum); !status.ok()) return status;
      if (const OsStatus status = memory_[0].MakeAccessible(0, sum); !status.ok()) return status;
      Word* next = memory_[0].data();
      for (unsigned level = 0; level < kLevels; ++level) {
        levels_[level] = next;
        next += G::kEntries[level];
      }
    } else {
      for (unsigned level = 0; level < kLevels; ++level) {
        if (const OsStatus status = memory_[level].Reserve(os, G::kEntries[level]); !status.ok()) {
          return status;
        }
        levels_[level] = memory_[level].data();
      }
    }
    return OsStatus::Ok();
  }

  /// Makes the entries of new pages, whole chunks, accessible (Go: sysGrow). They stay 0 until
  /// Update(). On a refusal no search sees a difference.
  OsStatus Grow(PageRange pages) {
    if constexpr (L::kSummaryMemory == SummaryMemory::kPerLevelAsTheHeapGrows) {
      for (unsigned level = 0; level < kLevels; ++level) {
        const auto block = G::BlockAligned(level, G::EntriesOf(level, pages));
        const OsStatus status = memory_[level].MakeAccessible(block.begin, block.end);
        if (!status.ok()) return status;
      }
    }
    if (bounds_.empty()) {
      bounds_ = pages;
    } else {
      bounds_ = {std::min(bounds_.begin, pages.begin), std::max(bounds_.end, pages.end)};
    }
    return OsStatus::Ok();
  }

  /// Repairs the summaries after the bits of a non-empty range changed as `change` says (Go:
  /// update). A chunk's bitmap is read as a whole only where the new longest run cannot be told
  /// from the old one and the run at hand.
  void Update(const ChunkMap<L>& chunks, PageRange pages, Change change, Counters& counters) {
    const auto leaves = G::EntriesOf(kLeaf, pages);
    PA_EXPECT(change != Change::kMixed || leaves.end - leaves.begin == 1, pages.begin, pages.end);
    bool changed = false;
    if (leaves.end - leaves.begin == 1) {
      changed = UpdateLeaf(chunks, pages, change, counters);
    } else {
      changed = Recompute(chunks, leaves.begin, counters);
      changed |= Recompute(chunks, leaves.end - 1, counters);
      const Word whole = change == Change::kFreed ? Word::OfFree(G::kChunkPages) : Word{};
      std::fill(levels_[kLeaf] + leaves.begin + 1, levels_[kLeaf] + leaves.end - 1, whole);
      counters.SummaryUpdated(leaves.end - leaves.begin - 2);
      changed |= leaves.end - leaves.begin > 2;
    }
    if (changed) Propagate<kLeaf>(pages, counters);
  }

  /// Lowest run of `want` pages, at least 1; nullopt if there is none. Nothing below `from` may be
  /// free, and `from` must lie in the heap (Go: find).
  [[nodiscard]] std::optional<Found> Find(const ChunkMap<L>& chunks, PageCount want,
                                          PageOffset from, const AddressRanges& in_heap,
                                          Counters& counters) const {
    // The smallest region known to hold the first free page.
    PageRange window{PageOffset{0}, PageOffset{G::kAddressPages.raw}};
    std::uint64_t begin = G::LevelIndex(0, bounds_.begin);
    std::uint64_t end = G::LevelIndex(0, PageOffset{bounds_.end.raw - 1}) + 1;
    for (unsigned level = 0; level < kLevels; ++level) {
      const std::uint64_t start = G::LevelIndex(level, from);
      if (begin < start && start < end) begin = start;
      const Word* const entries = levels_[level];
      const std::uint64_t span = std::uint64_t{1} << G::kSpanPageBits[level];
      std::uint64_t run = 0;  // free pages that end at the border before entry i
      std::uint64_t i = begin;
      for (; i < end; ++i) {
        const Word entry = entries[i];
        if (entry.none_free()) {
          run = 0;
          continue;
        }
        Narrow(window, PageRange::Of(G::LevelBegin(level, i), PageCount{span}));
        const std::uint64_t low = entry.start().raw;
        if (run + low >= want.raw) {
          counters.SummariesRead(level, i - begin + 1);
          return Found{PageOffset{G::LevelBegin(level, i).raw - run},
                       InHeap(window.begin, in_heap)};
        }
        if (entry.max() >= want) break;
        run = low == span ? run + span : entry.end().raw;
      }
      counters.SummariesRead(level, std::min(i + 1, end) - begin);
      if (i == end) {
        if (level > 0) BrokenPromise(level, begin, want);
        return std::nullopt;
      }
      if (level == kLeaf)
        return FindInChunk(chunks, ChunkIndex{i}, want, window, in_heap, counters);
      begin = i << G::kIndexBits[level + 1];
      end = begin + (std::uint64_t{1} << G::kIndexBits[level + 1]);
    }
    __builtin_unreachable();  // the leaf level always returns
  }

  /// Longest run of free pages inside one chunk of the heap.
  [[nodiscard]] PageCount LongestRun(ChunkIndex chunk) const {
    return levels_[kLeaf][chunk.raw].max();
  }

  /// An entry promised a run that is not there: memory was overwritten, or Update() was forgotten.
  [[noreturn]] static void BrokenPromise(unsigned level, std::uint64_t index, PageCount want) {
    internal::Broken("invariant", "a summary's longest run exists below it", "level, index, want",
                     __FILE__, __LINE__, level, index, want);
  }

  [[nodiscard]] MetadataStats metadata() const {
    MetadataStats sum;
    for (const ReservedArray<Word>& memory : memory_) sum = sum + memory.metadata();
    return sum;
  }

 private:
  friend struct testing::AllocatorAccess;

  bool Store(std::uint64_t leaf, FreeRuns runs, Counters& counters) {
    const Word fresh = Word::Pack(runs);
    if (levels_[kLeaf][leaf] == fresh) return false;
    levels_[kLeaf][leaf] = fresh;
    counters.SummaryUpdated(1);
    return true;
  }

  bool Recompute(const ChunkMap<L>& chunks, std::uint64_t leaf, Counters& counters) {
    counters.WordsScanned(G::kChunkPages.raw / 64);
    return Store(leaf, chunks[ChunkIndex{leaf}].allocated.Summarize(), counters);
  }

  /// One chunk. The run around the changed pages, without them, ends at the same places before and
  /// after, so it tells the new summary from the old one:
  ///
  ///     1..1 0000 [changed] 000 1..1       begin = end of the ones below, end likewise above
  ///          ^begin            ^end
  ///
  /// Freed: the pages join one run, and no other run changes. Allocated: the run breaks in two; if
  /// it was not the longest, the longest is another one still.
  bool UpdateLeaf(const ChunkMap<L>& chunks, PageRange pages, Change change, Counters& counters) {
    const std::uint64_t leaf = G::LevelIndex(kLeaf, pages.begin);
    if (change == Change::kMixed) return Recompute(chunks, leaf, counters);
    const auto& bits = chunks[ChunkIndex{leaf}].allocated;
    const unsigned first = G::PageInChunk(pages.begin);
    const unsigned limit = first + static_cast<unsigned>(pages.size().raw);
    const unsigned below = bits.ZerosBelow(first);
    const unsigned above = bits.ZerosFrom(limit);
    counters.WordsScanned(2 + below / 64 + above / 64);
    const PageCount joined{below + pages.size().raw + above};
    FreeRuns runs = levels_[kLeaf][leaf].runs();
    if (change == Change::kFreed) {
      if (below == first) runs.start = joined;
      if (limit + above == G::kChunkPages.raw) runs.end = joined;
      runs.max = std::max(runs.max, joined);
    } else {
      if (joined == runs.max) return Recompute(chunks, leaf, counters);
      if (below == first) runs.start = PageCount{below};
      if (limit + above == G::kChunkPages.raw) runs.end = PageCount{above};
    }
    return Store(leaf, runs, counters);
  }

  /// Merges the blocks of level kLevel that hold changed entries into the level above, and on.
  template <unsigned kLevel>
  void Propagate(PageRange pages, Counters& counters) {
    if constexpr (kLevel > 0) {
      constexpr unsigned kParent = kLevel - 1;
      constexpr std::uint64_t kChildren = std::uint64_t{1} << G::kIndexBits[kLevel];
      const auto parents = G::EntriesOf(kParent, pages);
      bool changed = false;
      for (std::uint64_t i = parents.begin; i < parents.end; ++i) {
        const Word fresh =
            Word::Merge(levels_[kLevel] + i * kChildren, kChildren, G::kSpanPageBits[kLevel]);
        if (levels_[kParent][i] == fresh) continue;
        levels_[kParent][i] = fresh;
        counters.SummaryUpdated(1);
        changed = true;
      }
      counters.SummariesRead(kLevel, (parents.end - parents.begin) * kChildren);
      if (changed) Propagate<kParent>(pages, counters);
    }
  }

  static void Narrow(PageRange& window, PageRange seen) {
    if (window.begin <= seen.begin && seen.end <= window.end) {
      window = seen;
    } else {
      PA_ASSERT(!window.Overlaps(seen), window.begin, window.end, seen.begin, seen.end);
    }
  }

  /// A window may begin in a hole: the lowest page of the heap in or above it is as good a hint.
  static PageOffset InHeap(PageOffset at, const AddressRanges& in_heap) {
    const std::optional<PageOffset> page = in_heap.AtOrAbove(at);
    PA_ASSERT(page.has_value(), at);
    return page.value_or(at);
  }

  static std::optional<Found> FindInChunk(const ChunkMap<L>& chunks, ChunkIndex chunk,
                                          PageCount want, PageRange window,
                                          const AddressRanges& in_heap, Counters& counters) {
    std::uint64_t words = 0;
    const auto match = chunks[chunk].allocated.Find(want.raw, 0, words);
    counters.WordsScanned(words);
    if (!match) BrokenPromise(kLevels, chunk.raw, want);
    const PageOffset base = G::ChunkBegin(chunk);
    Narrow(window, PageRange::Of(base + PageCount{match->first_free}, PageCount{1}));
    return Found{base + PageCount{match->first}, InHeap(window.begin, in_heap)};
  }

  std::array<Word*, kLevels> levels_{};
  PageRange bounds_{};  // lowest and one past the highest page that ever joined; empty at first
  std::array<ReservedArray<Word>, kLevels> memory_;  // one block at start: only the first is used
};

}  // namespace pagealloc
