#include "harness/base/lost_time.h"

#include <gtest/gtest.h>

namespace pagealloc::bench {
namespace {

TEST(GapCounter, AddsUpWhatIsLongerThanAMicrosecond) {
  GapCounter counter(1'000, 0.5);  // 2000 ticks are a microsecond
  std::uint64_t now = 1'000;
  for (const std::uint64_t step : {40U, 2000U, 40U, 2001U, 40U, 10000U, 40U}) {
    now += step;
    counter.Read(now);
  }
  const LostTime lost = counter.Sum();
  EXPECT_EQ(lost.gaps, 2U);
  EXPECT_DOUBLE_EQ(lost.lost_ns, 12'001 * 0.5);
  EXPECT_DOUBLE_EQ(lost.longest_ns, 5'000);
  EXPECT_DOUBLE_EQ(lost.watched_ns, (160 + 2'000 + 12'001) * 0.5);
  EXPECT_DOUBLE_EQ(lost.share(), 12'001.0 / 14'161);
}

TEST(GapCounter, NothingIsLostWhereNothingWasWatched) {
  const LostTime lost = GapCounter(7, 1).Sum();
  EXPECT_EQ(lost.gaps, 0U);
  EXPECT_EQ(lost.share(), 0);
}

TEST(WatchLostTime, WatchesAsLongAsItIsTold) {
  const Clock clock = Clock::Calibrate();
  const LostTime lost = WatchLostTime(clock, std::chrono::milliseconds(2));
  EXPECT_GE(lost.watched_ns, 1.9e6);
  EXPECT_GE(lost.share(), 0);
  EXPECT_LE(lost.share(), 1);
  EXPECT_LE(lost.longest_ns, lost.lost_ns);
}

}  // namespace
}  // namespace pagealloc::bench
