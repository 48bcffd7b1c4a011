#include "harness/compare/matched_rows.h"

#include <map>
#include <string_view>
#include <tuple>

#include "harness/report/run_report.h"

namespace pagealloc::bench {
namespace {

// What a cell's rows have in common. The stream hash is not among it: rows whose operations differ
// are matched, and told to be incomparable.
using CellKey = std::tuple<std::string, std::string, std::string, std::string, std::string,
                           std::optional<std::uint64_t>, std::optional<std::uint64_t>>;
using MetricKey = std::tuple<CellKey, std::string, std::string>;
using RowKey = std::pair<MetricKey, std::string>;

MetricKey MetricKeyOf(const ResultRow& row) {
  const CellColumns& cell = row.cell;
  return {{cell.suite, cell.workload, cell.params, cell.allocator, cell.layout, cell.heap_bytes,
           cell.seed},
          row.op,
          row.metric};
}

/// The stat names a number only where a metric has several.
std::string PercentileOf(const ResultRow& row) {
  const MetricInfo* const info = FindMetric(row.metric);
  return info == nullptr || info->aggregate == Aggregate::kPooled ? row.stat : "";
}

bool Counts(const ResultRow& row) {
  return row.value && row.status != RowStatus::kSkipped && row.better != "info";
}

void Collect(const ResultsFile& file, MatchedRow::Values MatchedRow::*side,
             std::vector<MatchedRow>& rows, std::map<RowKey, std::size_t>& places) {
  std::set<MetricKey> has_repetitions;
  for (const ResultsFile::Row& row : file.rows) {
    if (row.result.rep && Counts(row.result)) has_repetitions.insert(MetricKeyOf(row.result));
  }
  for (const ResultsFile::Row& line : file.rows) {
    const ResultRow& row = line.result;
    if (!Counts(row)) continue;
    const MetricKey key = MetricKeyOf(row);
    if (!row.rep && has_repetitions.contains(key)) continue;
    const std::string percentile = PercentileOf(row);
    const auto [place, is_new] = places.emplace(RowKey{key, percentile}, rows.size());
    if (is_new) {
      MatchedRow& fresh = rows.emplace_back();
      fresh.op = row.op;
      fresh.metric = row.metric;
      fresh.percentile = percentile;
    }
    MatchedRow::Values& values = rows[place->second].*side;
    if (!values.any()) {
      values.cell = row.cell;
      values.unit = row.unit;
      values.better = row.better;
    }
    values.by_rep.emplace_back(row.rep, *row.value);
    values.stream_hashes.insert(row.cell.stream_hash);
    if (!row.result_hash.empty()) values.result_hashes.insert(row.result_hash);
  }
}

/// Values of repetitions that occur once.
std::map<std::uint64_t, double> Rounds(const MatchedRow::Values& values) {
  std::map<std::uint64_t, double> rounds;
  std::set<std::uint64_t> twice;
  for (const auto& [rep, value] : values.by_rep) {
    if (rep && !rounds.emplace(*rep, value).second) twice.insert(*rep);
  }
  for (const std::uint64_t rep : twice) rounds.erase(rep);
  return rounds;
}

}  // namespace

std::vector<MatchedRow> MatchRows(const ResultsFile& base, const ResultsFile& candidate) {
  std::vector<MatchedRow> rows;
  std::map<RowKey, std::size_t> places;
  Collect(base, &MatchedRow::base, rows, places);
  Collect(candidate, &MatchedRow::candidate, rows, places);
  return rows;
}

Samples SamplesOf(const MatchedRow& row, Pairing pairing) {
  Samples samples;
  if (pairing == Pairing::kRounds) {
    const std::map<std::uint64_t, double> here = Rounds(row.base);
    const std::map<std::uint64_t, double> there = Rounds(row.candidate);
    for (const auto& [rep, value] : here) {
      const auto match = there.find(rep);
      if (match == there.end()) continue;
      samples.base.push_back(value);
      samples.candidate.push_back(match->second);
    }
    samples.pairing = Pairing::kRounds;
    if (samples.base.size() >= kLeastRepetitions) return samples;
    samples = Samples{};
  }
  for (const auto& [rep, value] : row.base.by_rep) samples.base.push_back(value);
  for (const auto& [rep, value] : row.candidate.by_rep) samples.candidate.push_back(value);
  return samples;
}

}  // namespace pagealloc::bench
