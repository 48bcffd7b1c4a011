#include "harness/base/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

std::uint64_t NanosecondsOf(clockid_t id) {
  timespec now{};
  clock_gettime(id, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

std::vector<ClockSource> SourcesHere() {
  const std::set<ClockSource> sources{ClockSource::kClockGettime, Clock::BestSource()};
  return {sources.begin(), sources.end()};
}

class EverySource : public testing::TestWithParam<ClockSource> {};
INSTANTIATE_TEST_SUITE_P(, EverySource, testing::ValuesIn(SourcesHere()), [](const auto& source) {
  return std::string(ClockSourceName(source.param));
});

// 2 per thousand over 30 ms: sixty times a bad anchor's error, and far from any wrong frequency.
TEST_P(EverySource, NanosecondsAgreeWithTheKernelsRawClock) {
  const Clock clock = Clock::Calibrate(GetParam());
  const std::uint64_t raw_begin = NanosecondsOf(CLOCK_MONOTONIC_RAW);
  const std::uint64_t begin = clock.Begin();
  while (NanosecondsOf(CLOCK_MONOTONIC_RAW) - raw_begin < 30'000'000) {
  }
  // The end is read twice around the kernel's clock, so being preempted here widens the bracket
  // instead of failing the test.
  const double shortest = clock.ToNs(clock.End() - begin);
  const auto raw_ns = static_cast<double>(NanosecondsOf(CLOCK_MONOTONIC_RAW) - raw_begin);
  const double longest = clock.ToNs(clock.End() - begin);
  EXPECT_LE(shortest, raw_ns * 1.002);
  EXPECT_GE(longest, raw_ns * 0.998 - 1e6);  // 1 ms: a preemption between the two first lines
}

TEST_P(EverySource, TimeNeverRunsBackwards) {
  const Clock clock(ClockCalibration{.source = GetParam()});
  std::uint64_t previous = clock.Begin();
  for (int i = 0; i < 100'000; ++i) {
    const std::uint64_t begin = clock.Begin();
    const std::uint64_t end = clock.End();
    ASSERT_LE(previous, begin);
    ASSERT_LE(begin, end);
    previous = end;
  }
}

TEST_P(EverySource, StepAndCostAreWhatAClockCanHave) {
  const ClockCalibration found = Clock::Calibrate(GetParam()).calibration();
  EXPECT_EQ(found.source, GetParam());
  EXPECT_GT(found.ns_per_tick, 0.05);
  EXPECT_LT(found.ns_per_tick, 1000);
  EXPECT_GE(found.step_ns, found.ns_per_tick * 0.99);
  EXPECT_LT(found.step_ns, 100'000);
  EXPECT_GT(found.pair_ns, 1);
  EXPECT_LT(found.pair_ns, 100'000);
  EXPECT_GE(found.empty_ns, 0);
  EXPECT_LE(found.empty_ns, found.pair_ns * 1.01 + found.step_ns);
}

TEST_P(EverySource, CalibrationTakesUnder50MillisecondsOfProcessorTime) {
  const std::uint64_t begin = NanosecondsOf(CLOCK_THREAD_CPUTIME_ID);
  Clock::Calibrate(GetParam());
  EXPECT_LT(NanosecondsOf(CLOCK_THREAD_CPUTIME_ID) - begin, 50'000'000U);
}

TEST(BestSource, IsWhatCalibrateUses) {
  EXPECT_EQ(Clock::Calibrate().calibration().source, Clock::BestSource());
}

TEST(Clock, UsesTheCalibrationItIsGiven) {
  const Clock clock(ClockCalibration{.ns_per_tick = 0.5});
  EXPECT_EQ(clock.ToNs(10), 5);
}

Clock ClockWith(double step_ns, double pair_ns) {
  return Clock(ClockCalibration{.step_ns = step_ns, .pair_ns = pair_ns});
}

TEST(BatchFor, CoversAHundredStepsAndTwentyPairs) {
  // 100 steps are 1000 ns, 20 pairs 440 ns: 1000 / 2.2 = 454.5.
  EXPECT_EQ(ClockWith(10, 22).BatchFor(2.2), 512U);
  // 100 steps are 40 ns, 20 pairs 400 ns: 400 / 50 = 8, which is enough.
  EXPECT_EQ(ClockWith(0.4, 20).BatchFor(50), 8U);
  EXPECT_EQ(ClockWith(0.4, 20).BatchFor(49.9), 16U);
}

TEST(BatchFor, IsOneForSlowOperationsAndBoundedForImpossibleOnes) {
  EXPECT_EQ(ClockWith(10, 22).BatchFor(5000), 1U);
  EXPECT_EQ(ClockWith(10, 22).BatchFor(0), 16384U);  // 1000 / 0.1 = 10000
  EXPECT_EQ(ClockWith(1e9, 22).BatchFor(0.1), std::uint64_t{1} << 20);
}

double StepOf(std::vector<std::uint64_t> differences) { return EstimateStepTicks(differences); }

TEST(EstimateStepTicks, FindsTheStepOfAPlainCounter) {
  EXPECT_EQ(StepOf({26, 26, 52, 26, 0, 78, 26}), 26);
  EXPECT_EQ(StepOf({40, 42, 44, 60, 62}), 2);
  EXPECT_EQ(StepOf({100, 200}), 100);
}

TEST(EstimateStepTicks, FindsTheStepOfAScaledCounterWhoseReadingsAreRounded) {
  std::vector<std::uint64_t> differences;
  for (int i = 0; i < 500; ++i) {
    const double from = 25.9 * i;
    differences.push_back(
        static_cast<std::uint64_t>(std::floor(from + 25.9 * (i % 4)) - std::floor(from)));
  }
  EXPECT_NEAR(EstimateStepTicks(differences), 25.9, 1);
}

TEST(EstimateStepTicks, IsOneTickWhenReadingsTakeEveryValue) {
  std::vector<std::uint64_t> differences;
  for (std::uint64_t i = 0; i < 100; ++i) differences.push_back(41 + i);
  EXPECT_EQ(EstimateStepTicks(differences), 1);
  EXPECT_EQ(StepOf({0, 1, 1, 2, 0, 1}), 1);
  EXPECT_EQ(StepOf({0, 0, 0}), 1);
}

// Steps of 26 ticks, and once the program was interrupted for a long time.
TEST(EstimateStepTicks, IsNotSpoiltByAnInterrupt) {
  EXPECT_NEAR(StepOf({25, 26, 52, 51, 26, 100'003}), 26, 1);
}

TEST(ClockSourceName, NamesEverySource) {
  EXPECT_EQ(ClockSourceName(ClockSource::kTsc), "tsc");
  EXPECT_EQ(ClockSourceName(ClockSource::kCntvct), "cntvct");
  EXPECT_EQ(ClockSourceName(ClockSource::kClockGettime), "clock_gettime");
}

TEST(ClockDeathTest, CalibratingASourceThatTheMachineLacksBreaksTheContract) {
#if defined(__x86_64__)
  EXPECT_DEATH(Clock::Calibrate(ClockSource::kCntvct), "contract broken: Has\\(source\\)");
#else
  EXPECT_DEATH(Clock::Calibrate(ClockSource::kTsc), "contract broken: Has\\(source\\)");
#endif
}

}  // namespace
}  // namespace pagealloc::bench
