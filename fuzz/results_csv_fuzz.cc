/// results_csv: any bytes as a CSV and as a results file, with the dictionary results_csv.dict.
///
/// A first byte below 128, but 's', stands for the header of schema 1, so that mutations are spent
/// on rows. As CSV: each record begins on the line behind the last one's, records written again
/// read back as the same cells, and so do any bytes as cells. As results: the header has each
/// column once; rows written again read back as the same rows, and the cells printed are as many as
/// there are columns; or a line of the text and a reason in printable characters.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fuzz/story.h"
#include "fuzz/target.h"
#include "harness/report/csv.h"
#include "harness/report/results_csv.h"

namespace pagealloc::fuzz {
namespace {

using bench::CsvError;
using bench::CsvReader;
using bench::ResultsFile;
using Records = std::vector<std::vector<std::string>>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

void CheckError(const Story& story, const CsvError& error, std::string_view text) {
  const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  // A carriage return ends no line by itself.
  story.Expect("the line of a mistake is one of the text", error.line >= 1 && error.line <= lines);
  story.ExpectPrintable("a reason that can be printed", error.reason);
}

Records ReadAll(const Story& story, std::string_view text) {
  CsvReader reader(text);
  Records records;
  std::uint64_t line = 1;
  while (auto record = reader.Next()) {
    story.Expect("the line on which a record begins", reader.line(), line);
    story.Expect("a record without a cell", !record->empty());
    for (const std::string& cell : *record) {
      line += static_cast<std::uint64_t>(std::count(cell.begin(), cell.end(), '\n'));
    }
    ++line;
    records.push_back(*std::move(record));
  }
  if (reader.error()) {
    CheckError(story, *reader.error(), text);
    story.Expect("the line on which a bad record begins", reader.error()->line, line);
  }
  story.Expect("a record after the end", !reader.Next().has_value());
  return records;
}

void CheckCsv(Story& story, std::string_view text) {
  story.Step("records");
  const Records records = ReadAll(story, text);
  std::string written;
  for (const std::vector<std::string>& record : records) written += bench::CsvRecord(record);
  story.Step("records that were written", {records.size()});
  story.Expect("records read back differ", ReadAll(story, written) == records);
  g_operations += records.size();
}

/// What stands between zeros in the text, as the cells of a record.
void CheckCells(Story& story, std::string_view text) {
  std::vector<std::string> cells(1);
  for (const char c : text) {
    if (c == '\0') {
      cells.emplace_back();
    } else {
      cells.back() += c;
    }
  }
  story.Step("cells that were written", {cells.size()});
  const Records read = ReadAll(story, bench::CsvRecord(cells));
  story.Expect("cells read back differ", read == Records{cells});
  ++g_operations;
}

/// Of schema 1; the same for every input.
const std::string& Header() {
  static const std::string kHeader = bench::ResultsHeader();
  return kHeader;
}

void CheckHeader(const Story& story, std::string_view text) {
  if (text.substr(0, Header().size()) == Header()) return;
  const auto header = CsvReader(text).Next();
  story.Expect("results without a header", header.has_value());
  for (const bench::ResultColumn& column : bench::ResultColumns()) {
    const auto times = std::count(header->begin(), header->end(), column.name);
    story.Expect("a column is there once", times == 1);
  }
}

void CheckResults(Story& story, std::string_view text) {
  story.Step("results");
  const auto parsed = bench::ParseResults(text);
  if (const auto* const error = std::get_if<CsvError>(&parsed)) {
    CheckError(story, *error, text);
    return;
  }
  CheckHeader(story, text);
  story.Expect("results that end inside a line", text.back() == '\n');
  const ResultsFile& file = std::get<ResultsFile>(parsed);
  if (file.rows.empty()) return;
  std::string written = Header();
  for (const ResultsFile::Row& row : file.rows) {
    story.Expect("a row's run", row.run < file.runs.size());
    const bench::RunColumns& run = file.runs[row.run];
    story.Expect("cells of a row", bench::ResultCells(run, row.result).size(),
                 bench::ResultColumns().size());
    written += bench::ResultsLine(run, row.result);
  }
  story.Step("results that were written", {file.rows.size()});
  const auto again = bench::ParseResults(written);
  const auto* const same = std::get_if<ResultsFile>(&again);
  story.Expect("what was written is refused", same != nullptr);
  story.Expect("rows", same->rows.size(), file.rows.size());
  story.Expect("runs read back differ", same->runs == file.runs);
  for (std::size_t i = 0; i < file.rows.size(); ++i) {
    story.Expect("a row read back differs", same->rows[i].run == file.rows[i].run &&
                                                same->rows[i].result == file.rows[i].result);
  }
  g_operations += file.rows.size();
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  namespace fuzz = pagealloc::fuzz;
  fuzz::Story story("results_csv", {bytes, size});
  std::string text(bytes, bytes + size);
  if (size > 0 && bytes[0] < 128 && bytes[0] != 's') {
    text = fuzz::Header() + text.substr(1);
  }
  fuzz::CheckCsv(story, text);
  fuzz::CheckCells(story, text);
  fuzz::CheckResults(story, text);
  return 0;
}
