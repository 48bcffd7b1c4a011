#include "harness/measure/min_time.h"

#include <gtest/gtest.h>

namespace pagealloc::bench {
namespace {

using std::chrono::milliseconds;

TEST(MoreOperations, IsInProportionWithATenthMore) {
  EXPECT_EQ(MoreOperations(20'000, 1e6, milliseconds(2)), 44'000U);
  EXPECT_EQ(MoreOperations(20'000, 1e6, milliseconds(1)), 22'000U);
}

TEST(MoreOperations, IsRoundedUpToTwoDigits) {
  EXPECT_EQ(MoreOperations(100, 1e6, milliseconds(1)), 110U);
  EXPECT_EQ(MoreOperations(101, 1e6, milliseconds(1)), 120U);
  EXPECT_EQ(MoreOperations(12'345, 1e6, milliseconds(3)), 41'000U);
  EXPECT_EQ(MoreOperations(1, 1e6, milliseconds(1)), 2U);
}

// One short trial, in which the machine may have been busy, says little about a thousand times.
TEST(MoreOperations, IsAtMostFiftyTimesAsMany) {
  EXPECT_EQ(MoreOperations(20'000, 1, milliseconds(1000)), 1'000'000U);
  EXPECT_EQ(MoreOperations(20'000, 0, milliseconds(1000)), 1'000'000U);
  EXPECT_EQ(MoreOperations(20'000, -5, milliseconds(1000)), 1'000'000U);
}

}  // namespace
}  // namespace pagealloc::bench
