#include "pagealloc/heap_caches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <utility>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"
#include "testing/invariants.h"
#include "testing/region_memory.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using Layout = Linux386;
using G = Geometry<Layout>;

/// Caches over a heap of some chunks. Pages count from the heap base.
struct Caches {
  explicit Caches(unsigned count, std::uint64_t chunks = 2) {
    EXPECT_TRUE(pages->Init(os).ok());
    EXPECT_TRUE(caches.Init(os, count).ok());
    EXPECT_TRUE(pages->Grow(PageRange::Of(G::kHeapBasePage, PageCount{chunks * 512})).ok());
  }
  ~Caches() { EXPECT_EQ(testing::CheckInvariants(*pages), ""); }

  std::optional<std::uint64_t> Allocate(std::uint64_t want, unsigned processor = 0) {
    const auto got = caches.Allocate(processor, PageCount{want}, *pages, lock);
    if (!got) return std::nullopt;
    return got->first.raw - G::kHeapBasePage.raw;
  }
  void Take(std::uint64_t first, std::uint64_t count) {
    static_cast<void>(
        pages->AllocateRange(PageRange::Of(G::kHeapBasePage + PageCount{first}, PageCount{count})));
  }

  FakeMemory os;
  CountingMutex lock;
  std::unique_ptr<PageAllocator<Layout>> pages = std::make_unique<PageAllocator<Layout>>();
  HeapCaches caches;
};

TEST(HeapCaches, OneTurnOfTheLockServesABlockOf64Pages) {
  Caches c(1);
  for (std::uint64_t i = 0; i < 64; ++i) EXPECT_EQ(c.Allocate(1), i);
  EXPECT_EQ(c.lock.taken(), 1u);
  EXPECT_EQ(c.Allocate(1), 64u);
  EXPECT_EQ(c.lock.taken(), 2u);
  const CacheCounts counts = c.caches.counts();
  EXPECT_EQ(counts.hits, 63u);
  EXPECT_EQ(counts.refills, 2u);
  EXPECT_EQ(counts.cached, PageCount{63});
}

TEST(HeapCaches, EachProcessorHasItsOwnAndHighNumbersWrap) {
  Caches c(2);
  EXPECT_EQ(c.Allocate(1, 0), 0u);
  EXPECT_EQ(c.Allocate(1, 1), 64u);
  EXPECT_EQ(c.Allocate(1, 2), 1u);
  EXPECT_EQ(c.Allocate(1, 1001), 65u);
}

// Go's cache would keep its 3 pages, and every request of 4 would take the lock for ever.
TEST(HeapCaches, RemainderThatServesNothingIsNotKept) {
  Caches c(1, 8);
  EXPECT_EQ(c.Allocate(15), 0u);
  EXPECT_EQ(c.Allocate(15), 15u);
  EXPECT_EQ(c.Allocate(15), 30u);
  EXPECT_EQ(c.Allocate(15), 45u);  // 4 pages are left
  EXPECT_EQ(c.Allocate(1), 60u);   // 3
  const std::uint64_t before = c.lock.taken();
  // They go back, for the block behind the run is worth more.
  EXPECT_EQ(c.Allocate(4), 64u);
  EXPECT_EQ(c.pages->Find(PageCount{3})->first, G::kHeapBasePage + PageCount{61});
  EXPECT_EQ(c.caches.counts().cached, PageCount{60});
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(c.Allocate(4).has_value());
  EXPECT_LE(c.lock.taken() - before, 101u * 4 / 60 + 2);
}

// Sizes of goroutine stacks, the hardest case for a cache that keeps its remainder: Go's policy
// takes the lock for nine requests of ten.
TEST(HeapCaches, MixOfStackSizesSeldomTakesTheLock) {
  Caches c(1, 100);
  std::mt19937 random(1);
  std::vector<PageRange> runs;
  constexpr std::uint64_t kRequests = 60000;
  for (std::uint64_t i = 0; i < kRequests; ++i) {
    const std::uint64_t dice = random() % 100;
    const std::uint64_t want = dice < 62 ? 4 : dice < 78 ? 8 : 1 + random() % 15;
    const auto first = c.Allocate(want);
    ASSERT_TRUE(first.has_value());
    runs.push_back(PageRange::Of(G::kHeapBasePage + PageCount{*first}, PageCount{want}));
    if (runs.size() < 4000) continue;
    for (int freed = 0; freed < 2000; ++freed) {  // a sweep
      std::swap(runs[random() % runs.size()], runs.back());
      c.pages->Free(runs.back());
      runs.pop_back();
    }
  }
  EXPECT_LT(c.lock.taken(), kRequests * 3 / 10);
}

TEST(HeapCaches, RemainderIsThereForOthers) {
  Caches c(2, 1);
  c.Take(64, 400);
  EXPECT_EQ(c.Allocate(15, 0), 0u);
  EXPECT_EQ(c.Allocate(15, 0), 15u);
  EXPECT_EQ(c.Allocate(15, 0), 30u);
  EXPECT_EQ(c.Allocate(14, 0), 45u);
  EXPECT_EQ(c.Allocate(6, 0), 464u);  // 5 pages did not serve 6
  EXPECT_EQ(c.Allocate(5, 1), 59u);   // another processor has them
}

TEST(HeapCaches, RequestThatTakesTheLockGetsTheLowestRunThatFits) {
  Caches c(1, 1);
  c.Take(0, 512);
  for (const std::uint64_t hole : {std::uint64_t{10}, std::uint64_t{100}, std::uint64_t{300}}) {
    c.pages->Free(PageRange::Of(G::kHeapBasePage + PageCount{hole}, PageCount{hole / 10}));
  }
  EXPECT_EQ(c.Allocate(7), 100u);  // not 10, a single page
  EXPECT_EQ(c.Allocate(3), 107u);  // from the cache: the rest of that run
  EXPECT_EQ(c.Allocate(1), 10u);   // the cache is empty: the lowest page
  EXPECT_EQ(c.Allocate(15), 300u);
  EXPECT_EQ(c.Allocate(15), 315u);
  EXPECT_EQ(c.Allocate(1), std::nullopt);
  EXPECT_EQ(c.pages->stats().free, PageCount{0});
}

// What a heap full of small holes has behind a run is not worth two changes of the index.
TEST(HeapCaches, BlockWithoutRoomForAnotherRequestIsNotTaken) {
  Caches c(1, 1);
  c.Take(0, 512);
  const auto free = [&c](std::uint64_t first, std::uint64_t count) {
    c.pages->Free(PageRange::Of(G::kHeapBasePage + PageCount{first}, PageCount{count}));
  };
  free(0, 5 + 9);
  free(128, 5 + 10);
  EXPECT_EQ(c.Allocate(5), 0u);
  EXPECT_EQ(c.caches.counts().cached, PageCount{0}) << "9 pages are not twice 5";
  c.Take(5, 9);
  EXPECT_EQ(c.Allocate(5), 128u);
  EXPECT_EQ(c.caches.counts().cached, PageCount{10});
  // Nor is a block that has no more than the cache.
  EXPECT_EQ(c.Allocate(1), 133u);
  free(0, 3 + 9);
  free(200, 12);
  EXPECT_EQ(c.Allocate(12), 0u);
  EXPECT_EQ(c.caches.counts().cached, PageCount{9});
}

TEST(HeapCaches, RunAtTheEndOfTheHeapHasNothingBehindIt) {
  Caches c(1, 1);
  c.Take(0, 509);
  EXPECT_EQ(c.Allocate(3), 509u);
  EXPECT_EQ(c.caches.counts().cached, PageCount{0});
  EXPECT_EQ(c.Allocate(3), std::nullopt);
}

TEST(HeapCaches, FlushAllReturnsEveryPageAndScavengedStaysScavenged) {
  Caches c(3);
  const HeapStats before = c.pages->stats();
  std::vector<std::uint64_t> runs;
  for (unsigned processor = 0; processor < 3; ++processor) {
    runs.push_back(*c.Allocate(5, processor));
  }
  {
    const HeapCaches::HoldAll<decltype(c.lock)> hold(c.caches, c.lock);
    c.caches.FlushAll(*c.pages);
    EXPECT_EQ(c.caches.counts().cached, PageCount{0});
  }
  EXPECT_EQ(c.pages->stats().in_use, PageCount{15});
  EXPECT_EQ(c.pages->stats().scavenged, before.scavenged - PageCount{15});
  for (const std::uint64_t run : runs) {
    c.pages->Free(PageRange::Of(G::kHeapBasePage + PageCount{run}, PageCount{5}));
  }
  EXPECT_EQ(c.pages->stats().free, before.free);
}

/// A lock that is taken without anybody else's.
struct CountedLock {
  void lock() { ++held; }
  void unlock() { --held; }
  static inline int held = 0;
};

TEST(HeapCaches, HoldingAllTakesTheLockOfEachCacheAndGivesItBack) {
  FakeMemory os;
  BasicHeapCaches<CountedLock> caches;
  ASSERT_TRUE(caches.Init(os, 5).ok());
  caches.LockAll();
  EXPECT_EQ(CountedLock::held, 5);
  caches.UnlockAll();
  EXPECT_EQ(CountedLock::held, 0);
}

/// Knows which ones came to life.
struct BornLock : CountedLock {
  BornLock() { born.push_back(this); }
  static inline std::vector<const BornLock*> born;
};

TEST(HeapCaches, SlotsComeToLifeOneBehindTheOtherAndNoMoreThanThereAre) {
  FakeMemory os;
  BasicHeapCaches<BornLock> caches;
  ASSERT_TRUE(caches.Init(os, 5).ok());
  EXPECT_EQ(BornLock::born.size(), 5u);
  EXPECT_TRUE(std::is_sorted(BornLock::born.begin(), BornLock::born.end(), std::less<>()));
}

// 32 of them fill a page of the operating system, and what lies behind it is somebody else's.
TEST(HeapCaches, CountsEndWithTheLastCache) {
  testing::RegionMemory os(ByteCount{1u << 20}, testing::RegionMemory::kPage);
  HeapCaches caches;
  ASSERT_TRUE(caches.Init(os, 32).ok());
  ASSERT_EQ(caches.metadata().committed, testing::RegionMemory::kPage);
  const OsMemory::Reservation behind = os.Reserve(testing::RegionMemory::kPage);
  ASSERT_TRUE(behind.status.ok() && os.Commit(behind.begin, testing::RegionMemory::kPage).ok());
  std::memset(behind.begin, 0xff, HostSize(testing::RegionMemory::kPage.raw));
  const CacheCounts counts = caches.counts();
  EXPECT_EQ(counts.cached, PageCount{0});
  EXPECT_EQ(counts.hits + counts.refills, 0u);
  EXPECT_TRUE(os.Unreserve(behind.begin, testing::RegionMemory::kPage).ok());
}

TEST(HeapCaches, SixteenPagesAndMoreAreNotServedNorAnythingWithoutCaches) {
  Caches c(1);
  EXPECT_TRUE(c.caches.Serves(PageCount{15}));
  EXPECT_FALSE(c.caches.Serves(PageCount{16}));
  Caches none(0);
  EXPECT_FALSE(none.caches.Serves(PageCount{1}));
  EXPECT_EQ(none.caches.metadata(), MetadataStats{});
}

TEST(HeapCaches, RefusedMemoryIsAStatusLeaksNothingAndMayBeAskedForAgain) {
  const std::uint64_t calls = testing::ForEachFault([](const testing::PlannedFault& fault) {
    FakeMemory real;  // stops the program at a leak
    testing::FaultyMemory os(real);
    HeapCaches caches;
    fault.Arm(os);
    const OsStatus status = caches.Init(os, 4);
    os.NeverFail();
    testing::ExpectFirstTold(status, os);
    if (!status.ok()) {
      EXPECT_TRUE(os.mappings().empty());
      EXPECT_TRUE(caches.Init(os, 4).ok());
    }
    EXPECT_EQ(caches.metadata(), os.held());
    return !os.faults().empty();
  });
  EXPECT_EQ(calls, 2u);
}

}  // namespace
}  // namespace pagealloc
