#include "harness/compare/inference.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <random>

#include "harness/report/statistics.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

constexpr std::size_t kResamples = 2000;
constexpr std::uint64_t kSeed = 20240501;

/// One side's values in order, and how often a resample has drawn each.
class ResampledSide {
 public:
  explicit ResampledSide(std::span<const double> values)
      : sorted_(values.begin(), values.end()), rank_(values.size()), drawn_(values.size()) {
    std::vector<std::size_t> order(values.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
    for (std::size_t i = 0; i < order.size(); ++i) {
      sorted_[i] = values[order[i]];
      rank_[order[i]] = i;
    }
  }

  [[nodiscard]] std::size_t size() const { return sorted_.size(); }
  void Clear() {
    std::fill(drawn_.begin(), drawn_.end(), 0U);
    total_ = 0;
  }
  void Draw(std::size_t index) {
    ++drawn_[rank_[index]];
    ++total_;
  }

  /// Of what was drawn, at least one value.
  [[nodiscard]] double Estimated(Estimator estimator) const {
    const std::size_t n = total_;
    const std::size_t quarter = QuarterOf(n);
    switch (estimator) {
      case Estimator::kFastestQuarter:
        return MeanOf(0, quarter);
      case Estimator::kHighestQuarter:
        return MeanOf(n - quarter, n);
      case Estimator::kMedian:
        return MeanOf((n - 1) / 2, n / 2 + 1);
      case Estimator::kHighest:
        break;
    }
    return MeanOf(n - 1, n);
  }

 private:
  /// Mean of places [begin, end) of the sorted resample.
  [[nodiscard]] double MeanOf(std::size_t begin, std::size_t end) const {
    double sum = 0;
    std::size_t at = 0;
    for (std::size_t i = 0; at < end; ++i) {
      const std::size_t next = at + drawn_[i];
      const std::size_t first = std::max(at, begin);
      const std::size_t last = std::min(next, end);
      if (last > first) sum += static_cast<double>(last - first) * sorted_[i];
      at = next;
    }
    return sum / static_cast<double>(end - begin);
  }

  std::vector<double> sorted_;
  std::vector<std::size_t> rank_;  ///< place of each value in sorted_
  std::vector<unsigned> drawn_;
  std::size_t total_ = 0;  ///< of drawn_
};

/// A whole number below `end`; the same sequence with every standard library.
std::size_t Below(std::mt19937_64& random, std::size_t end) {
  return static_cast<std::size_t>((random() >> 32) * end >> 32);
}

/// Ranks from 1, doubled so that the mean rank of equal values is whole.
std::vector<std::size_t> DoubledRanks(const std::vector<double>& values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return values[a] < values[b]; });
  std::vector<std::size_t> ranks(values.size());
  for (std::size_t begin = 0; begin < order.size();) {
    std::size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) ++end;
    for (std::size_t i = begin; i < end; ++i) ranks[order[i]] = begin + 1 + end;
    begin = end;
  }
  return ranks;
}

/// How many of the ways to choose `count` of the ranks have each sum, as a share of all ways.
std::vector<double> ShareOfSums(const std::vector<std::size_t>& ranks, std::size_t count) {
  std::vector<std::size_t> descending(ranks);
  std::sort(descending.begin(), descending.end(), std::greater<>());
  const std::size_t most = std::accumulate(
      descending.begin(), descending.begin() + static_cast<std::ptrdiff_t>(count), std::size_t{0});
  const std::size_t width = most + 1;
  // ways[k][s]: choices of k of the ranks seen so far with sum s. Doubles hold C(60, 30) exactly
  // enough: it is below 2^57, and what is asked for is a quotient.
  std::vector<double> ways((count + 1) * width, 0.0);
  ways[0] = 1;
  for (std::size_t seen = 0; seen < ranks.size(); ++seen) {
    const std::size_t rank = ranks[seen];
    for (std::size_t k = std::min(seen + 1, count); k > 0; --k) {
      double* const to = ways.data() + k * width;
      const double* const from = ways.data() + (k - 1) * width;
      for (std::size_t s = rank; s < width; ++s) to[s] += from[s - rank];
    }
  }
  std::vector<double> shares(ways.end() - static_cast<std::ptrdiff_t>(width), ways.end());
  const double all = std::accumulate(shares.begin(), shares.end(), 0.0);
  for (double& share : shares) share /= all;
  return shares;
}

double ExactP(const std::vector<std::size_t>& ranks, std::size_t count, std::size_t sum) {
  const std::vector<double> shares = ShareOfSums(ranks, count);
  const std::size_t total = std::accumulate(ranks.begin(), ranks.end(), std::size_t{0});
  // Distances from the mean total * count / n, in whole numbers.
  const auto distance = [&](std::size_t s) {
    const std::size_t here = s * ranks.size();
    const std::size_t mean = total * count;
    return here > mean ? here - mean : mean - here;
  };
  double p = 0;
  for (std::size_t s = 0; s < shares.size(); ++s) {
    if (distance(s) >= distance(sum)) p += shares[s];
  }
  return std::min(p, 1.0);
}

double ApproximateP(const std::vector<double>& values, double u, double n, double m) {
  std::vector<double> sorted(values);
  std::sort(sorted.begin(), sorted.end());
  double ties = 0;  // sum of t^3 - t over groups of t equal values
  for (std::size_t begin = 0; begin < sorted.size();) {
    std::size_t end = begin;
    while (end < sorted.size() && sorted[end] == sorted[begin]) ++end;
    const auto t = static_cast<double>(end - begin);
    ties += t * t * t - t;
    begin = end;
  }
  const double all = n + m;
  const double variance = n * m / 12 * (all + 1 - ties / (all * (all - 1)));
  if (variance <= 0) return 1;  // all values are equal
  const double z = std::max(0.0, std::abs(u - n * m / 2) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

/// Sums up which ways to swap pairs make a difference as large as the one there is.
class Swaps {
 public:
  explicit Swaps(std::size_t rounds) : rounds_(rounds) {}

  /// @param differs_as_much  whether the sides do, with the rounds swapped for which it is told so:
  ///                         bool(const std::vector<bool>&).
  template <class DiffersAsMuch>
  double P(DiffersAsMuch&& differs_as_much) {
    constexpr std::size_t kMost = 9'999;
    constexpr std::size_t kEnough = 100;
    std::vector<bool> swapped(rounds_);
    std::size_t as_much = 0;
    if (rounds_ <= kSwapAllUpTo) {
      const std::size_t ways = std::size_t{1} << rounds_;
      for (std::size_t way = 0; way < ways; ++way) {
        for (std::size_t i = 0; i < rounds_; ++i) swapped[i] = (way >> i & 1) != 0;
        if (differs_as_much(swapped)) ++as_much;
      }
      return static_cast<double>(as_much) / static_cast<double>(ways);
    }
    std::mt19937_64 random(kSeed);
    for (std::size_t tried = 1; tried <= kMost; ++tried) {
      std::uint64_t bits = 0;
      for (std::size_t i = 0; i < rounds_; ++i, bits >>= 1) {
        if (i % 64 == 0) bits = random();
        swapped[i] = (bits & 1) != 0;
      }
      if (differs_as_much(swapped) && ++as_much == kEnough) {
        return static_cast<double>(kEnough) / static_cast<double>(tried);
      }
    }
    return static_cast<double>(as_much + 1) / static_cast<double>(kMost + 1);
  }

 private:
  std::size_t rounds_;
};

/// Sums of the same numbers in another order may differ in their last bits.
bool AsLarge(double here, double there) { return here >= there * (1 - 1e-9); }

}  // namespace

double Estimate(Estimator estimator, std::span<const double> values) {
  switch (estimator) {
    case Estimator::kFastestQuarter:
      return FastestQuarterMean(values);
    case Estimator::kHighestQuarter:
      return HighestQuarterMean(values);
    case Estimator::kMedian:
      return Median(values);
    case Estimator::kHighest:
      break;
  }
  return Percentile(values, 100);
}

std::vector<double> BootstrapRatios(Estimator estimator, std::span<const double> base,
                                    std::span<const double> candidate, Pairing pairing) {
  PA_EXPECT(!base.empty() && !candidate.empty(), base.size(), candidate.size());
  PA_EXPECT(pairing == Pairing::kNone || base.size() == candidate.size(), base.size(),
            candidate.size());
  ResampledSide below(base);
  ResampledSide above(candidate);
  std::mt19937_64 random(kSeed);
  std::vector<double> ratios;
  ratios.reserve(kResamples);
  for (std::size_t i = 0; i < kResamples; ++i) {
    below.Clear();
    above.Clear();
    if (pairing == Pairing::kRounds) {
      for (std::size_t draw = 0; draw < below.size(); ++draw) {
        const std::size_t round = Below(random, below.size());
        below.Draw(round);
        above.Draw(round);
      }
    } else {
      for (std::size_t draw = 0; draw < below.size(); ++draw) {
        below.Draw(Below(random, below.size()));
      }
      for (std::size_t draw = 0; draw < above.size(); ++draw) {
        above.Draw(Below(random, above.size()));
      }
    }
    const double denominator = below.Estimated(estimator);
    if (denominator <= 0) return {};
    ratios.push_back(above.Estimated(estimator) / denominator);
  }
  std::sort(ratios.begin(), ratios.end());
  return ratios;
}

std::optional<Interval> RatioInterval(Estimator estimator, std::span<const double> base,
                                      std::span<const double> candidate, Pairing pairing,
                                      double confidence) {
  PA_EXPECT(confidence > 0 && confidence < 1);
  const std::vector<double> ratios = BootstrapRatios(estimator, base, candidate, pairing);
  if (ratios.empty()) return std::nullopt;
  const double tail = (1 - confidence) / 2 * 100;
  return Interval{Percentile(ratios, tail), Percentile(ratios, 100 - tail)};
}

UTest MannWhitney(std::span<const double> a, std::span<const double> b) {
  PA_EXPECT(!a.empty() && !b.empty(), a.size(), b.size());
  std::vector<double> values(a.begin(), a.end());
  values.insert(values.end(), b.begin(), b.end());
  const std::vector<std::size_t> ranks = DoubledRanks(values);
  const auto sum_of = [&](std::size_t begin, std::size_t end) {
    std::size_t sum = 0;
    for (std::size_t i = begin; i < end; ++i) sum += ranks[i];
    return sum;
  };
  const std::size_t sum = sum_of(0, a.size());
  const auto n = static_cast<double>(a.size());
  const auto m = static_cast<double>(b.size());
  UTest test;
  test.u = static_cast<double>(sum) / 2 - n * (n + 1) / 2;
  test.exact = values.size() <= kExactUpTo;
  if (!test.exact) {
    test.p = ApproximateP(values, test.u, n, m);
  } else if (a.size() <= b.size()) {  // the smaller side costs less, and says the same
    test.p = ExactP(ranks, a.size(), sum);
  } else {
    test.p = ExactP(ranks, b.size(), sum_of(a.size(), values.size()));
  }
  return test;
}

double RandomizationP(std::span<const double> a, std::span<const double> b,
                      const SideDifference& difference) {
  PA_EXPECT(!a.empty() && a.size() == b.size(), a.size(), b.size());
  const double observed = difference(a, b);
  std::vector<double> here(a.size());
  std::vector<double> there(a.size());
  return Swaps(a.size()).P([&](const std::vector<bool>& swapped) {
    for (std::size_t i = 0; i < a.size(); ++i) {
      here[i] = swapped[i] ? b[i] : a[i];
      there[i] = swapped[i] ? a[i] : b[i];
    }
    return AsLarge(difference(here, there), observed);
  });
}

double RandomizationP(std::span<const double> base, std::span<const double> candidate,
                      Estimator estimator) {
  PA_EXPECT(!base.empty() && base.size() == candidate.size(), base.size(), candidate.size());
  std::vector<double> pool(base.begin(), base.end());
  pool.insert(pool.end(), candidate.begin(), candidate.end());
  ResampledSide below(pool);
  ResampledSide above(pool);
  const std::size_t n = base.size();
  // Sorted once: to look at the fastest quarter takes few steps then.
  const auto difference = [&](const std::vector<bool>& swapped) {
    below.Clear();
    above.Clear();
    for (std::size_t i = 0; i < n; ++i) {
      below.Draw(swapped[i] ? n + i : i);
      above.Draw(swapped[i] ? i : n + i);
    }
    const double denominator = below.Estimated(estimator);
    const double numerator = above.Estimated(estimator);
    return denominator > 0 && numerator > 0 ? std::abs(std::log(numerator / denominator)) : 0;
  };
  const double observed = difference(std::vector<bool>(n));
  if (observed == 0) return 1;
  return Swaps(n).P(
      [&](const std::vector<bool>& swapped) { return AsLarge(difference(swapped), observed); });
}

std::vector<double> HolmAdjusted(std::span<const double> p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  std::vector<double> adjusted(p.size());
  double highest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    highest = std::max(highest, static_cast<double>(p.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(1.0, highest);
  }
  return adjusted;
}

std::optional<Interval> MedianInterval(std::span<const double> values, double confidence) {
  PA_EXPECT(confidence > 0 && confidence < 1);
  const std::size_t n = values.size();
  if (n == 0) return std::nullopt;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  // [value k, value n + 1 - k] misses the median when fewer than k values lie on one side of it:
  // twice a binomial tail. The highest k whose tails together stay below 1 - confidence.
  const auto size = static_cast<double>(n);
  double tail = 0;
  std::size_t k = 0;
  while (2 * (k + 1) <= n) {
    const auto successes = static_cast<double>(k);
    tail += std::exp(std::lgamma(size + 1) - std::lgamma(successes + 1) -
                     std::lgamma(size - successes + 1) - size * std::log(2.0));
    if (2 * tail > 1 - confidence) break;
    ++k;
  }
  if (k == 0) return std::nullopt;
  return Interval{sorted[k - 1], sorted[n - k]};
}

double GeometricMean(std::span<const double> values) {
  PA_EXPECT(!values.empty());
  double logs = 0;
  for (const double value : values) {
    PA_EXPECT(value > 0);
    logs += std::log(value);
  }
  return std::exp(logs / static_cast<double>(values.size()));
}

}  // namespace pagealloc::bench
