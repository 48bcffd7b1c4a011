/// heap_access.h: the one door to the private parts of a Heap, for tests.
#pragma once

namespace pagealloc::testing {

struct HeapAccess {
  /// The PageAllocator underneath. No other thread may use the heap meanwhile.
  template <class H>
  static auto& pages(H& heap) {
    return heap.pages_;
  }
};

}  // namespace pagealloc::testing
