#include "pagealloc/sbrk_allocator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using testing::IsZero;
using testing::LiveBlock;
using testing::SbrkAccess;

constexpr std::size_t kPage = 64;

/// An allocator on an emulated break of 32 pages, told in pages. Live blocks are filled, and
/// everything is checked after each step.
class SbrkAllocatorTest : public ::testing::Test {
 protected:
  void Start(std::uint64_t spare = 0) {
    const EmulatedBreak::Shape shape{ByteCount{32 * kPage}, ByteCount{kPage},
                                     ByteCount{spare * kPage}, ByteCount{64 * kPage}};
    ASSERT_TRUE(source_.Init(os_, shape).ok());
    allocator_.emplace(source_);
  }
  void SetUp() override {
    if (!::testing::UnitTest::GetInstance()->current_test_info()->value_param()) Start();
  }

  std::byte* At(std::uint64_t page) { return allocator_->first() + page * kPage; }
  static ByteCount Pages(std::uint64_t n) { return ByteCount{n * kPage}; }

  /// '#' not free, '.' free, '|' bloc, '_' tail.
  std::string Map() {
    std::string map(static_cast<std::size_t>(allocator_->bloc() - allocator_->first()) / kPage,
                    '#');
    allocator_->free_blocks().ForEach([&](const FreeBlocks::Node& block) {
      const auto first = static_cast<std::size_t>(block.begin() - allocator_->first()) / kPage;
      map.replace(first, block.size / kPage, block.size / kPage, '.');
    });
    return map + "|" + std::string(HostSize(allocator_->stats().tail.raw) / kPage, '_');
  }

  /// Takes note of a block that must be zero; returns its first page, -1 for none.
  int Took(std::byte* begin, std::uint64_t bytes) {
    if (begin == nullptr) return -1;
    const std::size_t size = HostSize(bytes + kPage - 1) / kPage * kPage;
    EXPECT_TRUE(IsZero(begin, size)) << "a block that is handed out is zero";
    std::memset(begin, 0xaa, size);
    live_.push_back({begin, ByteCount{bytes}});
    Check();
    return static_cast<int>((begin - allocator_->first()) / static_cast<std::ptrdiff_t>(kPage));
  }
  int Took(OsMemory::Reservation got, std::uint64_t bytes) {
    EXPECT_EQ(got.status.ok(), got.begin != nullptr);
    return Took(got.begin, bytes);
  }
  int Allocate(std::uint64_t pages) {
    return Took(allocator_->Allocate(Pages(pages)), pages * kPage);
  }
  int Aligned(std::uint64_t pages, std::uint64_t align) {
    return Took(allocator_->AllocateAligned(Pages(pages), Pages(align)), pages * kPage);
  }
  void Free(std::uint64_t page) {
    const auto block = std::find_if(live_.begin(), live_.end(),
                                    [&](const LiveBlock& b) { return b.begin == At(page); });
    ASSERT_NE(block, live_.end());
    allocator_->Free(block->begin, block->size);
    live_.erase(block);
    Check();
  }
  void Check() { ASSERT_EQ(checker_.Check(*allocator_, live_), "") << Map(); }

  FakeMemory os_{ByteCount{kPage}};
  EmulatedBreak source_;
  std::optional<SbrkAllocator> allocator_;
  testing::SbrkChecker checker_;
  std::vector<LiveBlock> live_;
};

TEST_F(SbrkAllocatorTest, FirstBlocksComeFromTheBreakInOrder) {
  EXPECT_EQ(Allocate(2), 0);
  EXPECT_EQ(Allocate(3), 2);
  EXPECT_EQ(Map(), "#####|");
  EXPECT_EQ(os_.committed(), Pages(5)) << "the break moves only as far as needed";
}

TEST_F(SbrkAllocatorTest, SizesAreRoundedUpToPages) {
  EXPECT_EQ(Took(allocator_->Allocate(ByteCount{1}), 1), 0);
  EXPECT_EQ(Took(allocator_->Allocate(ByteCount{kPage + 1}), kPage + 1), 1);
  EXPECT_EQ(Map(), "###|");
}

TEST_F(SbrkAllocatorTest, LowestBlockThatFitsGivesItsHighEnd) {
  for (const unsigned pages : {1u, 3u, 1u, 6u, 1u, 2u, 1u}) Allocate(pages);
  for (const unsigned page : {1u, 5u, 12u}) Free(page);
  EXPECT_EQ(Map(), "#...#......#..#|");
  EXPECT_EQ(Allocate(2), 2);
  EXPECT_EQ(Map(), "#.###......#..#|");
  EXPECT_EQ(Allocate(2), 9) << "the snug block higher up must not win";
  EXPECT_EQ(Allocate(1), 1) << "a block that fits exactly is taken whole";
  EXPECT_EQ(Map(), "#####....###..#|");
}

// [run] in the specification.
TEST_F(SbrkAllocatorTest, RepeatedSmallAllocationsWalkDownInsideABlock) {
  Allocate(5);
  Allocate(1);
  Free(0);
  for (const int page : {4, 3, 2, 1, 0}) EXPECT_EQ(Allocate(1), page);
  EXPECT_EQ(Allocate(1), 6);
}

TEST_F(SbrkAllocatorTest, FreedNeighboursBecomeOneBlock) {
  for (int i = 0; i < 6; ++i) Allocate(1);
  Free(1);
  Free(3);
  EXPECT_EQ(allocator_->AllocateNoGrow(Pages(2)), nullptr);
  Free(2);
  EXPECT_EQ(Map(), "#...##|");
  EXPECT_EQ(Allocate(3), 1);
}

TEST_F(SbrkAllocatorTest, PartOfABlockCanBeFreed) {
  Allocate(6);
  live_.clear();
  allocator_->Free(At(2), Pages(2));
  live_ = {{At(0), Pages(2)}, {At(4), Pages(2)}};
  Check();
  EXPECT_EQ(Map(), "##..##|");
}

TEST_F(SbrkAllocatorTest, BlockAtTheEndLowersBlocAndTheTailIsUsedAgain) {
  Allocate(2);
  Allocate(4);
  Free(2);
  EXPECT_EQ(Map(), "##|____");
  EXPECT_EQ(Allocate(1), 2);
  EXPECT_EQ(Allocate(6), 3) << "what the tail lacks is asked for";
  EXPECT_EQ(os_.committed(), Pages(9));
}

// In Go the block in the middle stays in the list, ending exactly at bloc [run]; here it joins the
// tail (W-19), so that the next block lies low.
TEST_F(SbrkAllocatorTest, FreeBlockBelowAFreedTailJoinsTheTail) {
  Allocate(2);
  Allocate(3);
  Allocate(1);
  Free(2);
  EXPECT_EQ(Map(), "##...#|");
  Free(5);
  EXPECT_EQ(Map(), "##|____");
  EXPECT_EQ(Allocate(1), 2);
}

// In Go a block of 1 byte at the end goes to the list, because sizes are compared unrounded [run].
TEST_F(SbrkAllocatorTest, BlockOfOneByteAtTheEndLowersBlocToo) {
  Allocate(1);
  EXPECT_EQ(Took(allocator_->Allocate(ByteCount{1}), 1), 1);
  Free(1);
  EXPECT_EQ(Map(), "#|_");
}

TEST_F(SbrkAllocatorTest, FreeOfNullIsIgnored) {
  allocator_->Free(nullptr, Pages(1));
  EXPECT_EQ(Map(), "|");
}

TEST_F(SbrkAllocatorTest, ExtendNeverTakesFreeBlocks) {
  Allocate(4);
  Allocate(1);
  Free(0);
  EXPECT_EQ(Took(allocator_->Extend(Pages(2)), 2 * kPage), 5);
  EXPECT_EQ(Map(), "....###|");
}

TEST_F(SbrkAllocatorTest, RefusalChangesNothing) {
  Allocate(4);
  Allocate(20);
  Free(0);
  const OsMemory::Reservation got = allocator_->Allocate(Pages(9));
  EXPECT_EQ(got.begin, nullptr);
  EXPECT_EQ(got.status.error_number, ENOMEM);
  EXPECT_EQ(Map(), "....####################|");
  EXPECT_EQ(Allocate(8), 24) << "the limit itself can be reached";
  EXPECT_EQ(Allocate(5), -1);
  EXPECT_EQ(Allocate(4), 0);
  EXPECT_EQ(Map(), "################################|");
}

// On a 32-bit host bloc + size wraps soon, and in Go is then taken for "fits" [by reading].
TEST_F(SbrkAllocatorTest, SizesThatWrapAreRefused) {
  Allocate(2);
  for (const std::uint64_t size :
       {~std::uint64_t{0}, ~std::uint64_t{0} - kPage + 1, ~std::uint64_t{0} - 2 * kPage,
        std::uint64_t{UINTPTR_MAX}, std::uint64_t{UINTPTR_MAX} - kPage,
        std::uint64_t{UINTPTR_MAX} - 3 * kPage,
        std::uint64_t{UINTPTR_MAX - reinterpret_cast<std::uintptr_t>(allocator_->bloc())},
        std::uint64_t{UINTPTR_MAX / 2}}) {
    EXPECT_EQ(allocator_->Allocate(ByteCount{size}).status.error_number, ENOMEM) << size;
    EXPECT_EQ(allocator_->Extend(ByteCount{size}).status.error_number, ENOMEM) << size;
    EXPECT_EQ(allocator_->AllocateAligned(ByteCount{size}, Pages(4)).status.error_number, ENOMEM);
    EXPECT_EQ(allocator_->AllocateNoGrow(ByteCount{size}), nullptr) << size;
  }
  const ByteCount huge{std::uint64_t{1} << 63};
  EXPECT_FALSE(allocator_->AllocateAligned(Pages(1), huge).status.ok());
  EXPECT_EQ(Map(), "##|");
}

/// A break that says where it is, and that nobody may move.
class FixedBreak final : public BreakSource {
 public:
  FixedBreak(std::uintptr_t start, std::uintptr_t now)
      : start_(reinterpret_cast<std::byte*>(start)), now_(reinterpret_cast<std::byte*>(now)) {}
  [[nodiscard]] ByteCount page_size() const override { return ByteCount{kPage}; }
  [[nodiscard]] Spare Start() override { return {start_, start_}; }
  [[nodiscard]] std::byte* Position() override { return now_; }
  OsStatus Extend(ByteCount size) override {
    ADD_FAILURE() << "asked for " << size.raw;
    return {OsCall::kReserve, ENOMEM, size};
  }

 private:
  std::byte* start_;  // numbers: nothing is read or written there
  std::byte* now_;
};

constexpr std::uintptr_t kLastPage = UINTPTR_MAX - kPage + 1;

TEST(SbrkAllocatorAtTheEndOfAddresses, NothingFitsBehindTheLastOne) {
  FixedBreak source(kLastPage, kLastPage);
  SbrkAllocator allocator(source);
  EXPECT_EQ(allocator.Allocate(ByteCount{kPage}).status.error_number, ENOMEM);
  // The next multiple of the alignment would be address 0.
  EXPECT_EQ(allocator.AllocateAligned(ByteCount{1}, ByteCount{64 * kPage}).status.error_number,
            ENOMEM);
}

TEST(SbrkAllocatorAtTheEndOfAddresses, NothingFitsBehindWhoeverMovedTheBreakThere) {
  FixedBreak source(64 * kPage, kLastPage);
  SbrkAllocator allocator(source);
  EXPECT_EQ(allocator.Allocate(ByteCount{kPage}).status.error_number, ENOMEM);
  EXPECT_EQ(allocator.stats().holes, ByteCount{0});
}

TEST_F(SbrkAllocatorTest, AlignedFromTheTailFreesWhatItSkips) {
  Allocate(3);
  EXPECT_EQ(Aligned(2, 8), 8);
  EXPECT_EQ(Map(), "###.....##|");
  EXPECT_EQ(Allocate(1), 7);
}

TEST_F(SbrkAllocatorTest, AlignedTakesTheLowestAlignedPlaceAndFreesBothRests) {
  Allocate(1);
  Allocate(14);
  Allocate(1);
  Free(1);
  EXPECT_EQ(Aligned(3, 4), 4);
  EXPECT_EQ(Map(), "#...###........#|");
  EXPECT_EQ(Aligned(3, 4), 8) << "1...3 is large enough, but has no aligned place";
  EXPECT_EQ(Map(), "#...###.###....#|");
}

// Go asks for a block of size + alignment, and would grow here (W-19).
TEST_F(SbrkAllocatorTest, AlignedTakesABlockThatJustFits) {
  Allocate(4);
  Allocate(4);
  Allocate(1);
  Free(4);
  EXPECT_EQ(Map(), "####....#|");
  EXPECT_EQ(Aligned(4, 4), 4);
  EXPECT_EQ(Map(), "#########|");
}

TEST_F(SbrkAllocatorTest, AlignmentBelowAPageIsAPage) {
  EXPECT_EQ(Took(allocator_->AllocateAligned(ByteCount{5}, ByteCount{1}), 5), 0);
}

TEST_F(SbrkAllocatorTest, MemoryThatSomebodyElseTookIsAHole) {
  Allocate(2);
  Allocate(3);
  Free(2);
  std::byte* const his = source_.MoveAsSomebodyElse(Pages(4));
  ASSERT_EQ(his, At(5));
  std::memset(his, 0x55, 4 * kPage);
  EXPECT_EQ(Allocate(2), 2) << "the tail is ours still";
  EXPECT_EQ(Allocate(2), 9) << "a block is never made of both sides of a hole";
  EXPECT_EQ(Map(), "####.######|");
  EXPECT_EQ(allocator_->stats().holes, Pages(4));
  EXPECT_EQ(Allocate(1), 4) << "the rest of the old tail is free";
  Free(9);
  EXPECT_EQ(Map(), "#########|__") << "bloc never falls below a hole";
  for (std::size_t i = 0; i < 4 * kPage; ++i) ASSERT_EQ(his[i], std::byte{0x55});
}

TEST_F(SbrkAllocatorTest, AlignedPlaceBehindAHole) {
  Allocate(2);
  ASSERT_NE(source_.MoveAsSomebodyElse(Pages(1)), nullptr);
  EXPECT_EQ(Aligned(1, 8), 8);
  EXPECT_EQ(Map(), "###.....#|");
}

TEST_F(SbrkAllocatorTest, RefusalBehindAHoleChangesNothing) {
  Allocate(2);
  Allocate(1);
  Free(2);
  ASSERT_NE(source_.MoveAsSomebodyElse(Pages(4)), nullptr);
  EXPECT_EQ(Allocate(26), -1);
  EXPECT_EQ(Map(), "##|_");
  EXPECT_EQ(Allocate(25), 7);
  EXPECT_EQ(Map(), "##.#############################|");
}

class SbrkAllocatorSpare : public SbrkAllocatorTest, public ::testing::WithParamInterface<int> {};
INSTANTIATE_TEST_SUITE_P(Pages, SbrkAllocatorSpare, ::testing::Values(4));

// Go 1.24 and later: the unused part of linear memory comes first.
TEST_P(SbrkAllocatorSpare, SpareMemoryIsUsedBeforeTheBreakMoves) {
  Start(4);
  EXPECT_EQ(Map(), "|____");
  EXPECT_EQ(Allocate(3), 0);
  EXPECT_EQ(os_.committed(), Pages(4));
  EXPECT_EQ(Allocate(3), 3);
  EXPECT_EQ(os_.committed(), Pages(6));
}

using SbrkAllocatorDeathTest = SbrkAllocatorTest;

TEST_F(SbrkAllocatorDeathTest, FreeingWhatIsNotLiveBreaksTheContract) {
  Allocate(4);
  Allocate(2);
  Allocate(1);
  Free(4);
  const char* const overlap = "contract broken: !free_\\.Overlaps";
  EXPECT_DEATH(allocator_->Free(At(4), Pages(2)), overlap);  // twice
  EXPECT_DEATH(allocator_->Free(At(5), Pages(1)), overlap);  // its second page
  EXPECT_DEATH(allocator_->Free(At(3), Pages(2)), overlap);  // into it from below
  EXPECT_DEATH(allocator_->Free(At(0), Pages(7)), overlap);  // over it
  Free(6);
  EXPECT_EQ(Map(), "####|___");
  const char* const outside = "contract broken: .* bytes <= Distance";
  EXPECT_DEATH(allocator_->Free(At(6), Pages(1)), outside);  // twice, in the tail
  EXPECT_DEATH(allocator_->Free(At(3), Pages(2)), outside);
  EXPECT_DEATH(allocator_->Free(At(0) - kPage, Pages(1)), outside);
  EXPECT_DEATH(allocator_->Free(At(0) + 1, Pages(1)), "contract broken: bytes\\.raw > 0");
  EXPECT_DEATH(allocator_->Free(At(0), ByteCount{0}), "contract broken: bytes\\.raw > 0");
}

TEST_F(SbrkAllocatorDeathTest, EmptyRequestsBreakTheContract) {
  EXPECT_DEATH(static_cast<void>(allocator_->Allocate(ByteCount{0})), "contract broken: size");
  EXPECT_DEATH(static_cast<void>(allocator_->Extend(ByteCount{0})), "contract broken: size");
  EXPECT_DEATH(static_cast<void>(allocator_->AllocateAligned(Pages(1), ByteCount{96})),
               "contract broken: .*has_single_bit");
  EXPECT_DEATH(static_cast<void>(allocator_->AllocateAligned(ByteCount{0}, Pages(1))),
               "contract broken: size");
}

// The checks themselves: each kind of damage is named.
class SbrkDamage : public SbrkAllocatorTest {
 protected:
  void SetUp() override {
    SbrkAllocatorTest::SetUp();
    for (const unsigned pages : {1u, 3u, 1u, 4u, 1u, 2u}) Allocate(pages);
    for (const unsigned page : {1u, 5u, 10u}) Free(page);
    ASSERT_EQ(Map(), "#...#....#|__");
  }
  FreeBlocks::Node* Block(std::uint64_t page) {
    return reinterpret_cast<FreeBlocks::Node*>(At(page));
  }
  void Expect(const std::string& message) {
    const std::string found = checker_.Check(*allocator_, live_);
    EXPECT_EQ(found.substr(0, message.size()), message);
  }
};

TEST_F(SbrkDamage, OfTheBoundsIsInv25) {
  SbrkAccess::bloc(*allocator_) = At(13);
  Expect("INV-25: bloc outside its bounds");
  SbrkAccess::bloc(*allocator_) = At(10) + 8;
  Expect("INV-25: not page aligned");
  SbrkAccess::bloc(*allocator_) = At(10);
  SbrkAccess::bloc_max(*allocator_) = At(11);
  Expect("INV-25: bloc_max fell");
  SbrkAccess::bloc_max(*allocator_) = At(12);
  *At(11) = std::byte{1};
  Expect("INV-25: the tail is not zero");
}

TEST_F(SbrkDamage, OfTheFreeBlocksIsInv26) {
  const std::size_t size = Block(1)->size;
  Block(1)->size = 4 * kPage;
  Expect("INV-26: blocks not in order, touching or overlapping");
  Block(1)->size = size + 8;
  Expect("INV-26: block is not whole pages");
  Block(1)->size = 0;
  Expect("INV-26: block is not whole pages");
  Block(1)->size = size;
  Block(5)->size = 5 * kPage;  // the last block: Go's memCheck looks at all but this one
  Expect("INV-26: block reaches bloc");
  Block(5)->size = 4 * kPage;
  *(At(9) - 1) = std::byte{1};
  Expect("INV-26: block is not zero behind its header");
  *(At(9) - 1) = std::byte{0};
  Block(1)->largest += kPage;
  Expect("INV-26: a header names a wrong largest size");
}

TEST_F(SbrkDamage, OfTheSumsIsInv27) {
  SbrkAccess::live(*allocator_) += Pages(1);
  Expect("INV-27: sums");
  SbrkAccess::live(*allocator_) -= Pages(1);
  SbrkAccess::total(SbrkAccess::free_blocks(*allocator_)) += Pages(1);
  Expect("INV-27: sums");
  SbrkAccess::total(SbrkAccess::free_blocks(*allocator_)) -= Pages(1);
  live_.push_back({At(2), Pages(1)});
  Expect("INV-27: blocks overlap");
  live_.back() = {At(4) + 8, Pages(1)};
  Expect("INV-27: live block is not page aligned");
  live_.back() = {At(10), Pages(1)};
  Expect("INV-27: a live block lies outside");
  live_.pop_back();
  live_.pop_back();
  Expect("INV-27: sums");  // a block was lost
}

}  // namespace
}  // namespace pagealloc
