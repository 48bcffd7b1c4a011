#include "harness/compare/decision.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

constexpr Rule kTime{Better::kLower, Estimator::kFastestQuarter, 0.02};
constexpr Rule kRate{Better::kHigher, Estimator::kHighestQuarter, 0.02};

struct Case {
  const char* name;
  double ratio;
  Interval interval;
  double adjusted_p;
  bool is_higher;
  Verdict time;
  Verdict rate;
};

// Each of the three conditions is missing once.
TEST(Decide, NeedsThresholdIntervalAndTest) {
  for (const Case& c : {
           Case{"all agree",
                1.05,
                {1.03, 1.07},
                0.001,
                true,
                Verdict::kRegressed,
                Verdict::kImproved},
           Case{"all agree, downwards",
                0.95,
                {0.93, 0.97},
                0.001,
                false,
                Verdict::kImproved,
                Verdict::kRegressed},
           Case{"below the threshold",
                1.015,
                {1.01, 1.03},
                0.001,
                true,
                Verdict::kUnclear,
                Verdict::kUnclear},
           Case{"interval holds 1",
                1.05,
                {0.99, 1.07},
                0.001,
                true,
                Verdict::kUnclear,
                Verdict::kUnclear},
           Case{"the test does not agree",
                1.05,
                {1.03, 1.07},
                0.05,
                true,
                Verdict::kUnclear,
                Verdict::kUnclear},
           Case{"the test points elsewhere",
                1.05,
                {1.03, 1.07},
                0.001,
                false,
                Verdict::kUnclear,
                Verdict::kUnclear},
           Case{"inside the threshold",
                1.01,
                {1.005, 1.018},
                0.001,
                true,
                Verdict::kSame,
                Verdict::kSame},
           Case{"no difference", 1, {0.99, 1.01}, 1, false, Verdict::kSame, Verdict::kSame},
           Case{"too wide", 1, {0.97, 1.03}, 1, false, Verdict::kUnclear, Verdict::kUnclear},
       }) {
    Evidence evidence;
    evidence.base = 100;
    evidence.candidate = 100 * c.ratio;
    evidence.ratio = c.ratio;
    evidence.interval = c.interval;
    evidence.p = c.adjusted_p;
    evidence.candidate_is_higher = c.is_higher;
    EXPECT_EQ(Decide(evidence, kTime, c.adjusted_p), c.time) << c.name;
    EXPECT_EQ(Decide(evidence, kRate, c.adjusted_p), c.rate) << c.name;
  }
}

TEST(Decide, TakesASmallerAlpha) {
  const Evidence evidence{100, 105, 1.05, Interval{1.03, 1.07}, 0.02, true};
  EXPECT_EQ(Decide(evidence, kTime, 0.02), Verdict::kRegressed);
  EXPECT_EQ(Decide(evidence, kTime, 0.02, kAlpha / 3), Verdict::kUnclear);
}

Verdict OfExact(double base, double candidate, double threshold) {
  const Rule rule{Better::kExact, Estimator::kHighest, threshold};
  return Decide(Weigh({{base}, {candidate}}, rule), rule, 1);
}

TEST(Decide, CountsOnlyARiseOfAnExactNumberAsRegression) {
  EXPECT_EQ(OfExact(1000, 1000, 0), Verdict::kSame);
  EXPECT_EQ(OfExact(1000, 1001, 0), Verdict::kRegressed);
  EXPECT_EQ(OfExact(1000, 999, 0), Verdict::kImproved);
  EXPECT_EQ(OfExact(1000, 1010, 0.01), Verdict::kExactChanged);
  EXPECT_EQ(OfExact(1000, 1011, 0.01), Verdict::kRegressed);
  EXPECT_EQ(OfExact(1000, 995, 0.01), Verdict::kExactChanged);
  EXPECT_EQ(OfExact(1000, 980, 0.01), Verdict::kImproved);
}

TEST(Decide, KnowsExactNumbersThatAreZero) {
  EXPECT_EQ(OfExact(0, 0, 0.01), Verdict::kSame);
  EXPECT_EQ(OfExact(0, 1, 0.01), Verdict::kRegressed);
  EXPECT_EQ(OfExact(1, 0, 0.01), Verdict::kImproved);
}

TEST(Decide, IsUnclearWithFewRepetitions) {
  const Samples four{{10, 10, 10, 10}, {20, 20, 20, 20}};
  const Evidence evidence = Weigh(four, kTime);
  EXPECT_EQ(evidence.ratio, 2);
  EXPECT_FALSE(evidence.interval);
  EXPECT_EQ(Decide(evidence, kTime, 0), Verdict::kUnclear);
}

TEST(Decide, IsUnclearAgainstAZero) {
  const Samples samples{std::vector<double>(10, 0.0), std::vector<double>(10, 5.0)};
  EXPECT_EQ(Decide(Weigh(samples, kTime), kTime, 0), Verdict::kUnclear);
}

TEST(Weigh, FindsAClearDifference) {
  Samples samples;
  for (int i = 0; i < 10; ++i) {
    samples.base.push_back(100 + i);
    samples.candidate.push_back(110 + i);
  }
  const Evidence evidence = Weigh(samples, kTime);
  EXPECT_EQ(evidence.base, 101);  // mean of the lowest three
  EXPECT_EQ(evidence.candidate, 111);
  EXPECT_TRUE(evidence.candidate_is_higher);
  EXPECT_EQ(Decide(evidence, kTime, *evidence.p), Verdict::kRegressed);
  std::swap(samples.base, samples.candidate);
  const Evidence back = Weigh(samples, kTime);
  EXPECT_FALSE(back.candidate_is_higher);
  EXPECT_EQ(Decide(back, kTime, *back.p), Verdict::kImproved);
}

TEST(VerdictName, IsDifferentForEach) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    names.emplace(VerdictName(static_cast<Verdict>(i)));
  }
  EXPECT_EQ(names.size(), kVerdicts);
}

TEST(DecisionDeathTest, NoValuesBreakTheContract) {
  EXPECT_DEATH(Weigh({{}, {1}}, kTime), "contract broken");
}

}  // namespace
}  // namespace pagealloc::bench
