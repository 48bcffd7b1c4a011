/// decision.h: from the values of two sides to a verdict. Standard library only.
///
/// A time or rate has regressed when all three agree, and improved likewise the other way:
///
///   1. the ratio of the estimates (mean of the fastest quarter) lies beyond the threshold,
///   2. its bootstrap interval excludes 1,
///   3. the test, adjusted for the number of rows judged together, is below alpha: the U-test, or
///      where values come in rounds the randomization test of the estimates.
///
/// It is the same when the interval lies inside the threshold, and unclear otherwise. A p-value
/// alone is no gate: what disturbs a machine lasts longer than a repetition, so that repetitions
/// are not independent, and a U-test alone fires too often. README.md has the simulation behind
/// the default numbers.
///
///     0.98        1        1.02                       interval of new / base
///       |  same [--+--]      |
///       |  unclear    [------|---]
///       |                    |   regressed [----+----]     if the test agrees
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "harness/compare/inference.h"

namespace pagealloc::bench {

/// Worst first, as tables are sorted.
enum class Verdict : std::uint8_t {
  kRegressed,
  kMissing,       ///< in the base only
  kIncomparable,  ///< the operations differ
  kUnclear,
  kExactChanged,  ///< a number that should not change did, by no more than the threshold
  kImproved,
  kAdded,  ///< in the candidate only
  kSame,
};
inline constexpr std::size_t kVerdicts = 8;
/// "regressed", "exact-changed", ...: a contract of every output.
std::string_view VerdictName(Verdict verdict);

enum class Better : std::uint8_t { kLower, kHigher, kExact };

/// A row's adjusted p must lie below this.
inline constexpr double kAlpha = 0.05;
/// Of bootstrap intervals.
inline constexpr double kConfidence = 0.99;
/// With fewer repetitions on either side a time is always unclear.
inline constexpr std::size_t kLeastRepetitions = 5;

/// How a row is judged.
struct Rule {
  Better better = Better::kLower;
  Estimator estimator = Estimator::kFastestQuarter;
  double threshold = 0.02;  ///< as a share of the base: 0.02 is 2 %
};

/// The values of both sides, at least one each; with kRounds value i of both is of one round.
struct Samples {
  std::vector<double> base;
  std::vector<double> candidate;
  Pairing pairing = Pairing::kNone;
};

/// What the values say.
struct Evidence {
  double base = 0;              ///< the estimate
  double candidate = 0;         ///< the estimate
  std::optional<double> ratio;  ///< candidate / base; none where base is 0 and candidate is not
  // For times and rates with kLeastRepetitions on both sides:
  std::optional<Interval> interval;  ///< of the ratio
  std::optional<double> p;           ///< of the test alone
  bool candidate_is_higher = false;
};

Evidence Weigh(const Samples& samples, const Rule& rule);

/// @param adjusted_p  of Evidence::p; unused where that is empty.
/// @param alpha       see kAlpha.
Verdict Decide(const Evidence& evidence, const Rule& rule, double adjusted_p,
               double alpha = kAlpha);

}  // namespace pagealloc::bench
