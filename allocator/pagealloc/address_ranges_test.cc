#include "pagealloc/address_ranges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/fake_memory.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using Range = AddressRanges::Range;

Range R(std::uint64_t begin, std::uint64_t end) { return {PageOffset{begin}, PageOffset{end}}; }

std::vector<Range> Contents(const AddressRanges& set) {
  return {set.ranges().begin(), set.ranges().end()};
}

/// A set with memory to grow into. Add() is the two steps together.
class AddressRangesTest : public ::testing::Test {
 protected:
  void Add(std::uint64_t begin, std::uint64_t end) {
    ASSERT_TRUE(set_.PrepareAdd(os_).ok());
    set_.Add(R(begin, end));
    ExpectCoalesced();
  }

  void ExpectCoalesced() const {
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < set_.ranges().size(); ++i) {
      const Range& range = set_.ranges()[i];
      ASSERT_LT(range.begin, range.end);
      if (i > 0) {
        ASSERT_LT(set_.ranges()[i - 1].end, range.begin);
      }
      total += range.end.raw - range.begin.raw;
    }
    ASSERT_EQ(set_.total(), total);
  }

  FakeMemory os_;
  AddressRanges set_;
};

TEST_F(AddressRangesTest, FirstRangeIsAllThereIs) {
  EXPECT_TRUE(set_.empty());
  Add(512, 1024);
  EXPECT_FALSE(set_.empty());
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(512, 1024)}));
  EXPECT_EQ(set_.total(), 512u);
}

TEST_F(AddressRangesTest, TouchingRangesBecomeOne) {
  Add(1000, 2000);
  Add(2000, 2500);  // above
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(1000, 2500)}));
  Add(900, 1000);  // below
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(900, 2500)}));
  Add(3000, 3100);
  Add(2500, 3000);  // both
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(900, 3100)}));
}

TEST_F(AddressRangesTest, ClosingOneGapLeavesTheOthersOpen) {
  Add(0, 10);
  Add(20, 30);
  Add(40, 50);
  Add(60, 70);
  Add(30, 40);
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(0, 10), R(20, 50), R(60, 70)}));
}

TEST_F(AddressRangesTest, RangesMayComeInAnyOrder) {
  Add(600, 700);
  Add(0, 100);
  Add(300, 400);
  EXPECT_EQ(Contents(set_), (std::vector<Range>{R(0, 100), R(300, 400), R(600, 700)}));
}

TEST_F(AddressRangesTest, SixtyFourSeparateRangesUpwardsAndSixtyThreeDownwards) {
  std::vector<Range> expected;
  for (std::uint64_t i = 0; i < 64; ++i) {
    Add(10000 + 20 * i, 10010 + 20 * i);
    expected.push_back(R(10000 + 20 * i, 10010 + 20 * i));
  }
  for (std::uint64_t i = 1; i <= 63; ++i) {
    Add(10000 - 20 * i, 10010 - 20 * i);
    expected.insert(expected.begin(), R(10000 - 20 * i, 10010 - 20 * i));
  }
  EXPECT_EQ(Contents(set_), expected);
}

TEST_F(AddressRangesTest, SixteenRangesNeedNoMemory) {
  for (std::uint64_t i = 0; i < 16; ++i) Add(20 * i, 20 * i + 10);
  EXPECT_EQ(os_.calls(), 0u);
  EXPECT_EQ(set_.metadata(), MetadataStats{});
  Add(1000, 1010);
  EXPECT_EQ(os_.calls(), 2u);  // one Reserve, one Commit
  EXPECT_EQ(set_.metadata().committed, ByteCount{4096});
}

TEST_F(AddressRangesTest, ArrayDoublesAndGivesTheOldOneBack) {
  constexpr std::uint64_t kInPage = 4096 / sizeof(Range);
  for (std::uint64_t i = 0; i <= 2 * kInPage; ++i) Add(20 * i, 20 * i + 10);
  EXPECT_EQ(set_.ranges().size(), 2 * kInPage + 1);
  EXPECT_EQ(set_.metadata().committed, ByteCount{4UL * 4096});
  EXPECT_EQ(os_.reserved(), ByteCount{4UL * 4096});
}

TEST_F(AddressRangesTest, RefusalLeavesTheSetAsItWas) {
  for (std::uint64_t i = 0; i < 16; ++i) Add(20 * i, 20 * i + 10);
  const std::vector<Range> before = Contents(set_);
  for (std::uint64_t k = 0; k < 2; ++k) {
    os_.FailAfter(k);
    const OsStatus refused = set_.PrepareAdd(os_);
    EXPECT_FALSE(refused.ok());
    EXPECT_EQ(refused.call, k == 0 ? OsCall::kReserve : OsCall::kCommit);
    EXPECT_EQ(Contents(set_), before);
    EXPECT_EQ(set_.total(), 160u);
    EXPECT_EQ(os_.reserved(), ByteCount{0}) << "leaked after refusal " << k;
  }
  os_.NeverFail();
  Add(1000, 1010);
  EXPECT_EQ(set_.ranges().size(), 17u);
  EXPECT_TRUE(std::equal(before.begin(), before.end(), set_.ranges().begin()));
}

TEST_F(AddressRangesTest, ARangeThatTouchesANeighbourNeedsNoRoom) {
  for (std::uint64_t i = 0; i < 16; ++i) Add(20 * i, 20 * i + 10);
  os_.FailAfter(0);
  for (const Range& touching :
       {Range{PageOffset{310}, PageOffset{315}}, Range{PageOffset{319}, PageOffset{320}}}) {
    EXPECT_EQ(set_.PrepareAdd(os_, touching).ok(), touching.begin == PageOffset{310});
  }
  EXPECT_TRUE(set_.PrepareAdd(os_, {PageOffset{295}, PageOffset{300}}).ok());
  set_.Add({PageOffset{295}, PageOffset{300}});
  EXPECT_EQ(set_.ranges().size(), 16u);
  EXPECT_FALSE(set_.PrepareAdd(os_, {PageOffset{400}, PageOffset{410}}).ok());
  EXPECT_FALSE(set_.PrepareAdd(os_).ok());
  os_.NeverFail();
}

TEST_F(AddressRangesTest, RefusalOfASecondGrowthLeavesTheSetAsItWas) {
  constexpr std::uint64_t kInPage = 4096 / sizeof(Range);
  for (std::uint64_t i = 0; i < kInPage; ++i) Add(20 * i, 20 * i + 10);
  const std::vector<Range> before = Contents(set_);
  os_.FailAfter(1);
  EXPECT_FALSE(set_.PrepareAdd(os_).ok());
  EXPECT_EQ(Contents(set_), before);
  EXPECT_EQ(os_.reserved(), ByteCount{4096});
}

TEST_F(AddressRangesTest, SuccessorCountsTheRangesThatBeginAtOrBelow) {
  EXPECT_EQ(set_.Successor(PageOffset{0}), 0u);
  EXPECT_EQ(set_.Successor(PageOffset{~std::uint64_t{0}}), 0u);
  Add(100, 200);
  EXPECT_EQ(set_.Successor(PageOffset{0}), 0u);
  EXPECT_EQ(set_.Successor(PageOffset{99}), 0u);
  EXPECT_EQ(set_.Successor(PageOffset{100}), 1u);
  EXPECT_EQ(set_.Successor(PageOffset{199}), 1u);
  EXPECT_EQ(set_.Successor(PageOffset{200}), 1u);
  EXPECT_EQ(set_.Successor(PageOffset{~std::uint64_t{0}}), 1u);
  Add(300, 400);
  Add(500, 600);
  EXPECT_EQ(set_.Successor(PageOffset{250}), 1u);
  EXPECT_EQ(set_.Successor(PageOffset{300}), 2u);
  EXPECT_EQ(set_.Successor(PageOffset{450}), 2u);
  EXPECT_EQ(set_.Successor(PageOffset{900}), 3u);
}

TEST_F(AddressRangesTest, SuccessorAmongAHundredRanges) {
  for (std::uint64_t i = 0; i < 100; ++i) Add(1000 + 20 * i, 1010 + 20 * i);
  EXPECT_EQ(set_.Successor(PageOffset{999}), 0u);
  EXPECT_EQ(set_.Successor(PageOffset{1000000}), 100u);
  for (const std::uint64_t i : {0u, 1u, 7u, 49u, 50u, 98u, 99u}) {
    EXPECT_EQ(set_.Successor(PageOffset{1000 + 20 * i - 1}), i);
    EXPECT_EQ(set_.Successor(PageOffset{1000 + 20 * i}), i + 1);
    EXPECT_EQ(set_.Successor(PageOffset{1009 + 20 * i}), i + 1);
    EXPECT_EQ(set_.Successor(PageOffset{1015 + 20 * i}), i + 1);
  }
}

TEST_F(AddressRangesTest, ContainsAndOverlapsRespectHalfOpenBorders) {
  Add(100, 200);
  Add(300, 400);
  EXPECT_FALSE(set_.Contains(PageOffset{99}));
  EXPECT_TRUE(set_.Contains(PageOffset{100}));
  EXPECT_TRUE(set_.Contains(PageOffset{199}));
  EXPECT_FALSE(set_.Contains(PageOffset{200}));
  EXPECT_TRUE(set_.ContainsAll(R(100, 200)));
  EXPECT_FALSE(set_.ContainsAll(R(100, 201)));
  EXPECT_FALSE(set_.ContainsAll(R(99, 150)));
  EXPECT_FALSE(set_.ContainsAll(R(150, 350))) << "a gap lies between";
  EXPECT_FALSE(set_.Overlaps(R(0, 100)));
  EXPECT_TRUE(set_.Overlaps(R(0, 101)));
  EXPECT_TRUE(set_.Overlaps(R(199, 250)));
  EXPECT_FALSE(set_.Overlaps(R(200, 300)));
  EXPECT_TRUE(set_.Overlaps(R(200, 301)));
  EXPECT_TRUE(set_.Overlaps(R(0, 1000)));
}

TEST_F(AddressRangesTest, AtOrAboveOfAnEmptySetIsNothing) {
  EXPECT_FALSE(set_.AtOrAbove(PageOffset{0}).has_value());
  EXPECT_FALSE(set_.AtOrAbove(PageOffset{1000}).has_value());
}

TEST_F(AddressRangesTest, AtOrAboveStaysInsideAndSkipsGaps) {
  Add(0, 10);
  Add(100, 200);
  EXPECT_EQ(set_.AtOrAbove(PageOffset{0}), PageOffset{0});
  EXPECT_EQ(set_.AtOrAbove(PageOffset{9}), PageOffset{9});
  EXPECT_EQ(set_.AtOrAbove(PageOffset{10}), PageOffset{100});
  EXPECT_EQ(set_.AtOrAbove(PageOffset{150}), PageOffset{150});
  EXPECT_EQ(set_.AtOrAbove(PageOffset{199}), PageOffset{199});
  EXPECT_FALSE(set_.AtOrAbove(PageOffset{200}).has_value());
}

TEST_F(AddressRangesTest, RandomAddsAgreeWithOneFlagAPosition) {
  std::mt19937_64 random(8);
  constexpr std::uint64_t kPositions = 600;
  std::vector<bool> in(kPositions, false);
  for (int round = 0; round < 2000; ++round) {
    const std::uint64_t begin = random() % kPositions;
    const std::uint64_t end = std::min(kPositions, begin + 1 + random() % 3);
    const auto from = in.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto to = in.begin() + static_cast<std::ptrdiff_t>(end);
    const bool overlaps = std::find(from, to, true) != to;
    ASSERT_EQ(set_.Overlaps(R(begin, end)), overlaps);
    if (overlaps) continue;
    Add(begin, end);
    std::fill(from, to, true);
    for (std::uint64_t at = 0; at < kPositions; ++at) {
      ASSERT_EQ(set_.Contains(PageOffset{at}), in[HostSize(at)]) << at;
    }
  }
  EXPECT_EQ(set_.total(), static_cast<std::uint64_t>(std::count(in.begin(), in.end(), true)));
}

// What lies before the set is no range of it, even if it looks like one that would be joined.
TEST_F(AddressRangesTest, NothingIsBelowTheLowestRange) {
  struct {
    Range before;
    AddressRanges set;
  } placed{R(0, 10), {}};
  for (std::uint64_t i = 1; i <= 16; ++i) placed.set.Add(R(20 * i, 20 * i + 10));
  ASSERT_TRUE(placed.set.PrepareAdd(os_, R(10, 15)).ok());
  EXPECT_GT(placed.set.metadata().reserved, ByteCount{0}) << "room for one more";
  placed.set.Add(R(10, 15));
  EXPECT_EQ(placed.set.ranges().front(), R(10, 15));
}

using AddressRangesDeathTest = AddressRangesTest;

TEST_F(AddressRangesDeathTest, EmptyAndOverlappingRangesAreRefused) {
  Add(100, 200);
  const char* const rule = "contract broken: range\\.begin < range\\.end";
  EXPECT_DEATH(set_.Add(R(300, 300)), rule);
  EXPECT_DEATH(set_.Add(R(300, 299)), rule);
  EXPECT_DEATH(set_.Add(R(150, 160)), rule);
  EXPECT_DEATH(set_.Add(R(50, 101)), rule);
  EXPECT_DEATH(static_cast<void>(set_.Overlaps(R(5, 5))), rule);
  EXPECT_DEATH(static_cast<void>(set_.ContainsAll(R(5, 5))), rule);
}

TEST_F(AddressRangesDeathTest, AddToAFullSetNeedsPreparation) {
  for (std::uint64_t i = 0; i < 16; ++i) Add(20 * i, 20 * i + 10);
  set_.Add(R(10, 20));  // merges, so it needs no room
  EXPECT_EQ(set_.ranges().size(), 15u);
  Add(1000, 1010);
  EXPECT_DEATH(set_.Add(R(2000, 2010)), "contract broken: size_ < capacity_");
}

}  // namespace
}  // namespace pagealloc
