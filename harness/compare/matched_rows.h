/// matched_rows.h: which rows of two results files are about the same thing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/compare/decision.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// All repetitions of one cell, op, metric and, for percentiles, stat, on both sides.
struct MatchedRow {
  struct Values {
    CellColumns cell;
    std::string unit, better;
    std::vector<std::pair<std::optional<std::uint64_t>, double>> by_rep;
    std::set<std::string> stream_hashes;
    std::set<std::string> result_hashes;  ///< without the empty one

    [[nodiscard]] bool any() const { return !by_rep.empty(); }
  };

  std::string op, metric;
  std::string percentile;  ///< "p99", "max"; empty where a metric has one number a repetition
  Values base;
  Values candidate;
};

/// In the order of first appearance, the base's first. Rows of better = info, without a value, and
/// rows over all repetitions where there are rows of repetitions too, are left out.
std::vector<MatchedRow> MatchRows(const ResultsFile& base, const ResultsFile& candidate);

/// The values of both sides. With kRounds those repetitions that both sides have once, in order;
/// with fewer than kLeastRepetitions of these, or rows that have no repetition, everything
/// unpaired.
Samples SamplesOf(const MatchedRow& row, Pairing pairing);

}  // namespace pagealloc::bench
