// The rules of growth as sequences of system calls and of ranges that joined the heap, on hosts
// with 64-bit addresses.
#include "pagealloc/heap_growth.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "testing/gtest/growing.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using ::testing::ElementsAre;
using testing::Growing;
using ::testing::IsEmpty;

constexpr std::uint64_t kChunk = 512;  // pages, on the layouts with golden sequences

TEST(HeapGrowth, On48BitsArenasAreReservedAndChunksJoin) {
  Growing<LinuxAmd64> heap;
  heap.ExpectJoins(1, 0, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve c000000000 65536", "commit c000000000 4096"));
  heap.ExpectJoins(512, 1, 1);
  heap.ExpectJoins(513, 2, 2);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("commit c000400000 4096", "commit c000800000 8192"));
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 4));
  EXPECT_EQ(heap.growth.origin(), HostAddress{LinuxAmd64::kBase.raw});
}

TEST(HeapGrowth, On48BitsALargeRequestExtendsTheArenaByWholeArenas) {
  Growing<LinuxAmd64> heap;
  heap.ExpectJoins(1, 0, 1);
  heap.space.TakeLog();
  // 15 chunks are left of the arena. Asking for 17 reserves 17 more, rounded up to two arenas.
  heap.ExpectJoins(kChunk * 17, 1, 17);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve c004000000 131072", "commit c000400000 69632"));
  // 30 of the 48 chunks are left: no call but the commit.
  heap.ExpectJoins(kChunk * 30, 18, 30);
  EXPECT_THAT(heap.space.TakeLog(), ElementsAre("commit c004800000 122880"));
}

TEST(HeapGrowth, On48BitsTheRestOfTheArenaJoinsBeforeTheSwitch) {
  Growing<LinuxAmd64> heap;
  heap.space.Occupy(0xc004000000, 4096);
  heap.ExpectJoins(kChunk * 14, 0, 14);
  heap.space.TakeLog();
  heap.ExpectJoins(kChunk * 3, 0x40000, 3);  // a terabyte on
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve c004000000 65536 taken", "reserve 1c000000000 65536",
                          "commit c003800000 8192", "commit 1c000000000 12288"));
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 16, 0x40000, 0x40003));
}

TEST(HeapGrowth, On32BitsALargeFirstReservationIsUsedChunkByChunk) {
  Growing<Linux386> heap;
  heap.ExpectJoins(1, 0, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve 10010000000 524288", "commit 10010000000 4096"));
  heap.ExpectJoins(kChunk * 126, 1, 126);
  EXPECT_THAT(heap.space.TakeLog(), ElementsAre("commit 10010400000 516096"));
  // One chunk is left of 128: too little, so arenas of a chunk follow, here contiguous. The chunk
  // stays in reserve, and serves the next small request.
  heap.ExpectJoins(kChunk * 2, 128, 2);
  heap.ExpectJoins(1, 127, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve 10030000000 8192", "commit 10030000000 8192",
                          "commit 1002fc00000 4096"));
  EXPECT_EQ(heap.growth.origin(), HostAddress{std::uint64_t{1} << 40});
}

TEST(HeapGrowth, On32BitsASmallerFirstReservationWillDo) {
  for (const std::uint64_t size : {512u << 20, 256u << 20, 128u << 20}) {
    Growing<Linux386> heap;
    heap.space.LimitReserved(size + (100u << 20));
    heap.ExpectJoins(1, 0, 1);
    EXPECT_EQ(heap.growth.reserved(), ByteCount{size});
  }
}

TEST(HeapGrowth, On32BitsTheHeapGrowsDownwardsWhenItCannotGrowUpwards) {
  Growing<Linux386> heap;
  heap.space.LimitReserved(100u << 20);  // no large first reservation
  for (std::uint64_t hint = 1; hint <= 64; ++hint) {
    heap.space.Occupy((hint << 40) + 0x10000000, 4096);
  }
  heap.space.SetAnywhere(0x7f0010000000);
  heap.ExpectJoins(1, 0, 1);
  heap.space.Occupy(0x7f0010400000, 4096);
  heap.space.TakeLog();
  heap.ExpectJoins(1, -1, 1);
  heap.ExpectJoins(kChunk * 2, -3, 2);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve 7f0010400000 4096 taken", "reserve 7f000fc00000 4096",
                          "commit 7f000fc00000 4096", "reserve 7f000f400000 8192",
                          "commit 7f000f400000 8192"));
  EXPECT_THAT(heap.Heap(), ElementsAre(-3, 1));
}

TEST(HeapGrowth, On32BitsNothingLiesOutsideTheFourGigabytes) {
  Growing<Linux386> heap;
  heap.ExpectJoins(1, 0, 1);
  const std::uint64_t all = Geometry<Linux386>::kHeapEnd.raw;
  const auto too_much = heap.Grow(all);  // from the heap base to the end there is less
  EXPECT_TRUE(too_much.status.ok());
  EXPECT_TRUE(too_much.fresh.empty());
  // The kernel's choice is far away, and goes back.
  const ByteCount held = heap.growth.reserved();
  EXPECT_TRUE(heap.Grow(kChunk * 1000).fresh.empty());
  EXPECT_EQ(heap.growth.reserved(), held);
  heap.ExpectJoins(kChunk, 1, 1);
}

TEST(HeapGrowth, RequestBeyondTheLayoutFindsNoRoomOnAnEmptyHeap) {
  Growing<Linux386> heap;
  for (const std::uint64_t want : {Geometry<Linux386>::kHeapEnd.raw, ~std::uint64_t{0}}) {
    const auto got = heap.Grow(want);
    EXPECT_TRUE(got.status.ok());
    EXPECT_TRUE(got.fresh.empty());
  }
  EXPECT_THAT(heap.space.TakeLog(), IsEmpty());
}

TEST(HeapGrowth, LimitIsKeptToTheChunk) {
  Growing<LinuxAmd64> heap;
  const PageCount limit{3 * kChunk + 511};
  EXPECT_TRUE(heap.Grow(kChunk * 3 + 1, limit).fresh.empty());
  EXPECT_EQ(heap.Grow(kChunk * 2, limit).fresh, heap.Chunks(0, 2));
  EXPECT_TRUE(heap.Grow(kChunk + 1, limit).fresh.empty());
  EXPECT_EQ(heap.Grow(1, limit).fresh, heap.Chunks(2, 1));
  const auto full = heap.Grow(1, limit);
  EXPECT_TRUE(full.fresh.empty());
  EXPECT_TRUE(full.status.ok());
}

// The rest of an arena must not use up what the limit leaves for the request.
TEST(HeapGrowth, UnderALimitTheRestOfTheArenaJoinsAsFarAsTheRequestLetsIt) {
  Growing<LinuxAmd64> heap;
  heap.space.Occupy(0xc004000000, 4096);
  const PageCount limit{20 * kChunk};
  EXPECT_EQ(heap.Grow(kChunk, limit).fresh, heap.Chunks(0, 1));
  EXPECT_EQ(heap.Grow(kChunk * 16, limit).fresh, heap.Chunks(0x40000, 16));
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 4, 0x40000, 0x40010));
}

TEST(HeapGrowth, RandomStartSkipsArenasAndChunksOnce) {
  Growing<LinuxAmd64> heap({.skip_arenas = 3, .skip_chunks = ChunkCount{15}});
  heap.ExpectJoins(kChunk * 2, 3 * 16 + 15, 2);  // 1 chunk of the first arena, so two are reserved
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve c00c000000 131072", "commit c00fc00000 8192"));
  heap.ExpectJoins(kChunk * 16, 3 * 16 + 17, 16);
  EXPECT_THAT(heap.Heap(), ElementsAre(63, 81));
}

TEST(HeapGrowth, RandomStartsAreInsideTheirBounds) {
  std::uint64_t arenas = 0;
  std::uint64_t chunks = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    const HeapStart start =
        HeapStart::Random(i * 0x9e3779b97f4a7c15, ByteCount{64u << 20}, ByteCount{4u << 20});
    EXPECT_LT(start.skip_arenas, 8192u);
    EXPECT_LT(start.skip_chunks.raw, 16u);
    arenas = std::max(arenas, start.skip_arenas);
    chunks = std::max(chunks, start.skip_chunks.raw);
  }
  EXPECT_GT(arenas, 8000u);
  EXPECT_EQ(chunks, 15u);
}

TEST(HeapGrowth, RefusedCommitLeavesTheHeapAndIsRetried) {
  Growing<LinuxAmd64> heap;
  heap.space.LimitCommitted(4u << 20);
  heap.ExpectJoins(1, 0, 1);
  EXPECT_EQ(heap.Grow(1).status.error_number, ENOMEM);
  EXPECT_EQ(heap.Grow(1).status.call, OsCall::kCommit);
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 1));
  heap.space.LimitCommitted(~std::uint64_t{0});
  heap.ExpectJoins(1, 1, 1);
}

// The tables say no after the memory was committed: it must not be committed again.
TEST(HeapGrowth, RefusedTablesLeaveTheMemoryCommittedOnce) {
  Growing<LinuxAmd64> heap;
  heap.tables.FailAfter(0);
  EXPECT_EQ(heap.Grow(1).status.error_number, ENOMEM);
  heap.tables.NeverFail();
  heap.ExpectJoins(1, 0, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("reserve c000000000 65536", "commit c000000000 4096"));
}

TEST(HeapGrowth, RefusedRestOfAnArenaJoinsLater) {
  Growing<LinuxAmd64> heap;
  heap.space.Occupy(0xc004000000, 4096);
  heap.space.LimitCommitted(4u << 20);
  heap.ExpectJoins(1, 0, 1);
  EXPECT_FALSE(heap.Grow(kChunk * 16).status.ok());
  heap.space.LimitCommitted(8u << 20);  // enough for the request, not for the rest
  EXPECT_EQ(heap.Grow(1).status.error_number, ENOMEM) << "again";
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 1));
  heap.space.LimitCommitted(~std::uint64_t{0});
  heap.space.TakeLog();
  heap.ExpectJoins(1, 0x40000, 1);
  EXPECT_THAT(heap.space.TakeLog(),
              ElementsAre("commit c000400000 61440", "commit 1c000000000 4096"));
  EXPECT_THAT(heap.Heap(), ElementsAre(0, 16, 0x40000, 0x40001));
}

template <class L>
class GrowthOnLayout : public ::testing::Test {};
TYPED_TEST_SUITE(GrowthOnLayout, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(GrowthOnLayout, HeapBeginsAtTheLayoutsBaseAndEndsInNoRoom) {
  using L = TypeParam;
  using G = Geometry<L>;
  Growing<L> heap;
  // The last chunks before the end, too: what lies above is never asked for.
  const std::uint64_t room = (G::kHeapEnd.raw - G::kHeapBasePage.raw) / G::kChunkPages.raw;
  const std::uint64_t step = std::max<std::uint64_t>(1, room / 3);
  if (HeapGrowth<L>::kWide) {
    heap.ExpectJoins(1, 0, 1);
    return;  // its end lies beyond what tests can fill
  }
  std::uint64_t pages = 0;
  for (std::uint64_t i = 0; i < room / step; ++i) {
    const auto got = heap.Grow(step * G::kChunkPages.raw);
    ASSERT_TRUE(got.status.ok());
    ASSERT_FALSE(got.fresh.empty()) << i;
    if (i == 0) {
      EXPECT_EQ(got.fresh.begin, G::kHeapBasePage);
    }
    EXPECT_LE(got.fresh.end, G::kHeapEnd);
    pages += got.fresh.size().raw;
  }
  EXPECT_EQ(heap.pages->stats().grown.raw, pages);
  const auto none = heap.Grow(step * G::kChunkPages.raw);
  EXPECT_TRUE(none.status.ok());
  EXPECT_TRUE(none.fresh.empty());
}

TYPED_TEST(GrowthOnLayout, HostAddressesAndPagesTranslateBothWays) {
  using G = Geometry<TypeParam>;
  Growing<TypeParam> heap;
  EXPECT_EQ(heap.growth.PageOf(nullptr).has_value() && !HeapGrowth<TypeParam>::kWide, false);
  const auto got = heap.Grow(1);
  ASSERT_FALSE(got.fresh.empty());
  for (std::uint64_t i = 0; i < 3; ++i) {
    const PageOffset page = got.fresh.begin + PageCount{i};
    std::byte* const host = heap.growth.HostOf(page);
    EXPECT_EQ(heap.growth.PageOf(host), page);
    EXPECT_FALSE(heap.growth.PageOf(host + 4096).has_value());
  }
  EXPECT_FALSE(heap.growth.PageOf(heap.growth.HostOf(PageOffset{G::kHeapEnd.raw})).has_value());
}

}  // namespace
}  // namespace pagealloc
