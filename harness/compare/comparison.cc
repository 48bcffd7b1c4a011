#include "harness/compare/comparison.h"

#include <algorithm>
#include <cmath>
#include <tuple>
#include <utility>

#include "harness/compare/matched_rows.h"

namespace pagealloc::bench {
namespace {

struct Default {
  std::string_view metric;
  double percent;
};
// The README says where the 2 comes from.
constexpr std::array kDefaults{Default{"instructions", 1},    Default{"metadata_bytes", 1},
                               Default{"words_scanned", 0},   Default{"summary_visits", 0},
                               Default{"summary_updates", 0}, Default{"batch_ns", 2},
                               Default{"ops_per_s", 2}};
constexpr double kOtherDefault = 10;

Better BetterOf(const std::string& word) {
  if (word == "exact") return Better::kExact;
  return word == "higher" ? Better::kHigher : Better::kLower;
}

Estimator EstimatorOf(const std::string& metric, Better better) {
  if (better == Better::kExact) return Estimator::kHighest;
  const MetricInfo* const info = FindMetric(metric);
  if (info == nullptr || info->aggregate == Aggregate::kMedian) return Estimator::kMedian;
  return better == Better::kHigher ? Estimator::kHighestQuarter : Estimator::kFastestQuarter;
}

/// The stat of a compared row: what the estimator makes of the repetitions.
std::string StatOf(const std::string& percentile, Estimator estimator) {
  if (!percentile.empty()) return percentile;
  switch (estimator) {
    case Estimator::kFastestQuarter:
    case Estimator::kHighestQuarter:
      return "fastest_quarter";
    case Estimator::kMedian:
      return "median";
    case Estimator::kHighest:
      break;
  }
  return "value";
}

std::string CellName(const CellColumns& cell) {
  std::string name = cell.workload;
  for (const std::string* part : {&cell.params, &cell.allocator, &cell.layout}) {
    if (!part->empty()) name.append(" ").append(*part);
  }
  return name;
}

void AddRoundRatios(const Samples& samples, ComparedRow& row) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < samples.base.size(); ++i) {
    if (samples.base[i] > 0) ratios.push_back(samples.candidate[i] / samples.base[i]);
  }
  if (ratios.empty()) return;
  row.round_ratio = Estimate(Estimator::kMedian, ratios);
  row.round_interval = MedianInterval(ratios, kConfidence);
}

/// One row under judgement: Holm's adjustment needs all rows before any has a verdict.
struct Judged {
  ComparedRow row;
  Rule rule;
  std::optional<Evidence> evidence;
};

Judged Judge(const MatchedRow& match, const CompareOptions& options) {
  Judged judged;
  ComparedRow& row = judged.row;
  const MatchedRow::Values& known = match.base.any() ? match.base : match.candidate;
  row.cell = known.cell;
  row.op = match.op;
  row.metric = match.metric;
  row.unit = known.unit;
  row.better = known.better;
  row.gated = options.gate.contains(match.metric);
  const auto threshold = options.thresholds.find(match.metric);
  row.threshold =
      (threshold != options.thresholds.end() ? threshold->second : DefaultThreshold(match.metric)) /
      100;
  judged.rule.better = BetterOf(row.better);
  judged.rule.estimator = EstimatorOf(row.metric, judged.rule.better);
  judged.rule.threshold = row.threshold;
  row.stat = StatOf(match.percentile, judged.rule.estimator);
  Samples samples = SamplesOf(match, options.pairing);
  row.base_n = samples.base.size();
  row.candidate_n = samples.candidate.size();
  if (!samples.base.empty()) row.base = Estimate(judged.rule.estimator, samples.base);
  if (!samples.candidate.empty()) {
    row.candidate = Estimate(judged.rule.estimator, samples.candidate);
  }
  if (samples.base.empty() || samples.candidate.empty()) {
    row.verdict = samples.candidate.empty() ? Verdict::kMissing : Verdict::kAdded;
    // Whether a kind of operation has a time of its own hangs on its warm-up: see
    // harness/README.md.
    if (options.pairing == Pairing::kRounds && judged.rule.better != Better::kExact &&
        row.base_n + row.candidate_n < kLeastRepetitions) {
      row.verdict = Verdict::kUnclear;
      row.note = "measured in a few rounds of one side only";
    }
    return judged;
  }
  if (match.base.stream_hashes != match.candidate.stream_hashes ||
      match.base.stream_hashes.size() > 1) {
    row.verdict = Verdict::kIncomparable;
    row.note = "the operations differ (stream_hash)";
    return judged;
  }
  if (match.base.unit != match.candidate.unit || match.base.better != match.candidate.better) {
    row.verdict = Verdict::kIncomparable;
    row.note = "the units differ";
    return judged;
  }
  judged.evidence = Weigh(samples, judged.rule);
  row.ratio = judged.evidence->ratio;
  row.interval = judged.evidence->interval;
  row.p = judged.evidence->p;
  if (!row.ratio) row.note = "the base is 0";
  if (samples.pairing == Pairing::kRounds) AddRoundRatios(samples, row);
  return judged;
}

/// Rows that are gated are one family; of the others, those of each metric and percentile.
void DecideAll(std::vector<Judged>& all, const CompareOptions& options) {
  std::map<std::pair<std::string, std::string>, std::vector<Judged*>> families;
  for (Judged& judged : all) {
    if (!judged.evidence || !judged.evidence->p) continue;
    families[judged.row.gated ? std::pair<std::string, std::string>{}
                              : std::pair{judged.row.metric, judged.row.stat}]
        .push_back(&judged);
  }
  for (auto& [name, family] : families) {
    std::vector<double> p;
    p.reserve(family.size());
    for (const Judged* judged : family) p.push_back(*judged->evidence->p);
    const std::vector<double> adjusted = HolmAdjusted(p);
    for (std::size_t i = 0; i < family.size(); ++i) family[i]->row.adjusted_p = adjusted[i];
  }
  for (Judged& judged : all) {
    if (!judged.evidence) continue;
    judged.row.verdict =
        Decide(*judged.evidence, judged.rule, judged.row.adjusted_p.value_or(1), options.alpha);
  }
}

/// For the order of rows: how far from 1 a ratio is, whichever the direction.
double SizeOfChange(const ComparedRow& row) {
  if (!row.ratio || *row.ratio <= 0) return row.base == row.candidate ? 0 : 1e9;
  return std::abs(std::log(*row.ratio));
}

std::vector<GeometricMeanRow> GeometricMeans(const std::vector<ComparedRow>& rows) {
  std::map<std::pair<std::string, std::string>, std::vector<double>> ratios;
  for (const ComparedRow& row : rows) {
    if (row.ratio && *row.ratio > 0) ratios[{row.metric, row.stat}].push_back(*row.ratio);
  }
  std::vector<GeometricMeanRow> means;
  means.reserve(ratios.size());
  for (const auto& [name, values] : ratios) {
    means.push_back({name.first, name.second, values.size(), GeometricMean(values)});
  }
  return means;
}

/// The values of one column over all runs of a file, as a list.
std::string ValuesOf(const ResultsFile& file, std::string RunColumns::*column) {
  std::set<std::string> values;
  for (const RunColumns& run : file.runs) values.insert(run.*column);
  std::string list;
  for (const std::string& value : values) {
    if (!list.empty()) list += ", ";
    list += value.empty() ? "(unknown)" : value;
  }
  return list;
}

void WarnOfEnvironments(const Side& base, const Side& candidate, Comparison& comparison) {
  const auto differ = [&](std::string RunColumns::*column, std::string_view what) {
    const std::string here = ValuesOf(*base.file, column);
    const std::string there = ValuesOf(*candidate.file, column);
    if (here == there) return false;
    comparison.warnings.push_back(std::string(what) + " differs: " + here + " in " + base.name +
                                  ", " + there + " in " + candidate.name +
                                  ". Times need not be comparable.");
    return true;
  };
  const bool other_cpu = differ(&RunColumns::cpu, "the CPU");
  const bool other_build = differ(&RunColumns::build, "the build");
  if (!other_cpu && !other_build) {
    differ(&RunColumns::env_id, "the environment (kernel, machine, compiler or flags)");
  }
}

/// With few repetitions and many rows not even the clearest difference reaches alpha.
void WarnOfTooFewRepetitions(const std::vector<ComparedRow>& rows, const CompareOptions& options,
                             Comparison& comparison) {
  std::size_t family = 0;
  std::size_t least = 0;
  for (const ComparedRow& row : rows) {
    if (row.metric != "batch_ns" || !row.base || !row.candidate) continue;
    const std::size_t n = std::min(row.base_n, row.candidate_n);
    least = family == 0 ? n : std::min(least, n);
    ++family;
  }
  const auto smallest_p = [&](std::size_t n) {  // all values of one side above all of the other
    double ways = 1;
    for (std::size_t i = 1; i <= n; ++i) {
      ways *= static_cast<double>(n + i) / static_cast<double>(i);
    }
    return 2 / ways * static_cast<double>(family);
  };
  if (family == 0 || (least >= kLeastRepetitions && smallest_p(least) < options.alpha)) return;
  std::size_t enough = kLeastRepetitions;
  while (smallest_p(enough) >= options.alpha) ++enough;
  comparison.warnings.push_back("there are rows with only " + std::to_string(least) +
                                (least == 1 ? " repetition" : " repetitions") + ": over " +
                                std::to_string(family) + (family == 1 ? " row" : " rows") +
                                " no difference in times can be told from chance with fewer than " +
                                std::to_string(enough) + ".");
}

void FindChangedBehaviour(const std::vector<MatchedRow>& matches, Comparison& comparison) {
  std::set<std::string> seen;
  for (const MatchedRow& match : matches) {
    if (!match.base.any() || !match.candidate.any()) continue;
    if (match.base.stream_hashes != match.candidate.stream_hashes) continue;
    const std::set<std::string>& here = match.base.result_hashes;
    const std::set<std::string>& there = match.candidate.result_hashes;
    if (here.empty() || there.empty() || here == there) continue;
    std::string name = CellName(match.base.cell);
    if (seen.insert(name).second) comparison.changed_behaviour.push_back(std::move(name));
  }
}

}  // namespace

double DefaultThreshold(std::string_view metric) {
  for (const Default& known : kDefaults) {
    if (known.metric == metric) return known.percent;
  }
  const MetricInfo* const info = FindMetric(metric);
  return info != nullptr && info->aggregate == Aggregate::kExact ? 0 : kOtherDefault;
}

std::set<std::string> ExactMetrics() {
  std::set<std::string> names;
  for (const MetricInfo& metric : AllMetrics()) {
    if (metric.better == "exact") names.emplace(metric.name);
  }
  return names;
}

void SortRows(std::vector<ComparedRow>& rows) {
  std::stable_sort(rows.begin(), rows.end(), [](const ComparedRow& a, const ComparedRow& b) {
    return std::tuple(a.verdict, !a.gated, -SizeOfChange(a)) <
           std::tuple(b.verdict, !b.gated, -SizeOfChange(b));
  });
}

Comparison Compare(const Side& base, const Side& candidate, const CompareOptions& options) {
  Comparison comparison;
  comparison.base_name = base.name;
  comparison.candidate_name = candidate.name;
  const std::vector<MatchedRow> matches = MatchRows(*base.file, *candidate.file);
  std::vector<Judged> all;
  all.reserve(matches.size());
  for (const MatchedRow& match : matches) all.push_back(Judge(match, options));
  DecideAll(all, options);
  for (Judged& judged : all) {
    if (judged.evidence) ++comparison.in_common;
    ++comparison.counts[static_cast<std::size_t>(judged.row.verdict)];
    if (judged.row.gated && judged.row.better != "exact") comparison.timing_is_gated = true;
    comparison.rows.push_back(std::move(judged.row));
  }
  SortRows(comparison.rows);
  comparison.geometric_means = GeometricMeans(comparison.rows);
  FindChangedBehaviour(matches, comparison);
  WarnOfEnvironments(base, candidate, comparison);
  WarnOfTooFewRepetitions(comparison.rows, options, comparison);
  return comparison;
}

Gate GateOf(const Comparison& comparison, const GateOptions& options) {
  if (comparison.in_common == 0) return Gate::kNotComparable;
  if (!comparison.changed_behaviour.empty() && !options.allow_behaviour_change) {
    return Gate::kNotComparable;
  }
  bool unclear = false;
  for (const ComparedRow& row : comparison.rows) {
    if (!row.gated || !options.fail_on.contains(row.verdict)) continue;
    if (row.verdict != Verdict::kUnclear) return Gate::kFailed;
    unclear = true;
  }
  return unclear ? Gate::kUnclear : Gate::kPassed;
}

}  // namespace pagealloc::bench
