// Taking page caches and bringing them back; what a cache does meanwhile: page_cache_test.cc.
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;
using testing::CheckInvariants;

constexpr std::uint64_t kAll = ~std::uint64_t{0};

template <class L>
class TakePageCache : public ::testing::Test {};
TYPED_TEST_SUITE(TakePageCache, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(TakePageCache, FreshHeapGivesItsFirstBlock) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.ExpectTakes(0, kAll, kAll);
  EXPECT_EQ(heap.allocator().stats().in_use, PageCount{64});
  EXPECT_EQ(heap.allocator().stats().scavenged, PageCount{heap.kChunk - 64});
}

TYPED_TEST(TakePageCache, FourBlocksInARowThenNothing) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t pages = 5 * heap.kChunk;
  heap.Grow(0, 5);
  heap.Unscavenge(0, 5);
  heap.AllocateRange(0, pages - 256);
  for (std::uint64_t block = 4; block > 0; --block) heap.ExpectTakes(pages - 64 * block, kAll, 0);
  for (int again = 0; again < 3; ++again) EXPECT_TRUE(heap.TakeCache().empty());
}

TYPED_TEST(TakePageCache, LastSixtyFourPagesOfThreeChunks) {
  CheckedHeap<TypeParam> heap;
  const std::uint64_t last = 3 * heap.kChunk - 64;
  heap.Grow(0, 3);
  heap.AllocateRange(0, last);
  heap.ExpectTakes(last, kAll, kAll);
  EXPECT_TRUE(heap.TakeCache().empty());
}

TYPED_TEST(TakePageCache, FullHeapGivesNothingEachTime) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.AllocateRange(0, 2 * heap.kChunk);
  for (int again = 0; again < 3; ++again) EXPECT_EQ(heap.TakeCache(), PageCache{});
}

TYPED_TEST(TakePageCache, PartlyFreeBlockGivesItsFreePagesOnly) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.Unscavenge(0, 2);
  heap.Scavenge(40, 4);
  heap.AllocateRange(0, 32);
  heap.AllocateRange(33, 1);
  heap.AllocateRange(41, 1);
  heap.ExpectTakes(0, 0xfffffdfd00000000, 0xd0000000000);
  heap.ExpectTakes(64, kAll, 0);
}

TYPED_TEST(TakePageCache, OneHighPageAndOneLowHalf) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  heap.AllocateRange(0, 32);
  heap.AllocateRange(33, 31);
  heap.AllocateRange(64 + 32, 32);
  heap.ExpectTakes(0, std::uint64_t{1} << 32, std::uint64_t{1} << 32);
  heap.ExpectTakes(64, 0xffffffff, 0xffffffff);
  heap.ExpectTakes(128, kAll, kAll);
}

TYPED_TEST(TakePageCache, BlockOfAFarChunk) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(0x11);
  heap.AllocateRange(0, heap.kChunk);
  heap.ExpectTakes(0x11 * heap.kChunk, kAll, kAll);
}

TYPED_TEST(TakePageCache, EveryBlockOfAHeapWithAGap) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  heap.Grow(2, 2);
  for (const std::uint64_t chunk : {0u, 2u, 3u}) {
    for (std::uint64_t page = 0; page < heap.kChunk; page += 64) {
      heap.ExpectTakes(chunk * heap.kChunk + page, kAll, kAll);
    }
  }
  EXPECT_TRUE(heap.TakeCache().empty());
  EXPECT_EQ(heap.allocator().stats().free, PageCount{0});
}

// Cached pages look allocated: nobody else gets them, whatever the size of the request.
TYPED_TEST(TakePageCache, CachedPagesAreNotAllocatedFromTheHeap) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  PageCache cache = heap.TakeCache();
  heap.ExpectAllocates(1, 64, 1);
  heap.ExpectNoRoom(2 * heap.kChunk - 64);
  heap.Flush(cache);
  heap.ExpectAllocates(64, 0, 64);
  heap.ExpectAllocates(1, 65, 1);
}

TYPED_TEST(TakePageCache, FreesBelowAndGrowthBelowComeFirst) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(4, 2);
  heap.AllocateRange(4 * heap.kChunk, 10);
  PageCache first = heap.TakeCache();
  heap.Free(4 * heap.kChunk + 2, 3);
  heap.ExpectTakes(4 * heap.kChunk, 0x1c, 0);
  heap.Grow(1);
  heap.ExpectTakes(heap.kChunk, kAll, kAll);
  heap.Flush(first);
}

TYPED_TEST(TakePageCache, SeveralCachesAreOutAtOnceAndShareNoPage) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  std::vector<PageCache> caches{heap.TakeCache(), heap.TakeCache(), heap.TakeCache()};
  heap.Free(5, 4);  // a cache's user gives pages of its own back
  caches[0].pages &= ~std::uint64_t{0x1e0};
  caches[0].scavenged &= caches[0].pages;
  caches.push_back(heap.ExpectTakes(0, 0x1e0, 0));
  EXPECT_EQ(CheckInvariants(heap.allocator(), caches), "");
  for (PageCache& cache : caches) heap.Flush(cache);
  heap.ExpectAllocates(3 * heap.kChunk, 0, 3 * heap.kChunk - 4);
}

template <class L>
class FlushPageCache : public ::testing::Test {};
TYPED_TEST_SUITE(FlushPageCache, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(FlushPageCache, EmptyCacheChangesNothingWhateverItsBase) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.AllocateRange(0, 64);
  PageCache never_taken;
  heap.Flush(never_taken);
  PageCache outside{PageOffset{7}, 0, 0};
  heap.Flush(outside);
  heap.ExpectAllocates(1, 64, 1);
}

TYPED_TEST(FlushPageCache, WholeBlockComesBackAsItWas) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.Unscavenge(0, 2);
  heap.Scavenge(3, 7);
  const HeapStats before = heap.allocator().stats();
  PageCache cache = heap.ExpectTakes(0, kAll, 0x3f8);
  heap.Flush(cache);
  EXPECT_EQ(heap.allocator().stats(), before);
  heap.ExpectAllocates(2 * heap.kChunk, 0, 7);
}

TYPED_TEST(FlushPageCache, PagesHandedOutBeforeStayAllocated) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0);
  PageCache cache = heap.TakeCache();
  ASSERT_EQ(cache.Allocate(PageCount{10}), (Allocation{heap.At(0), PageCount{10}}));
  ASSERT_EQ(cache.Allocate(PageCount{3}), (Allocation{heap.At(10), PageCount{3}}));
  heap.Flush(cache);
  EXPECT_EQ(heap.allocator().stats().in_use, PageCount{13});
  heap.ExpectAllocates(1, 13, 1);
  heap.Free(0, 10);
  heap.ExpectAllocates(5, 0, 0);
}

// A chunk that reads as full must become findable again although the search had given up.
TYPED_TEST(FlushPageCache, ExhaustedHeapHasRoomAgain) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.AllocateRange(0, 2 * heap.kChunk - 64);
  PageCache cache = heap.TakeCache();
  heap.ExpectNoRoom(1);
  EXPECT_TRUE(heap.TakeCache().empty());
  heap.Flush(cache);
  heap.ExpectAllocates(64, 2 * heap.kChunk - 64, 64);
}

TYPED_TEST(FlushPageCache, RandomBlocksRestoreTheirBitmapsExactly) {
  std::mt19937_64 random(11);
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 4);
  heap.AllocateRange(0, 4 * heap.kChunk);
  for (int round = 0; round < 100; ++round) {
    const std::uint64_t base = random() % (4 * heap.kChunk / 64) * 64;
    const std::uint64_t pages = round % 10 == 0 ? kAll : random();
    PageCache cache{heap.At(base), pages, pages & random()};
    const std::uint64_t scavenged = cache.scavenged;
    heap.Flush(cache);
    heap.ExpectTakes(base, pages, scavenged);
    heap.ExpectNoRoom(1);
  }
}

TYPED_TEST(TakePageCache, BlockMayBeChosenByAnyOfItsPages) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  heap.AllocateRange(66, 2);
  EXPECT_EQ(heap.TakeCacheAt(100).pages, kAll & ~std::uint64_t{0xc});
  EXPECT_TRUE(heap.TakeCacheAt(64).empty());
  heap.ExpectAllocates(1, 0, 1);  // below it searches go on as before
}

TYPED_TEST(TakePageCache, ChosenBlocksEmptyTheHeapAndComeBack) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  std::vector<PageCache> caches;
  for (std::uint64_t page = 3 * heap.kChunk; page > 0; page -= 64) {
    caches.push_back(heap.TakeCacheAt(page - 1));
  }
  heap.ExpectNoRoom(1);
  for (PageCache& cache : caches) heap.Flush(cache);
  heap.ExpectAllocates(3 * heap.kChunk, 0, 3 * heap.kChunk);
}

TYPED_TEST(TakePageCache, PagesInACacheAreNotFree) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 2);
  const std::uint64_t end = 2 * heap.kChunk;
  const auto free = [&heap](std::uint64_t first, std::uint64_t pages) {
    return heap.allocator().AllFree(heap.Range(first, pages));
  };
  EXPECT_TRUE(free(0, end));
  EXPECT_FALSE(free(0, end + 1));  // beyond the heap
  PageCache cache = heap.TakeCacheAt(64);
  EXPECT_TRUE(free(0, 64));
  EXPECT_FALSE(free(0, 65));
  EXPECT_FALSE(free(127, 1));
  EXPECT_EQ(free(128, 1), end > 128);
  heap.Flush(cache);
  heap.AllocateRange(end - 1, 1);
  EXPECT_TRUE(free(0, end - 1));
  EXPECT_FALSE(free(0, end));
}

class PageCacheContractDeathTest : public ::testing::Test {
 protected:
  PageCacheContractDeathTest() {
    heap_.Grow(0);
    heap_.AllocateRange(0, 128);
  }
  void Flush(PageCache cache) { heap_.allocator().Flush(cache); }

  CheckedHeap<Linux386> heap_;
};

TEST_F(PageCacheContractDeathTest, ScavengedPagesMustBeTheCaches) {
  EXPECT_DEATH(Flush({heap_.At(0), 1, 3}),
               "contract broken: \\(cache\\.scavenged & ~cache\\.pages\\) == 0");
}

TEST_F(PageCacheContractDeathTest, BlockMustBeAligned) {
  EXPECT_DEATH(Flush({heap_.At(32), 1, 0}), "contract broken: cache\\.base\\.raw % ");
}

TEST_F(PageCacheContractDeathTest, ChosenBlockMustLieInTheHeap) {
  EXPECT_DEATH(static_cast<void>(heap_.allocator().TakePageCache(heap_.At(512))),
               "contract broken: in_heap_\\.ContainsAll");
}

TEST_F(PageCacheContractDeathTest, BlockMustLieInTheHeap) {
  EXPECT_DEATH(Flush({heap_.At(512), 1, 0}), "contract broken: in_heap_\\.ContainsAll");
}

#if PAGEALLOC_CHECKED
TEST_F(PageCacheContractDeathTest, CheckedBuildNoticesPagesThatAreFreeAlready) {
  heap_.Free(5, 1);
  EXPECT_DEATH(Flush({heap_.At(0), 0x70, 0}), "invariant broken: \\(cache\\.pages & ");
}
#endif

}  // namespace
}  // namespace pagealloc
