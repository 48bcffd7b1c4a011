#include "harness/compare/decision.h"

#include <algorithm>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

Verdict DecideExact(const Evidence& evidence, const Rule& rule) {
  const double rise = evidence.candidate - evidence.base;
  if (rise == 0) return Verdict::kSame;
  const double tolerated = rule.threshold * evidence.base;
  if (rise > tolerated) return Verdict::kRegressed;
  return -rise > tolerated ? Verdict::kImproved : Verdict::kExactChanged;
}

}  // namespace

std::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kRegressed:
      return "regressed";
    case Verdict::kMissing:
      return "missing";
    case Verdict::kIncomparable:
      return "incomparable";
    case Verdict::kUnclear:
      return "unclear";
    case Verdict::kExactChanged:
      return "exact-changed";
    case Verdict::kImproved:
      return "improved";
    case Verdict::kAdded:
      return "added";
    case Verdict::kSame:
      break;
  }
  return "same";
}

Evidence Weigh(const Samples& samples, const Rule& rule) {
  PA_EXPECT(!samples.base.empty() && !samples.candidate.empty());
  Evidence evidence;
  evidence.base = Estimate(rule.estimator, samples.base);
  evidence.candidate = Estimate(rule.estimator, samples.candidate);
  if (evidence.base > 0) {
    evidence.ratio = evidence.candidate / evidence.base;
  } else if (evidence.base == evidence.candidate) {
    evidence.ratio = 1;
  }
  if (rule.better == Better::kExact ||
      std::min(samples.base.size(), samples.candidate.size()) < kLeastRepetitions) {
    return evidence;
  }
  evidence.interval =
      RatioInterval(rule.estimator, samples.base, samples.candidate, samples.pairing, kConfidence);
  if (samples.pairing == Pairing::kRounds) {
    evidence.p = RandomizationP(samples.base, samples.candidate, rule.estimator);
    evidence.candidate_is_higher = evidence.candidate > evidence.base;
  } else {
    const UTest test = MannWhitney(samples.candidate, samples.base);
    const auto pairs = static_cast<double>(samples.base.size() * samples.candidate.size());
    evidence.p = test.p;
    evidence.candidate_is_higher = test.u > pairs / 2;
  }
  return evidence;
}

Verdict Decide(const Evidence& evidence, const Rule& rule, double adjusted_p, double alpha) {
  if (rule.better == Better::kExact) return DecideExact(evidence, rule);
  if (!evidence.ratio || !evidence.interval) return Verdict::kUnclear;
  const double most = 1 + rule.threshold;
  const Interval& interval = *evidence.interval;
  const bool test_agrees = evidence.p && adjusted_p < alpha;
  if (*evidence.ratio > most && interval.low > 1 && test_agrees && evidence.candidate_is_higher) {
    return rule.better == Better::kHigher ? Verdict::kImproved : Verdict::kRegressed;
  }
  if (*evidence.ratio < 1 / most && interval.high < 1 && test_agrees &&
      !evidence.candidate_is_higher) {
    return rule.better == Better::kHigher ? Verdict::kRegressed : Verdict::kImproved;
  }
  if (interval.low >= 1 / most && interval.high <= most) return Verdict::kSame;
  return Verdict::kUnclear;
}

}  // namespace pagealloc::bench
