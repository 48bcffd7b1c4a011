#include "harness/report/statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <vector>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// Mean of the first QuarterOf(n) values in the given order.
template <class Order>
double QuarterMean(std::span<const double> values, Order order) {
  PA_EXPECT(!values.empty());
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end(), order);
  const std::size_t quarter = QuarterOf(sorted.size());
  const auto end = sorted.begin() + static_cast<std::ptrdiff_t>(quarter);
  return std::accumulate(sorted.begin(), end, 0.0) / static_cast<double>(quarter);
}

}  // namespace

double Median(std::span<const double> values) { return Percentile(values, 50); }

double Percentile(std::span<const double> values, double percent) {
  PA_EXPECT(!values.empty());
  PA_EXPECT(percent >= 0 && percent <= 100);
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - std::floor(position));
}

std::size_t QuarterOf(std::size_t n) { return std::max<std::size_t>((n + 2) / 4, 1); }

double FastestQuarterMean(std::span<const double> values) {
  return QuarterMean(values, std::less<>());
}

double HighestQuarterMean(std::span<const double> values) {
  return QuarterMean(values, std::greater<>());
}

}  // namespace pagealloc::bench
