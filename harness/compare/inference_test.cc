#include "harness/compare/inference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "harness/report/statistics.h"

namespace pagealloc::bench {
namespace {

using Values = std::vector<double>;
using ::testing::DoubleNear;
using ::testing::Pointwise;

// --- Mann-Whitney ---

// Hollander and Wolfe (1973), page 69: permeability of a membrane at term and early, as in R's
// help(wilcox.test), which gives W = 35 and the one-sided p 0.1272; two-sided it is twice that.
const Values kTerm{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
const Values kEarly{1.15, 0.88, 0.90, 0.74, 1.21};

// Mehta and Patel, StatXact 5 (2001), table 9.6 and page 229: blood pressures with many ties. Exact
// two-sided p 0.0989; without correction for continuity the approximation gives 0.0853 (the tests
// of the R package exactRankTests).
const Values kTreated{94, 108, 110, 90};
const Values kControl{80, 94, 85, 90, 90, 90, 108, 94, 78, 105, 88};

TEST(MannWhitney, AgreesWithRsExample) {
  const UTest test = MannWhitney(kTerm, kEarly);
  EXPECT_EQ(test.u, 35);
  EXPECT_NEAR(test.p, 2 * 0.1272, 5e-5);
  EXPECT_TRUE(test.exact);
}

TEST(MannWhitney, AgreesWithStatXactOnTies) {
  const UTest test = MannWhitney(kTreated, kControl);
  EXPECT_EQ(test.u, 35);
  EXPECT_NEAR(test.p, 0.0989, 5e-5);
}

// The example of scipy.stats.mannwhitneyu: U = 17, exact p = 0.111...
TEST(MannWhitney, AgreesWithSciPysExample) {
  const UTest test = MannWhitney(Values{19, 22, 16, 29, 24}, Values{20, 11, 17, 12});
  EXPECT_EQ(test.u, 17);
  EXPECT_NEAR(test.p, 0.1111111111111111, 1e-12);
}

// The usual table of critical values of U: the highest U whose two-sided p is at most 0.05 and
// 0.01.
TEST(MannWhitney, AgreesWithTheTableOfCriticalValues) {
  struct Line {
    std::size_t n;
    std::size_t at_5_percent;
    std::size_t at_1_percent;
  };
  // Sides with n values each and the given U: the first side lowest but for one value, which has
  // as many below it as U says, spread over several values.
  const auto p_of = [](std::size_t n, std::size_t u) {
    Values b(n);
    std::iota(b.begin(), b.end(), 0.0);
    Values a(n);
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t below = std::min(u, n);
      u -= below;
      a[i] = static_cast<double>(below) - 0.5 + 0.001 * static_cast<double>(i);
    }
    return MannWhitney(a, b).p;
  };
  for (const Line& line : {Line{5, 2, 0}, Line{6, 5, 2}, Line{7, 8, 4}, Line{8, 13, 7},
                           Line{9, 17, 11}, Line{10, 23, 16}, Line{20, 127, 105}}) {
    EXPECT_LE(p_of(line.n, line.at_5_percent), 0.05) << line.n;
    EXPECT_GT(p_of(line.n, line.at_5_percent + 1), 0.05) << line.n;
    EXPECT_LE(p_of(line.n, line.at_1_percent), 0.01) << line.n;
    EXPECT_GT(p_of(line.n, line.at_1_percent + 1), 0.01) << line.n;
  }
}

/// The share of divisions of all values that lie at least as far from the mean, one by one.
double BruteForceP(const Values& a, const Values& b) {
  Values all(a);
  all.insert(all.end(), b.begin(), b.end());
  const auto u_of = [&](unsigned first_side) {
    double u = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      for (std::size_t j = 0; j < all.size(); ++j) {
        if ((first_side >> i & 1U) == 0 || (first_side >> j & 1U) != 0) continue;
        u += all[i] > all[j] ? 1 : all[i] == all[j] ? 0.5 : 0;
      }
    }
    return u;
  };
  const double mean = static_cast<double>(a.size() * b.size()) / 2;
  const double seen = std::abs(u_of((1U << a.size()) - 1) - mean);
  double as_far = 0;
  double divisions = 0;
  for (unsigned side = 0; side < 1U << all.size(); ++side) {
    if (static_cast<std::size_t>(std::popcount(side)) != a.size()) continue;
    ++divisions;
    if (std::abs(u_of(side) - mean) >= seen) ++as_far;
  }
  return as_far / divisions;
}

TEST(MannWhitney, CountsEveryDivisionOfSmallSides) {
  std::mt19937_64 random(7);
  for (std::size_t n = 1; n <= 4; ++n) {
    for (std::size_t m = 1; m <= 5; ++m) {
      for (const unsigned distinct : {1U, 2U, 3U, 1000U}) {  // few distinct values: many ties
        Values a(n);
        Values b(m);
        for (double& value : a) value = static_cast<double>(random() % distinct);
        for (double& value : b) value = static_cast<double>(random() % distinct);
        EXPECT_NEAR(MannWhitney(a, b).p, BruteForceP(a, b), 1e-12)
            << n << ' ' << m << ' ' << distinct;
      }
    }
  }
}

TEST(MannWhitney, IsTheSameFromBothSides) {
  const UTest there = MannWhitney(kTreated, kControl);
  const UTest back = MannWhitney(kControl, kTreated);
  EXPECT_DOUBLE_EQ(there.p, back.p);
  EXPECT_EQ(there.u + back.u, 44);  // of 4 * 11 pairs
}

// At the border the approximation must meet the exact value, with ties and without.
TEST(MannWhitney, ApproximatesLongSidesWell) {
  std::mt19937_64 random(3);
  for (const unsigned distinct : {6U, 1'000'000U}) {
    Values a(30);
    Values b(30);
    for (double& value : a) value = static_cast<double>(random() % distinct);
    for (double& value : b) value = static_cast<double>(random() % distinct) + distinct / 6;
    const UTest exact = MannWhitney(a, b);
    ASSERT_TRUE(exact.exact);
    // The whole of it twice is another sample; one value more makes this one too long.
    a.push_back(Median(a));
    const UTest longer = MannWhitney(a, b);
    EXPECT_FALSE(longer.exact);
    EXPECT_NEAR(longer.p, exact.p, 0.2 * exact.p + 1e-3) << distinct;
  }
}

// scipy.stats.mannwhitneyu(x, y, method='asymptotic') corrects for ties and continuity as well.
// Here both are computed by hand from the formulas: 31 values 0 and 1 each, U = 31 * 31 / 2 - 31
// * 2.5.
TEST(MannWhitney, CorrectsTheVarianceForTies) {
  Values a(31, 0.0);
  Values b(31, 0.0);
  std::fill(a.begin(), a.begin() + 13, 1.0);
  std::fill(b.begin(), b.begin() + 18, 1.0);
  // Two groups of 31 equal values each: variance n m / 12 (N + 1 - sum(t^3 - t) / (N (N - 1))).
  const double variance = 31.0 * 31 / 12 * (63 - 2 * (29791.0 - 31) / (62.0 * 61));
  const double z = (31 * 2.5 - 0.5) / std::sqrt(variance);
  EXPECT_NEAR(MannWhitney(a, b).p, std::erfc(z / std::sqrt(2.0)), 1e-12);
}

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}
double DistanceOfMeans(std::span<const double> a, std::span<const double> b) {
  return std::abs(Mean(a) - Mean(b));
}

// Darwin's maize, heights in eighths of an inch. Fisher (The Design of Experiments, 1935, section
// 21): of the 32,768 ways 863 have a sum as large as the observed 314, so both tails have 1,726.
const Values kCrossed{188, 96, 168, 176, 153, 172, 177, 163, 146, 173, 186, 168, 177, 184, 96};
const Values kSelfed{139, 163, 160, 160, 147, 149, 149, 122, 132, 144, 130, 144, 102, 124, 144};

TEST(RandomizationP, AgreesWithFisher) {
  // The first three pairs outside, as there are more than are tried one by one: each of their eight
  // ways shifts the sum, and the rest is what is counted.
  static_assert(kSwapAllUpTo == 12);
  double ways = 0;
  const std::span<const double> crossed(kCrossed);
  const std::span<const double> selfed(kSelfed);
  for (unsigned way = 0; way < 8; ++way) {
    double fixed = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      fixed += (way >> i & 1) != 0 ? selfed[i] - crossed[i] : crossed[i] - selfed[i];
    }
    bool first = true;  // the call that says what is observed
    ways += 4096 * RandomizationP(crossed.subspan(3), selfed.subspan(3), [&](auto a, auto b) {
              if (std::exchange(first, false)) return 314.0;
              double sum = fixed;
              for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] - b[i];
              return std::abs(sum);
            });
  }
  EXPECT_EQ(ways, 1726);
}

TEST(RandomizationP, SamplesTheWaysOfManyRounds) {
  const double p = RandomizationP(kCrossed, kSelfed, DistanceOfMeans);
  // 100 ways are enough, so p is known to a tenth.
  EXPECT_NEAR(p, 1726 / 32768.0, 3 * 0.1 * 1726 / 32768.0);
  Values a(40, 1.0);
  Values b(40, 1.1);
  EXPECT_EQ(RandomizationP(a, b, DistanceOfMeans), 1 / 10000.0);
}

TEST(RandomizationP, OfEstimatesIsThatOfTheirRatio) {
  const Values base{10, 12, 11, 19, 10.5, 30, 11.5, 13};
  const Values candidate{11, 12.5, 12, 11.2, 28, 12.2, 14, 29};
  for (const Estimator estimator : {Estimator::kFastestQuarter, Estimator::kHighestQuarter,
                                    Estimator::kMedian, Estimator::kHighest}) {
    const double expected = RandomizationP(base, candidate, [&](auto a, auto b) {
      return std::abs(std::log(Estimate(estimator, a) / Estimate(estimator, b)));
    });
    EXPECT_EQ(RandomizationP(base, candidate, estimator), expected);
    EXPECT_EQ(RandomizationP(candidate, base, estimator), expected);
  }
  EXPECT_EQ(RandomizationP(base, base, Estimator::kMedian), 1);
  EXPECT_EQ(RandomizationP(Values(9, 0.0), Values(9, 1.0), Estimator::kMedian), 1);
}

TEST(MannWhitney, EqualValuesSayNothing) {
  EXPECT_EQ(MannWhitney(Values(5, 1.0), Values(7, 1.0)).p, 1);
  EXPECT_EQ(MannWhitney(Values(50, 1.0), Values(70, 1.0)).p, 1);
}

// --- Holm ---

// p-values and decisions as in Wikipedia's "Holm-Bonferroni method"; adjusted as R's
// p.adjust(c(0.01, 0.04, 0.03, 0.005), "holm") does.
TEST(HolmAdjusted, AgreesWithAPublishedExample) {
  EXPECT_THAT(HolmAdjusted(Values{0.01, 0.04, 0.03, 0.005}),
              Pointwise(DoubleNear(1e-12), Values{0.03, 0.06, 0.06, 0.02}));
}

// The example of the R package Dmisc, by R's definition cummax((n - i + 1) p[i]).
TEST(HolmAdjusted, NeverFallsBelowTheRankBefore) {
  EXPECT_THAT(HolmAdjusted(Values{0.042, 0.001, 0.031, 0.014, 0.007}),
              Pointwise(DoubleNear(1e-12), Values{0.062, 0.005, 0.062, 0.042, 0.028}));
}

TEST(HolmAdjusted, IsAtMostOne) {
  EXPECT_EQ(HolmAdjusted(Values{0.9, 0.8, 0.7}), (Values{1, 1, 1}));
  EXPECT_EQ(HolmAdjusted(Values{0.3}), (Values{0.3}));
  EXPECT_TRUE(HolmAdjusted({}).empty());
}

// --- Bootstrap ---

/// The sampling error of an estimate: a base that is always 1 makes the ratio the estimate itself.
double StandardError(Estimator estimator, const Values& values) {
  const std::vector<double> ratios = BootstrapRatios(estimator, Values{1}, values, Pairing::kNone);
  const double n = static_cast<double>(ratios.size());
  const double mean = std::accumulate(ratios.begin(), ratios.end(), 0.0) / n;
  double squares = 0;
  for (const double ratio : ratios) squares += (ratio - mean) * (ratio - mean);
  return std::sqrt(squares / n);
}

// Efron and Tibshirani, An Introduction to the Bootstrap (1993), table 2.2: survival of seven
// treated mice; the standard error of the median is 37.83 for infinitely many resamples.
// Enumerating all 7^7 gives 37.8347. With 2000 its own error is 1.6 %: 0.6.
TEST(Bootstrap, AgreesWithEfronsMice) {
  EXPECT_NEAR(StandardError(Estimator::kMedian, {94, 197, 16, 38, 99, 141, 23}), 37.83, 1.8);
}

// All 27 * 27 resamples of three and three values, by hand.
TEST(Bootstrap, ComesCloseToAllResamples) {
  const Values base{10, 11, 14};
  const Values candidate{12, 13, 17};
  std::vector<double> all;
  for (unsigned i = 0; i < 27 * 27; ++i) {
    const Values below{base[i % 3], base[i / 3 % 3], base[i / 9 % 3]};
    const Values above{candidate[i / 27 % 3], candidate[i / 81 % 3], candidate[i / 243]};
    all.push_back(FastestQuarterMean(above) / FastestQuarterMean(below));
  }
  const std::vector<double> drawn =
      BootstrapRatios(Estimator::kFastestQuarter, base, candidate, Pairing::kNone);
  for (const double value : {12.0 / 14, 12.0 / 11, 13.0 / 11, 12.0 / 10, 13.0 / 10, 17.0 / 10}) {
    const auto share = [&](const std::vector<double>& ratios) {
      return static_cast<double>(std::count_if(ratios.begin(), ratios.end(),
                                               [&](double r) { return r <= value + 1e-9; })) /
             static_cast<double>(ratios.size());
    };
    EXPECT_NEAR(share(drawn), share(all), 0.03) << value;
  }
}

// What both sides of a round share cancels out, so the ratios hardly vary; taken apart they do.
TEST(Bootstrap, DrawsRoundsTogether) {
  Values base;
  Values candidate;
  for (int round = 0; round < 20; ++round) {
    base.push_back(100 + 10 * (round % 7));
    candidate.push_back(base.back() * 1.05);
  }
  const auto interval =
      RatioInterval(Estimator::kFastestQuarter, base, candidate, Pairing::kRounds, 0.99);
  EXPECT_NEAR(interval->low, 1.05, 1e-9);
  EXPECT_NEAR(interval->high, 1.05, 1e-9);
  const auto apart =
      RatioInterval(Estimator::kFastestQuarter, base, candidate, Pairing::kNone, 0.99);
  EXPECT_GT(apart->high - apart->low, 0.02);
}

TEST(Bootstrap, IsTheSameEveryTime) {
  EXPECT_EQ(BootstrapRatios(Estimator::kMedian, kTerm, kEarly, Pairing::kNone),
            BootstrapRatios(Estimator::kMedian, kTerm, kEarly, Pairing::kNone));
}

// The interval of 99 % holds the true ratio in about that share of samples.
TEST(Bootstrap, CoversTheTrueRatio) {
  std::mt19937_64 random(11);
  std::normal_distribution<double> noise(0, 0.01);
  int covered = 0;
  constexpr int kTries = 300;
  for (int i = 0; i < kTries; ++i) {
    Values base(20);
    Values candidate(20);
    for (double& value : base) value = 50 * (1 + noise(random));
    for (double& value : candidate) value = 60 * (1 + noise(random));
    const auto interval =
        RatioInterval(Estimator::kFastestQuarter, base, candidate, Pairing::kNone, 0.99);
    if (interval->low <= 1.2 && 1.2 <= interval->high) ++covered;
  }
  EXPECT_GE(covered, kTries * 95 / 100);
}

TEST(Bootstrap, HasNoRatioToNothing) {
  EXPECT_FALSE(RatioInterval(Estimator::kFastestQuarter, Values{0, 1, 2}, Values{1, 2, 3},
                             Pairing::kNone, 0.99));
}

// --- Median interval ---

// The usual table of ranks for the 95 % interval of a median (Conover, Practical Nonparametric
// Statistics; Altman): 6 values the lowest and the highest, 10 ranks 2 and 9, 20 ranks 6 and 15, 30
// ranks 10 and 21.
TEST(MedianInterval, AgreesWithTheTableOfRanks) {
  struct Line {
    std::size_t n;
    double low;
    double high;
  };
  for (const Line& line : {Line{6, 1, 6}, Line{10, 2, 9}, Line{20, 6, 15}, Line{30, 10, 21}}) {
    Values values(line.n);
    std::iota(values.begin(), values.end(), 1.0);
    std::reverse(values.begin(), values.end());
    const auto interval = MedianInterval(values, 0.95);
    ASSERT_TRUE(interval) << line.n;
    EXPECT_EQ(*interval, (Interval{line.low, line.high})) << line.n;
  }
}

TEST(MedianInterval, NeedsEnoughValues) {
  EXPECT_FALSE(MedianInterval(Values{1, 2, 3, 4, 5}, 0.95));  // 1 - 2 / 32 is less
  EXPECT_FALSE(MedianInterval(Values(7, 1.0), 0.99));
  EXPECT_TRUE(MedianInterval(Values(8, 1.0), 0.99));
  EXPECT_FALSE(MedianInterval({}, 0.5));
}

TEST(GeometricMean, IsTheRootOfTheProduct) {
  EXPECT_DOUBLE_EQ(GeometricMean(Values{2, 8}), 4);
  EXPECT_DOUBLE_EQ(GeometricMean(Values{0.5, 2, 1}), 1);
}

TEST(InferenceDeathTest, BadValuesBreakTheContract) {
  EXPECT_DEATH(RandomizationP(Values{1}, Values{1, 2}, Estimator::kMedian), "contract broken");
  EXPECT_DEATH(MannWhitney({}, Values{1}), "contract broken: !a.empty");
  EXPECT_DEATH(GeometricMean(Values{1, 0}), "contract broken: value > 0");
  EXPECT_DEATH(BootstrapRatios(Estimator::kMedian, Values{1, 2}, Values{1}, Pairing::kRounds),
               "contract broken: pairing == Pairing::kNone");
}

}  // namespace
}  // namespace pagealloc::bench
