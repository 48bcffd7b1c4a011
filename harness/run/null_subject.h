/// null_subject.h: a subject that does nothing, to measure what the replay loop itself costs.
///
/// Every argument is consumed and every result made opaque to the compiler, so that the loop around
/// it stays the same: decoding, the lookup of an ID's pages, the hash and the time stamps. Every
/// allocation succeeds, so nothing grows on demand.
#pragma once

#include <cstdint>
#include <optional>

#include "harness/run/subject.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

class NullSubject {
 public:
  OsStatus Init(OsMemory& /*os*/) { return OsStatus::Ok(); }

  OsStatus Grow(PageRange pages) {
    Consume(pages);
    return OsStatus::Ok();
  }
  std::optional<Allocation> Allocate(PageCount want) {
    return Allocation{PageOffset{Opaque(want.raw)}, PageCount{0}};
  }
  PageCount AllocateRange(PageRange pages) {
    Consume(pages);
    return PageCount{0};
  }
  void Free(PageRange pages) { Consume(pages); }
  std::optional<Found> Find(PageCount want) {
    const PageOffset first{Opaque(want.raw)};
    return Found{first, first};
  }
  PageCache TakePageCache() { return PageCache{PageOffset{Opaque(0)}, Opaque(1), 0}; }
  void Flush(PageCache& cache) {
    Consume(PageRange{cache.base, cache.base});
    Opaque(cache.pages);
  }
  PageCount Scavenge(PageCount target, ScavengeMode /*mode*/) {
    return PageCount{Opaque(target.raw)};
  }
  void NextScavengeGeneration() { Opaque(0); }
  HeapStats stats() const { return {}; }
  MetadataStats metadata() const { return {}; }

 private:
  static std::uint64_t Opaque(std::uint64_t value) {
    __asm__ volatile("" : "+r"(value));
    return value;
  }
  static void Consume(PageRange pages) {
    __asm__ volatile("" : : "r"(pages.begin.raw), "r"(pages.end.raw));
  }
};

}  // namespace pagealloc::bench
