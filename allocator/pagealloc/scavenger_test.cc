// Scavenging as a whole, beside the model: what is released, in which order, and what is not lost.
#include "pagealloc/scavenger.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;
using testing::CheckInvariants;
using testing::FakeMemory;

constexpr ScavengeMode kBackground = ScavengeMode::kBackground;

template <class L>
class Scavenging : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kChunk = Geometry<L>::kChunkPages.raw;

  /// Pages from the heap's start that one forced step after the other takes.
  std::vector<std::uint64_t> Steps(std::uint64_t target) {
    std::vector<std::uint64_t> firsts;
    NoLock no_lock;
    static_cast<void>(ScavengePages(
        heap_.allocator(), no_lock, BytesOf(PageCount{target}), ScavengeMode::kForced,
        [&](PageRange pages) {
          firsts.push_back(pages.begin.raw - heap_.At(0).raw);
          const std::vector<PageRange> held{pages};
          EXPECT_EQ(CheckInvariants(heap_.allocator(), {}, held), "");
          EXPECT_EQ(heap_.allocator().stats().held, pages.size());
          return OsStatus::Ok();
        },
        [] { return false; }));
    return firsts;
  }

  CheckedHeap<L> heap_{Geometry<L>::kHeapBasePage, ByteCount{64}};
};
TYPED_TEST_SUITE(Scavenging, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(Scavenging, NewMemoryHasNothingToRelease) {
  this->heap_.Grow(0, 3);
  EXPECT_EQ(this->heap_.Release(1), 0u);
  this->heap_.AllocateRange(0, this->kChunk);
  EXPECT_EQ(this->heap_.Release(1), 0u) << "in use";
}

TYPED_TEST(Scavenging, EverythingInThreeChunks) {
  this->heap_.Grow(0, 3);
  this->heap_.Unscavenge(0, 3);
  EXPECT_EQ(this->heap_.Release(3 * this->kChunk), 3 * this->kChunk);
  EXPECT_EQ(this->heap_.Release(1), 0u) << "a further call finds nothing";
}

TYPED_TEST(Scavenging, HighestPagesFirstOneChunkAfterTheOther) {
  this->heap_.Grow(0, 3);
  this->heap_.Unscavenge(0, 3);
  this->heap_.AllocateRange(this->kChunk + 10, 5);
  EXPECT_EQ(this->Steps(3 * this->kChunk),
            (std::vector<std::uint64_t>{2 * this->kChunk, this->kChunk + 15, this->kChunk, 0}));
  EXPECT_EQ(this->heap_.allocator().stats().scavenged.raw, 3 * this->kChunk - 5);
}

TYPED_TEST(Scavenging, NoMoreThanTheTargetRoundedUpToPages) {
  this->heap_.Grow(0, 2);
  this->heap_.Unscavenge(0, 2);
  EXPECT_EQ(this->heap_.Release(1), 1u);
  EXPECT_EQ(this->heap_.Release(7), 7u);
  NoLock no_lock;
  const auto release = [](PageRange) { return OsStatus::Ok(); };
  const auto never = [] { return false; };
  const ScavengeResult one_byte = ScavengePages(this->heap_.allocator(), no_lock, ByteCount{1},
                                                ScavengeMode::kForced, release, never);
  EXPECT_EQ(one_byte.released, kPageBytes);
  const ScavengeResult nothing = ScavengePages(this->heap_.allocator(), no_lock, ByteCount{0},
                                               ScavengeMode::kForced, release, never);
  EXPECT_EQ(nothing.steps, 0u);
}

TYPED_TEST(Scavenging, StopsWhenItIsToldTo) {
  this->heap_.Grow(0, 3);
  this->heap_.Unscavenge(0, 3);
  NoLock no_lock;
  int asked = 0;
  const ScavengeResult result = ScavengePages(
      this->heap_.allocator(), no_lock, kAllMemory, ScavengeMode::kForced,
      [](PageRange) { return OsStatus::Ok(); }, [&] { return ++asked == 1; });
  EXPECT_EQ(result.released, BytesOf(PageCount{this->kChunk}));
  EXPECT_EQ(asked, 1);
}

TYPED_TEST(Scavenging, PagesOfTheOsLargerThanOursAreReleasedWhole) {
  this->heap_.allocator().set_release_units({PageCount{8}, PageCount{0}});
  this->heap_.Grow(0, 2);
  this->heap_.AllocateRange(0, 2 * this->kChunk);
  this->heap_.Free(3, 20);                // 8 to 24 is whole, but 23 is not free
  this->heap_.Free(this->kChunk + 9, 7);  // seven of eight
  EXPECT_EQ(this->heap_.Release(100), 8u);
  EXPECT_TRUE(this->heap_.model().scavenged(this->heap_.At(8)));
  EXPECT_TRUE(this->heap_.model().scavenged(this->heap_.At(15)));
  this->heap_.Free(this->kChunk + 8, 1);
  EXPECT_EQ(this->heap_.Release(1), 8u) << "the eighth page was missing";
}

// Go clears a chunk's flag although it looked only below the cursor, so a page that was freed above
// it is found by no scavenging, until something else is freed there.
TYPED_TEST(Scavenging, PageFreedAboveTheCursorIsNotHidden) {
  constexpr std::uint64_t kHigh = 450 * Geometry<TypeParam>::kChunkPages.raw / 512;
  constexpr std::uint64_t kFirst = 100 * Geometry<TypeParam>::kChunkPages.raw / 512;
  constexpr std::uint64_t kCount = 200 * Geometry<TypeParam>::kChunkPages.raw / 512;
  for (const ScavengeMode last : {kBackground, ScavengeMode::kForced}) {
    CheckedHeap<TypeParam> heap(Geometry<TypeParam>::kHeapBasePage, ByteCount{64});
    heap.Grow(0, 2);
    heap.AllocateRange(0, 2 * heap.kChunk);
    heap.Free(kFirst, kCount);
    heap.NextGeneration();
    EXPECT_EQ(heap.Release(kCount / 2, kBackground), kCount / 2);
    heap.Free(kHigh, 1);
    heap.Release(heap.kChunk, kBackground);  // the rest, and perhaps the page above
    heap.NextGeneration();
    heap.Release(heap.kChunk, last);
    EXPECT_TRUE(heap.model().scavenged(heap.At(kHigh)));
    EXPECT_EQ(heap.allocator().stats().scavenged.raw, kCount + 1);
  }
}

// The same without the cursor's part: pages are passed because their chunk is dense, then pages
// below them are freed.
TYPED_TEST(Scavenging, PageThatWasPassedInADenseChunkIsFoundWhenTheChunkIsNotDenseAnyMore) {
  this->heap_.Grow(0, 2);
  this->heap_.AllocateRange(0, 2 * this->kChunk);
  this->heap_.Free(this->kChunk - 1, 1);
  this->heap_.NextGeneration();
  EXPECT_EQ(this->heap_.Release(1, kBackground), 0u) << "dense";
  this->heap_.Free(0, this->kChunk / 8);
  EXPECT_EQ(this->heap_.Release(this->kChunk, kBackground), 0u) << "dense in this generation";
  this->heap_.NextGeneration();
  EXPECT_EQ(this->heap_.Release(this->kChunk, kBackground), this->kChunk / 8 + 1);
}

TYPED_TEST(Scavenging, BackgroundLeavesAloneWhatWasFullInTheGeneration) {
  this->heap_.Grow(0, 1);
  this->heap_.Unscavenge(0);
  this->heap_.NextGeneration();
  this->heap_.AllocateRange(0, this->kChunk / 4);
  this->heap_.AllocateRange(this->kChunk / 4, 3 * this->kChunk / 4);
  this->heap_.Free(this->kChunk / 4, 3 * this->kChunk / 4);
  EXPECT_EQ(this->heap_.Release(this->kChunk, kBackground), 0u);
  this->heap_.NextGeneration();
  EXPECT_EQ(this->heap_.Release(this->kChunk, kBackground), 3 * this->kChunk / 4);
}

TYPED_TEST(Scavenging, CachesThatComeBackCanBeReleased) {
  this->heap_.Grow(0, 1);
  this->heap_.Unscavenge(0);
  PageCache cache = this->heap_.TakeCache();
  this->heap_.Release(1000);
  EXPECT_EQ(this->heap_.Release(1000), 0u) << "what a cache owns is in use";
  this->heap_.Flush(cache);
  EXPECT_EQ(this->heap_.Release(1000), 64u);
}

TYPED_TEST(Scavenging, RefusedPagesStayFreeAndAreTriedAgain) {
  this->heap_.Grow(0, 2);
  this->heap_.Unscavenge(0, 2);
  NoLock no_lock;
  for (int tries = 0; tries < 3; ++tries) {
    const HeapStats before = this->heap_.allocator().stats();
    int calls = 0;
    const ScavengeResult result = ScavengePages(
        this->heap_.allocator(), no_lock, kAllMemory, ScavengeMode::kForced,
        [&](PageRange pages) {
          ++calls;
          return OsStatus{OsCall::kRelease, EAGAIN, BytesOf(pages.size())};
        },
        [] { return false; });
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(result.status.error_number, EAGAIN);
    EXPECT_EQ(result.released, ByteCount{0});
    EXPECT_EQ(this->heap_.allocator().stats(), before);
    this->heap_.Check();
  }
  EXPECT_EQ(this->heap_.Release(2 * this->kChunk), 2 * this->kChunk);
}

// What a second scavenger does while the first one waits for the operating system must not lose the
// first one's pages.
TYPED_TEST(Scavenging, PagesRefusedAfterAnotherScavengerPassedAreNotHidden) {
  this->heap_.Grow(0, 2);
  this->heap_.Unscavenge(0, 2);
  auto& allocator = this->heap_.allocator();
  NoLock no_lock;
  const ScavengeResult outer = ScavengePages(
      allocator, no_lock, kAllMemory, ScavengeMode::kForced,
      [&](PageRange) {
        const ScavengeResult inner = ScavengePages(
            allocator, no_lock, kAllMemory, ScavengeMode::kForced,
            [](PageRange) { return OsStatus::Ok(); }, [] { return false; });
        EXPECT_EQ(inner.released, BytesOf(PageCount{this->kChunk}));
        return OsStatus{OsCall::kRelease, ENOMEM, ByteCount{1}};
      },
      [] { return false; });
  EXPECT_FALSE(outer.status.ok());
  EXPECT_EQ(CheckInvariants(allocator), "");
  const ScavengeResult again = ScavengePages(
      allocator, no_lock, kAllMemory, ScavengeMode::kForced,
      [](PageRange) { return OsStatus::Ok(); }, [] { return false; });
  EXPECT_EQ(again.released, BytesOf(PageCount{this->kChunk}));
}

// The heap goes on while the operating system works: what it does then is seen afterwards.
TYPED_TEST(Scavenging, HeapMayBeUsedDuringTheRelease) {
  this->heap_.Grow(0, 2);
  this->heap_.Unscavenge(0, 2);
  auto& allocator = this->heap_.allocator();
  NoLock no_lock;
  bool first = true;
  const ScavengeResult result = ScavengePages(
      allocator, no_lock, kAllMemory, ScavengeMode::kForced,
      [&](PageRange pages) {
        if (!first) return OsStatus::Ok();
        first = false;
        const auto got = allocator.Allocate(PageCount{this->kChunk});
        EXPECT_EQ(got->first, this->heap_.At(0)) << "held pages are not free";
        EXPECT_FALSE(allocator.Allocate(PageCount{1}).has_value());
        allocator.Free(PageRange::Of(got->first, PageCount{this->kChunk}));
        allocator.NextScavengeGeneration();
        const std::vector<PageRange> held{pages};
        EXPECT_EQ(CheckInvariants(allocator, {}, held), "");
        return OsStatus::Ok();
      },
      [] { return false; });
  EXPECT_EQ(result.released, BytesOf(PageCount{2 * this->kChunk}));
  EXPECT_EQ(CheckInvariants(allocator), "");
}

template <class L>
using ScavengingDeathTest = Scavenging<L>;
TYPED_TEST_SUITE(ScavengingDeathTest, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(ScavengingDeathTest, FinishingWhatDidNotBeginBreaksTheContract) {
  this->heap_.Grow(0, 1);
  this->heap_.AllocateRange(0, 1);
  EXPECT_DEATH(this->heap_.allocator().FinishScavenge(this->heap_.Range(0, 1), true),
               "contract broken");
}

TEST(ScavengingOnAmd64, GapsAreJumpedOver) {
  for (const std::uint64_t gap : {std::uint64_t{0xe}, std::uint64_t{0x1000}}) {
    CheckedHeap<LinuxAmd64> heap;
    heap.CheckEvery(1000);
    heap.Grow(0);
    heap.Grow(gap);
    heap.Unscavenge(0);
    heap.Unscavenge(gap);
    NoLock no_lock;
    const ScavengeResult result = ScavengePages(
        heap.allocator(), no_lock, kAllMemory, ScavengeMode::kForced,
        [](PageRange) { return OsStatus::Ok(); }, [] { return false; });
    EXPECT_EQ(result.released, BytesOf(PageCount{1024}));
    EXPECT_LE(result.chunks, 6u) << "not the gap";
  }
}

}  // namespace
}  // namespace pagealloc
