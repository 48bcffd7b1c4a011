// The C interface: what it passes on and what it makes of outcomes. What a heap does: heap_test.cc.
// That it is C: tools/install_consumer.
#include "pagealloc/pagealloc.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

struct CHeap {
  explicit CHeap(pagealloc_options options = PAGEALLOC_OPTIONS_INIT) {
    EXPECT_EQ(pagealloc_create(&options, &heap), PAGEALLOC_OK);
  }
  ~CHeap() { pagealloc_destroy(heap); }
  pagealloc_stats Stats() const {
    pagealloc_stats stats;
    pagealloc_get_stats(heap, &stats);
    return stats;
  }
  pagealloc_heap* heap = nullptr;
};

TEST(CInterface, AllocatesUsableZeroMemoryAndTakesItBack) {
  CHeap c;
  void* memory = nullptr;
  int zeroed = 0;
  ASSERT_EQ(pagealloc_allocate(c.heap, 3, &memory, &zeroed), PAGEALLOC_OK);
  EXPECT_EQ(zeroed, 1);
  EXPECT_EQ(static_cast<char*>(memory)[3 * PAGEALLOC_PAGE_SIZE - 1], 0);
  std::memset(memory, 1, 3 * PAGEALLOC_PAGE_SIZE);
  EXPECT_EQ(c.Stats().in_use, 3u);
  pagealloc_free(c.heap, memory, 3);
  pagealloc_flush_caches(c.heap);
  void* again = nullptr;
  ASSERT_EQ(pagealloc_allocate(c.heap, 20, &again, &zeroed), PAGEALLOC_OK);
  EXPECT_EQ(again, memory);
  EXPECT_EQ(zeroed, 0);
  EXPECT_EQ(pagealloc_allocate(c.heap, 1, &again, nullptr), PAGEALLOC_OK);
}

TEST(CInterface, NoRoomAndBadPlacesAreTold) {
  pagealloc_options options = PAGEALLOC_OPTIONS_INIT;
  options.max_bytes = 4u << 20;
  options.caches = 0;
  CHeap c(options);
  void* all = nullptr;
  ASSERT_EQ(pagealloc_allocate(c.heap, 512, &all, nullptr), PAGEALLOC_OK);
  void* more = &all;
  EXPECT_EQ(pagealloc_allocate(c.heap, 1, &more, nullptr), PAGEALLOC_NO_ROOM);
  EXPECT_EQ(more, nullptr);
  EXPECT_EQ(pagealloc_allocate_at(c.heap, all, 1, nullptr), PAGEALLOC_NO_ROOM);
  pagealloc_free(c.heap, all, 2);
  EXPECT_EQ(pagealloc_allocate_at(c.heap, all, 2, nullptr), PAGEALLOC_OK);
  EXPECT_EQ(c.Stats().cache_hits, 0u);
}

TEST(CInterface, AlignedRunsAndBatches) {
  CHeap c;
  std::vector<pagealloc_run> runs;
  for (size_t alignment = 1; alignment <= size_t{16} << 20; alignment *= 2) {
    void* memory = nullptr;
    ASSERT_EQ(pagealloc_allocate_aligned(c.heap, 2, alignment, &memory, nullptr), PAGEALLOC_OK);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % alignment, 0u);
    std::memset(memory, 1, 2 * PAGEALLOC_PAGE_SIZE);
    runs.push_back({memory, 2});
  }
  EXPECT_EQ(c.Stats().in_use, 2 * runs.size());
  const std::uint64_t locks = c.Stats().heap_locks;
  pagealloc_free_batch(c.heap, runs.data(), runs.size());
  EXPECT_EQ(c.Stats().heap_locks, locks + 2);
  EXPECT_EQ(c.Stats().in_use, 0u);
  size_t released = 0;
  EXPECT_EQ(pagealloc_release(c.heap, SIZE_MAX, &released), PAGEALLOC_OK);
  EXPECT_EQ(released, 2 * runs.size() * PAGEALLOC_PAGE_SIZE);
  EXPECT_EQ(c.Stats().scavenged, c.Stats().grown);
}

// Callers are compiled with them.
TEST(CInterface, ResultsKeepTheirNumbers) {
  EXPECT_EQ(PAGEALLOC_OK, 0);
  EXPECT_EQ(PAGEALLOC_NO_ROOM, -1);
}

TEST(CInterface, OptionsSayHowManyCaches) {
  for (const int caches : {0, 1, 3}) {
    pagealloc_options options = PAGEALLOC_OPTIONS_INIT;
    options.caches = caches;
    CHeap c(options);
    for (int i = 0; i < 2; ++i) {
      void* memory = nullptr;
      ASSERT_EQ(pagealloc_allocate(c.heap, 1, &memory, nullptr), PAGEALLOC_OK);
    }
    EXPECT_EQ(c.Stats().cached > 0, caches > 0) << caches;
  }
}

TEST(CInterface, SeedPadsTheHeap) {
  pagealloc_options options = PAGEALLOC_OPTIONS_INIT;
  options.random_seed = std::uint64_t{300} << 23;  // the bits that padding is drawn from
  CHeap c(options);
  void* memory = nullptr;
  ASSERT_EQ(pagealloc_allocate(c.heap, 1, &memory, nullptr), PAGEALLOC_OK);
  EXPECT_EQ(c.Stats().padding, 300u);
}

TEST(CInterface, DefaultsWithoutOptionsAndDestroyingNothing) {
  pagealloc_heap* heap = nullptr;
  EXPECT_EQ(pagealloc_create(nullptr, &heap), PAGEALLOC_OK);
  pagealloc_destroy(heap);
  pagealloc_destroy(nullptr);
}

TEST(CInterfaceDeathTest, NullWhereSomethingIsNeededBreaksTheContract) {
  pagealloc_heap* heap = nullptr;
  ASSERT_EQ(pagealloc_create(nullptr, &heap), PAGEALLOC_OK);
  void* memory = nullptr;
  pagealloc_stats stats;
  const char* const rule = "contract broken: heap != nullptr";
  EXPECT_DEATH(pagealloc_allocate(nullptr, 1, &memory, nullptr), rule);
  EXPECT_DEATH(pagealloc_allocate(heap, 1, nullptr, nullptr), rule);
  EXPECT_DEATH(pagealloc_allocate_aligned(heap, 1, 8192, nullptr, nullptr), rule);
  EXPECT_DEATH(pagealloc_allocate_at(nullptr, &memory, 1, nullptr), rule);
  EXPECT_DEATH(pagealloc_free(nullptr, nullptr, 1), rule);
  EXPECT_DEATH(pagealloc_free_batch(heap, nullptr, 1), rule);
  EXPECT_DEATH(pagealloc_flush_caches(nullptr), rule);
  EXPECT_DEATH(pagealloc_release(nullptr, 1, nullptr), rule);
  EXPECT_DEATH(pagealloc_get_stats(nullptr, &stats), rule);
  EXPECT_DEATH(pagealloc_get_stats(heap, nullptr), rule);
  pagealloc_free_batch(heap, nullptr, 0);
  pagealloc_destroy(heap);
}

}  // namespace
