/// benchmark_heap.h: what the micro-benchmarks share: a heap without pages, and random numbers.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "pagealloc/page_allocator.h"

namespace pagealloc::testing {

/// A small generator (xorshift): the same numbers on every machine.
class Random {
 public:
  std::uint64_t Below(std::uint64_t limit) {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_ % limit;
  }

 private:
  std::uint64_t state_ = 88172645463325252;
};

/// A heap of `pages` at the layout's heap base. Nothing is mapped for the pages themselves.
template <class L>
struct Heap {
  explicit Heap(PageCount pages) : allocator(std::make_unique<PageAllocator<L>>()) {
    if (!allocator->Init(os).ok() ||
        !allocator->Grow(PageRange::Of(Geometry<L>::kHeapBasePage, pages)).ok()) {
      std::abort();  // a benchmark without memory has nothing to say
    }
  }
  MmapMemory os;
  std::unique_ptr<PageAllocator<L>> allocator;
};

}  // namespace pagealloc::testing
