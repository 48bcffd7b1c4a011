#include "harness/report/statistics.h"

#include <gtest/gtest.h>

#include <vector>

namespace pagealloc::bench {
namespace {

using Values = std::vector<double>;

TEST(Median, IsTheMiddleValueOrTheMeanOfTwo) {
  EXPECT_EQ(Median(Values{3}), 3);
  EXPECT_EQ(Median(Values{9, 1, 4}), 4);
  EXPECT_EQ(Median(Values{9, 1, 4, 2}), 3);
}

// Ten values; quartiles by hand from the definition: positions 2.25 and 6.75 in the sorted values
// (9 * 0.25 and 9 * 0.75), so 36 + 0.25 * 3 and 42 + 0.75 * 1.
TEST(Percentile, InterpolatesLikeTypeSeven) {
  const Values values{49, 7, 36, 40, 15, 41, 43, 39, 47, 42};
  EXPECT_DOUBLE_EQ(Percentile(values, 0), 7);
  EXPECT_DOUBLE_EQ(Percentile(values, 25), 36.75);
  EXPECT_DOUBLE_EQ(Percentile(values, 50), 40.5);
  EXPECT_DOUBLE_EQ(Percentile(values, 75), 42.75);
  EXPECT_DOUBLE_EQ(Percentile(values, 100), 49);
}

// NumPy's documentation: percentile of [10, 7, 4, 3, 2, 1] at 50 is 3.5.
TEST(Percentile, AgreesWithAPublishedExample) {
  EXPECT_DOUBLE_EQ(Percentile(Values{10, 7, 4, 3, 2, 1}, 50), 3.5);
}

TEST(Percentile, OfOneValueIsThatValue) {
  for (const double percent : {0.0, 33.3, 100.0}) EXPECT_EQ(Percentile(Values{5}, percent), 5);
}

TEST(Percentile, GrowsWithThePercentage) {
  const Values values{0.1, 0.7, 0.3, 0.2, 0.30000000000000004};
  double previous = 0;
  for (int percent = 0; percent <= 100; ++percent) {
    const double value = Percentile(values, percent);
    EXPECT_GE(value, previous);
    previous = value;
  }
}

TEST(QuarterOf, RoundsToTheNearestAndIsAtLeastOne) {
  const std::vector<std::size_t> expected{1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4};
  for (std::size_t n = 1; n <= expected.size(); ++n) EXPECT_EQ(QuarterOf(n), expected[n - 1]) << n;
  EXPECT_EQ(QuarterOf(20), 5U);
}

TEST(FastestQuarterMean, IsTheMeanOfTheSmallestValues) {
  EXPECT_EQ(FastestQuarterMean(Values{7}), 7);
  EXPECT_EQ(FastestQuarterMean(Values{9, 5, 8}), 5);
  // Eight values: the two smallest, 2 and 3.
  EXPECT_EQ(FastestQuarterMean(Values{8, 2, 7, 3, 6, 9, 5, 4}), 2.5);
}

TEST(FastestQuarterMean, IgnoresWhatNeighboursAdd) {
  Values values(20, 10.0);
  for (std::size_t i = 5; i < 20; ++i) values[i] += static_cast<double>(i * i);
  EXPECT_EQ(FastestQuarterMean(values), 10);
}

TEST(HighestQuarterMean, IsTheMeanOfTheLargestValues) {
  EXPECT_EQ(HighestQuarterMean(Values{8, 2, 7, 3, 6, 9, 5, 4}), 8.5);
}

TEST(StatisticsDeathTest, NoValuesBreakTheContract) {
  EXPECT_DEATH(Median({}), "contract broken: !values.empty\\(\\)");
  EXPECT_DEATH(FastestQuarterMean({}), "contract broken: !values.empty\\(\\)");
  EXPECT_DEATH(Percentile(Values{1}, -1), "contract broken: percent >= 0");
}

}  // namespace
}  // namespace pagealloc::bench
