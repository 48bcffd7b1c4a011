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

template <class L>
class MetadataAtFirst : public ::testing::Test {};
TYPED_TEST_SUITE(MetadataAtFirst, testing::AllLayouts, testing::LayoutNames);

// However wide the addresses are: neither memory nor address space.
TYPED_TEST(MetadataAtFirst, InitTakesNothing) {
  FakeMemory os(kSmallPage);
  const auto allocator = std::make_unique<PageAllocator<TypeParam>>();
  EXPECT_TRUE(allocator->Init(os).ok());
  EXPECT_EQ(allocator->metadata(), MetadataStats{});
  EXPECT_EQ(os.calls(), 0u);
}

/// A block of the chunk map in whole 4 KiB pages.
template <class L>
constexpr std::uint64_t kBlockBytes = (sizeof(typename ChunkMap<L>::Block) + 4095) / 4096 * 4096;

TEST(ReleaseUnits, AreThoseOfTheOsInPagesOfOurs) {
  for (const std::uint64_t page : {4096u, 8192u, 16384u, 65536u}) {
    for (const std::uint64_t huge : {0u, 1u << 16, 1u << 21}) {
      FakeMemory os{ByteCount{page}};
      os.set_huge_page_size(ByteCount{huge});
      const auto heap = std::make_unique<PageAllocator<Linux386>>();
      ASSERT_TRUE(heap->Init(os).ok());
      EXPECT_EQ(heap->release_units().page.raw, page < 8192 ? 1 : page / 8192);
      EXPECT_EQ(heap->release_units().huge.raw, huge / 8192);
    }
  }
}

TEST(ReleaseUnitsDeathTest, ArePowersOfTwoUpToAWord) {
  const auto heap = std::make_unique<PageAllocator<Linux386>>();
  heap->set_release_units({PageCount{64}, PageCount{256}});
  EXPECT_EQ(heap->release_units(), (ReleaseUnits{PageCount{64}, PageCount{256}}));
  EXPECT_DEATH(heap->set_release_units({PageCount{128}, PageCount{0}}), "units\\.page\\.raw <= 64");
  EXPECT_DEATH(heap->set_release_units({PageCount{3}, PageCount{0}}), "units\\.page\\.raw <= 64");
  EXPECT_DEATH(heap->set_release_units({PageCount{1}, PageCount{3}}), "units\\.huge");
  FakeMemory large_pages{ByteCount{1u << 20}};
  EXPECT_DEATH(static_cast<void>(heap->Init(large_pages)), "units\\.page\\.raw <= 64");
}

// Bitmaps, two bytes of the index, their maxima, three bits, a word of the scavenge index and the
// runs by words: what follows the bitmaps is about as much as packed summaries and that index would
// be.
TEST(Metadata, BlocksAreLittleMoreThanTheirBitmaps) {
  EXPECT_EQ(kBlockBytes<LinuxAmd64>, 8192 * (128 + 16) + 20'480u);
  EXPECT_EQ(kBlockBytes<LinuxAmd64La57>, kBlockBytes<LinuxAmd64>);
  EXPECT_EQ(kBlockBytes<IosArm64>, 256 * (128 + 16) + 4096u);
  EXPECT_EQ(kBlockBytes<Linux386>, 1024 * (128 + 16) + 4096u);
  EXPECT_EQ(kBlockBytes<LinuxMips>, 512 * (128 + 16) + 4096u);
  EXPECT_EQ(kBlockBytes<Wasm126>, 8192 * (16 + 16) + 20'480u);
}

// A block of the chunk map; Go commits a root of 128 KiB and a page on each of four levels as well.
TEST(Metadata, FirstChunkOnAmd64) {
  CheckedHeap<LinuxAmd64> heap;
  heap.Grow(0);
  const ByteCount block{kBlockBytes<LinuxAmd64>};
  EXPECT_EQ(heap.allocator().metadata(), (MetadataStats{block, block}));
  EXPECT_EQ(heap.os().committed(), block);
  heap.Grow(1, 1000);
  EXPECT_EQ(heap.allocator().metadata().committed, block);
}

// A table of blocks comes with the first chunk, and is smaller than what the object of a 48-bit
// layout has in its place: a small heap on 57 bits costs no more than on 48.
TEST(Metadata, FirstChunkOnFiftySevenBits) {
  constexpr ByteCount kTable{2048 * sizeof(void*) + 8192};
  CheckedHeap<LinuxAmd64La57> heap;
  heap.Grow(0);
  const ByteCount first = kTable + ByteCount{kBlockBytes<LinuxAmd64La57>};
  EXPECT_EQ(heap.allocator().metadata(), (MetadataStats{first, first}));
  EXPECT_EQ(heap.os().committed(), first);
  EXPECT_LT(sizeof(PageAllocator<LinuxAmd64La57>) + kTable.raw, sizeof(PageAllocator<LinuxAmd64>));
}

// In the long run 146.5 bytes a chunk, where Go has 145, and a root of 128 KiB.
TEST(Metadata, SixtyFourGigabytesCostAboutAsMuchAsInGo) {
  constexpr std::uint64_t kChunks = 16'384;
  CheckedHeap<LinuxAmd64> heap;
  heap.CheckEvery(1000);
  heap.Grow(0, kChunks);
  const std::uint64_t committed = heap.allocator().metadata().committed.raw;
  // The heap begins in the middle of a block: three of them.
  EXPECT_EQ(committed % kBlockBytes<LinuxAmd64>, 0u);
  EXPECT_LE(committed, 3 * kBlockBytes<LinuxAmd64>);
  const double a_chunk = static_cast<double>(kBlockBytes<LinuxAmd64>) / 8192;
  EXPECT_EQ(a_chunk, 128 + 16 + 2.5);
}

TEST(Metadata, ObjectOnFortyEightBitsIsMostlyTheChunkMap) {
  // A pointer and a number of the index for each block, and maxima.
  constexpr std::size_t kBlocks = 8192 * (sizeof(void*) + 2);
  EXPECT_GE(sizeof(PageAllocator<LinuxAmd64>), kBlocks);
  EXPECT_LT(sizeof(PageAllocator<LinuxAmd64>), kBlocks + 4096);
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

/// Real memory: a read of what was never committed ends the test program.
template <class L>
class HolesOf : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kFar = 0x100000;  // chunks: 4 TiB, without blocks in between
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
TYPED_TEST_SUITE(HolesOf, testing::WideLayouts, testing::LayoutNames);

// Between the chunks there is no block of the map for terabytes.
TYPED_TEST(HolesOf, SearchGoesOnBehindAHoleOfTerabytes) {
  this->Grow(511);
  this->Grow(511 + this->kFar);
  for (std::uint64_t page = 0; page < 512; ++page) this->ExpectAllocates(1, 511, page);
  for (std::uint64_t page = 0; page < 512; ++page) {
    this->ExpectAllocates(1, 511 + this->kFar, page);
  }
  EXPECT_FALSE(this->heap_->Allocate(PageCount{1}).has_value());
}

TYPED_TEST(HolesOf, PageCachesGoOnBehindAHoleOfTerabytes) {
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

// A search that narrows its next starting point to an entry with free pages may come into a hole,
// because the entry begins there. (Go once did.)
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
