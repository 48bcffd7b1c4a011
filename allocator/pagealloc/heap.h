/// heap.h: a heap of pages for a program: threads, caches, growth, and memory that can be used.
///
///   Allocate --1..15 pages--> [HeapCaches] --miss--> [lock: PageAllocator] --no run--> flush
///            --16 and more---------------------------^     the caches, try again, [HeapGrowth]
///   Free, FreeBatch ---------------------------------^
///
/// PageAllocator decides, HeapGrowth brings memory, HeapCaches keep most small requests away from
/// the lock. What comes out is committed memory at a host address. Address space is taken arena by
/// arena and memory chunk by chunk, so limits of the process (RLIMIT_AS, a cgroup) end in a
/// status, never in a crash by the allocator, and never before they are reached.
///
/// Threads: any number, on all functions but Init and the destructor. A child of fork() has a copy
/// of the heap and can use it (fork_safety.h). Errors: see heap_options.h; a caller's mistake (a
/// free of what is not allocated, as far as it can be seen) stops the process. Nothing throws,
/// nothing calls malloc. A heap's pages go back to the operating system with the heap. Go: mheap
/// (allocSpan, freeSpan, grow).
#pragma once

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <type_traits>

#include "pagealloc/contract.h"
#include "pagealloc/fork_safety.h"
#include "pagealloc/heap_caches.h"
#include "pagealloc/heap_growth.h"
#include "pagealloc/heap_huge_pages.h"
#include "pagealloc/heap_options.h"
#include "pagealloc/mutex.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "pagealloc/units.h"

namespace pagealloc {

namespace testing {
struct HeapAccess;
}

#if defined(__x86_64__)
inline constexpr bool kHostIsAmd64 = true;
#else
inline constexpr bool kHostIsAmd64 = false;
#endif
/// The layout for this machine: every address of one of its processes lies in it. Base offset 0
/// stands for all other 64-bit machines.
using HostLayout = std::conditional_t<sizeof(void*) == 4, Linux386,
                                      std::conditional_t<kHostIsAmd64, LinuxAmd64, LinuxArm64>>;

/// @tparam M  what threads wait for: Mutex, or a test's own (mutex.h)
template <Layout L = HostLayout, class M = Mutex>
class Heap final : private ForkParticipant {
  using G = Geometry<L>;
  using HoldAll = typename BasicHeapCaches<M>::template HoldAll<CountingLock<M>>;

 public:
  Heap() = default;
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;
  ~Heap() { LeaveForks(); }

  /// Reserves the caches; the heap is empty. Comes first, once (contract); `os` must outlive the
  /// heap. After a refusal the object may only be destroyed.
  OsStatus Init(OsMemory& os, const HeapOptions& options = {}) {
    if (const OsStatus status = pages_.Init(os); !status.ok()) return status;
    unsigned caches = options.caches;
    if (caches == HeapOptions::kOnePerProcessor) {
      const long processors = ::sysconf(_SC_NPROCESSORS_CONF);
      caches = processors < 1 ? 1 : static_cast<unsigned>(processors);
    }
    caches = std::min(caches, BasicHeapCaches<M>::kMaxCaches);
    if (const OsStatus status = caches_.Init(os, caches); !status.ok()) return status;
    limit_ = PageCount{options.max_bytes.raw >> kPageBits};
    HeapStart start;
    if (options.random_seed != 0) {
      start = HeapStart::Random(options.random_seed, HeapGrowth<L>::kArena, G::kChunkBytes);
      padding_ = PageCount{(options.random_seed >> 23) % G::kChunkPages.raw};
    }
    growth_.Init(os, start);
    if (const OsStatus status = huge_.Init(os, options.huge_pages); !status.ok()) return status;
    // No block yet, so nothing that could be refused.
    if (options.metadata_huge_pages) static_cast<void>(pages_.EnableMetadataHugePages());
    os_ = &os;
    return JoinForks();
  }

  /// Takes a run of `want` pages, at least 1 (contract): committed memory, aligned to a page.
  ///
  /// @param processor  which page cache small requests take; any number. By default that of the
  ///                   processor that runs the thread.
  /// @return  memory; or no room; or a refusal of the operating system, met while growing.
  /// @cost    1 to 15 pages: mostly an uncontended lock and a few shifts. Else the heap's lock and
  ///          PageAllocator::Allocate. Growth takes all locks for a moment.
  HeapAllocation Allocate(PageCount want) { return Allocate(want, CurrentProcessor()); }
  HeapAllocation Allocate(PageCount want, unsigned processor) {
    PA_EXPECT(want >= PageCount{1}, want);
    std::optional<Allocation> got;
    if (caches_.Serves(want)) {
      got = caches_.Allocate(processor, want, pages_, lock_);
    } else {
      const std::lock_guard hold(lock_);
      got = pages_.Allocate(want);
    }
    return Noted(got ? Memory(*got, want) : AllocateByGrowing(want));
  }

  /// The same at a multiple of `alignment`, a power of two (contract) that may exceed the run. Not
  /// always the lowest place that would do, but no room only if there is none.
  /// @cost  where no run is so long that it has such a place wherever it lies: a look at every free
  ///        run.
  HeapAllocation Allocate(PageCount want, ByteCount alignment) {
    PA_EXPECT(want >= PageCount{1} && std::has_single_bit(alignment.raw), want, alignment);
    if (alignment <= kPageBytes) return Allocate(want);
    if (want.raw > G::kHeapEnd.raw || alignment.raw >> kPageBits > G::kHeapEnd.raw) return {};
    const PageCount step{alignment.raw >> kPageBits};
    std::optional<Allocation> at_once;
    {
      const std::lock_guard hold(lock_);
      at_once = TakeAligned(want, step);
    }
    if (at_once) return Noted(Memory(*at_once, want));
    return Noted(WithAllLocks([&]() -> HeapAllocation {
      if (const auto got = TakeAligned(want, step)) return Memory(*got, want);
      // A fresh chunk is aligned to its size, so the smaller growth does for small alignments, but
      // where padding lies at its start.
      for (const PageCount ask : {want, want + step}) {
        if (ask == want && step > G::kChunkPages) continue;
        const auto grown = Grow(ask);
        if (const auto got = TakeAligned(want, step)) return Memory(*got, want);
        if (!grown.status.ok() || grown.fresh.empty()) return {.status = grown.status};
      }
      return {};  // not reached: the larger growth has such a place, behind padding, too
    }));
  }

  /// Takes exactly the run that begins at `place`, if all of it is in the heap and free; otherwise
  /// no room: the heap does not grow towards a place.
  HeapAllocation AllocateAt(void* place, PageCount want) {
    PA_EXPECT(want >= PageCount{1}, want);
    std::optional<Allocation> at_once;
    {
      const std::lock_guard hold(lock_);
      const std::optional<PageRange> range = InHeap(place, want);
      if (!range) return {};
      at_once = TakeExactly(*range);
    }
    if (at_once) return Noted(Memory(*at_once, want));
    return Noted(WithAllLocks([&]() -> HeapAllocation {
      // Its address is there for ever: the heap does not shrink.
      if (const auto got = TakeExactly(*InHeap(place, want))) return Memory(*got, want);
      return {};
    }));
  }

  /// Gives pages back: all or a part of what was allocated, or neighbouring runs at once
  /// (contract).
  void Free(void* memory, PageCount count) {
    const std::lock_guard hold(lock_);
    pages_.Free(RangeOf({memory, count}));
  }

  /// Gives many runs back under one lock. Order does not matter for the result; where neighbours
  /// follow one another upwards, they are freed as one run, which is cheaper; of the others 64 at a
  /// time are freed together.
  void FreeBatch(std::span<const HeapRun> runs) {
    FreeBatch(runs.size(), [runs](std::size_t i) { return runs[i]; });
  }
  /// The same for runs that a caller keeps in another shape: run_at(i) -> HeapRun, for i < count.
  template <class RunAt>
  void FreeBatch(std::size_t count, RunAt&& run_at) {
    std::array<PageRange, kBatch> ranges;
    const std::lock_guard hold(lock_);
    for (std::size_t i = 0; i < count;) {
      std::size_t used = 0;
      for (; i < count && used < ranges.size(); ++used) {
        PageRange& range = ranges[used];
        range = RangeOf(run_at(i));
        for (++i; i < count && HostOf(range.end) == run_at(i).memory; ++i) {
          range.end = RangeOf(run_at(i)).end;
        }
      }
      pages_.FreeBatch({ranges.data(), used});
    }
  }

  /// Gives the pages of all caches back to the heap.
  void FlushCaches() {
    const HoldAll hold(caches_, lock_);
    caches_.FlushAll(pages_);
  }

  /// Gives memory of free pages back to the operating system, highest pages first, at least
  /// `target` bytes if there are so many; pages in caches stay. The heap stays as large as it is;
  /// pages come back zeroed. Other threads can work meanwhile. @see Go: scavenge.
  ScavengeResult ReleaseMemory(ByteCount target) {
    return Scavenge(target, ScavengeMode::kForced, [] { return false; });
  }
  /// The same for all free pages, those in caches too. @see Go: debug.FreeOSMemory.
  ScavengeResult ReleaseAll() {
    FlushCaches();
    return ReleaseMemory(kAllMemory);
  }

  // What BackgroundScavenger asks for.

  /// As ScavengePages(): `stop` is called after each step, without a lock.
  template <class Stop>
  ScavengeResult Scavenge(ByteCount target, ScavengeMode mode, Stop&& stop) {
    return ScavengePages(
        pages_, lock_, target, mode,
        [this](PageRange pages) {
          const ChunkIndex chunk = G::ChunkOf(pages.begin);
          huge_.Releasing(chunk, HostOf(G::ChunkBegin(chunk)));
          return os_->Release(HostOf(pages.begin), BytesOf(pages.size()));
        },
        stop);
  }
  /// A new generation: what was freed so far may be released in the background.
  void NextScavengeGeneration() {
    const std::lock_guard hold(lock_);
    pages_.NextScavengeGeneration();
  }
  /// The allocator's own statistics, with the heap's lock only: pages in caches count as in use.
  [[nodiscard]] HeapStats PageStats() {
    const std::lock_guard hold(lock_);
    return pages_.stats();
  }

  /// One moment of the heap, exact: takes all locks.
  [[nodiscard]] HeapStatistics Stats() {
    const HoldAll hold(caches_, lock_);
    const HeapStats pages = pages_.stats();
    const CacheCounts caches = caches_.counts();
    HeapStatistics stats;
    stats.grown = pages.grown;
    stats.cached = caches.cached;
    stats.held = pages.held;
    stats.padding = growths_ == 0 ? PageCount{0} : padding_;
    stats.in_use = pages.in_use - stats.cached - stats.padding;
    stats.free = pages.free;
    stats.scavenged = pages.scavenged;
    stats.reserved = growth_.reserved();
    stats.metadata = pages_.metadata() + caches_.metadata() + growth_.metadata() + huge_.metadata();
    stats.growths = growths_;
    stats.heap_locks = lock_.taken();
    stats.cache_hits = caches.hits;
    stats.cache_refills = caches.refills;
    stats.huge_pages = huge_.counts();
    stats.metadata_huge_page_hints = pages_.metadata_huge_page_hints();
    return stats;
  }

 private:
  friend struct testing::HeapAccess;

  static constexpr std::size_t kBatch = 64;

  void LockForFork() override {
    for (;;) {
      caches_.LockAll();
      lock_.lock();
      huge_.Lock();
      // Pages that another thread is giving back would be held for ever in the child.
      if (pages_.stats().held == PageCount{0}) return;
      UnlockAfterFork();
      M::Yield();
    }
  }
  void UnlockAfterFork() override {
    huge_.Unlock();
    lock_.unlock();
    caches_.UnlockAll();
  }

  [[nodiscard]] static unsigned CurrentProcessor() {
    const int processor = ::sched_getcpu();
    return processor < 0 ? 0 : static_cast<unsigned>(processor);
  }

  [[nodiscard]] std::byte* HostOf(PageOffset page) const { return growth_.HostOf(page); }
  [[nodiscard]] HeapAllocation Memory(Allocation got, PageCount want) const {
    return {OsStatus::Ok(), HostOf(got.first), want, got.scavenged == want};
  }
  /// Tells huge pages of memory that was just allocated; no lock is held. Where pages lie on the
  /// host never changes, so that needs none.
  HeapAllocation Noted(HeapAllocation got) {
    if (!got.ok() || !huge_.watches()) return got;
    const PageRange range = RangeOf({got.memory, got.pages});
    for (ChunkIndex c = G::ChunkOf(range.begin); G::ChunkBegin(c) < range.end; ++c) {
      const PageRange chunk = PageRange::Of(G::ChunkBegin(c), G::kChunkPages);
      const bool fresh = got.zeroed && range.begin <= chunk.begin && chunk.end <= range.end;
      huge_.Allocated(c, HostOf(chunk.begin), fresh, pages_.scavenge_index());
    }
    return got;
  }
  /// The pages of a run that a caller holds; the heap's lock is held.
  [[nodiscard]] PageRange RangeOf(HeapRun run) const {
    const std::optional<PageOffset> first = growth_.PageOf(run.memory);
    PA_EXPECT(first.has_value() && run.pages >= PageCount{1}, run.pages);
    return PageRange::Of(*first, run.pages);
  }

  // These two take all locks.

  HeapAllocation AllocateByGrowing(PageCount want) {
    return WithAllLocks([&]() -> HeapAllocation {
      for (;;) {
        if (const auto got = pages_.Allocate(want)) return Memory(*got, want);
        // A second time only where padding took the room of the first growth.
        const auto grown = Grow(want);
        if (grown.status.ok() && !grown.fresh.empty()) continue;
        // What an earlier refusal left over may have joined all the same.
        if (const auto got = pages_.Allocate(want)) return Memory(*got, want);
        return {.status = grown.status};
      }
    });
  }

  /// Calls `allocate` with all locks held and nothing in caches. "No room" while other threads are
  /// giving memory back is not the last word: their pages are free in a moment.
  template <class Allocate>
  HeapAllocation WithAllLocks(Allocate&& allocate) {
    for (;;) {
      {
        const HoldAll hold(caches_, lock_);
        caches_.FlushAll(pages_);
        const HeapAllocation got = allocate();
        if (!got.no_room() || pages_.stats().held == PageCount{0}) return got;
      }
      M::Yield();
    }
  }

  // From here on all locks are held, or the heap's where the name begins with Take.

  /// What growth grows: everything that joins is made known to the huge pages first.
  struct JoiningPages {
    Heap& heap;
    [[nodiscard]] HeapStats stats() const { return heap.pages_.stats(); }
    OsStatus Grow(PageRange pages) {
      const OsStatus status = heap.huge_.Grew(pages, heap.HostOf(pages.begin));
      return status.ok() ? heap.pages_.Grow(pages) : status;
    }
  };

  typename HeapGrowth<L>::Result Grow(PageCount want) {
    JoiningPages joining{*this};
    auto grown = growth_.Grow(joining, want, limit_);
    if (!grown.status.ok() || grown.fresh.empty()) return grown;
    if (growths_++ == 0 && padding_ > PageCount{0}) {
      // Go marks padding as scavenged too, the only pages that are both. Here it is allocated and
      // nothing else, so that no page ever is both (INV-8).
      static_cast<void>(pages_.AllocateRange(PageRange::Of(grown.fresh.begin, padding_)));
      grown.fresh.begin += padding_;
    }
    return grown;
  }

  /// The pages of a place, if all of them are in the heap; the heap's lock is held.
  [[nodiscard]] std::optional<PageRange> InHeap(const void* place, PageCount want) const {
    const std::optional<PageOffset> first = growth_.PageOf(place);
    if (!first || want > G::kHeapEnd - *first) return std::nullopt;
    const PageRange range = PageRange::Of(*first, want);
    if (!pages_.ranges().ContainsAll({range.begin, range.end})) return std::nullopt;
    return range;
  }
  [[nodiscard]] std::optional<Allocation> TakeExactly(PageRange range) {
    if (!pages_.AllFree(range)) return std::nullopt;
    return Allocation{range.begin, pages_.AllocateRange(range)};
  }

  /// A run of `want` pages at a multiple of `step` pages on the host.
  [[nodiscard]] std::optional<Allocation> TakeAligned(PageCount want, PageCount step) {
    // With step - 1 pages more, a run has such a place inside wherever it begins.
    const PageCount larger{want.raw + step.raw - 1};
    if (const std::optional<Found> found = pages_.Find(larger)) {
      return TakeAlignedOf(PageRange::Of(found->first, larger), want, step);
    }
    PageOffset from{0};
    while (const std::optional<PageRange> run = pages_.FreeRunAtOrAbove(from)) {
      if (const auto got = TakeAlignedOf(*run, want, step)) return got;
      from = run->end;
    }
    return std::nullopt;
  }
  [[nodiscard]] std::optional<Allocation> TakeAlignedOf(PageRange free, PageCount want,
                                                        PageCount step) {
    const std::uint64_t mask = (step.raw << kPageBits) - 1;
    const std::uint64_t host = reinterpret_cast<std::uintptr_t>(HostOf(free.begin));
    const PageOffset first =
        free.begin + PageCount{((mask + 1 - (host & mask)) & mask) >> kPageBits};
    if (first + want > free.end) return std::nullopt;
    return Allocation{first, pages_.AllocateRange(PageRange::Of(first, want))};
  }

  OsMemory* os_ = nullptr;
  PageAllocator<L> pages_;
  HeapGrowth<L> growth_;
  BasicHeapCaches<M> caches_;
  HeapHugePages<L, M> huge_;
  CountingLock<M> lock_;
  PageCount limit_;
  PageCount padding_;
  std::uint64_t growths_ = 0;
};

}  // namespace pagealloc
