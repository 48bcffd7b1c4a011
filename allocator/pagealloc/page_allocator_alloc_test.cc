// Where allocations land. Each step is compared with the model, and all invariants are checked.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;

template <class L>
class PageAllocatorAlloc : public ::testing::Test {};
TYPED_TEST_SUITE(PageAllocatorAlloc, testing::RoomyLayouts, testing::LayoutNames);

/// Scavenged pages here and there; the rest was used before.
template <class L, class Counters>
std::uint64_t ScatterScavenged(CheckedHeap<L, Counters>& heap, std::uint64_t pages) {
  heap.Unscavenge(0, pages / heap.kChunk);
  heap.Scavenge(0, 1);
  heap.Scavenge(62, 4);
  heap.Scavenge(pages - 1, 1);
  return 6;
}

TYPED_TEST(PageAllocatorAlloc, OnePageAfterAnother) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  ScatterScavenged(heap, 2 * heap.kChunk);
  heap.ExpectAllocates(1, 0, 1);
  for (std::uint64_t page = 1; page < 6; ++page) heap.ExpectAllocates(1, page, 0);
}

TYPED_TEST(PageAllocatorAlloc, ConsecutiveRunsOfOneSizeFromAnEmptyHeap) {
  CheckedHeap<TypeParam> sizes_of;
  const std::uint64_t chunk = sizes_of.kChunk;
  for (const std::uint64_t want : {std::uint64_t{2}, std::uint64_t{5}, std::uint64_t{64},
                                   std::uint64_t{65}, chunk, 2 * chunk, 7 * chunk + 5}) {
    SCOPED_TRACE(want);
    CheckedHeap<TypeParam> heap;
    heap.Grow(0, 16);
    const std::uint64_t pages = 16 * chunk;
    ScatterScavenged(heap, pages);
    const auto scavenged = [&](std::uint64_t first) {
      std::uint64_t count = 0;
      for (const std::uint64_t page : {std::uint64_t{0}, std::uint64_t{62}, std::uint64_t{63},
                                       std::uint64_t{64}, std::uint64_t{65}, pages - 1}) {
        if (first <= page && page < first + want) ++count;
      }
      return count;
    };
    for (std::uint64_t i = 0; i < 2; ++i) heap.ExpectAllocates(want, i * want, scavenged(i * want));
  }
}

TYPED_TEST(PageAllocatorAlloc, LowestHoleWinsOverSnugHole) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.ExpectAllocates(heap.kChunk, 0, heap.kChunk);
  heap.Free(3, 7);
  heap.Free(30, 5);
  heap.ExpectAllocates(5, 3, 0);
  heap.ExpectAllocates(5, 30, 0);
  heap.ExpectAllocates(2, 8, 0);
}

TYPED_TEST(PageAllocatorAlloc, LastPageOfTheThirdChunkIsFound) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  heap.AllocateRange(0, 3 * heap.kChunk - 1);
  heap.ExpectNoRoom(2);
  heap.ExpectAllocates(1, 3 * heap.kChunk - 1, 1);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorAlloc, RunAcrossAChunkBorder) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 2);
  heap.AllocateRange(0, chunk - 1);
  heap.AllocateRange(chunk + 1, chunk - 1);
  heap.ExpectAllocates(2, chunk - 1, 2);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorAlloc, ChunkOfPagesInTwoHalves) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 2);
  heap.Unscavenge(0, 2);
  heap.Scavenge(chunk - 3, 5);
  heap.AllocateRange(0, chunk / 2);
  heap.AllocateRange(chunk + chunk / 2, chunk / 2);
  heap.ExpectNoRoom(chunk + 1);
  heap.ExpectAllocates(chunk, chunk / 2, 5);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorAlloc, OnePageMoreThanAChunk) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 2);
  heap.AllocateRange(0, chunk / 2);
  heap.ExpectAllocates(chunk + 1, chunk / 2, chunk + 1);
  heap.ExpectNoRoom(chunk / 2);
  heap.ExpectAllocates(chunk / 2 - 1, chunk + chunk / 2 + 1, chunk / 2 - 1);
}

TYPED_TEST(PageAllocatorAlloc, TwoChunksOfPagesOverThreeChunks) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 3);
  heap.AllocateRange(0, chunk / 2);
  heap.AllocateRange(2 * chunk + chunk / 2, chunk / 2);
  heap.ExpectAllocates(2 * chunk, chunk / 2, 2 * chunk);
  heap.ExpectNoRoom(1);
}

// The first chunk's rest is too short for the request and must not be lost.
TYPED_TEST(PageAllocatorAlloc, TooShortLeftoverIsPassedOverAndFoundLater) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 4);
  heap.AllocateRange(0, chunk / 2);
  heap.AllocateRange(chunk, chunk / 2);
  const std::uint64_t want = chunk + chunk / 4;
  heap.ExpectAllocates(want, chunk + chunk / 2, want);
  heap.ExpectNoRoom(want + 1);
  heap.ExpectAllocates(chunk / 2, chunk / 2, chunk / 2);
  heap.ExpectAllocates(chunk + chunk / 4, 2 * chunk + 3 * chunk / 4, chunk + chunk / 4);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorAlloc, GapsBreakRuns) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0);
  heap.Grow(0x12, 2);
  heap.ExpectAllocates(2 * chunk, 0x12 * chunk, 2 * chunk);
  heap.ExpectNoRoom(2 * chunk);
  heap.ExpectAllocates(1, 0, 1);
  heap.ExpectAllocates(chunk - 1, 1, chunk - 1);
}

TYPED_TEST(PageAllocatorAlloc, FreeRunsOneAfterTheOtherAndFromTheirMiddles) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 3);
  heap.Grow(4, 2);
  heap.AllocateRange(chunk, chunk);  // a chunk without a free page
  heap.AllocateRange(3 * chunk - 1, 1);
  heap.AllocateRange(4 * chunk + 3, chunk - 5);  // what follows goes on in the next chunk
  heap.AllocateRange(5 * chunk + 7, 2);
  const auto free = [&](PageOffset page) {
    return heap.model().in_heap(page) && heap.model().free(page);
  };
  unsigned runs = 0;
  for (std::uint64_t at = 0; at <= 6 * chunk; ++at) {
    PageOffset first = heap.At(at);
    while (first < heap.At(6 * chunk) && !free(first)) first += PageCount{1};
    PageRange expected{first, first};
    while (free(expected.end)) expected.end += PageCount{1};
    const auto got = heap.allocator().FreeRunAtOrAbove(heap.At(at));
    ASSERT_EQ(got.has_value(), !expected.empty()) << at;
    if (!got) continue;
    EXPECT_EQ(got->begin, expected.begin) << at;
    EXPECT_EQ(got->end, expected.end) << at;
    if (expected.begin == heap.At(at) && (at == 0 || !free(heap.At(at - 1)))) ++runs;
  }
  EXPECT_EQ(runs, 5U);
}

TYPED_TEST(PageAllocatorAlloc, ChunkIsUsedUpToItsLastPage) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0);
  heap.ExpectAllocates(chunk - 3, 0, chunk - 3);
  heap.ExpectNoRoom(chunk - 3);
  heap.ExpectAllocates(1, chunk - 3, 1);
  heap.ExpectAllocates(2, chunk - 2, 2);
  for (const std::uint64_t want : {std::uint64_t{1}, std::uint64_t{2}, chunk, 2 * chunk}) {
    heap.ExpectNoRoom(want);
  }
}

TYPED_TEST(PageAllocatorAlloc, FourChunksHoldExactlyAsManyRunsAsFit) {
  for (const std::uint64_t want : {1u, 2u, 3u, 4u, 5u, 8u, 16u, 64u, 1024u, 1025u, 2048u, 2049u}) {
    SCOPED_TRACE(want);
    CheckedHeap<TypeParam> heap;
    heap.Grow(0, 4);
    heap.CheckEvery(std::max<std::uint64_t>(1, 512 / want));
    const std::uint64_t runs = 4 * heap.kChunk / want;
    for (std::uint64_t i = 0; i < runs; ++i) heap.ExpectAllocates(want, i * want, want);
    heap.ExpectNoRoom(want);
    heap.Check();
  }
}

// The rest of the heap stays findable: a failed search must not move where searches begin.
TYPED_TEST(PageAllocatorAlloc, FailureChangesNothingForSmallerRequests) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 2);
  heap.AllocateRange(10, 2 * chunk - 20);
  heap.ExpectNoRoom(11);
  heap.ExpectNoRoom(~std::uint64_t{0});
  heap.ExpectAllocates(10, 0, 10);
  heap.ExpectNoRoom(11);
  heap.ExpectAllocates(1, 2 * chunk - 10, 1);
  heap.ExpectAllocates(9, 2 * chunk - 9, 9);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorAlloc, RangeIsTakenExactlyAndLowerPagesStayFree) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 4);
  heap.AllocateRange(5, 1);
  heap.AllocateRange(chunk - 1, 2 * chunk + 2);
  heap.ExpectAllocates(6, 6, 6);
  heap.ExpectAllocates(5, 0, 5);
  heap.ExpectAllocates(chunk - 1, 3 * chunk + 1, chunk - 1);
}

TYPED_TEST(PageAllocatorAlloc, FindChangesNothing) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  heap.AllocateRange(0, 70);
  auto& allocator = heap.allocator();
  for (int again = 0; again < 2; ++again) {
    for (const std::uint64_t want : {std::uint64_t{1}, heap.kChunk, 2 * heap.kChunk}) {
      const auto found = allocator.Find(PageCount{want});
      ASSERT_EQ(found.has_value(), 70 + want <= 3 * heap.kChunk) << want;
      EXPECT_EQ(found->first, heap.At(70)) << want;
      EXPECT_LE(found->hint, heap.At(70)) << want;
      EXPECT_TRUE(allocator.ranges().Contains(found->hint)) << want;
    }
    EXPECT_FALSE(allocator.Find(PageCount{3 * heap.kChunk}).has_value());
    heap.Check();
  }
}

/// Needs a heap of more than two root entries.
template <class L>
class AllocAcrossRoot : public ::testing::Test {};
using WithSeveralRoots =
    ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386, LinuxArm, Wasm125,
                     Wasm126, testing::TinyWordChunks, testing::TinyUneven, testing::TinyDeep>;
TYPED_TEST_SUITE(AllocAcrossRoot, WithSeveralRoots, testing::LayoutNames);

// No single word can say so many pages; only the sum over the root's entries can.
TYPED_TEST(AllocAcrossRoot, MorePagesThanARootEntryCovers) {
  using G = Geometry<TypeParam>;
  CheckedHeap<TypeParam> heap;
  const std::uint64_t root = std::uint64_t{1} << G::kFieldBits;
  const std::uint64_t room = (G::kHeapEnd - G::kHeapBasePage).raw;
  const std::uint64_t pages = root + 4 * heap.kChunk;
  ASSERT_LE(pages, room);
  heap.CheckEvery(4);  // up to two million pages are read each time
  heap.Grow(0, pages / heap.kChunk);
  heap.ExpectNoRoom(pages + 1);
  heap.ExpectAllocates(1, 0, 1);
  heap.ExpectAllocates(root + 1, 1, root + 1);
  heap.ExpectNoRoom(pages - root - 1);
  heap.ExpectAllocates(pages - root - 2, root + 2, pages - root - 2);
  heap.ExpectNoRoom(1);
  heap.Free(0, pages);
  heap.ExpectAllocates(pages, 0, 0);
}

TYPED_TEST(AllocAcrossRoot, RunAcrossTheBorderOfTwoRootEntries) {
  using G = Geometry<TypeParam>;
  const std::uint64_t root = std::uint64_t{1} << G::kFieldBits;
  CheckedHeap<TypeParam> heap(PageOffset{root - G::kChunkPages.raw});  // chunk 1: the next entry
  heap.Grow(0, 2);
  heap.AllocateRange(0, heap.kChunk - 3);
  heap.AllocateRange(heap.kChunk + 4, heap.kChunk - 4);
  heap.ExpectNoRoom(8);
  heap.ExpectAllocates(7, heap.kChunk - 3, 7);
}

template <class L>
class AllocInFarPlaces : public ::testing::Test {};
TYPED_TEST_SUITE(AllocInFarPlaces, testing::ShippedLayouts, testing::LayoutNames);

TYPED_TEST(AllocInFarPlaces, SecondChunkTwoHundredAndFiftyFiveChunksAway) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(0xff);
  heap.AllocateRange(0, heap.kChunk);
  heap.ExpectAllocates(3, 0xff * heap.kChunk, 3);
  heap.ExpectAllocates(heap.kChunk - 3, 0xff * heap.kChunk + 3, heap.kChunk - 3);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(AllocInFarPlaces, LoneChunkIsSkippedForTwoNeighboursSixtyFourChunksOn) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0);
  heap.Grow(0x40, 2);
  heap.ExpectAllocates(2 * chunk, 0x40 * chunk, 2 * chunk);
  heap.ExpectNoRoom(2 * chunk);
  heap.ExpectAllocates(1, 0, 1);
}

TEST(PageAllocatorDeathTest, AllocatingNothingBreaksTheContract) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0);
  const char* const rule = "contract broken: want >= PageCount\\{1\\}";
  EXPECT_DEATH(static_cast<void>(heap.allocator().Allocate(PageCount{0})), rule);
  EXPECT_DEATH(static_cast<void>(heap.allocator().Find(PageCount{0})), rule);
}

TEST(PageAllocatorDeathTest, AHeapThatHasNoMemoryYetDoesNotGrow) {
  const auto heap = std::make_unique<PageAllocator<Linux386>>();
  const PageRange chunk = PageRange::Of(PageOffset{0}, PageCount{512});
  EXPECT_DEATH(static_cast<void>(heap->Grow(chunk)), "contract broken: os_ != nullptr");
}

TEST(PageAllocatorDeathTest, RangesOutsideTheHeapBreakTheContract) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0);
  heap.Grow(2);
  auto& allocator = heap.allocator();
  const char* const rule = "contract broken: in_heap_\\.ContainsAll";
  EXPECT_DEATH(allocator.AllocateRange(heap.Range(512, 1)), rule);
  EXPECT_DEATH(allocator.AllocateRange(heap.Range(511, 2)), rule);
  EXPECT_DEATH(allocator.AllocateRange(heap.Range(0, 3UL * 512)), rule) << "a gap lies inside";
  EXPECT_DEATH(allocator.AllocateRange(heap.Range(5, 0)), "contract broken: range\\.begin");
}

#if PAGEALLOC_CHECKED
TEST(PageAllocatorDeathTest, CheckedBuildNoticesPagesAllocatedTwice) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0, 3);
  heap.AllocateRange(510, 1);
  const char* const rule = "invariant broken: .*allocated\\.Count";
  EXPECT_DEATH(heap.allocator().AllocateRange(heap.Range(510, 1)), rule);
  EXPECT_DEATH(heap.allocator().AllocateRange(heap.Range(500, 600)), rule);
  EXPECT_DEATH(heap.allocator().AllocateRange(heap.Range(0, 3 * 512)), rule);
}
#endif

}  // namespace
}  // namespace pagealloc
