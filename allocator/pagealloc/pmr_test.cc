#include "pagealloc/pmr.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <numeric>
#include <string>
#include <vector>

namespace pagealloc {
namespace {

struct Resource {
  explicit Resource(HeapOptions options = {}) { EXPECT_TRUE(heap->Init(os, options).ok()); }

  MmapMemory os;
  std::unique_ptr<Heap<>> heap = std::make_unique<Heap<>>();
  HeapResource pages{*heap};
};

TEST(HeapResource, ServesContainersThroughAPoolAndGetsEverythingBack) {
  Resource r;
  {
    std::pmr::unsynchronized_pool_resource pool(&r.pages);
    std::pmr::vector<std::pmr::string> words(&pool);
    for (int i = 0; i < 10000; ++i)
      words.emplace_back("a word too long for the short string buffer");
    EXPECT_EQ(words.back().size(), 43u);
    EXPECT_GT(r.heap->Stats().in_use.raw, 50u);
  }
  EXPECT_EQ(r.heap->Stats().in_use, PageCount{0});
}

TEST(HeapResource, BytesBecomePagesAndAlignmentHolds) {
  Resource r;
  for (const std::size_t alignment : {std::size_t{1}, std::size_t{8192}, std::size_t{1} << 20}) {
    void* const memory = r.pages.allocate(8193, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignment, 0u);
    EXPECT_EQ(r.heap->Stats().in_use, PageCount{2});
    r.pages.deallocate(memory, 8193, alignment);
  }
  void* const nothing = r.pages.allocate(0);
  EXPECT_NE(nothing, nullptr);
  r.pages.deallocate(nothing, 0);
  EXPECT_EQ(r.heap->Stats().in_use, PageCount{0});
}

TEST(HeapResource, ThrowsWithoutRoom) {
  Resource r({.max_bytes = ByteCount{4u << 20}});
  EXPECT_THROW(static_cast<void>(r.pages.allocate(5u << 20)), std::bad_alloc);
  const volatile std::size_t too_much = SIZE_MAX;  // g++ warns of what it can see
  EXPECT_THROW(static_cast<void>(r.pages.allocate(too_much)), std::bad_alloc);
  void* const memory = r.pages.allocate(4u << 20);
  r.pages.deallocate(memory, 4u << 20);
}

TEST(HeapResource, IsEqualToThoseOverTheSameHeap) {
  Resource a;
  Resource b;
  EXPECT_TRUE(a.pages.is_equal(a.pages));
  EXPECT_FALSE(a.pages.is_equal(b.pages));
  const HeapResource another(*a.heap);
  EXPECT_TRUE(a.pages.is_equal(another));
  EXPECT_FALSE(a.pages.is_equal(*std::pmr::new_delete_resource()));
}

}  // namespace
}  // namespace pagealloc
