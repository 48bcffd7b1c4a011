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

/// Where a run of free pages lies.
struct Found {
  PageOffset first;
  /// No page below this one is free. Page-exact only sometimes; lies in the heap.
  PageOffset hint;

  friend constexpr bool operator==(Found, Found) = default;
};

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
  using Block = typename ChunkMap<L>::Block;
  using Beside = typename ReachIndex<L, Counters>::Beside;

 public:
  using LayoutType = L;

  PageAllocator() = default;
  PageAllocator(const PageAllocator&) = delete;
  PageAllocator& operator=(const PageAllocator&) = delete;

  /// Comes first, once (contract); `os` must outlive the allocator, and its pages be of 512 KiB at
  /// most (contract). Takes nothing from it, the tables come with the heap; so it succeeds.
  OsStatus Init(OsMemory& os) {
    PA_EXPECT(os_ == nullptr);
    os_ = &os;
    chunks_.Init(os);
    set_release_units({PageCount{std::max<std::uint64_t>(1, os.page_size().raw >> kPageBits)},
                       PageCount{os.huge_page_size().raw >> kPageBits}});
    index_.Init(chunks_);
    return OsStatus::Ok();
  }

  /// Adds pages to the heap, free and scavenged: a non-empty range of whole chunks, none of which
  /// is in the heap yet, up to Geometry<L>::kHeapEnd (contract). Ranges may come in any order and
  /// leave gaps. On a refusal the heap is as before; metadata() may have grown.
  /// @cost a bitmap of each chunk, and a search of the ranges of the heap.
  /// @see  Go: grow. There, an unaligned size leaves a summary wrong; here it breaks the contract.
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
    // A mere hint: without it the tables are as good.
    if (tally_.grown + pages.size() >= kHugePagesFrom) static_cast<void>(chunks_.PreferHugePages());
    if (const OsStatus status = chunks_.MakeBlocks(first, last); !status.ok()) return status;

    in_heap_.Add({pages.begin, pages.end});
    tally_.grown += pages.size();
    tally_.scavenged += pages.size();
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
  /// @cost        a cache line a level (reach_search.h), a word or two of a bitmap, the chunks that
  ///              are marked; one page in the word that changed last: that word. Above 32,767
  ///              pages: a line or two and a bitmap of each chunk in which so long a run begins.
  /// @see         Go: alloc.
  [[nodiscard]] PA_HOT std::optional<Allocation> Allocate(PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    // Most often one page of the word in which pages changed last.
    if (want == PageCount{1} && reach_.InLastWord(search_from_, search_from_ + PageCount{1})) {
      auto& block = chunks_.BlockAt(G::ChunkOf(search_from_));
      const std::size_t i = ChunkMap<L>::IndexInBlock(G::ChunkOf(search_from_));
      const std::uint64_t bits = block.chunks[i].allocated.WordOf(G::PageInChunk(search_from_));
      counters_.WordsScanned(1);
      if (~bits != 0) [[likely]] {
        const auto at = static_cast<unsigned>(std::countr_one(bits));
        search_from_ = PageOffset{(search_from_.raw & ~std::uint64_t{63}) + at};
        reach_.KeepsWaiting(bits);
        const PageCount scavenged = AllocateInChunk(block, i, G::PageInChunk(search_from_), 1);
        MoveToUse(want, scavenged);
        return Allocation{search_from_, scavenged};
      }
    }
    return AllocateAnywhere(want);
  }

  /// Marks exactly these pages allocated: a non-empty range of the heap (contract), all of it free
  /// (checked builds). Returns how many were scavenged.
  /// @cost as that of Free(). @see Go: allocRange.
  PageCount AllocateRange(PageRange pages) { return AllocateRangeAnywhere(pages.begin, pages.end); }

  /// Marks pages free: a non-empty range of the heap (contract), all of it allocated (checked
  /// builds). Scavenged bits stay.
  /// @cost two lines of bitmaps, a word and a number of the index for each chunk at an end of the
  ///       range, and its bitmap for each between; in the word that changed last: that word.
  /// @see  Go: free.
  PA_HOT void Free(PageRange pages) {
    if (pages.begin < pages.end && reach_.InLastWord(pages.begin, pages.end)) {
      auto& block = chunks_.BlockAt(G::ChunkOf(pages.begin));
      const std::size_t i = ChunkMap<L>::IndexInBlock(G::ChunkOf(pages.begin));
      const unsigned first = G::PageInChunk(pages.begin);
      reach_.KeepsWaiting(block.chunks[i].allocated.WordOf(first));
      NoteFreed(pages.begin, pages.end);
      const auto count = static_cast<unsigned>(pages.end.raw - pages.begin.raw);
      PA_ASSERT(block.chunks[i].allocated.CountRange(first, count) == count, first, count);
      block.chunks[i].FreeInWord(first, count);
      index_.Freed(block, i, count);
      return;
    }
    FreeAnywhere(pages.begin, pages.end);
  }

  /// Marks many runs free, as Free() of each would; they are as there, and disjoint. Any order will
  /// do, and none makes a difference. As a sweep does it: several runs of a chunk change the index
  /// once. @see Go: none.
  /// @cost  a bitmap and a word of the scavenge index a run; the index as for one free a chunk, and
  ///        the chunk's bitmap once more if it has several runs
  void FreeBatch(std::span<const PageRange> runs) {
    reach_.Settle(chunks_, counters_);
    for (const PageRange& pages : runs) {
      ExpectInHeap(pages.begin, pages.end);
      if (G::InOneChunk(pages.begin, pages.end)) {
        FreeInChunk(pages.begin, pages.end);
        reach_.NoteInBatch(chunks_, pages, counters_);
      } else {
        Beside beside;
        FreeInChunks(pages.begin, pages.end, beside);
      }
      NoteFreed(pages.begin, pages.end);
    }
    for (const PageRange& pages : runs) reach_.FreedInBatch(chunks_, pages, counters_);
  }

  /// Where Allocate(want) would place a run; changes nothing but the work counters.
  /// @cost as Allocate() without the marking. @see Go: find.
  [[nodiscard]] std::optional<Found> Find(PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    const PageOffset first = Lookup(want);
    if (first == kNowhere) return std::nullopt;
    return Found{first, want == PageCount{1} ? first : search_from_};
  }

  /// Takes all free pages of the 64-page block that holds the lowest free page. An empty cache when
  /// nothing is free. @post the pages read as allocated until Flush() or Free() brings them back.
  /// @cost a search for one page, a word of the bitmaps, a number of the index. @see Go:
  /// allocToCache.
  [[nodiscard]] PageCache TakePageCache() {
    const PageOffset lowest = Lookup(PageCount{1});
    if (lowest == kNowhere) {
      search_from_ = kNowhere;
      return PageCache{};
    }
    const PageCache cache = TakeBlock(lowest);
    // The last page of the block, not the one after: that might lie outside the heap.
    search_from_ = PageOffset{cache.base.raw + PageCache::kPages.raw - 1};
    return cache;
  }

  /// Takes all free pages of the 64-page block that holds `at`, a page of the heap (contract). An
  /// empty cache when none is free. @post as above. @see Go: none, it takes the lowest block only.
  [[nodiscard]] PageCache TakePageCache(PageOffset at) {
    ExpectInHeap(at, at + PageCount{1});
    const PageCache cache = TakeBlock(at);
    return cache.empty() ? PageCache{} : cache;
  }

  /// Free pages of the 64-page block that holds `at`; 0 where there is no heap. @cost one word.
  [[nodiscard]] PageCount FreeInBlock(PageOffset at) const {
    if (last_range_.begin > at || at >= last_range_.end) [[unlikely]] {
      if (!in_heap_.Contains(at)) return PageCount{0};
    }
    return CountOnes(~chunks_[G::ChunkOf(at)].allocated.WordOf(G::PageInChunk(at)));
  }

  /// Brings a cache's pages back: those in `pages` become free, those in `scavenged` scavenged, and
  /// the cache empty. Its block must lie in the heap, scavenged inside pages (contract), and pages
  /// be allocated (checked builds). An empty cache may have any base.
  /// @cost a word of the bitmaps, a number of the index. @see Go: pageCache.flush.
  void Flush(PageCache& cache) {
    PA_EXPECT((cache.scavenged & ~cache.pages) == 0, cache.pages, cache.scavenged);
    if (cache.empty()) {
      cache = PageCache{};
      return;
    }
    PA_EXPECT(cache.base.raw % PageCache::kPages.raw == 0, cache.base);
    const PageRange block = PageRange::Of(cache.base, PageCache::kPages);
    ExpectInHeap(block.begin, block.end);
    const unsigned in_chunk = G::PageInChunk(cache.base);
    auto& chunk = chunks_[G::ChunkOf(cache.base)];
    const std::uint64_t before = chunk.allocated.WordOf(in_chunk);
    PA_ASSERT((cache.pages & ~before) == 0, cache.base, cache.pages);
    const bool waits = reach_.Waits(chunks_, block.begin, block.end, counters_);
    chunk.allocated.ClearInWord(in_chunk, cache.pages);
    chunk.scavenged.SetInWord(in_chunk, cache.scavenged);
    const PageCount size = cache.size();
    MoveToFree(size);
    if (cache.scavenged != 0) tally_.scavenged += CountOnes(cache.scavenged);
    search_from_ = std::min(search_from_, cache.base);
    index_.Freed(G::ChunkOf(cache.base), static_cast<unsigned>(size.raw),
                 PageOffset{block.end.raw - static_cast<unsigned>(std::countl_zero(cache.pages))});
    if (!waits) reach_.WordChanged(chunks_, cache.base, before, counters_);
    cache = PageCache{};
  }

  /// Whether all of a non-empty range (contract) is in the heap and free. Pages in page caches are
  /// not. @cost a word of bitmap for 64 pages.
  [[nodiscard]] bool AllFree(PageRange pages) {
    if (!in_heap_.ContainsAll({pages.begin, pages.end})) return false;
    bool free = true;
    ForChunks(pages.begin, pages.end,
              [&free](const Block& block, std::size_t i, unsigned first, unsigned count) {
                free = free && !block.chunks[i].allocated.AnyInRange(first, count);
              });
    return free;
  }

  /// How large a heap is for which huge pages are asked for behind its bitmaps in any case: 1 TiB,
  /// from where on it is found to make a difference. The kernel joins the blocks of 1 MiB.
  static constexpr PageCount kHugePagesFrom{std::uint64_t{1} << (40 - kPageBits)};
  /// Asks for huge pages behind the bitmaps, present and future, of a heap of any size; best before
  /// it grows. A refusal leaves some without. Again: no effect, and Ok.
  /// @see Go: enableChunkHugePages, which leaves out the last block of every range.
  OsStatus EnableMetadataHugePages() { return chunks_.PreferHugePages(); }
  /// Blocks of bitmaps for which the operating system took the hint.
  [[nodiscard]] std::uint64_t metadata_huge_page_hints() const { return chunks_.hinted_blocks(); }

  /// The lowest free page at or above `at`, and the free pages behind it: as many as there are.
  /// nullopt if there is none. @cost a word of the scavenge index for each full chunk that is
  /// passed, a bitmap for each that is not; of the run a bitmap for each chunk. @see Go: none.
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
    ExpectInHeap(base, base + G::kChunkPages);
    auto& chunk = chunks_[search.chunk];
    constexpr auto kTop = static_cast<unsigned>(G::kChunkPages.raw - 1);
    auto run = chunk.FindScavengeCandidate(search.page, most, units_);
    if (!run && search.page != kTop) run = chunk.FindScavengeCandidate(kTop, most, units_);
    if (!run) index_.NothingToRelease(search.chunk);
    index_.EndSearch(search, run.has_value(), in_heap_);
    if (!run) return std::nullopt;
    const PageRange pages = PageRange::Of(base + PageCount{run->first}, PageCount{run->count});
    const bool waits = reach_.Waits(chunks_, pages.begin, pages.end, counters_);
    chunk.Allocate(run->first, run->count);
    tally_.held += pages.size();
    if (!waits) reach_.Taken(chunks_, pages.begin, pages.end, counters_);
    return pages;
  }

  /// Ends what BeginScavenge() began, with the same pages: pages of the heap, as many as are held
  /// or fewer (contract); that they are those is the caller's word. They become free, and scavenged
  /// if the operating system `released` them. If it refused they are found again.
  /// @see Go: the second half of scavengeOne.
  void FinishScavenge(PageRange pages, bool released) {
    ExpectInHeap(pages.begin, pages.end);
    PA_EXPECT(pages.size() <= tally_.held, pages.size(), tally_.held);
    const ChunkIndex at = G::ChunkOf(pages.begin);
    const unsigned first = G::PageInChunk(pages.begin);
    const auto count = static_cast<unsigned>(pages.size().raw);
    auto& chunk = chunks_[at];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == count, first, count);
    const bool waits = reach_.Waits(chunks_, pages.begin, pages.end, counters_);
    chunk.Free(first, count);
    tally_.held -= pages.size();
    if (released) {
      chunk.scavenged.SetRange(first, count);
      tally_.scavenged += pages.size();
    } else {
      index_.Returned(at, pages.end);
    }
    search_from_ = std::min(search_from_, pages.begin);
    if (!waits) reach_.Freed(chunks_, pages.begin, pages.end, counters_);
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
  [[nodiscard]] HeapStats stats() const {
    return {tally_.grown, tally_.in_use, free_pages(), tally_.scavenged, tally_.held};
  }
  /// Everything taken from the OsMemory; the object itself (sizeof) comes on top.
  [[nodiscard]] MetadataStats metadata() const { return chunks_.metadata() + in_heap_.metadata(); }
  [[nodiscard]] const Counters& counters() const { return counters_; }

 private:
  friend struct testing::AllocatorAccess;

  static constexpr PageOffset kNowhere = ReachIndex<L, Counters>::kNowhere;

  [[nodiscard]] PA_HOT PageCount free_pages() const {
    return PageCount{tally_.grown.raw - tally_.in_use.raw - tally_.held.raw};
  }

  static PageCount CountOnes(std::uint64_t bits) { return PageCount{Ones64(bits)}; }

  // Two offsets instead of a PageRange in what follows: g++ 12 reads a pair that it has just
  // written to memory, half by half, as one vector, and waits for it.
  PA_HOT void ExpectInHeap(PageOffset begin, PageOffset end) {
    // Most often in the range of the heap that was asked for last; no range ever shrinks.
    if (last_range_.begin > begin || begin >= end || end > last_range_.end) [[unlikely]] {
      FindRange(begin, end);
    }
  }
  PA_RARE void FindRange(PageOffset begin, PageOffset end) {
    PA_EXPECT(in_heap_.ContainsAll({begin, end}), begin, end);
    const auto& range = in_heap_.ranges()[in_heap_.Successor(begin) - 1];
    last_range_ = {range.begin, range.end};
  }

  /// First page of the lowest run of `want` pages; kNowhere if there is none.
  [[nodiscard]] PA_HOT PageOffset Lookup(PageCount want) {
    if (search_from_ == kNowhere) return kNowhere;
    if (want == PageCount{1}) {  // the most frequent size by far: look where the search begins
      const ChunkIndex at = G::ChunkOf(search_from_);
      const unsigned word = G::PageInChunk(search_from_) / 64;
      const auto& bits = chunks_[at].allocated;
      for (unsigned i = word; i < bits.kWords && i < word + 2; ++i) {
        counters_.WordsScanned(1);
        if (const std::uint64_t free = ~bits.word(i); free != 0) {
          return G::ChunkBegin(at) +
                 PageCount{64 * i + static_cast<unsigned>(std::countr_zero(free))};
        }
      }
    }
    if (want > free_pages()) return kNowhere;
    return reach_.Find(chunks_, want, counters_);
  }

  PA_HOT void FreeInChunk(PageOffset begin, PageOffset end) {
    auto& block = chunks_.BlockAt(G::ChunkOf(begin));
    const std::size_t i = ChunkMap<L>::IndexInBlock(G::ChunkOf(begin));
    FreeInChunk(block, i, G::PageInChunk(begin), static_cast<unsigned>(end.raw - begin.raw));
  }
  PA_HOT void FreeInChunk(Block& block, std::size_t i, unsigned first, unsigned count) {
    auto& chunk = block.chunks[i];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == count, first, count);
    chunk.Free(first, count);
    index_.Freed(block, i, count);
  }
  PA_HOT PageCount AllocateInChunk(PageOffset begin, PageOffset end) {
    auto& block = chunks_.BlockAt(G::ChunkOf(begin));
    const std::size_t i = ChunkMap<L>::IndexInBlock(G::ChunkOf(begin));
    return AllocateInChunk(block, i, G::PageInChunk(begin),
                           static_cast<unsigned>(end.raw - begin.raw));
  }
  PA_HOT PageCount AllocateInChunk(Block& block, std::size_t i, unsigned first, unsigned count) {
    auto& chunk = block.chunks[i];
    PA_ASSERT(chunk.allocated.CountRange(first, count) == 0, first, count);
    index_.Allocated(block, i, count);
    return PageCount{chunk.Allocate(first, count)};
  }

  /// Allocate() wherever the run lies.
  [[nodiscard]] [[gnu::noinline]] std::optional<Allocation> AllocateAnywhere(PageCount want) {
    const PageOffset first = Lookup(want);
    if (first == kNowhere) {
      if (want == PageCount{1}) search_from_ = kNowhere;
      return std::nullopt;
    }
    if (want == PageCount{1}) search_from_ = first;
    const PageOffset end = first + want;
    reach_.MovesOn(chunks_, end, counters_);
    PageCount scavenged;
    if (G::InOneChunk(first, end)) {
      scavenged = AllocateInChunk(first, end);
      reach_.TakenFromStart(chunks_, first, end, counters_);
    } else {
      scavenged = AllocateInChunks(first, end);
    }
    MoveToUse(want, scavenged);
    return Allocation{first, scavenged};
  }
  [[gnu::noinline]] PageCount AllocateRangeAnywhere(PageOffset begin, PageOffset end) {
    ExpectInHeap(begin, end);
    const bool waits = reach_.Waits(chunks_, begin, end, counters_);
    PageCount scavenged;
    if (G::InOneChunk(begin, end)) {
      scavenged = AllocateInChunk(begin, end);
      if (!waits) reach_.Taken(chunks_, begin, end, counters_);
    } else {
      scavenged = AllocateInChunks(begin, end);
    }
    MoveToUse(PageCount{end.raw - begin.raw}, scavenged);
    return scavenged;
  }
  /// Free() in another word than that of last time.
  [[gnu::noinline]] void FreeAnywhere(PageOffset begin, PageOffset end) {
    ExpectInHeap(begin, end);
    chunks_.Prefetch(begin);
    reach_.MovesOn(chunks_, end, counters_);
    if (G::InOneChunk(begin, end)) {
      FreeInChunk(begin, end);
      reach_.Freed(chunks_, begin, end, counters_);
    } else {
      Beside beside;
      FreeInChunks(begin, end, beside);
      reach_.FreedParts(chunks_, begin, end, beside, counters_);
    }
    NoteFreed(begin, end);
  }

  /// Calls `visit(block, index in it, first page, count)` for each chunk's part of a non-empty
  /// range: where the first one ends, whole ones, and where the last one begins is known then.
  template <class Visit>
  PA_HOT void ForChunks(PageOffset begin, PageOffset end, Visit&& visit) {
    ChunkIndex at = G::ChunkOf(begin);
    const ChunkIndex last = G::ChunkOf(end);
    constexpr auto kAll = static_cast<unsigned>(G::kChunkPages.raw);
    const auto part = [&](unsigned first, unsigned count) {
      visit(chunks_.BlockAt(at), ChunkMap<L>::IndexInBlock(at), first, count);
    };
    if (const unsigned first = G::PageInChunk(begin); first != 0) {
      part(first, at == last ? G::PageInChunk(end) - first : kAll - first);
      if (at == last) return;
      ++at;
    }
    for (; at < last; ++at) part(0, kAll);
    if (const unsigned rest = G::PageInChunk(end); rest != 0) part(0, rest);
  }

  /// The free pages of the block around `at`, marked allocated. search_from_ stays as it was.
  PageCache TakeBlock(PageOffset at) {
    const PageOffset base{at.raw & ~(PageCache::kPages.raw - 1)};
    const unsigned in_chunk = G::PageInChunk(base);
    auto& chunk = chunks_[G::ChunkOf(base)];
    PageCache cache{base, ~chunk.allocated.WordOf(in_chunk), 0};
    if (cache.empty()) return cache;
    cache.scavenged = chunk.scavenged.WordOf(in_chunk) & cache.pages;
    const bool waits = reach_.Waits(chunks_, base, base + PageCache::kPages, counters_);
    chunk.allocated.SetInWord(in_chunk, cache.pages);
    chunk.scavenged.ClearInWord(in_chunk, cache.scavenged);
    const PageCount size = cache.size();
    MoveToUse(size, cache.scavenged != 0 ? CountOnes(cache.scavenged) : PageCount{0});
    index_.Allocated(G::ChunkOf(base), static_cast<unsigned>(size.raw));
    if (!waits) reach_.WordChanged(chunks_, base, ~cache.pages, counters_);
    return cache;
  }

  /// A range over the borders of chunks, and the index told.
  [[gnu::noinline]] PageCount AllocateInChunks(PageOffset begin, PageOffset end) {
    PageCount scavenged;
    Beside beside;
    ForChunks(begin, end, [&](Block& block, std::size_t i, unsigned first, unsigned count) {
      if (count < G::kChunkPages.raw) {
        scavenged += AllocateInChunk(block, i, first, count);
      } else {
        PA_ASSERT(block.chunks[i].allocated.CountAll() == 0, begin, i);
        index_.AllocatedAll(block, i);
        scavenged.raw += block.chunks[i].AllocateAll();
      }
      reach_.TakenPart(block, i, first, first + count, beside, counters_);
    });
    reach_.TakenParts(chunks_, begin, end, beside, counters_);
    return scavenged;
  }

  /// The same; the index is told of the parts only.
  [[gnu::noinline]] void FreeInChunks(PageOffset begin, PageOffset end, Beside& beside) {
    ForChunks(begin, end, [&](Block& block, std::size_t i, unsigned first, unsigned count) {
      if (count < G::kChunkPages.raw) {
        FreeInChunk(block, i, first, count);
      } else {
        PA_ASSERT(block.chunks[i].allocated.CountAll() == count, begin, i);
        index_.FreedAll(block, i);
        block.chunks[i].allocated.ClearAll();
      }
      reach_.FreedPart(block, i, first, first + count, beside, counters_);
    });
  }
  /// Of Free() what is neither the bitmap nor the reach index.
  PA_HOT void NoteFreed(PageOffset begin, PageOffset end) {
    search_from_ = std::min(search_from_, begin);
    index_.FreedBelow(end);
    MoveToFree(PageCount{end.raw - begin.raw});
  }

  PA_HOT void MoveToUse(PageCount pages, PageCount scavenged) {
    tally_.in_use.raw += pages.raw;
    if (scavenged.raw != 0) tally_.scavenged -= scavenged;
  }
  PA_HOT void MoveToFree(PageCount pages) { tally_.in_use.raw -= pages.raw; }

  OsMemory* os_ = nullptr;
  /// No page below it is free (Go: searchAddr). In the heap; kNowhere: nothing is free.
  PageOffset search_from_ = kNowhere;
  /// HeapStats without what follows from the rest: one number less to change with every operation.
  struct Tally {
    PageCount grown;
    PageCount in_use;
    PageCount scavenged;
    PageCount held;
  };
  Tally tally_;
  PageRange last_range_{};  // a part of the heap; empty at first
  [[no_unique_address]] Counters counters_;
  AddressRanges in_heap_;
  ChunkMap<L> chunks_;
  ReachIndex<L, Counters> reach_;
  ScavengeIndex<L> index_;
  ReleaseUnits units_;
};

}  // namespace pagealloc
