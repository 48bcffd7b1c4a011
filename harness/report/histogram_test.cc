#include "harness/report/histogram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

Histogram Of(const std::vector<std::uint64_t>& values) {
  Histogram histogram;
  for (const std::uint64_t value : values) histogram.Record(value);
  return histogram;
}

/// What one value among larger ones reads as; max() hides nothing then.
double ReadsAs(std::uint64_t value) {
  Histogram histogram;
  histogram.Record(value);
  histogram.Record(Histogram::kLargest);
  return static_cast<double>(*histogram.Percentile(50));
}

TEST(Histogram, ValuesBelow256AreExact) {
  for (std::uint64_t value = 0; value < 256; ++value) {
    ASSERT_EQ(ReadsAs(value), static_cast<double>(value));
  }
}

TEST(Histogram, EveryValueIsWithinTheErrorBoundOverTheWholeRange) {
  constexpr double kBound = 0.004;  // half of a bucket; 0.8 % is what the harness promises
  std::vector<std::uint64_t> values;
  for (std::uint64_t value = 1; value < 70'000; value += 3) values.push_back(value);
  for (unsigned bit = 0; bit < Histogram::kValueBits; ++bit) {
    const std::uint64_t power = std::uint64_t{1} << bit;
    for (std::uint64_t part = 0; part < 128; ++part) {  // the borders of all buckets
      const std::uint64_t border = power + part * power / 128;
      values.insert(values.end(), {border, border - 1, border + 1});
    }
  }
  std::mt19937_64 random(1);
  for (int i = 0; i < 100'000; ++i) values.push_back(random() >> (24 + random() % 40));
  double worst = 0;
  for (const std::uint64_t value : values) {
    if (value == 0 || value > Histogram::kLargest) continue;
    const auto exact = static_cast<double>(value);
    worst = std::max(worst, std::abs(ReadsAs(value) - exact) / exact);
  }
  EXPECT_LE(worst, kBound);
  EXPECT_GT(worst, kBound / 2) << "the bound is not tested where it is tight";
}

TEST(Histogram, BordersOfTheRange) {
  EXPECT_EQ(ReadsAs(0), 0);
  EXPECT_EQ(ReadsAs(255), 255);
  EXPECT_EQ(ReadsAs(256), 257);  // buckets of two from here on
  EXPECT_EQ(ReadsAs(257), 257);
  EXPECT_EQ(ReadsAs(258), 259);
  const Histogram beyond = Of({Histogram::kLargest, Histogram::kLargest + 1, ~std::uint64_t{0}});
  EXPECT_EQ(beyond.count(), 3U);
  EXPECT_EQ(beyond.max(), ~std::uint64_t{0});
  EXPECT_NEAR(static_cast<double>(*beyond.Percentile(50)), static_cast<double>(1ULL << 40), 5e9);
}

TEST(Histogram, PercentilesAreTheSortedValuesAtTheNearestRank) {
  std::mt19937_64 random(7);
  for (const std::size_t size : {1U, 2U, 3U, 10U, 99U, 100U, 1000U, 12'345U}) {
    std::vector<std::uint64_t> values;
    for (std::size_t i = 0; i < size; ++i) values.push_back(random() % (1U << (random() % 30)));
    const Histogram histogram = Of(values);
    std::sort(values.begin(), values.end());
    for (const double percent : {0.0, 0.1, 1.0, 25.0, 50.0, 75.0, 90.0, 99.0, 99.9, 100.0}) {
      // In per mille, to count the rank in whole numbers: ceil(p * n / 1000), at least 1.
      const auto mille = static_cast<std::size_t>(std::lround(percent * 10));
      const std::size_t rank = std::max<std::size_t>((mille * size + 999) / 1000, 1);
      const auto expected = static_cast<double>(values[rank - 1]);
      EXPECT_NEAR(static_cast<double>(*histogram.Percentile(percent)), expected, expected * 0.004)
          << percent << " % of " << size;
    }
  }
}

TEST(Histogram, RankIsNotLiftedByRounding) {
  std::vector<std::uint64_t> values(999, 5);
  values.push_back(100);
  EXPECT_THAT(Of(values).Percentile(99.9), Optional(5U));
  EXPECT_THAT(Of(values).Percentile(99.91), Optional(100U));
}

TEST(Histogram, HundredthPercentileIsTheExactMaximum) {
  // Its bucket is 999'424 ... 1'003'519, the middle 1'001'472.
  EXPECT_THAT(Of({1, 1'003'000}).Percentile(100), Optional(1'003'000U));
  // And no percentile lies above it: the middle of 1'000'000's bucket does.
  EXPECT_THAT(Of({1'000'000}).Percentile(50), Optional(1'000'000U));
}

TEST(Histogram, EmptyHasNoPercentile) {
  const Histogram empty;
  EXPECT_EQ(empty.Percentile(50), std::nullopt);
  EXPECT_EQ(empty.Percentile(100), std::nullopt);
  EXPECT_EQ(empty.count(), 0U);
  EXPECT_EQ(empty.max(), 0U);
  EXPECT_EQ(empty.mean(), 0);
}

TEST(Histogram, MeanIsExact) { EXPECT_EQ(Of({1, 2, 1'000'003}).mean(), 1'000'006 / 3.0); }

TEST(Histogram, MergingEqualsRecordingEverythingInOne) {
  Histogram left = Of({1, 300, 300, 70'000});
  left.Merge(Of({0, 300, 1ULL << 35}));
  EXPECT_EQ(left, Of({1, 300, 300, 70'000, 0, 300, 1ULL << 35}));
}

TEST(HistogramDeathTest, PercentileOutsideTheScaleBreaksTheContract) {
  const Histogram histogram = Of({1});
  EXPECT_DEATH(static_cast<void>(histogram.Percentile(100.5)), "contract broken: percent >= 0");
  EXPECT_DEATH(static_cast<void>(histogram.Percentile(std::nan(""))), "contract broken");
}

TEST(HistogramText, IsSparseAndReadable) {
  EXPECT_EQ(Histogram().ToText(), "h1 0 0");
  EXPECT_EQ(Of({3, 3, 256}).ToText(), "h1 262 256 3:2 256:1");
}

TEST(HistogramText, ReadsBackTheSame) {
  for (const Histogram& written :
       {Histogram(), Of({0}), Of({3, 3, 256, 1'000'000}), Of({~std::uint64_t{0}, 1})}) {
    Histogram read;
    EXPECT_EQ(read.MergeText(written.ToText()), "");
    EXPECT_EQ(read, written);
  }
}

TEST(HistogramText, MergesIntoWhatIsThere) {
  Histogram sum = Of({5, 500});
  EXPECT_EQ(sum.MergeText(Of({6, 5}).ToText()), "");
  EXPECT_EQ(sum, Of({5, 500, 6, 5}));
}

TEST(HistogramText, RefusesWhatCannotHaveBeenWrittenAndChangesNothing) {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const Case& bad : std::vector<Case>{
           {"", "does not begin with"},
           {"h2 0 0", "does not begin with"},
           {"h1 ", "sum and the largest value"},
           {"h1 6", "sum and the largest value"},
           {"h1 -6 3", "sum and the largest value"},
           {"h1 6 99999999999999999999", "sum and the largest value"},
           {"h1 6 3 ", "not \" INDEX:COUNT\""},
           {"h1 6 3 3", "not \" INDEX:COUNT\""},
           {"h1 6 3 3:2x", "not \" INDEX:COUNT\""},
           {"h1 6 3  3:2", "not \" INDEX:COUNT\""},
           {"h1 6 3 3:2\n", "not \" INDEX:COUNT\""},
           {"h1 6 3 4352:2", "bucket 4352 does not exist"},
           {"h1 6 3 3:1 3:1", "bucket 3 is out of order"},
           {"h1 6 3 3:1 2:1", "bucket 2 is out of order"},
           {"h1 6 3 3:0", "bucket 3 is empty"},
           {"h1 7 3 3:2", "sum does not fit"},
           {"h1 5 3 3:2", "sum does not fit"},
           {"h1 0 1", "largest value does not fit"},
           {"h1 6 4 3:2", "largest value does not fit"},
           {"h1 0 0 0:18446744073709551615 1:1", "counts are too large"},
           {"h1 0 0 4351:18446744073709551615", "counts are too large"},
       }) {
    Histogram histogram = Of({5, 500});
    EXPECT_THAT(histogram.MergeText(bad.text), HasSubstr(bad.reason)) << bad.text;
    EXPECT_EQ(histogram, Of({5, 500})) << bad.text;
  }
}

TEST(HistogramText, RefusesCountsThatOverflowTogether) {
  Histogram histogram;
  EXPECT_EQ(histogram.MergeText("h1 0 0 0:18446744073709551615"), "");
  EXPECT_THAT(histogram.MergeText("h1 0 0 0:1"), HasSubstr("counts are too large"));
}

TEST(HistogramText, EveryPrefixIsReadOrRefused) {
  const std::string whole = Of({1, 300, 70'000, 1ULL << 33}).ToText();
  for (std::size_t length = 0; length < whole.size(); ++length) {
    Histogram histogram;
    EXPECT_NE(histogram.MergeText(whole.substr(0, length)), "") << length;
  }
}

}  // namespace
}  // namespace pagealloc::bench
