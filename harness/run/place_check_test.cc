#include "harness/run/place_check.h"

#include <gtest/gtest.h>

#include <optional>

namespace pagealloc::bench {
namespace {

constexpr PageCount kChunk{64};

Outcome At(std::uint64_t offset) { return {.first = offset}; }
constexpr std::uint64_t kNone = Outcome::kNone;

PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(PageOffset{first}, PageCount{count});
}

// A heap of 64 pages in which 10 to 19 are in use.
class PlaceCheckTest : public ::testing::Test {
 protected:
  void SetUp() override {
    check_.Grew(Pages(0, 64));
    ASSERT_FALSE(Allocate(10, 10));
  }
  std::optional<Mismatch> Allocate(std::uint64_t pages, std::uint64_t offset) {
    return check_.Check(Op::Allocate(0, PageCount{pages}), 7, At(offset), {});
  }
  static HeapStats Stats(std::uint64_t grown, std::uint64_t in_use, std::uint64_t free) {
    return {.grown = PageCount{grown},
            .in_use = PageCount{in_use},
            .free = PageCount{free},
            .scavenged = PageCount{}};
  }

  PlaceCheck check_{kChunk};
};

TEST_F(PlaceCheckTest, AnyFreePlaceIsRight) {
  EXPECT_FALSE(Allocate(10, 40));
  EXPECT_FALSE(Allocate(10, 0));
  EXPECT_FALSE(Allocate(20, 20));
}

TEST_F(PlaceCheckTest, APageInUseIsWrong) {
  for (const std::uint64_t offset : {5U, 10U, 19U}) {
    const auto wrong = Allocate(6, offset);
    ASSERT_TRUE(wrong) << offset;
    EXPECT_EQ(wrong->op, 7U);
    EXPECT_EQ(wrong->expected, "pages of the heap that are free");
    EXPECT_EQ(wrong->got, "offset " + std::to_string(offset) + ", where a page is in use");
  }
}

TEST_F(PlaceCheckTest, APlaceBeyondTheHeapIsWrong) {
  const auto wrong = Allocate(2, 63);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->got, "offset 63, where the heap does not reach");
  check_.Grew(Pages(64, 64));
  EXPECT_FALSE(Allocate(2, 63));
}

TEST_F(PlaceCheckTest, NoRoomIsRightOnlyWhereThereIsNone) {
  EXPECT_FALSE(Allocate(45, kNone));
  const auto wrong = Allocate(44, kNone);
  ASSERT_TRUE(wrong);
  EXPECT_EQ(wrong->expected, "room, for instance at offset 20");
  EXPECT_EQ(wrong->got, "none");
}

TEST_F(PlaceCheckTest, FreedPagesCanBeHadAgain) {
  EXPECT_FALSE(check_.Check(Op::Free(0), 8, {}, Pages(10, 10)));
  EXPECT_FALSE(Allocate(64, 0));
}

TEST_F(PlaceCheckTest, WhatIsFoundMustBeFreeAndIsNotTaken) {
  EXPECT_FALSE(check_.Check(Op::Find(PageCount{5}), 8, At(0), {}));
  EXPECT_FALSE(check_.Check(Op::Find(PageCount{5}), 8, At(0), {}));
  EXPECT_TRUE(check_.Check(Op::Find(PageCount{5}), 8, At(8), {}));
}

TEST_F(PlaceCheckTest, AtTheEndExactlyWhatLivesIsInUse) {
  EXPECT_FALSE(check_.CheckEnd(9, Stats(64, 10, 54)));
  for (const HeapStats& stats : {Stats(64, 11, 53), Stats(128, 10, 118), Stats(64, 10, 53)}) {
    const auto wrong = check_.CheckEnd(9, stats);
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->op, 9U);
    EXPECT_EQ(wrong->expected, "64 pages grown, 10 in use, 54 free (the reference model)");
  }
}

TEST_F(PlaceCheckTest, RangesOfTheProgramAreTakenAndFreed) {
  EXPECT_FALSE(check_.Check(Op::AllocateRange(TraceOffset{20}, PageCount{44}), 8, {}, {}));
  EXPECT_TRUE(Allocate(1, 30));
  EXPECT_FALSE(check_.Check(Op::FreeRange(TraceOffset{25}, PageCount{10}), 9, {}, {}));
  EXPECT_FALSE(Allocate(11, kNone));
  EXPECT_FALSE(Allocate(10, 25));
}

TEST(PlaceCheckDeathTest, ARecordOfACacheBreaksTheContract) {
  PlaceCheck check{kChunk};
  EXPECT_DEATH(static_cast<void>(check.Check(Op::TakeCache(), 0, {}, {})), "contract broken");
}

TEST(PlaceCheck, AnAllocatorMayRefuseRoomWhereThatIsItsNature) {
  const Op want = Op::Allocate(0, PageCount{4});
  const Outcome none{Outcome::kNone, 0, 0};
  for (const bool refuses_room : {false, true}) {
    PlaceCheck check(PageCount{512}, refuses_room);
    check.Grew(PageRange::Of(PageOffset{0}, PageCount{512}));
    EXPECT_EQ(check.Check(want, 0, none, {}).has_value(), !refuses_room);
    // A place where the heap is not is wrong for anyone.
    EXPECT_TRUE(check.Check(want, 1, Outcome{510, 0, 0}, {}).has_value());
  }
}

}  // namespace
}  // namespace pagealloc::bench
