/// results_csv.h: schema 1 as text: rows to CSV and back. Standard library only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "harness/report/csv.h"
#include "harness/report/result_row.h"

namespace pagealloc::bench {

/// The header line, newline included.
std::string ResultsHeader();

/// One row, newline included.
std::string ResultsLine(const RunColumns& run, const ResultRow& row);

struct ResultColumn {
  std::string_view name;
  bool is_number;
};

/// The columns of schema 1, in order; the first kRunColumns are the same in every row of a run.
std::span<const ResultColumn> ResultColumns();
inline constexpr std::size_t kRunColumns = 9;

/// A row's cells, in the order of ResultColumns().
std::vector<std::string> ResultCells(const RunColumns& run, const ResultRow& row);

/// The shortest decimal form that reads back as the same number; whole numbers and values of common
/// size without an exponent. `value` is finite (contract).
std::string ShortestNumber(double value);

/// A results file read back. Rows of several runs may stand in one file.
struct ResultsFile {
  struct Row {
    std::uint64_t schema = kSchema;
    std::size_t run = 0;  ///< index into runs
    ResultRow result;
  };
  std::vector<RunColumns> runs;
  std::vector<Row> rows;
};

/// Reads rows by column name: columns that are not of schema 1 are passed over, since later schemas
/// append some, but none of schema 1 may be missing. The text may be empty of rows, not of a
/// header.
std::variant<ResultsFile, CsvError> ParseResults(std::string_view text);

}  // namespace pagealloc::bench
