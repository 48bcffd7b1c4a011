#include "harness/report/results_csv.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <system_error>
#include <utility>

#include "harness/base/source_position.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

std::string Print(const std::string& text) { return text; }
std::string Print(const std::optional<std::uint64_t>& number) {
  return number ? std::to_string(*number) : "";
}
std::string Print(const std::optional<double>& number) {
  return number ? ShortestNumber(*number) : "";
}
std::string Print(RowStatus status) { return std::string(StatusName(status)); }

bool Read(std::string_view cell, std::string& text) {
  text = cell;
  return true;
}

template <class Number>
bool Read(std::string_view cell, std::optional<Number>& number) {
  if (cell.empty()) return true;
  Number value{};
  const char* const end = cell.data() + cell.size();
  const auto [stop, error] = std::from_chars(cell.data(), end, value);
  if (error != std::errc{} || stop != end) return false;
  if constexpr (std::is_floating_point_v<Number>) {
    if (!std::isfinite(value)) return false;  // from_chars reads "inf" and "nan"
  }
  number = value;
  return true;
}

bool Read(std::string_view cell, RowStatus& status) {
  for (const RowStatus known :
       {RowStatus::kOk, RowStatus::kNoisy, RowStatus::kTruncated, RowStatus::kSkipped}) {
    if (cell == StatusName(known)) {
      status = known;
      return true;
    }
  }
  return false;
}

struct RowParts {
  std::uint64_t schema = 0;
  RunColumns run;
  ResultRow row;
};

/// A column in both directions, so that writer and reader cannot disagree.
struct Column {
  ResultColumn about;
  std::string (*print)(const RunColumns&, const ResultRow&);
  bool (*read)(std::string_view, RowParts&);
};

template <class T>
constexpr bool kIsNumber = !std::is_same_v<T, std::string> && !std::is_same_v<T, RowStatus>;

template <auto Member>
constexpr Column Run(std::string_view name) {
  return {{name, false},
          [](const RunColumns& run, const ResultRow&) { return Print(run.*Member); },
          [](std::string_view cell, RowParts& parts) { return Read(cell, parts.run.*Member); }};
}

template <auto Member>
constexpr Column Cell(std::string_view name) {
  using Type = std::remove_reference_t<decltype(std::declval<CellColumns&>().*Member)>;
  return {
      {name, kIsNumber<Type>},
      [](const RunColumns&, const ResultRow& row) { return Print(row.cell.*Member); },
      [](std::string_view cell, RowParts& parts) { return Read(cell, parts.row.cell.*Member); }};
}

template <auto Member>
constexpr Column Row(std::string_view name) {
  using Type = std::remove_reference_t<decltype(std::declval<ResultRow&>().*Member)>;
  return {{name, kIsNumber<Type>},
          [](const RunColumns&, const ResultRow& row) { return Print(row.*Member); },
          [](std::string_view cell, RowParts& parts) { return Read(cell, parts.row.*Member); }};
}

constexpr Column kSchemaColumn{
    {"schema", true},
    [](const RunColumns&, const ResultRow&) { return std::to_string(kSchema); },
    [](std::string_view cell, RowParts& parts) {
      std::optional<std::uint64_t> schema;
      if (!Read(cell, schema) || schema.value_or(0) < kSchema) return false;
      parts.schema = *schema;
      return true;
    }};

constexpr std::array kColumns{
    kSchemaColumn,
    Run<&RunColumns::run_id>("run_id"),
    Run<&RunColumns::started_at>("started_at"),
    Run<&RunColumns::tool_version>("tool_version"),
    Run<&RunColumns::commit>("commit"),
    Run<&RunColumns::build>("build"),
    Run<&RunColumns::env_id>("env_id"),
    Run<&RunColumns::cpu>("cpu"),
    Run<&RunColumns::label>("label"),
    Cell<&CellColumns::suite>("suite"),
    Cell<&CellColumns::workload>("workload"),
    Cell<&CellColumns::params>("params"),
    Cell<&CellColumns::stream_hash>("stream_hash"),
    Cell<&CellColumns::allocator>("allocator"),
    Cell<&CellColumns::layout>("layout"),
    Cell<&CellColumns::heap_bytes>("heap_bytes"),
    Cell<&CellColumns::seed>("seed"),
    Row<&ResultRow::rep>("rep"),
    Row<&ResultRow::seq>("seq"),
    Row<&ResultRow::op>("op"),
    Row<&ResultRow::metric>("metric"),
    Row<&ResultRow::stat>("stat"),
    Row<&ResultRow::unit>("unit"),
    Row<&ResultRow::better>("better"),
    Row<&ResultRow::value>("value"),
    Row<&ResultRow::n>("n"),
    Row<&ResultRow::batch>("batch"),
    Row<&ResultRow::overhead_ns>("overhead_ns"),
    Row<&ResultRow::lost_ns>("lost_ns"),
    Row<&ResultRow::nivcsw>("nivcsw"),
    Row<&ResultRow::status>("status"),
    Row<&ResultRow::result_hash>("result_hash"),
};
static_assert(kColumns[kRunColumns - 1].about.name == "label");

constexpr auto kAbout = [] {
  std::array<ResultColumn, kColumns.size()> about{};
  for (std::size_t i = 0; i < kColumns.size(); ++i) about[i] = kColumns[i].about;
  return about;
}();

std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  return quoted.append(PrintableLine(text)) + "'";
}

/// Which cell of a record holds each column of schema 1; the reason if one is missing or double.
std::optional<std::string> FindColumns(const std::vector<std::string>& header,
                                       std::array<std::size_t, kColumns.size()>& places) {
  for (std::size_t i = 0; i < kColumns.size(); ++i) {
    const std::string_view name = kColumns[i].about.name;
    const auto place = std::find(header.begin(), header.end(), name);
    if (place == header.end()) {
      return "the header has no column " + Quoted(name) +
             ", so this is no results file of schema " + std::to_string(kSchema);
    }
    if (std::find(place + 1, header.end(), name) != header.end()) {
      return "the header has column " + Quoted(name) + " twice";
    }
    places[i] = static_cast<std::size_t>(place - header.begin());
  }
  return std::nullopt;
}

}  // namespace

std::span<const ResultColumn> ResultColumns() { return kAbout; }

std::string ResultsHeader() {
  std::vector<std::string> names;
  names.reserve(kColumns.size());
  for (const Column& column : kColumns) names.emplace_back(column.about.name);
  return CsvRecord(names);
}

std::vector<std::string> ResultCells(const RunColumns& run, const ResultRow& row) {
  std::vector<std::string> cells;
  cells.reserve(kColumns.size());
  for (const Column& column : kColumns) cells.push_back(column.print(run, row));
  return cells;
}

std::string ResultsLine(const RunColumns& run, const ResultRow& row) {
  return CsvRecord(ResultCells(run, row));
}

std::string ShortestNumber(double value) {
  PA_EXPECT(std::isfinite(value));
  // Left to itself, to_chars prints 100000 as 1e+05, because that is shorter.
  const double size = std::abs(value);
  const bool common = size == 0 || (size >= 1e-6 && size < 9007199254740992.0);  // 2^53
  std::array<char, 64> text{};
  const auto result =
      std::to_chars(text.data(), text.data() + text.size(), value,
                    common ? std::chars_format::fixed : std::chars_format::scientific);
  return {text.data(), result.ptr};
}

std::variant<ResultsFile, CsvError> ParseResults(std::string_view text) {
  CsvReader reader(text);
  const auto header = reader.Next();
  if (!header) return reader.error().value_or(CsvError{1, "the file is empty: no header"});
  std::array<std::size_t, kColumns.size()> places{};
  if (auto reason = FindColumns(*header, places)) return CsvError{1, *std::move(reason)};
  // A last record without its line end may have lost part of its last cell and would not show it.
  const std::size_t whole = text.rfind('\n');

  ResultsFile file;
  while (const auto record = reader.Next()) {
    if (record->size() != header->size()) {
      return CsvError{reader.line(), "the record has " + std::to_string(record->size()) +
                                         " cells, the header " + std::to_string(header->size())};
    }
    RowParts parts;
    for (std::size_t i = 0; i < kColumns.size(); ++i) {
      const std::string& cell = (*record)[places[i]];
      if (!kColumns[i].read(cell, parts)) {
        return CsvError{reader.line(),
                        "column " + Quoted(kColumns[i].about.name) + " cannot be " + Quoted(cell)};
      }
    }
    const auto known = std::find(file.runs.rbegin(), file.runs.rend(), parts.run);
    std::size_t run = file.runs.size();
    if (known != file.runs.rend()) {
      run = static_cast<std::size_t>(file.runs.rend() - known) - 1;
    } else {
      file.runs.push_back(std::move(parts.run));
    }
    file.rows.push_back({parts.schema, run, std::move(parts.row)});
  }
  if (reader.error()) return *reader.error();
  if (whole + 1 != text.size()) {
    return CsvError{reader.line(), "the last line is cut: it has no line end"};
  }
  return file;
}

}  // namespace pagealloc::bench
