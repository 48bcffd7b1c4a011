#include "harness/compare/row_selection.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "harness/base/glob.h"
#include "harness/base/nearest_name.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// A text between separators, and what is behind it.
std::string_view Next(std::string_view& rest, char separator) {
  const std::size_t end = std::min(rest.find(separator), rest.size());
  const std::string_view part = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return part;
}

struct SplitColumn {
  std::string_view name;
  std::string RunColumns::*of_run = nullptr;
  std::string CellColumns::*of_cell = nullptr;
};
constexpr std::array kSplitColumns{
    SplitColumn{"allocator", nullptr, &CellColumns::allocator},
    SplitColumn{"layout", nullptr, &CellColumns::layout},
    SplitColumn{"commit", &RunColumns::commit},
    SplitColumn{"label", &RunColumns::label},
    SplitColumn{"build", &RunColumns::build},
    SplitColumn{"run_id", &RunColumns::run_id},
    SplitColumn{"env_id", &RunColumns::env_id},
    SplitColumn{"cpu", &RunColumns::cpu},
    SplitColumn{"tool_version", &RunColumns::tool_version},
};
/// Drops the runs of which no row is left: warnings are about those that count.
void KeepUsedRuns(ResultsFile& file) {
  std::vector<RunColumns> runs;
  std::vector<std::optional<std::size_t>> place(file.runs.size());
  for (ResultsFile::Row& row : file.rows) {
    if (!place[row.run]) {
      place[row.run] = runs.size();
      runs.push_back(file.runs[row.run]);
    }
    row.run = *place[row.run];
  }
  file.runs = std::move(runs);
}

constexpr auto kSplitNames = [] {
  std::array<std::string_view, kSplitColumns.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kSplitColumns[i].name;
  return names;
}();

}  // namespace

OrProblem<RowFilter> RowFilter::Parse(std::string_view text) {
  std::vector<std::string_view> names;
  for (const ResultColumn& column : ResultColumns()) names.push_back(column.name);
  RowFilter filter;
  std::string_view rest = text;
  do {
    std::string_view values = Next(rest, ';');
    const std::string_view condition = values;
    const std::string_view name = Next(values, '=');
    if (name.size() == condition.size() || name.empty()) {
      std::string sentence = "'";
      sentence.append(condition).append("' is not of the form COLUMN=VALUE[,VALUE].");
      return Problem{std::move(sentence)};
    }
    const auto column = std::find(names.begin(), names.end(), name);
    if (column == names.end()) {
      return Problem{UnknownName("column", names, name, "results/README.md describes them")};
    }
    std::vector<std::string> patterns;
    do {
      patterns.emplace_back(Next(values, ','));
    } while (!values.empty());
    filter.conditions_.push_back(
        {static_cast<std::size_t>(column - names.begin()), std::move(patterns)});
  } while (!rest.empty());
  return filter;
}

void RowFilter::Apply(ResultsFile& file) const {
  std::erase_if(file.rows, [&](const ResultsFile::Row& row) {
    const std::vector<std::string> cells = ResultCells(file.runs[row.run], row.result);
    return !std::all_of(conditions_.begin(), conditions_.end(), [&](const Condition& condition) {
      return std::any_of(condition.patterns.begin(), condition.patterns.end(),
                         [&](const std::string& pattern) {
                           return MatchesGlob(pattern, cells[condition.column]);
                         });
    });
  });
  KeepUsedRuns(file);
}

std::span<const std::string_view> SplitColumns() { return kSplitNames; }

bool IsSubject(std::string_view column) { return column == "allocator" || column == "layout"; }

std::vector<FilePart> SplitBy(const ResultsFile& file, std::string_view column) {
  const auto* const found =
      std::find_if(kSplitColumns.begin(), kSplitColumns.end(),
                   [column](const SplitColumn& known) { return known.name == column; });
  PA_EXPECT(found != kSplitColumns.end());
  std::vector<FilePart> parts;
  for (const ResultsFile::Row& row : file.rows) {
    const std::string& value = found->of_run != nullptr ? file.runs[row.run].*found->of_run
                                                        : row.result.cell.*found->of_cell;
    auto part = std::find_if(parts.begin(), parts.end(),
                             [&](const FilePart& known) { return known.value == value; });
    if (part == parts.end()) {
      parts.push_back({value, {file.runs, {}}});
      part = parts.end() - 1;
    }
    part->file.rows.push_back(row);
    if (found->of_cell != nullptr) (part->file.rows.back().result.cell.*found->of_cell).clear();
  }
  for (FilePart& part : parts) KeepUsedRuns(part.file);
  return parts;
}

void SpreadOverLayouts(const ResultsFile& base, ResultsFile& file) {
  const auto key = [](CellColumns cell) {
    cell.allocator.clear();
    cell.layout.clear();
    cell.heap_bytes.reset();
    return cell;
  };
  const auto less = [](const CellColumns& a, const CellColumns& b) {
    return std::tie(a.suite, a.workload, a.params, a.stream_hash, a.seed) <
           std::tie(b.suite, b.workload, b.params, b.stream_hash, b.seed);
  };
  std::map<CellColumns, std::set<std::pair<std::string, std::optional<std::uint64_t>>>,
           decltype(less)>
      places(less);
  for (const ResultsFile::Row& row : base.rows) {
    const CellColumns& cell = row.result.cell;
    places[key(cell)].emplace(cell.layout, cell.heap_bytes);
  }
  std::vector<ResultsFile::Row> rows;
  for (ResultsFile::Row& row : file.rows) {
    const auto found = places.find(key(row.result.cell));
    if (row.result.cell.layout != kNoLayout || found == places.end()) {
      rows.push_back(std::move(row));
      continue;
    }
    for (const auto& [layout, heap_bytes] : found->second) {
      ResultsFile::Row copy = row;
      copy.result.cell.layout = layout;
      copy.result.cell.heap_bytes = heap_bytes;
      rows.push_back(std::move(copy));
    }
  }
  file.rows = std::move(rows);
}

}  // namespace pagealloc::bench
