#include "harness/page/page_data.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "harness/report/run_report.h"

namespace pagealloc::bench {

const ResultRow* PageCell::OfFile::Aggregate(std::string_view op, std::string_view metric,
                                             std::string_view percentile) const {
  for (const ResultRow* row : aggregates) {
    if (row->op == op && row->metric == metric &&
        PercentileOf(row->metric, row->stat) == percentile) {
      return row;
    }
  }
  return nullptr;
}

std::string KeyOf(const CellColumns& columns) {
  const auto number = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : std::string();
  };
  std::string key;
  for (const std::string& part :
       {columns.suite, columns.workload, columns.params, columns.allocator, columns.layout,
        number(columns.heap_bytes), number(columns.seed)}) {
    key.append(part).push_back('\0');
  }
  return key;
}

std::string TitleOf(const CellColumns& columns) {
  constexpr std::string_view kDot = " \xc2\xb7 ";
  std::string title = columns.workload;
  if (!columns.params.empty()) title.append(" ").append(columns.params);
  std::replace(title.begin(), title.end(), ';', ' ');
  return title.append(kDot).append(columns.allocator).append(kDot).append(columns.layout);
}

std::string PercentileOf(const std::string& metric, const std::string& stat) {
  const MetricInfo* const info = FindMetric(metric);
  return info != nullptr && info->aggregate == Aggregate::kPooled ? stat : "";
}

std::vector<PageCell> CellsOf(std::span<const PageFile> files) {
  std::vector<PageCell> cells;
  std::map<std::string, std::size_t> by_key;
  // Those over all repetitions stand in the order of the table, repetitions in that of execution.
  const auto add = [&](std::size_t i, bool repetitions) {
    for (const ResultsFile::Row& row : files[i].results.rows) {
      const ResultRow& result = row.result;
      if (result.rep.has_value() != repetitions) continue;
      std::string key = KeyOf(result.cell);
      const auto [known, is_new] = by_key.emplace(key, cells.size());
      if (is_new) {
        cells.push_back({result.cell, std::move(key), std::vector<PageCell::OfFile>(files.size())});
      }
      PageCell::OfFile& of_file = cells[known->second].files[i];
      if (!result.value) continue;
      (repetitions ? of_file.repetitions : of_file.aggregates).push_back(&result);
    }
  };
  for (const bool repetitions : {false, true}) {
    for (std::size_t i = 0; i < files.size(); ++i) add(i, repetitions);
  }
  for (PageCell& cell : cells) {
    for (PageCell::OfFile& of_file : cell.files) {
      std::stable_sort(of_file.repetitions.begin(), of_file.repetitions.end(),
                       [](const ResultRow* a, const ResultRow* b) { return a->seq < b->seq; });
    }
  }
  return cells;
}

std::vector<RowName> RowsOf(const PageCell& cell) {
  std::vector<RowName> names;
  for (const PageCell::OfFile& of_file : cell.files) {
    for (const ResultRow* row : of_file.aggregates) {
      RowName name{row->op, row->metric, PercentileOf(row->metric, row->stat)};
      if (std::find(names.begin(), names.end(), name) == names.end()) {
        names.push_back(std::move(name));
      }
    }
  }
  return names;
}

}  // namespace pagealloc::bench
