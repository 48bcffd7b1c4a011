/// only_allocates.h: the rest of a subject's interface, for allocators that allocate and free and
/// do nothing else. Who replays leaves programs with other records out (MisfitForAllocator).
#pragma once

#include <optional>

#include "harness/run/subject.h"
#include "pagealloc/contract.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

class OnlyAllocates {
 public:
  OsStatus Grow(PageRange /*pages*/) { return OsStatus::Ok(); }
  // What nobody says of itself.
  [[nodiscard]] HeapStats stats() const { return {}; }
  [[nodiscard]] MetadataStats metadata() const { return {}; }

  // Never called (contract).
  PageCount AllocateRange(PageRange /*pages*/) { return Refuse(PageCount{}); }
  std::optional<Found> Find(PageCount /*want*/) { return Refuse(std::optional<Found>{}); }
  PageCache TakePageCache() { return Refuse(PageCache{}); }
  void Flush(PageCache& cache) { cache = Refuse(PageCache{}); }
  PageCount Scavenge(PageCount /*target*/, ScavengeMode /*mode*/) { return Refuse(PageCount{}); }
  void NextScavengeGeneration() { Refuse(0); }

 private:
  template <class T>
  static T Refuse(T nothing) {
    PA_EXPECT(false);
    return nothing;
  }
};

}  // namespace pagealloc::bench
