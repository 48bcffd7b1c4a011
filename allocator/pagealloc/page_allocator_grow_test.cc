// How a heap comes to its pages; what that costs: page_allocator_memory_test.cc.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <numeric>
#include <random>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;

struct Chunks {
  std::uint64_t first, count;
};

/// The heap consists of exactly these chunks, in coalesced ranges.
template <class L, class Counters>
void ExpectRanges(CheckedHeap<L, Counters>& heap, const std::vector<Chunks>& expected,
                  testing::Where where = testing::Where::Here()) {
  const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
  const std::uint64_t chunk = Geometry<L>::kChunkPages.raw;
  const auto ranges = heap.allocator().ranges().ranges();
  ASSERT_EQ(ranges.size(), expected.size());
  std::uint64_t pages = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(ranges[i].begin, heap.At(expected[i].first * chunk)) << i;
    EXPECT_EQ(ranges[i].end, heap.At((expected[i].first + expected[i].count) * chunk)) << i;
    pages += expected[i].count * chunk;
  }
  // New pages are free, and the operating system has their memory.
  const HeapStats stats{PageCount{pages}, PageCount{0}, PageCount{pages}, PageCount{pages}};
  EXPECT_EQ(heap.allocator().stats(), stats);
}

template <class L>
class PageAllocatorGrow : public ::testing::Test {};
TYPED_TEST_SUITE(PageAllocatorGrow, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(PageAllocatorGrow, HeapIsEmptyAtFirst) {
  CheckedHeap<TypeParam> heap;
  ExpectRanges(heap, {});
  heap.ExpectNoRoom(1);
  heap.ExpectNoRoom(heap.kChunk);
  EXPECT_TRUE(heap.TakeCache().empty());
  EXPECT_FALSE(heap.allocator().FindMapped(PageOffset{0}).has_value());
}

TYPED_TEST(PageAllocatorGrow, OneChunk) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  ExpectRanges(heap, {{0, 1}});
  EXPECT_EQ(heap.allocator().FindMapped(PageOffset{0}), heap.At(0));
  EXPECT_FALSE(heap.allocator().FindMapped(heap.At(heap.kChunk)).has_value());
}

TYPED_TEST(PageAllocatorGrow, NeighboursBecomeOneRange) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(1);
  ExpectRanges(heap, {{0, 2}});
  heap.Grow(2, 3);
  ExpectRanges(heap, {{0, 5}});
  heap.ExpectAllocates(5 * heap.kChunk, 0, 5 * heap.kChunk);
}

TYPED_TEST(PageAllocatorGrow, FiveChunksAtOnce) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 5);
  ExpectRanges(heap, {{0, 5}});
  heap.ExpectAllocates(5 * heap.kChunk, 0, 5 * heap.kChunk);
}

TYPED_TEST(PageAllocatorGrow, EveryOtherChunkLeavesGaps) {
  CheckedHeap<TypeParam> heap;
  for (const unsigned chunk : {0u, 2u, 4u, 6u}) heap.Grow(chunk);
  ExpectRanges(heap, {{0, 1}, {2, 1}, {4, 1}, {6, 1}});
  heap.ExpectNoRoom(heap.kChunk + 1);
  for (const unsigned chunk : {0u, 2u, 4u, 6u}) {
    heap.ExpectAllocates(heap.kChunk, chunk * heap.kChunk, heap.kChunk);
  }
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorGrow, RunsOfDifferentLengthWithGaps) {
  CheckedHeap<TypeParam> heap;
  for (const unsigned chunk : {0u, 1u, 2u, 4u, 6u, 7u, 9u}) heap.Grow(chunk);
  ExpectRanges(heap, {{0, 3}, {4, 1}, {6, 2}, {9, 1}});
}

TYPED_TEST(PageAllocatorGrow, GapOfSixteenChunks) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(0x11);
  ExpectRanges(heap, {{0, 1}, {0x11, 1}});
  heap.ExpectAllocates(heap.kChunk, 0, heap.kChunk);
  heap.ExpectAllocates(1, 0x11 * heap.kChunk, 1);
}

TYPED_TEST(PageAllocatorGrow, DownwardsChunkByChunk) {
  CheckedHeap<TypeParam> heap;
  for (std::uint64_t chunk = 10; chunk-- > 0;) {
    heap.Grow(chunk);
    ExpectRanges(heap, {{chunk, 10 - chunk}});
  }
  heap.ExpectAllocates(10 * heap.kChunk, 0, 10 * heap.kChunk);
}

// New pages below everything must be found although the search had given up.
TYPED_TEST(PageAllocatorGrow, BelowAnExhaustedHeap) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(5);
  heap.ExpectAllocates(heap.kChunk, 5 * heap.kChunk, heap.kChunk);
  heap.ExpectNoRoom(1);
  heap.Grow(2);
  heap.ExpectAllocates(1, 2 * heap.kChunk, 1);
}

TYPED_TEST(PageAllocatorGrow, AboveAnExhaustedHeap) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.ExpectAllocates(heap.kChunk, 0, heap.kChunk);
  heap.ExpectNoRoom(1);
  heap.Grow(1);
  heap.ExpectAllocates(3, heap.kChunk, 3);
}

TYPED_TEST(PageAllocatorGrow, ClosingAGapJoinsTheRangesAndTheirFreePages) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(2);
  heap.ExpectNoRoom(heap.kChunk + 1);
  heap.Grow(1);
  ExpectRanges(heap, {{0, 3}});
  heap.ExpectAllocates(3 * heap.kChunk, 0, 3 * heap.kChunk);
}

TYPED_TEST(PageAllocatorGrow, InAnyOrder) {
  std::mt19937_64 random(10);
  for (int round = 0; round < 10; ++round) {
    std::vector<std::uint64_t> chunks(24);
    std::iota(chunks.begin(), chunks.end(), 0u);
    std::shuffle(chunks.begin(), chunks.end(), random);
    chunks.resize(18);
    CheckedHeap<TypeParam> heap;
    for (const std::uint64_t chunk : chunks) heap.Grow(chunk);
    while (heap.Allocate(1 + random() % (3 * heap.kChunk))) {
    }
  }
}

/// The layouts with room for the more distant places.
template <class L>
class ShippedGrow : public ::testing::Test {};
TYPED_TEST_SUITE(ShippedGrow, testing::ShippedLayouts, testing::LayoutNames);

TYPED_TEST(ShippedGrow, GapOfThirtyThreeChunks) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(0x22, 2);
  ExpectRanges(heap, {{0, 1}, {0x22, 2}});
}

// More ranges than the allocator has room for inside itself.
TYPED_TEST(ShippedGrow, SeparateChunksByTheDozen) {
  CheckedHeap<TypeParam> heap;
  heap.CheckEvery(30);
  std::vector<Chunks> expected;
  for (std::uint64_t i = 0; i < 280; ++i) {
    heap.Grow(i + i / 2);  // pairs of neighbours
    if (i % 2 == 0) {
      expected.push_back({i + i / 2, 1});
    } else {
      ++expected.back().count;
    }
  }
  ExpectRanges(heap, expected);
  heap.Check();
  EXPECT_GT(heap.allocator().metadata().committed.raw, 0u);
}

TYPED_TEST(ShippedGrow, ThirtyThreeSeparateChunks) {
  CheckedHeap<TypeParam> heap;
  std::vector<Chunks> expected;
  for (std::uint64_t i = 0; i < 33; ++i) {
    heap.Grow(2 * i);
    expected.push_back({2 * i, 1});
    ExpectRanges(heap, expected);
  }
}

template <class L>
class GrowFar : public ::testing::Test {};
TYPED_TEST_SUITE(GrowFar, testing::WideLayouts, testing::LayoutNames);

TYPED_TEST(GrowFar, JumpOfFourTerabytes) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(0x100000);
  heap.Grow(0x100001);
  ExpectRanges(heap, {{0, 1}, {0x100000, 2}});
  heap.ExpectAllocates(heap.kChunk, 0, heap.kChunk);
  heap.ExpectAllocates(heap.kChunk + 1, 0x100000 * heap.kChunk, heap.kChunk + 1);
  heap.Free(0, 1);
  heap.ExpectAllocates(1, 0, 0);
}

/// Borders of the address space, on every layout.
template <class L>
class GrowAtBorders : public ::testing::Test {};
TYPED_TEST_SUITE(GrowAtBorders, testing::AllLayouts, testing::LayoutNames);

// Page 0 and chunk 0 are ordinary: nothing takes them for "none".
TYPED_TEST(GrowAtBorders, FirstChunkOfTheAddressSpace) {
  CheckedHeap<TypeParam> heap(PageOffset{0});
  heap.Grow(0);
  ExpectRanges(heap, {{0, 1}});
  heap.ExpectAllocates(1, 0, 1);
  heap.ExpectAllocates(heap.kChunk - 1, 1, heap.kChunk - 1);
  heap.ExpectNoRoom(1);
  heap.Free(0, 1);
  PageCache cache = heap.ExpectTakes(0, 1, 0);
  heap.ExpectNoRoom(1);
  heap.Flush(cache);
  heap.ExpectAllocates(1, 0, 0);
  EXPECT_EQ(heap.allocator().FindMapped(PageOffset{0}), PageOffset{0});
}

TYPED_TEST(GrowAtBorders, LastUsableChunk) {
  constexpr PageOffset kLast{Geometry<TypeParam>::kHeapEnd.raw -
                             Geometry<TypeParam>::kChunkPages.raw};
  CheckedHeap<TypeParam> heap(kLast);
  heap.Grow(0);
  heap.ExpectAllocates(heap.kChunk, 0, heap.kChunk);
  heap.ExpectNoRoom(1);
  heap.Free(heap.kChunk - 1, 1);
  heap.ExpectNoRoom(2);
  heap.ExpectAllocates(1, heap.kChunk - 1, 0);
  heap.ExpectNoRoom(1);
  heap.Free(heap.kChunk - 64, 64);
  heap.ExpectTakes(heap.kChunk - 64, ~std::uint64_t{0}, 0);
  EXPECT_TRUE(heap.TakeCache().empty());
  heap.Free(heap.kChunk - 64, 64);
  EXPECT_EQ(heap.allocator().FindMapped(heap.At(heap.kChunk - 1)), heap.At(heap.kChunk - 1));
}

TYPED_TEST(GrowAtBorders, FirstAndLastChunkTogether) {
  CheckedHeap<TypeParam> heap(PageOffset{0});
  constexpr std::uint64_t kLast =
      Geometry<TypeParam>::kHeapEnd.raw / Geometry<TypeParam>::kChunkPages.raw - 1;
  heap.Grow(kLast);
  heap.Grow(0);
  ExpectRanges(heap, {{0, 1}, {kLast, 1}});
  heap.ExpectNoRoom(heap.kChunk + 1);
  heap.ExpectAllocates(1, 0, 1);
  heap.ExpectAllocates(heap.kChunk, kLast * heap.kChunk, heap.kChunk);
  heap.ExpectAllocates(heap.kChunk - 1, 1, heap.kChunk - 1);
  heap.ExpectNoRoom(1);
}

template <class L>
class GrowWhole : public ::testing::Test {};
using Tiny = ::testing::Types<testing::TinyWordChunks, testing::TinyUneven, testing::TinyOneRoot,
                              testing::TinyDeep>;
TYPED_TEST_SUITE(GrowWhole, Tiny, testing::LayoutNames);

TYPED_TEST(GrowWhole, AllOfTheAddressSpaceIsOneRun) {
  constexpr std::uint64_t kPages = Geometry<TypeParam>::kHeapEnd.raw;
  CheckedHeap<TypeParam> heap(PageOffset{0});
  heap.Grow(0, kPages / heap.kChunk);
  heap.ExpectNoRoom(kPages + 1);
  heap.ExpectAllocates(kPages, 0, kPages);
  heap.ExpectNoRoom(1);
  heap.Free(0, kPages);
  heap.ExpectAllocates(1, 0, 0);
  heap.ExpectNoRoom(kPages);
  heap.ExpectAllocates(kPages - 1, 1, 0);
}

class PageAllocatorDeathTest : public ::testing::Test {
 protected:
  using G = Geometry<Linux386>;
  CheckedHeap<Linux386> heap_;
};

// Go leaves the last chunk's summary wrong after such a call.
TEST_F(PageAllocatorDeathTest, GrowthOfPartsOfChunksBreaksTheContract) {
  const char* const rule = "contract broken: G::PageInChunk\\(pages\\.begin\\) == 0";
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(1, 512))), rule);
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(0, 511))), rule);
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(64, 448))), rule);
}

TEST_F(PageAllocatorDeathTest, EmptyGrowthBreaksTheContract) {
  const char* const rule = "contract broken: pages\\.begin < pages\\.end";
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(0, 0))), rule);
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow({heap_.At(512), heap_.At(0)})), rule);
}

TEST_F(PageAllocatorDeathTest, GrowthOverTheHeapBreaksTheContract) {
  heap_.Grow(3, 2);
  const char* const rule = "contract broken: !in_heap_\\.Overlaps";
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(3UL * 512, 512))), rule);
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(4UL * 512, 1024))), rule);
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(heap_.Range(0, 10UL * 512))), rule);
}

TEST_F(PageAllocatorDeathTest, GrowthPastTheHeapEndBreaksTheContract) {
  const PageRange last{G::kHeapEnd, PageOffset{G::kHeapEnd.raw + 512}};
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Grow(last)),
               "contract broken: .*pages\\.end <= G::kHeapEnd");
}

TEST_F(PageAllocatorDeathTest, InitComesFirstAndOnce) {
  EXPECT_DEATH(static_cast<void>(heap_.allocator().Init(heap_.os())),
               "contract broken: os_ == nullptr");
  const auto fresh = std::make_unique<PageAllocator<Linux386>>();
  EXPECT_DEATH(static_cast<void>(fresh->Grow(heap_.Range(0, 512))),
               "contract broken: os_ != nullptr");
}

}  // namespace
}  // namespace pagealloc
