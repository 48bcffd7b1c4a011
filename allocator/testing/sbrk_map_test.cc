#include "testing/sbrk_map.h"

#include <gtest/gtest.h>

namespace pagealloc::testing {
namespace {

TEST(SbrkMap, LowestRunThatFitsGivesItsHighEnd) {
  SbrkMap map(0, 0, 100);
  EXPECT_EQ(map.Allocate(8), 0u);
  map.Free(1, 2);
  map.Free(4, 3);
  EXPECT_EQ(map.map(), "#..#...#");
  EXPECT_EQ(map.Allocate(1), 2u);
  EXPECT_EQ(map.Allocate(3), 4u);
  EXPECT_EQ(map.AllocateNoGrow(2), std::nullopt);
  EXPECT_EQ(map.Allocate(2), 8u);
  EXPECT_EQ(map.map(), "#.########");
}

TEST(SbrkMap, WhatIsFreeBelowBlocIsCutOff) {
  SbrkMap map(0, 0, 100);
  map.Allocate(6);
  map.Free(2, 3);
  EXPECT_EQ(map.map(), "##...#");
  map.Free(5, 1);
  EXPECT_EQ(map.map(), "##");
  EXPECT_EQ(map.bloc_max(), 6u);
  map.Free(0, 2);
  EXPECT_EQ(map.map(), "");
}

TEST(SbrkMap, AlignedPlacesAreCountedFromAddressZero) {
  SbrkMap map(3, 0, 100);
  EXPECT_EQ(map.AllocateAligned(2, 4), 1u);
  EXPECT_EQ(map.map(), ".##");
  EXPECT_EQ(map.AllocateAligned(1, 4), 5u);
  EXPECT_EQ(map.map(), ".##..#");
  EXPECT_EQ(map.AllocateAligned(1, 1), 0u);
}

TEST(SbrkMap, SpareMemoryAndLimit) {
  SbrkMap map(0, 4, 6);
  EXPECT_EQ(map.bloc_max(), 4u);
  EXPECT_EQ(map.Allocate(3), 0u);
  EXPECT_EQ(map.Allocate(4), std::nullopt);
  EXPECT_EQ(map.Allocate(3), 3u);
  EXPECT_FALSE(map.MoveBreak(1));
}

TEST(SbrkMap, WhatSomebodyElseTakesIsSeenWhenTheBreakMovesNext) {
  SbrkMap map(0, 0, 100);
  map.Allocate(3);
  map.Free(1, 2);
  EXPECT_TRUE(map.MoveBreak(2));
  EXPECT_EQ(map.Allocate(2), 1u);
  map.Free(2, 1);
  EXPECT_EQ(map.Allocate(2), 5u);
  EXPECT_EQ(map.map(), "##.xx##");
  map.Free(5, 2);
  EXPECT_EQ(map.map(), "##.xx");
  EXPECT_EQ(map.Count('x'), 2u);
}

}  // namespace
}  // namespace pagealloc::testing
