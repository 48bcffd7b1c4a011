/// row_selection.h: parts of a results file: the rows that a filter keeps, and the rows of each
/// value of a column.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/problem.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// Which rows to keep, by the texts of their columns.
class RowFilter {
 public:
  /// Reads 'column=value,value;column=value': a row stays if each named column has one of its
  /// values, which may be patterns (* and ?). The columns are those of schema 1.
  static OrProblem<RowFilter> Parse(std::string_view text);

  /// Removes the other rows.
  void Apply(ResultsFile& file) const;

 private:
  struct Condition {
    std::size_t column;  ///< index into ResultColumns()
    std::vector<std::string> patterns;
  };
  std::vector<Condition> conditions_;
};

/// The columns whose values SplitBy() tells apart.
std::span<const std::string_view> SplitColumns();

/// Whether a column tells what was measured (allocator, layout) and not who measured it, or when.
/// Values of the first kind are expected to differ.
bool IsSubject(std::string_view column);

struct FilePart {
  std::string value;
  ResultsFile file;
};

/// The rows of each value of a column, in order of first appearance. The column itself is made
/// empty, so that rows of different parts are about the same thing.
///
/// @param column  one of SplitColumns() (contract).
std::vector<FilePart> SplitBy(const ResultsFile& file, std::string_view column);

/// Allocators that have no layout run a program once for all layouts. Gives each such row of `file`
/// the layouts in which `base` has a row about the same operations: a row each. Those for which
/// there is none stay as they are.
void SpreadOverLayouts(const ResultsFile& base, ResultsFile& file);

}  // namespace pagealloc::bench
