// What comes back, and what that leaves.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "pagealloc/summary_view.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::AllocatorAccess;
using testing::CheckedHeap;

template <class L>
class PageAllocatorFree : public ::testing::Test {};
TYPED_TEST_SUITE(PageAllocatorFree, testing::RoomyLayouts, testing::LayoutNames);

// CheckedHeap compares every page of the heap after each step: a free that reaches too far, or not
// far enough, shows.
TYPED_TEST(PageAllocatorFree, RunsOfManySizesAtManyPlacesOfAFullHeap) {
  constexpr std::uint64_t kChunk = CheckedHeap<TypeParam>::kChunk;
  for (const std::uint64_t pages :
       {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{5}, std::uint64_t{64}, std::uint64_t{65},
        kChunk, kChunk + 1, 2 * kChunk, 7 * kChunk + 5}) {
    SCOPED_TRACE(pages);
    CheckedHeap<TypeParam> heap;
    heap.Grow(0, 10);
    heap.ExpectAllocates(10 * kChunk, 0, 10 * kChunk);
    std::vector<std::uint64_t> places{0, kChunk, kChunk + 7, 10 * kChunk - pages};
    if (pages > 1) places.push_back(2 * kChunk - pages % kChunk / 2 - 1);  // over a border
    for (const std::uint64_t first : places) {
      if (first + pages > 10 * kChunk) continue;
      heap.Free(first, pages);
      heap.ExpectNoRoom(pages + 1);
      heap.ExpectAllocates(pages, first, 0);
    }
    heap.ExpectNoRoom(1);
  }
}

TYPED_TEST(PageAllocatorFree, OverTwoChunkBorders) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 4);
  heap.ExpectAllocates(4 * chunk, 0, 4 * chunk);
  heap.Free(chunk - 1, chunk + 2);
  heap.ExpectNoRoom(chunk + 3);
  heap.ExpectAllocates(chunk + 2, chunk - 1, 0);
}

TYPED_TEST(PageAllocatorFree, AllocationIsFreedInPartsOfAnySize) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 3);
  heap.ExpectAllocates(3 * chunk, 0, 3 * chunk);
  heap.Free(chunk, 1);
  heap.Free(chunk + 2, 5);
  heap.ExpectNoRoom(6);
  heap.Free(chunk + 1, 1);
  heap.ExpectAllocates(7, chunk, 0);
  heap.Free(0, 3 * chunk);
  heap.ExpectAllocates(3 * chunk, 0, 0);
}

TYPED_TEST(PageAllocatorFree, NeighboursThatWereFreedApartAreOneRun) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 2);
  heap.ExpectAllocates(2 * chunk, 0, 2 * chunk);
  for (std::uint64_t page = chunk - 4; page < chunk + 4; page += 2) heap.Free(page, 1);
  heap.ExpectNoRoom(2);
  for (std::uint64_t page = chunk - 3; page < chunk + 4; page += 2) heap.Free(page, 1);
  heap.ExpectAllocates(8, chunk - 4, 0);
}

TYPED_TEST(PageAllocatorFree, FreedPagesAreNotScavenged) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.ExpectAllocates(10, 0, 10);
  heap.Free(0, 10);
  EXPECT_EQ(heap.allocator().stats().scavenged, PageCount{heap.kChunk - 10});
  heap.ExpectAllocates(12, 0, 2);
}

TYPED_TEST(PageAllocatorFree, LowerPagesComeFirstAgain) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t chunk = heap.kChunk;
  heap.Grow(0, 4);
  heap.AllocateRange(0, 4 * chunk);
  heap.ExpectNoRoom(1);
  heap.Free(3 * chunk, 4);
  heap.Free(chunk + 1, 2);
  heap.ExpectAllocates(3, 3 * chunk, 0);
  heap.ExpectAllocates(1, chunk + 1, 0);
  heap.Free(0, 1);
  heap.ExpectAllocates(1, 0, 0);
  heap.ExpectAllocates(1, chunk + 2, 0);
  heap.ExpectAllocates(1, 3 * chunk + 3, 0);
  heap.ExpectNoRoom(1);
}

TYPED_TEST(PageAllocatorFree, EightChunksComeAndGoAtTheSamePlace) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t pages = 8 * heap.kChunk;
  heap.Grow(0, 8);
  heap.Unscavenge(0, 8);
  for (int round = 0; round < 3; ++round) {
    heap.ExpectAllocates(pages, 0, 0);
    heap.ExpectNoRoom(1);
    heap.Free(0, pages);
  }
  heap.ExpectAllocates(1, 0, 0);
  for (int round = 0; round < 3; ++round) {
    heap.ExpectAllocates(pages - 1, 1, 0);
    heap.ExpectNoRoom(1);
    heap.Free(1, pages - 1);
  }
}

/// All entries of the blocks that hold the first chunks of the heap.
template <class L, class Counters>
std::vector<std::uint64_t> SummaryWords(CheckedHeap<L, Counters>& heap, std::uint64_t pages) {
  using G = Geometry<L>;
  std::vector<std::uint64_t> words;
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const auto block = G::BlockAligned(level, G::EntriesOf(level, heap.Range(0, pages)));
    for (std::uint64_t i = block.begin; i < block.end; ++i) {
      words.push_back(
          SummaryAt(AllocatorAccess::chunks(heap.allocator()), heap.allocator().ranges(), level, i)
              .word());
    }
  }
  return words;
}

// Summaries say what the bitmaps say and nothing of how they came to it.
TYPED_TEST(PageAllocatorFree, AllocateAndFreeRestoreEverySummary) {
  constexpr std::uint64_t kChunk = CheckedHeap<TypeParam>::kChunk;
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 6);
  heap.Unscavenge(0, 6);
  heap.AllocateRange(9, 3);
  heap.AllocateRange(kChunk + 20, 2 * kChunk);
  const auto before = SummaryWords(heap, 6 * kChunk);
  const auto search_from = AllocatorAccess::search_from(heap.allocator());
  for (const std::uint64_t want :
       {std::uint64_t{1}, std::uint64_t{4}, std::uint64_t{9}, kChunk, kChunk + 8, 2 * kChunk}) {
    const auto got = heap.Allocate(want);
    ASSERT_TRUE(got.has_value());
    EXPECT_NE(SummaryWords(heap, 6 * kChunk), before) << want;
    heap.Free(got->first.raw - heap.At(0).raw, want);
    EXPECT_EQ(SummaryWords(heap, 6 * kChunk), before) << want;
    EXPECT_LE(AllocatorAccess::search_from(heap.allocator()), heap.At(0)) << want;
  }
  EXPECT_EQ(search_from, heap.At(0));
}

// Two halves of a chunk, what lies beside it below and above, and runs of their own further off.
TYPED_TEST(PageAllocatorFree, BatchOverChunkBordersInEveryOrder) {
  constexpr std::uint64_t kChunk = CheckedHeap<TypeParam>::kChunk;
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 4);
  heap.AllocateRange(0, 4 * kChunk - 5);
  std::vector<PageRange> runs{heap.Range(kChunk - 9, 9), heap.Range(kChunk, kChunk / 2),
                              heap.Range(kChunk * 3 / 2, kChunk / 2), heap.Range(2 * kChunk, 3),
                              heap.Range(2 * kChunk + 20, 4)};
  const auto lower = [](PageRange a, PageRange b) { return a.begin < b.begin; };
  do {
    heap.FreeBatch(runs);
    heap.ExpectAllocates(kChunk + 12, kChunk - 9, heap.allocator().stats().scavenged.raw - 5);
    heap.AllocateRange(2 * kChunk + 20, 4);
  } while (std::next_permutation(runs.begin(), runs.end(), lower));
  heap.FreeBatch({heap.Range(kChunk, 2 * kChunk), heap.Range(3, 2), heap.Range(3 * kChunk, 7)});
  heap.FreeBatch({});
}

// The run below has the largest number that the index has, whatever joins it.
TEST(PageAllocatorFreeBatch, BehindARunLongerThanTheIndexCountsJoinsIt) {
  constexpr std::uint64_t kLong = 65 * 512;
  CheckedHeap<Linux386> heap;
  heap.Grow(0, 67);
  heap.AllocateRange(kLong, 2UL * 512);
  heap.FreeBatch({heap.Range(kLong, 3), heap.Range(kLong + 10, 5)});
  heap.ExpectAllocates(kLong + 3, 0, kLong);
}

TEST(PageAllocatorDeathTest, RunThatTheIndexPromisesInVainStopsTheProcess) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0, 2);
  heap.AllocateRange(0, 2UL * 512);
  heap.Free(3, 1);
  heap.Free(5, 1);
  auto& allocator = heap.allocator();
  const ChunkIndex chunk = Geometry<Linux386>::ChunkOf(heap.At(0));
  auto& chunks = AllocatorAccess::chunks(allocator);
  EXPECT_DEATH(
      {
        chunks.BlockAt(chunk).reach.Set(chunks.IndexInBlock(chunk), 2);
        static_cast<void>(allocator.Allocate(PageCount{2}));
      },
      "invariant broken: a run that the index promised exists \\[chunk, want = [0-9]+, 2\\]");
}

TEST(PageAllocatorDeathTest, FreeingOutsideTheHeapBreaksTheContract) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0);
  heap.Grow(2);
  heap.AllocateRange(0, 512);
  heap.AllocateRange(2UL * 512, 512);
  auto& allocator = heap.allocator();
  const char* const rule = "contract broken: in_heap_\\.ContainsAll";
  EXPECT_DEATH(allocator.Free(heap.Range(512, 1)), rule);
  EXPECT_DEATH(allocator.Free(heap.Range(511, 2)), rule);
  EXPECT_DEATH(allocator.Free(heap.Range(0, 3UL * 512)), rule) << "a gap lies inside";
  EXPECT_DEATH(allocator.Free(heap.Range(7, 0)), "contract broken: range\\.begin < range\\.end");
  EXPECT_DEATH(allocator.Free({heap.At(7), heap.At(5)}), "contract broken: range\\.begin");
}

#if PAGEALLOC_CHECKED
TEST(PageAllocatorDeathTest, CheckedBuildNoticesADoubleFree) {
  CheckedHeap<Linux386> heap;
  heap.Grow(0, 3);
  heap.AllocateRange(0, 3 * 512);
  heap.Free(700, 1);
  const char* const rule = "invariant broken: .*allocated\\.Count";
  EXPECT_DEATH(heap.allocator().Free(heap.Range(700, 1)), rule);
  EXPECT_DEATH(heap.allocator().Free(heap.Range(690, 20)), rule);
  EXPECT_DEATH(heap.allocator().Free(heap.Range(0, 3 * 512)), rule);
}
#endif

}  // namespace
}  // namespace pagealloc
