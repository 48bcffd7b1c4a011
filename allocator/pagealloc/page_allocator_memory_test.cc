// What the allocator takes from the operating system, and that it stays away from the rest.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;
using testing::CheckInvariants;
using testing::FakeMemory;

constexpr ByteCount kSmallPage{4096};

/// What Init() takes with operating-system pages of a size.
template <class L>
MetadataStats AfterInit(ByteCount os_page) {
  FakeMemory os(os_page);
  const auto allocator = std::make_unique<PageAllocator<L>>();
  EXPECT_TRUE(allocator->Init(os).ok());
  EXPECT_EQ(allocator->metadata(), (MetadataStats{os.reserved(), os.committed()}));
  return allocator->metadata();
}

MetadataStats Both(std::uint64_t bytes) { return {ByteCount{bytes}, ByteCount{bytes}}; }

// Summaries, and 8 bytes of scavenge index a chunk.
TEST(Metadata, ThirtyTwoBitLayoutsCommitAllTablesAtInit) {
  EXPECT_EQ(AfterInit<Linux386>(kSmallPage), Both(12'288 + 8'192));
  EXPECT_EQ(AfterInit<LinuxArm>(kSmallPage), Both(12'288 + 8'192));
  EXPECT_EQ(AfterInit<LinuxMips>(kSmallPage), Both(8'192 + 4'096));
  EXPECT_EQ(AfterInit<LinuxMips>(ByteCount{65'536}), Both(65'536 + 65'536));
  EXPECT_EQ(AfterInit<Wasm125>(ByteCount{65'536}), Both(65'536 + 65'536));
  EXPECT_EQ(AfterInit<Wasm126>(ByteCount{65'536}), Both(131'072 + 65'536));
}

/// The index of a 48-bit layout, and the page by which it begins later than the leaves.
constexpr std::uint64_t kIndex48 = 536'870'912 + 4'096;

TEST(Metadata, SixtyFourBitLayoutsOnlyReserveAtInit) {
  const MetadataStats on_48_bits{ByteCount{613'548'032 + kIndex48}, ByteCount{0}};
  EXPECT_EQ(AfterInit<LinuxAmd64>(kSmallPage), on_48_bits);
  EXPECT_EQ(AfterInit<LinuxArm64>(kSmallPage), on_48_bits);
  EXPECT_EQ(AfterInit<AixPpc64>(kSmallPage), on_48_bits);
  EXPECT_EQ(AfterInit<IosArm64>(ByteCount{16'384}),
            (MetadataStats{ByteCount{2'424'832 + 2'097'152 + 16'384}, ByteCount{0}}));
}

// As in Go: the whole root, 2^14 entries of 8 bytes, a page on each of the four other levels, and a
// page of scavenge index. Go counts the block of bitmaps elsewhere.
TEST(Metadata, FirstChunkOnAmd64) {
  constexpr std::uint64_t kTables = 151'552;
  static_assert(kTables == 131'072 + 4 * 4096 + 4096);
  constexpr std::uint64_t kBlock = 8192UL * 128;  // 1 MiB of bitmaps
  CheckedHeap<LinuxAmd64> heap;
  heap.Grow(0);
  const MetadataStats metadata = heap.allocator().metadata();
  EXPECT_EQ(metadata.committed, ByteCount{kTables + kBlock});
  EXPECT_EQ(metadata.reserved, ByteCount{613'548'032 + kIndex48 + kBlock});
  EXPECT_EQ(heap.os().committed(), metadata.committed);
}

// A page of leaves covers 512 chunks, 2 GiB, and so does a page of the scavenge index, half a page
// apart.
TEST(Metadata, TwoMorePagesForEachFurtherTwoGigabytesOnAmd64) {
  CheckedHeap<LinuxAmd64> heap;
  heap.CheckEvery(1000);
  heap.Grow(0);
  const ByteCount first = heap.allocator().metadata().committed;
  heap.Grow(1, 511);
  EXPECT_EQ(heap.allocator().metadata().committed, first + kSmallPage) << "of the index";
  heap.Grow(512);
  EXPECT_EQ(heap.allocator().metadata().committed, first + ByteCount{2 * kSmallPage.raw});
  heap.Grow(513, 511);
  EXPECT_EQ(heap.allocator().metadata().committed, first + ByteCount{3 * kSmallPage.raw});
}

// In the long run about 145 bytes a chunk; the root of 128 KiB comes on top.
TEST(Metadata, SixtyFourGigabytesCostAsMuchAsInGo) {
  constexpr std::uint64_t kChunks = 16'384;
  CheckedHeap<LinuxAmd64> heap;
  heap.CheckEvery(1000);
  heap.Grow(0, kChunks);
  const std::uint64_t committed = heap.allocator().metadata().committed.raw;
  // Exactly: root, pages of levels 1 to 4 (32, 256, 2048 and 16384 entries), the index and a page
  // more, two blocks of bitmaps.
  EXPECT_EQ(committed, 131'072 + 4096 + 4096 + 16'384 + 131'072 + 131'072 + 4096 + 2 * 1'048'576u);
  const double in_go = 131'072 + (128 + 8 + 1.14 + 8) * static_cast<double>(kChunks);
  EXPECT_NEAR(static_cast<double>(committed), in_go, 0.1 * in_go);
}

TEST(Metadata, ObjectOnFortyEightBitsIsMostlyTheChunkMap) {
  EXPECT_GE(sizeof(PageAllocator<LinuxAmd64>), 65'536u);
  EXPECT_LT(sizeof(PageAllocator<LinuxAmd64>), 65'536u + 4096);
  EXPECT_LT(sizeof(PageAllocator<Linux386>), 4096u);
}

template <class L>
class MetadataOf : public ::testing::Test {};
TYPED_TEST_SUITE(MetadataOf, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(MetadataOf, IsWhatTheOsHandedOutForEveryPageSize) {
  for (const std::uint64_t os_page : {64u, 4096u, 16384u, 65536u}) {
    SCOPED_TRACE(os_page);
    CheckedHeap<TypeParam> heap(Geometry<TypeParam>::kHeapBasePage, ByteCount{os_page});
    heap.CheckEvery(4);
    for (const unsigned chunk : {3u, 7u, 23u, 5u, 4u, 22u, 0u, 20u}) {
      heap.Grow(chunk);
      const MetadataStats held{heap.os().reserved(), heap.os().committed()};
      ASSERT_EQ(heap.allocator().metadata(), held) << "chunk " << chunk;
    }
    while (heap.Allocate(heap.kChunk / 2 + 1)) {
    }
  }
}

TYPED_TEST(MetadataOf, AllocatingAndFreeingTakeNothingFromTheOs) {
  CheckedHeap<TypeParam> heap;
  heap.Grow(0, 4);
  const std::uint64_t calls = heap.os().calls();
  heap.ExpectAllocates(1, 0, 1);
  heap.ExpectAllocates(2 * heap.kChunk, 1, 2 * heap.kChunk);
  heap.Free(0, 2);
  PageCache cache = heap.TakeCache();
  heap.Flush(cache);
  heap.ExpectNoRoom(100 * heap.kChunk);
  EXPECT_EQ(heap.os().calls(), calls);
}

/// Real memory: a read of a summary that was never committed ends the test program.
template <class L>
class HolesOf : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kFar = 0x100000;  // chunks: 4 TiB, terabytes of uncommitted leaves
  static constexpr std::uint64_t kPagesOfChunk = Geometry<L>::kChunkPages.raw;

  HolesOf() { EXPECT_TRUE(heap_->Init(os_).ok()); }

  PageRange Pages(std::uint64_t chunk, std::uint64_t first, std::uint64_t count) const {
    return PageRange::Of(PageOffset{Geometry<L>::kHeapBasePage.raw + chunk * kPagesOfChunk + first},
                         PageCount{count});
  }
  void Grow(std::uint64_t chunk) {
    ASSERT_TRUE(heap_->Grow(Pages(chunk, 0, kPagesOfChunk)).ok());
    ASSERT_EQ(CheckInvariants(*heap_), "");
  }
  void ExpectAllocates(std::uint64_t want, std::uint64_t chunk, std::uint64_t first) {
    const auto got = heap_->Allocate(PageCount{want});
    ASSERT_TRUE(got.has_value()) << want << " pages";
    EXPECT_EQ(got->first, Pages(chunk, first, 1).begin) << want << " pages";
    ASSERT_EQ(CheckInvariants(*heap_), "");
  }

  MmapMemory os_;
  std::unique_ptr<PageAllocator<L>> heap_ = std::make_unique<PageAllocator<L>>();
};
TYPED_TEST_SUITE(HolesOf, testing::Layouts48, testing::LayoutNames);

// The leaf of chunk 511 is the last one of a committed page; what follows does not exist.
TYPED_TEST(HolesOf, SearchGoesOnBehindTheLastLeafOfACommittedPage) {
  this->Grow(511);
  this->Grow(511 + this->kFar);
  for (std::uint64_t page = 0; page < 512; ++page) this->ExpectAllocates(1, 511, page);
  for (std::uint64_t page = 0; page < 512; ++page) {
    this->ExpectAllocates(1, 511 + this->kFar, page);
  }
  EXPECT_FALSE(this->heap_->Allocate(PageCount{1}).has_value());
}

TYPED_TEST(HolesOf, PageCachesGoOnBehindTheLastLeafOfACommittedPage) {
  this->Grow(511);
  this->Grow(511 + this->kFar);
  for (const std::uint64_t chunk : {std::uint64_t{511}, 511 + this->kFar}) {
    for (std::uint64_t page = 0; page < 512; page += 64) {
      const PageCache cache = this->heap_->TakePageCache();
      EXPECT_EQ(cache.base, this->Pages(chunk, page, 1).begin);
      EXPECT_EQ(cache.pages, ~std::uint64_t{0});
      ASSERT_EQ(CheckInvariants(*this->heap_), "");
    }
  }
  EXPECT_TRUE(this->heap_->TakePageCache().empty());
}

// A search narrows its next starting point to the lowest entry with free pages; that entry begins
// in a hole. (Go once followed it there.)
TYPED_TEST(HolesOf, HintInAHoleIsMovedIntoTheHeap) {
  const std::uint64_t second = 3 + this->kFar;
  const std::uint64_t third = 7 + 2 * this->kFar;
  this->Grow(0);
  this->Grow(second);
  this->Grow(third);
  this->ExpectAllocates(512, 0, 0);
  this->heap_->AllocateRange(this->Pages(second, 0, 7));
  this->heap_->AllocateRange(this->Pages(second, 300, 212));
  this->ExpectAllocates(400, third, 0);    // must skip the second
  this->ExpectAllocates(200, second, 7);   // fits it
  this->ExpectAllocates(110, third, 400);  // skips it again
  this->ExpectAllocates(93, second, 207);
  this->ExpectAllocates(1, third, 510);
  this->heap_->Free(this->Pages(0, 511, 1));
  this->ExpectAllocates(1, 0, 511);
  this->ExpectAllocates(1, third, 511);
  EXPECT_FALSE(this->heap_->Allocate(PageCount{1}).has_value());
}

TYPED_TEST(HolesOf, GrowingBetweenFarPlacesKeepsWhatIsThere) {
  this->Grow(2 * this->kFar);
  this->ExpectAllocates(500, 2 * this->kFar, 0);
  this->Grow(0);
  this->Grow(this->kFar);
  this->ExpectAllocates(512, 0, 0);
  this->Grow(2 * this->kFar - 1);
  this->ExpectAllocates(512, this->kFar, 0);
  this->ExpectAllocates(512, 2 * this->kFar - 1, 0);
  this->ExpectAllocates(12, 2 * this->kFar, 500);
  EXPECT_FALSE(this->heap_->Allocate(PageCount{1}).has_value());
}

}  // namespace
}  // namespace pagealloc
