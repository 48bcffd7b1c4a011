/// page_allocator.h: address-ordered first fit over the pages of one heap.
///
/// PageAllocator answers which pages a request gets: always the lowest run that fits. It never
/// touches the pages; its own tables come from an OsMemory, through which everything is taken.
///
///   Grow --> [AddressRanges: what is in the heap]
///            [ChunkMap: two bits a page] --> [ReachIndex: where free runs begin] --> Find,
///            Allocate
///
/// What is promised: placements (the lowest address that fits), results and statistics. What the
/// index knows exactly, and where a search begins, is not.
///
/// Threads: one caller at a time; hold the heap's lock. Errors: "no room" is std::nullopt, a
/// refusal of the operating system is an OsStatus and leaves the heap as it was, a caller's mistake
/// stops the process (contract.h). Nothing throws. Go's names: pageAlloc and its methods; addresses
/// there are page offsets here, 0 is an ordinary page, and unaligned growth is refused.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <optional>
#include <span>

#include "pagealloc/address_ranges.h"
#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_cache.h"
#include "pagealloc/reach_index.h"
#include "pagealloc/scavenge_index.h"
#include "pagealloc/units.h"
#include "pagealloc/work_counters.h"

namespace pagealloc {

/// Pages of a heap by state, exact after every operation. grown = in_use + free + held.
struct HeapStats {
  PageCount grown;      ///< pages that ever joined the heap
  PageCount in_use;     ///< allocated, those in page caches included
  PageCount free;       ///< for the next allocation
  PageCount scavenged;  ///< free, and their memory is with the operating system
  PageCount held{};     ///< between BeginScavenge() and FinishScavenge()

  friend constexpr bool operator==(HeapStats, HeapStats) = default;
};

/// @tparam L         the layout; all tables are computed from it
/// @tparam Counters  WorkCounters, or NoCounters at no cost
template <Layout L, class Counters = NoCounters>
class PageAllocator {
  using G = Geometry<L>;

 public:
  using LayoutType = L;

  PageAllocator() = default;
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  /// Comes first, once (contract); `os` must outlive the allocator. Takes nothing from it, the
  /// tables come with the heap; so it succeeds.
  OsStatus Init(OsMemory& os) {
    PA_EXPECT(os_ == nullptr);
    os_ = &os;
    chunks_.Init(os);
    units_.page = PageCount{std::max<std::uint64_t>(1, os.page_size().raw >> kPageBits)};
    units_.huge = PageCount{os.huge_page_size().raw >> kPageBits};
    index_.Init(chunks_);
    return OsStatus::Ok();
  }

  /// Adds pages to the heap, free and scavenged: a non-empty range of whole chunks, none of which
  /// is in the heap yet, up to Geometry<L>::kHeapEnd (contract). Ranges may come in any order and
  /// leave gaps. On a refusal the heap is as before; metadata() may have grown.
  /// @see Go: grow. There, an unaligned size leaves a summary wrong; here it breaks the contract.
  OsStatus Grow(PageRange pages) {
    PA_EXPECT(os_ != nullptr);
    PA_EXPECT(pages.begin < pages.end && pages.end <= G::kHeapEnd, pages.begin, pages.end);
    PA_EXPECT(G::PageInChunk(pages.begin) == 0 && G::PageInChunk(pages.end) == 0, pages.begin,
              pages.end);
    PA_EXPECT(!in_heap_.Overlaps({pages.begin, pages.end}), pages.begin, pages.end);
    const ChunkIndex first = G::ChunkOf(pages.begin);
    const ChunkIndex last = G::ChunkOf(pages.end);
    if (const OsStatus status = in_heap_.PrepareAdd(*os_, {pages.begin, pages.end}); !status.ok()) {
      return status;
    }
    if (const OsStatus status = chunks_.MakeBlocks(first, last); !status.ok()) return status;

    in_heap_.Add({pages.begin, pages.end});
    stats_.grown += pages.size();
    stats_.free += pages.size();
    stats_.scavenged += pages.size();
    for (ChunkIndex chunk = first; chunk < last; ++chunk) chunks_[chunk].scavenged.SetAll();
    reach_.Grown(chunks_, pages, counters_);
    search_from_ = std::min(search_from_, pages.begin);
    return OsStatus::Ok();
  }

  /// Takes the lowest free run of `want` pages.
  ///
  /// @param want  pages, at least 1 (contract), and as many as you like.
  /// @return      first page, and how many of the pages the operating system must back again;
  ///              nullopt when no run is long enough: no error, grow the heap and retry.
  /// @post        stats().in_use grew by `want`; on nullopt nothing changed.
  /// @cost        at most two cache lines a level, one bitmap, and the chunks that are marked
  ///              (reach_index.h); one page where the search begins: a word of bitmap.
  /// @see         Go: alloc.
  [[nodiscard]] std::optional<Allocation> Allocate(PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    const std::optional<Found> found = Lookup(want);
    if (!found) {
      if (want == PageCount{1}) search_from_ = kNothingFree;
      return std::nullopt;
    }
    const PageRange pages = PageRange::Of(found->first, want);
    const PageCount scavenged = MarkAllocated(pages);
    reach_.TakenFromStart(chunks_, pages, counters_);
    search_from_ = std::max(search_from_, found->hint);
    return Allocation{found->first, scavenged};
  }

  /// Marks exactly these pages allocated: a non-empty range of the heap (contract), all of it free
  /// (checked builds). Returns how many were scavenged. @see Go: allocRange.
  PageCount AllocateRange(PageRange pages) {
    ExpectInHeap(pages);
    const PageCount scavenged = MarkAllocated(pages);
    reach_.Taken(chunks_, pages, counters_);
    return scavenged;
  }

  /// Marks pages free: a non-empty range of the heap (contract), all of it allocated (checked
  /// builds). Scavenged bits stay. @see Go: free.
  void Free(PageRange pages) {
    MarkFree(pages);
    reach_.Freed(chunks_, pages, counters_);
  }

  /// Marks many runs free, as Free() of each would; they are as there, and disjoint. Any order will
  /// do, and none makes a difference. As a sweep does it: several runs of a chunk change the index
  /// once. @see Go: none.
  /// @cost  a bitmap and a word of the scavenge index a run; the index as for one free a chunk, and
  ///        the chunk's bitmap once more if it has several runs
  void FreeBatch(std::span<const PageRange> runs) {
    for (const PageRange& pages : runs) {
      MarkFree(pages);
      reach_.NoteInBatch(chunks_, pages);
    }
    for (const PageRange& pages : runs) reach_.FreedInBatch(chunks_, pages, counters_);
  }

  /// Where Allocate(want) would place a run; changes nothing but the work counters. @see Go: find.
  [[nodiscard]] std::optional<Found> Find(PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    return Lookup(want);
  }

  /// Takes all free pages of the 64-page block that holds the lowest free page. An empty cache when
  /// nothing is free. @post the pages read as allocated until Flush() or Free() brings them back.
  /// @see Go: allocToCache.
  [[nodiscard]] PageCache TakePageCache() {
    const std::optional<Found> lowest = Lookup(PageCount{1});
    if (!lowest) {
      search_from_ = kNothingFree;
      return PageCache{};
    }
    const PageCache cache = TakeBlock(lowest->first);
    // The last page of the block, not the one after: that might lie outside the heap.
    search_from_ = PageOffset{cache.base.raw + PageCache::kPages.raw - 1};
    return cache;
  }

  /// Takes all free pages of the 64-page block that holds `at`, a page of the heap (contract). An
  /// empty cache when none is free. @post as above. @see Go: none, it takes the lowest block only.
  [[nodiscard]] PageCache TakePageCache(PageOffset at) {
    ExpectInHeap(PageRange::Of(at, PageCount{1}));
    const PageCache cache = TakeBlock(at);
    return cache.empty() ? PageCache{} : cache;
  }

  /// Brings a cache's pages back: those in `pages` become free, those in `scavenged` scavenged, and
  /// the cache empty. Its block must lie in the heap, scavenged inside pages (contract), and pages
  /// be allocated (checked builds). An empty cache may have any base. @see Go: pageCache.flush.
  void Flush(PageCache& cache) {
    PA_EXPECT((cache.scavenged & ~cache.pages) == 0, cache.pages, cache.scavenged);
    if (cache.empty()) {
      cache = PageCache{};
      return;
    }
    PA_EXPECT(cache.base.raw % PageCache::kPages.raw == 0, cache.base);
    const PageRange block = PageRange::Of(cache.base, PageCache::kPages);
    ExpectInHeap(block);
    const unsigned in_chunk = G::PageInChunk(cache.base);
    auto& chunk = chunks_[G::ChunkOf(cache.base)];
    PA_ASSERT((cache.pages & ~chunk.allocated.WordOf(in_chunk)) == 0, cache.base, cache.pages);
    chunk.allocated.ClearInWord(in_chunk, cache.pages);
    chunk.scavenged.SetInWord(in_chunk, cache.scavenged);
    stats_.in_use -= cache.size();
    stats_.free += cache.size();
    stats_.scavenged += CountOnes(cache.scavenged);
    search_from_ = std::min(search_from_, cache.base);
    index_.Freed(G::ChunkOf(cache.base), static_cast<unsigned>(cache.size().raw),
                 PageOffset{block.end.raw - static_cast<unsigned>(std::countl_zero(cache.pages))});
    reach_.FreedInWord(chunks_, cache.base, cache.pages, counters_);
    cache = PageCache{};
  }

  /// Whether all of a non-empty range (contract) is in the heap and free. Pages in page caches are
  /// not. @cost a word of bitmap for 64 pages.
  [[nodiscard]] bool AllFree(PageRange pages) {
    if (!in_heap_.ContainsAll({pages.begin, pages.end})) return false;
    bool free = true;
    ForChunks(pages, [this, &free](ChunkIndex at, unsigned first, unsigned count) {
      free = free && chunks_[at].allocated.CountRange(first, count) == 0;
    });
    return free;
  }

  /// Asks for huge pages behind the bitmaps, present and future: worth it for heaps above 64 GiB,
  /// whose blocks of 1 MiB the kernel joins. Again: no effect. A refusal leaves some without.
  /// @see Go: enableChunkHugePages, which leaves out the last block of every range.
  OsStatus EnableMetadataHugePages() { return chunks_.PreferHugePages(); }
  /// Blocks of bitmaps for which it was asked.
  [[nodiscard]] std::uint64_t metadata_huge_page_hints() const { return chunks_.hinted_blocks(); }

  /// The lowest free page at or above `at`, and the free pages behind it: as many as there are.
  /// nullopt if there is none. @cost a word of the scavenge index for each full chunk that is
  /// passed, a bitmap for each that is not. @see Go: none.
  [[nodiscard]] std::optional<PageRange> FreeRunAtOrAbove(PageOffset at) const {
    std::optional<PageOffset> page = in_heap_.AtOrAbove(at);
    while (page) {
      const ChunkIndex chunk = G::ChunkOf(*page);
      const PageOffset next = G::ChunkBegin(chunk) + G::kChunkPages;
      if (index_.Load(chunk).in_use < G::kChunkPages.raw) {
        *page += PageCount{chunks_[chunk].allocated.OnesFrom(G::PageInChunk(*page))};
        if (*page < next) break;
      }
      page = in_heap_.AtOrAbove(next);
    }
    if (!page) return std::nullopt;
    PageRange run{*page, *page};
    do {
      const auto& bits = chunks_[G::ChunkOf(run.end)].allocated;
      const unsigned free = bits.ZerosFrom(G::PageInChunk(run.end));
      run.end += PageCount{free};
      if (free == 0) break;
    } while (G::PageInChunk(run.end) == 0 && in_heap_.Contains(run.end));
    return run;
  }

  /// A new generation, as after a garbage collection: background scavenging may now release what
  /// was freed before. @see Go: nextGen.
  void NextScavengeGeneration() { index_.NextGeneration(); }

  /// Begins a search for pages whose memory can be given back, highest first; nullopt when there is
  /// nothing to look at. What follows is Scan() of scavenge_index(), which needs no lock, then
  /// BeginScavenge(). scavenger.h does all of it.
  [[nodiscard]] std::optional<ScavengeSearch> StartScavenge(ScavengeMode mode) {
    return index_.StartSearch(mode, in_heap_);
  }

  /// Takes the highest pages that can be released where a scanned search found some: they read as
  /// allocated until FinishScavenge(), so the lock may be dropped while the operating system takes
  /// their memory.
  /// @param most  pages, rounded up to what the operating system releases; a huge page that is free
  ///              as a whole is not split, so it may be up to one more.
  /// @return      pages of one chunk; nullopt: nothing there, start the next search.
  /// @see         Go: the first half of scavengeOne. There, what lies above the search's page is
  ///              forgotten with the rest of the chunk; here the whole chunk is asked before that.
  [[nodiscard]] std::optional<PageRange> BeginScavenge(const ScavengeSearch& search,
                                                       PageCount most) {
    if (!search.found) {
      index_.EndSearch(search, false, in_heap_);
      return std::nullopt;
    }
    const PageOffset base = G::ChunkBegin(search.chunk);
    ExpectInHeap(PageRange::Of(base, G::kChunkPages));
    auto& chunk = chunks_[search.chunk];
    constexpr auto kTop = static_cast<unsigned>(G::kChunkPages.raw - 1);
    auto run = chunk.FindScavengeCandidate(search.page, most, units_);
    if (!run && search.page != kTop) run = chunk.FindScavengeCandidate(kTop, most, units_);
    if (!run) index_.NothingToRelease(search.chunk);
    index_.EndSearch(search, run.has_value(), in_heap_);
    if (!run) return std::nullopt;
    const PageRange pages = PageRange::Of(base + PageCount{run->first}, PageCount{run->count});
    chunk.Allocate(run->first, run->count);
    stats_.free -= pages.size();
    stats_.held += pages.size();
    reach_.Taken(chunks_, pages, counters_);
    return pages;
  }

  /// Ends what BeginScavenge() began, with the same pages (contract): they become free, and
  /// scavenged if the operating system `released` them. If it refused they are found again.
  /// @see Go: the second half of scavengeOne.
  void FinishScavenge(PageRange pages, bool released) {
    ExpectInHeap(pages);
    PA_EXPECT(pages.size() <= stats_.held, pages.size(), stats_.held);
    const ChunkIndex at = G::ChunkOf(pages.begin);
    const unsigned first = G::PageInChunk(pages.begin);
    const auto count = static_cast<unsigned>(pages.size().raw);
    auto& chunk = chunks_[at];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == count, first, count);
    chunk.Free(first, count);
    stats_.held -= pages.size();
    stats_.free += pages.size();
    if (released) {
      chunk.scavenged.SetRange(first, count);
      stats_.scavenged += pages.size();
    } else {
      index_.Returned(at, pages.end);
    }
    search_from_ = std::min(search_from_, pages.begin);
    reach_.Freed(chunks_, pages, counters_);
  }

  /// In what pieces BeginScavenge() takes pages. Init() asks the operating system; a replay on
  /// another machine sets what it was recorded with, before the first release.
  void set_release_units(ReleaseUnits units) {
    PA_EXPECT(units.page.raw <= 64 && std::has_single_bit(units.page.raw), units.page);
    PA_EXPECT(units.huge.raw == 0 || std::has_single_bit(units.huge.raw), units.huge);
    units_ = units;
  }
  [[nodiscard]] ReleaseUnits release_units() const { return units_; }
  [[nodiscard]] const ScavengeIndex<L>& scavenge_index() const { return index_; }

  /// Lowest page of the heap at or above `at`; nullopt if there is none. @see Go: findMappedAddr.
  [[nodiscard]] std::optional<PageOffset> FindMapped(PageOffset at) const {
    return in_heap_.AtOrAbove(at);
  }

  [[nodiscard]] const AddressRanges& ranges() const { return in_heap_; }  ///< Go: inUse
  [[nodiscard]] const HeapStats& stats() const { return stats_; }
  /// Everything taken from the OsMemory; the object itself (sizeof) comes on top.
  [[nodiscard]] MetadataStats metadata() const { return chunks_.metadata() + in_heap_.metadata(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  friend struct testing::AllocatorAccess;

  static constexpr PageOffset kNothingFree{G::kAddressPages.raw};

  static PageCount CountOnes(std::uint64_t bits) {
    return PageCount{static_cast<std::uint64_t>(std::popcount(bits))};
  }

  void ExpectInHeap(PageRange pages) {
    // Most often in the range of the heap that was asked for last; no range ever shrinks.
    if (last_range_.begin <= pages.begin && pages.begin < pages.end && pages.end <= last_range_.end)
        [[likely]] {
      return;
    }
    PA_EXPECT(in_heap_.ContainsAll({pages.begin, pages.end}), pages.begin, pages.end);
    const auto& range = in_heap_.ranges()[in_heap_.Successor(pages.begin) - 1];
    last_range_ = {range.begin, range.end};
  }

  /// The lowest run of `want` pages and a search position for afterwards.
  [[nodiscard]] std::optional<Found> Lookup(PageCount want) {
    if (search_from_ == kNothingFree) return std::nullopt;
    if (want == PageCount{1}) {  // the most frequent size by far: look where the search begins
      const auto& bits = chunks_[G::ChunkOf(search_from_)].allocated;
      const std::uint64_t free = ~bits.WordOf(G::PageInChunk(search_from_));
      counters_.WordsScanned(1);
      if (free != 0) {
        const PageOffset word{search_from_.raw & ~std::uint64_t{63}};
        const PageOffset page = word + PageCount{static_cast<unsigned>(std::countr_zero(free))};
        return Found{page, page};
      }
    }
    if (want > stats_.free) return std::nullopt;
    return reach_.Find(chunks_, want, search_from_, counters_);
  }

  /// Most ranges: the steps for one chunk are worth a place of their own in every caller.
  static bool InOneChunk(PageRange pages) {
    return G::PageInChunk(pages.begin) + (pages.end.raw - pages.begin.raw) <= G::kChunkPages.raw;
  }
  [[gnu::always_inline]] inline void FreeInChunk(ChunkIndex at, unsigned first, unsigned count) {
    auto& block = chunks_.BlockAt(at);
    const std::size_t i = ChunkMap<L>::IndexInBlock(at);
    auto& chunk = block.chunks[i];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == count, first, count);
    chunk.Free(first, count);
    index_.Freed(block, i, count, G::ChunkBegin(at) + PageCount{first + count});
  }
  [[gnu::always_inline]] inline PageCount AllocateInChunk(ChunkIndex at, unsigned first,
                                                          unsigned count) {
    auto& block = chunks_.BlockAt(at);
    const std::size_t i = ChunkMap<L>::IndexInBlock(at);
    auto& chunk = block.chunks[i];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == 0, first, count);
    index_.Allocated(block, i, count);
    return PageCount{chunk.Allocate(first, count)};
  }

  /// Calls `visit(chunk index, first page, count)` for each chunk's part of a non-empty range.
  template <class Visit>
  [[gnu::noinline]] void ForChunks(PageRange pages, Visit&& visit) {
    PageOffset at = pages.begin;
    while (at < pages.end) {
      const unsigned first = G::PageInChunk(at);
      const std::uint64_t count = std::min(G::kChunkPages.raw - first, pages.end.raw - at.raw);
      visit(G::ChunkOf(at), first, static_cast<unsigned>(count));
      at += PageCount{count};
    }
  }

  /// The free pages of the block around `at`, marked allocated. search_from_ stays as it was.
  PageCache TakeBlock(PageOffset at) {
    const PageOffset base{at.raw & ~(PageCache::kPages.raw - 1)};
    const unsigned in_chunk = G::PageInChunk(base);
    auto& chunk = chunks_[G::ChunkOf(base)];
    PageCache cache{base, ~chunk.allocated.WordOf(in_chunk), 0};
    if (cache.empty()) return cache;
    cache.scavenged = chunk.scavenged.WordOf(in_chunk) & cache.pages;
    chunk.allocated.SetInWord(in_chunk, cache.pages);
    chunk.scavenged.ClearInWord(in_chunk, cache.scavenged);
    MoveToUse(cache.size(), CountOnes(cache.scavenged));
    index_.Allocated(G::ChunkOf(base), static_cast<unsigned>(cache.size().raw));
    reach_.TakenInWord(chunks_, base, cache.pages, counters_);
    return cache;
  }

  [[gnu::always_inline]] inline PageCount MarkAllocated(PageRange pages) {
    PageCount scavenged;
    if (InOneChunk(pages)) {
      scavenged = AllocateInChunk(G::ChunkOf(pages.begin), G::PageInChunk(pages.begin),
                                  static_cast<unsigned>(pages.end.raw - pages.begin.raw));
    } else {
      ForChunks(pages, [this, &scavenged](ChunkIndex at, unsigned first, unsigned count) {
        scavenged += AllocateInChunk(at, first, count);
      });
    }
    MoveToUse(pages.size(), scavenged);
    return scavenged;
  }

  /// All of Free() but the reach index.
  [[gnu::always_inline]] inline void MarkFree(PageRange pages) {
    ExpectInHeap(pages);
    search_from_ = std::min(search_from_, pages.begin);
    if (InOneChunk(pages)) {
      FreeInChunk(G::ChunkOf(pages.begin), G::PageInChunk(pages.begin),
                  static_cast<unsigned>(pages.end.raw - pages.begin.raw));
    } else {
      ForChunks(pages, [this](ChunkIndex at, unsigned first, unsigned count) {
        FreeInChunk(at, first, count);
      });
    }
    stats_.in_use -= pages.size();
    stats_.free += pages.size();
  }

  void MoveToUse(PageCount pages, PageCount scavenged) {
    stats_.in_use += pages;
    stats_.free -= pages;
    stats_.scavenged -= scavenged;
  }

  OsMemory* os_ = nullptr;
  /// No page below it is free (Go: searchAddr). In the heap, or kNothingFree.
  PageOffset search_from_ = kNothingFree;
  HeapStats stats_;
  PageRange last_range_{};  // a part of the heap; empty at first
  [[no_unique_address]] Counters counters_;
  AddressRanges in_heap_;
  ChunkMap<L> chunks_;
  ReachIndex<L, Counters> reach_;
  ScavengeIndex<L> index_;
  ReleaseUnits units_;
};

}  // namespace pagealloc
