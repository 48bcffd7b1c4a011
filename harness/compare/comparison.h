/// comparison.h: two results files, row by row, as plain data. Standard library only.
///
/// Rows are matched by suite, workload, params, allocator, layout, heap_bytes, seed, op, metric
/// and, for percentiles, stat. The values of a row are those of its repetitions; a file that has
/// only rows over all repetitions gives one. Metrics with better = info are no part of a
/// comparison.
///
///   ResultsFile --+                      +--> Comparison --> render_comparison.h
///                 +--> Compare(options) -+
///   ResultsFile --+                      +--> GateOf() --> exit status
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/compare/decision.h"
#include "harness/report/results_csv.h"
#include "harness/report/run_report.h"

namespace pagealloc::bench {

/// Default thresholds in percent, by metric: 0 for work counters, 1 for instructions and
/// metadata_bytes, 2 for times and rates, 10 for percentiles, memory and faults.
double DefaultThreshold(std::string_view metric);

/// Exact metrics: what two files that were recorded apart are gated on.
std::set<std::string> ExactMetrics();

struct CompareOptions {
  std::map<std::string, double> thresholds;  ///< in percent, by metric; others have the default
  /// Which metrics may fail the build.
  std::set<std::string> gate = ExactMetrics();
  /// Repetition i of both files is of one round.
  Pairing pairing = Pairing::kNone;
  /// A change counts below this adjusted p: smaller where data are looked at several times.
  double alpha = kAlpha;
};

struct ComparedRow {
  CellColumns cell;  ///< the base's, or the candidate's where the base has none
  std::string op, metric, stat, unit, better;
  Verdict verdict = Verdict::kUnclear;
  bool gated = false;
  double threshold = 0;  ///< a share: 0.02 is 2 %
  std::optional<double> base;
  std::optional<double> candidate;
  std::size_t base_n = 0;  ///< repetitions behind it
  std::size_t candidate_n = 0;
  std::optional<double> ratio;  ///< candidate / base
  std::optional<Interval> interval;
  std::optional<double> p;           ///< of the test (decision.h)
  std::optional<double> adjusted_p;  ///< Holm's, over the rows of its family
  /// Of the rounds' own ratios, in paired comparisons: the median and its interval.
  std::optional<double> round_ratio;
  std::optional<Interval> round_interval;
  std::string note;  ///< why it is incomparable or has no ratio; empty otherwise
};

/// Over the rows of one metric (and percentile) that both sides have.
struct GeometricMeanRow {
  std::string metric, stat;
  std::size_t rows = 0;
  double ratio = 1;
};

struct Comparison {
  std::string base_name;
  std::string candidate_name;
  std::vector<ComparedRow> rows;  ///< worst first: see SortRows()
  std::vector<GeometricMeanRow> geometric_means;
  std::size_t in_common = 0;                    ///< rows that both sides have and that compare
  std::array<std::size_t, kVerdicts> counts{};  ///< rows by verdict
  /// Cells whose result hashes differ although their operations do not: placements changed.
  std::vector<std::string> changed_behaviour;
  std::vector<std::string> warnings;  ///< sentences: environments that differ, too few repetitions
  bool timing_is_gated = false;
};

/// A side of a comparison. The file outlives the call.
struct Side {
  std::string name;  ///< for people: a file, a commit, an allocator
  const ResultsFile* file = nullptr;
};

/// @cost  about 1 ms a row of times with 20 repetitions.
Comparison Compare(const Side& base, const Side& candidate, const CompareOptions& options);

/// Worst first: by verdict, then gated rows before others, then by the size of the change.
void SortRows(std::vector<ComparedRow>& rows);

/// How a comparison ends, by the table of exit codes.
enum class Gate : std::uint8_t {
  kPassed,
  kUnclear,        ///< gated rows are unclear, and that counts
  kFailed,         ///< a gated row has a verdict that counts
  kNotComparable,  ///< nothing in common, or changed behaviour that was not allowed
};

struct GateOptions {
  /// Verdicts of gated rows that count.
  std::set<Verdict> fail_on{Verdict::kRegressed, Verdict::kMissing};
  bool allow_behaviour_change = false;
};

Gate GateOf(const Comparison& comparison, const GateOptions& options);

}  // namespace pagealloc::bench
