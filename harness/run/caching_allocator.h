/// caching_allocator.h: the library's page caches on its page allocator, for `--cache per-cpu`.
///
/// What Heap does with a request, with the memory behind it left out: fewer than 16 pages come from
/// the page cache of the processor that asked; what the cache cannot serve, and larger requests,
/// from the allocator underneath. Before there is "no room" the pages of all caches are given back.
/// Frees go straight to the allocator. Each cache has its lock, as in Heap; the heap has none, like
/// every allocator that is measured with one thread.
///
/// Placements follow from the order of the requests and their processors alone, so they are the
/// same on every machine, but they are not those of the model.
#pragma once

#include <optional>

#include "pagealloc/heap_caches.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/page_cache.h"
#include "pagealloc/scavenger.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

template <Layout L, class Counters = NoCounters>
class CachingAllocator {
 public:
  /// How many caches; before Init().
  void set_caches(unsigned count) { caches_wanted_ = count; }

  OsStatus Init(OsMemory& os) {
    if (const OsStatus status = pages_.Init(os); !status.ok()) return status;
    return caches_.Init(os, caches_wanted_);
  }
  OsStatus Grow(PageRange pages) { return pages_.Grow(pages); }

  /// For a processor, any number: caches are shared when there are fewer.
  std::optional<Allocation> Allocate(PageCount want, unsigned processor) {
    std::optional<Allocation> got;
    if (caches_.Serves(want)) {
      got = caches_.Allocate(processor, want, pages_, no_lock_);
    } else {
      got = pages_.Allocate(want);
    }
    if (got) [[likely]]
      return got;
    FlushCaches();
    return pages_.Allocate(want);
  }
  /// Past the caches: how a request ends for which the heap had to grow.
  std::optional<Allocation> Allocate(PageCount want) { return pages_.Allocate(want); }
  PageCount AllocateRange(PageRange pages) { return pages_.AllocateRange(pages); }
  void Free(PageRange pages) { pages_.Free(pages); }

  std::optional<Found> Find(PageCount want) {
    if (const std::optional<Found> found = pages_.Find(want)) return found;
    FlushCaches();
    return pages_.Find(want);
  }
  PageCache TakePageCache() { return pages_.TakePageCache(); }
  void Flush(PageCache& cache) { pages_.Flush(cache); }
  void NextScavengeGeneration() { pages_.NextScavengeGeneration(); }

  /// Gives the pages of all caches back.
  void FlushCaches() { caches_.FlushAll(pages_); }

  /// The allocator underneath, which is scavenged; pages in caches stay.
  PageAllocator<L, Counters>& pages() { return pages_; }
  /// Pages in caches count as in use.
  [[nodiscard]] HeapStats stats() const { return pages_.stats(); }
  [[nodiscard]] CacheCounts cache_counts() const { return caches_.counts(); }
  [[nodiscard]] MetadataStats metadata() const { return pages_.metadata() + caches_.metadata(); }
  [[nodiscard]] const Counters& counters() const { return pages_.counters(); }

 private:
  PageAllocator<L, Counters> pages_;
  HeapCaches caches_;
  NoLock no_lock_;
  unsigned caches_wanted_ = 1;
};

}  // namespace pagealloc::bench
