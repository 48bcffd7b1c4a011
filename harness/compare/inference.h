/// inference.h: the statistics behind a verdict. Standard library only.
///
/// Every function takes values in any order, all finite, and leaves them as they are. Nothing here
/// depends on a clock or on chance: resampling starts from a fixed seed, so that the same values
/// give the same interval on every machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

namespace pagealloc::bench {

/// What one number stands for many values.
enum class Estimator : std::uint8_t {
  kFastestQuarter,  ///< mean of the lowest quarter: times
  kHighestQuarter,  ///< mean of the highest quarter: rates
  kMedian,
  kHighest,  ///< exact numbers, which should be equal anyway
};

/// @param values  at least one (contract).
double Estimate(Estimator estimator, std::span<const double> values);

/// A closed range.
struct Interval {
  double low = 0;
  double high = 0;

  friend bool operator==(const Interval&, const Interval&) = default;
};

/// How BootstrapRatios() draws.
enum class Pairing : std::uint8_t {
  kNone,    ///< the values of each side for themselves
  kRounds,  ///< values number i of both sides are of one round, and are drawn together
};

/// Estimate(candidate) / Estimate(base) for 2000 resamples of both sides, sorted. Empty when the
/// estimate of a resample of `base` is not above 0, so that there is no ratio.
///
/// @param base, candidate  at least one value each; as many with kRounds (contract).
/// @cost                   about 0.3 ms for 20 and 20 values.
std::vector<double> BootstrapRatios(Estimator estimator, std::span<const double> base,
                                    std::span<const double> candidate, Pairing pairing);

/// The percentile interval (Efron and Tibshirani 1993, chapter 13) of the above.
///
/// @param confidence  between 0 and 1, such as 0.99 (contract).
/// @return            nullopt where there is no ratio.
std::optional<Interval> RatioInterval(Estimator estimator, std::span<const double> base,
                                      std::span<const double> candidate, Pairing pairing,
                                      double confidence);

struct UTest {
  double u = 0;  ///< pairs in which the first side's value is higher; equal ones count half
  double p = 1;  ///< two-sided
  bool exact = false;
};

/// Up to so many values on both sides together p is exact.
inline constexpr std::size_t kExactUpTo = 60;

/// The test of Mann and Whitney (Wilcoxon's rank sum).
///
/// With up to kExactUpTo values p comes from the distribution over all divisions of the given
/// ranks, ties included: the share of divisions whose U lies at least as far from its mean. Above
/// that it comes from the normal approximation, with the variance corrected for ties and half a
/// step for continuity. p is 1 where all values are equal.
///
/// @param a, b  at least one value each (contract).
/// @cost        up to 5 ms at kExactUpTo.
UTest MannWhitney(std::span<const double> a, std::span<const double> b);

/// A number that is larger the more two samples of equal size differ.
using SideDifference = std::function<double(std::span<const double>, std::span<const double>)>;

/// Fisher's randomization test of pairs, two-sided: if it made no difference which side a value is
/// from, the two values of a round could as well be swapped. The share of ways to swap them that
/// make the sides differ at least as much as they do.
///
/// It asks the question that the estimate answers. Rank tests over all values lose their power
/// where neighbours disturb half of them; what the fastest values of a round say, they do not see.
/// (README.md compares them.)
///
/// Up to kSwapAllUpTo rounds all ways are tried. Above that 9,999 from a fixed seed, or fewer when
/// 100 of them already differ as much (Besag and Clifford 1991, sequential Monte Carlo p-values).
///
/// @param a, b  as many values, at least one (contract).
double RandomizationP(std::span<const double> a, std::span<const double> b,
                      const SideDifference& difference);
inline constexpr std::size_t kSwapAllUpTo = 12;

/// The same with |log| of the ratio of estimates as the difference. 1 where there is no ratio.
/// @cost  up to 10 ms for 80 rounds.
double RandomizationP(std::span<const double> base, std::span<const double> candidate,
                      Estimator estimator);

/// p-values adjusted for being several (Holm 1979), in the given order: that of rank i of n becomes
/// (n - i + 1) p, at least that of the rank before, at most 1.
std::vector<double> HolmAdjusted(std::span<const double> p);

/// The interval between two order statistics that holds the median at least with `confidence`,
/// whatever the distribution: the narrowest symmetrical one. nullopt when even the lowest and the
/// highest value do not reach it (below 8 values for 0.99).
std::optional<Interval> MedianInterval(std::span<const double> values, double confidence);

/// @param values  at least one, all above 0 (contract).
double GeometricMean(std::span<const double> values);

}  // namespace pagealloc::bench
