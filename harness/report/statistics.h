/// statistics.h: the few numbers that a results row is made of.
///
/// Every function takes values in any order, at least one (contract), all finite, and leaves them
/// as they are.
#pragma once

#include <cstddef>
#include <span>

namespace pagealloc::bench {

/// The middle value, or the mean of the two middle ones.
double Median(std::span<const double> values);

/// Linear interpolation between the two nearest values (Hyndman and Fan's type 7, the default of R
/// and NumPy): position percent / 100 * (n - 1) in the sorted values, counted from 0.
///
/// @param percent  0 .. 100 (contract).
double Percentile(std::span<const double> values, double percent);

/// How many of `n` values are the fastest quarter: n / 4 to the nearest whole number, a half
/// upwards, at least 1. So 1 of 1 .. 5, 2 of 6 .. 9, 5 of 18 .. 21.
std::size_t QuarterOf(std::size_t n);

/// The mean of the smallest QuarterOf(n) values: the estimator for timings. Neighbours on the
/// machine only ever add time, so the fast end of the repetitions is the part that repeats.
double FastestQuarterMean(std::span<const double> values);

/// The same at the other end, for rates, where more is faster.
double HighestQuarterMean(std::span<const double> values);

}  // namespace pagealloc::bench
