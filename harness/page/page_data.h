/// page_data.h: the rows of several results files, put together by what they are about.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// One results file of a page.
struct PageFile {
  std::string name;
  ResultsFile results;
  std::string environment;  ///< NAME.env.json; empty: there is none
};

/// What files say about one program on one allocator and layout. Pointers into the files' rows.
struct PageCell {
  struct OfFile {
    std::vector<const ResultRow*> aggregates;   ///< rows over all repetitions
    std::vector<const ResultRow*> repetitions;  ///< by seq

    [[nodiscard]] const ResultRow* Aggregate(std::string_view op, std::string_view metric,
                                             std::string_view percentile = "") const;
  };
  CellColumns columns;  ///< of the first file that has it
  std::string key;      ///< equal for equal cells of different files
  std::vector<OfFile> files;
};

/// Equal for cells that are about the same thing, in whichever file.
std::string KeyOf(const CellColumns& columns);
/// "churn occupancy=50 | radix | linux-386", with middle dots.
std::string TitleOf(const CellColumns& columns);
/// The percentile ("p99", "max") that a row is about; empty where a metric has one number.
std::string PercentileOf(const std::string& metric, const std::string& stat);

/// In the order of first appearance.
std::vector<PageCell> CellsOf(std::span<const PageFile> files);

/// Op, metric and percentile of a row over all repetitions.
struct RowName {
  std::string op, metric, percentile;

  friend bool operator==(const RowName&, const RowName&) = default;
};
/// Those that any file has, in order of first appearance.
std::vector<RowName> RowsOf(const PageCell& cell);

}  // namespace pagealloc::bench
