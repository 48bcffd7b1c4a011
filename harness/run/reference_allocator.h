/// reference_allocator.h: the naive model behind the interface of a subject, for `-a reference`.
///
/// Same placements as the library by definition, found by looking at one byte a page. It asks
/// the operating system for nothing; its metadata is the model's byte a page.
#pragma once

#include <optional>

#include "harness/run/subject.h"
#include "harness/trace/judge.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"
#include "testing/page_map.h"

namespace pagealloc::bench {

template <Layout L>
class ReferenceAllocator {
 public:
  ReferenceAllocator() : map_(Geometry<L>::kChunkPages) {}

  OsStatus Init(OsMemory& /*os*/) { return OsStatus::Ok(); }

  OsStatus Grow(PageRange pages) {
    map_.Grow(pages);
    return OsStatus::Ok();
  }
  std::optional<Allocation> Allocate(PageCount want) { return map_.Allocate(want); }
  PageCount AllocateRange(PageRange pages) { return map_.AllocateRange(pages); }
  void Free(PageRange pages) { map_.Free(pages); }

  std::optional<Found> Find(PageCount want) const {
    const std::optional<PageOffset> first = map_.Find(want);
    if (!first) return std::nullopt;
    return Found{*first, map_.lowest_free().value_or(*first)};
  }

  PageCache TakePageCache() {
    const auto block = map_.TakeBlock();
    if (!block) return {};
    return PageCache{block->first, block->pages, block->scavenged};
  }
  void Flush(PageCache& cache) {
    map_.ReturnBlock({cache.base, cache.pages, cache.scavenged});
    cache = {};
  }

  PageCount Scavenge(PageCount target, ScavengeMode mode) {
    return map_.Scavenge(target, mode == ScavengeMode::kForced, kReleaseUnit, kReleaseHuge);
  }
  void NextScavengeGeneration() { map_.NextGeneration(); }

  HeapStats stats() const {
    return HeapStats{.grown = map_.grown(),
                     .in_use = map_.in_use(),
                     .free = map_.grown() - map_.in_use(),
                     .scavenged = map_.scavenged_free()};
  }
  MetadataStats metadata() const {
    return {ByteCount{map_.grown().raw}, ByteCount{map_.grown().raw}};
  }

 private:
  testing::PageMap map_;
};

}  // namespace pagealloc::bench
