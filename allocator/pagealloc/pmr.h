/// pmr.h: a Heap as a std::pmr::memory_resource, for containers of the standard library.
///
/// Every allocation is whole pages, so this is the place that larger blocks come from: the upstream
/// of a monotonic_buffer_resource or of a pool resource.
///
///   pagealloc::HeapResource pages(heap);
///   std::pmr::unsynchronized_pool_resource pool(&pages);
///   std::pmr::vector<int> numbers(&pool);
///
/// The one file that throws: std::bad_alloc, as the interface demands, both without room and where
/// the operating system refuses. Where exceptions are off it stops the process instead. Threads:
/// any number.
#pragma once

#include <cstddef>
#include <memory_resource>
#include <new>

#include "pagealloc/contract.h"
#include "pagealloc/heap.h"
#include "pagealloc/units.h"

namespace pagealloc {

template <Layout L = HostLayout>
class BasicHeapResource final : public std::pmr::memory_resource {
 public:
  /// `heap` must outlive the resource.
  explicit BasicHeapResource(Heap<L>& heap) : heap_(heap) {}

 private:
  static PageCount PagesFor(std::size_t bytes) {
    const std::uint64_t whole = std::uint64_t{bytes} >> kPageBits;
    return PageCount{whole + (bytes % kPageBytes.raw != 0 || bytes == 0 ? 1 : 0)};
  }

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const HeapAllocation got = heap_.Allocate(PagesFor(bytes), ByteCount{alignment});
#if defined(__cpp_exceptions)
    if (!got.ok()) throw std::bad_alloc();
#else
    PA_EXPECT(got.ok(), bytes);
#endif
    return got.memory;
  }
  void do_deallocate(void* memory, std::size_t bytes, std::size_t) override {
    heap_.Free(memory, PagesFor(bytes));
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
#if defined(__cpp_rtti)
    const auto* const same = dynamic_cast<const BasicHeapResource*>(&other);
    return same != nullptr && &same->heap_ == &heap_;
#else
    return this == &other;  // nothing tells what the other one is
#endif
  }

  Heap<L>& heap_;
};

using HeapResource = BasicHeapResource<>;

}  // namespace pagealloc
