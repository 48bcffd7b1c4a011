#include "harness/commands/trace_csv.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "harness/base/nearest_name.h"
#include "harness/base/source_position.h"
#include "harness/report/csv.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

enum Column : std::uint8_t {
  kKind,
  kId,
  kOffset,
  kPages,
  kCpu,
  kMask,
  kScavenged,
  kMode,
  kExpect,
  kExpectMask,
  kKey,
  kValue,
  kColumns,
};
constexpr std::array<std::string_view, kColumns> kNames{
    "kind",      "id",   "offset", "pages",       "cpu", "mask",
    "scavenged", "mode", "expect", "expect_mask", "key", "value"};
using Row = std::array<std::string, kColumns>;

/// A kind of row, and the cells that it has.
struct Kind {
  std::string_view name;
  std::string_view record;
  std::vector<Column> fields;    ///< in the record's order, all there
  std::vector<Column> optional;  ///< may be there
};

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind> kKinds{
      {"meta", "meta", {kKey, kValue}, {}},
      {"comment", "#", {}, {kValue}},
      {"grow", "g", {kOffset, kPages}, {}},
      {"alloc", "a", {kId, kPages}, {kCpu, kExpect}},
      {"free", "f", {kId}, {}},
      {"allocRange", "r", {kOffset, kPages}, {}},
      {"freeRange", "u", {kOffset, kPages}, {}},
      {"take_cache", "c", {}, {kExpect, kExpectMask}},
      {"return_cache", "k", {kOffset, kMask}, {kScavenged}},
      {"scavenge", "s", {kPages}, {kMode, kExpect}},
      {"next_generation", "n", {}, {}},
  };
  return kKinds;
}

std::string Joined(const Row& row) { return CsvRecord({row.begin(), row.end()}); }

Row RowOf(std::string_view line) {
  Row row;
  if (line.starts_with('#')) {
    row[kKind] = "comment";
    row[kValue] = line.substr(1);
    return row;
  }
  const std::size_t word_end = std::min(line.find(' '), line.size());
  const auto kind = std::find_if(Kinds().begin(), Kinds().end(), [&](const Kind& known) {
    return known.record == line.substr(0, word_end);
  });
  row[kKind] = kind->name;
  line.remove_prefix(std::min(word_end + 1, line.size()));
  if (kind->name == "meta") {
    const std::size_t key_end = line.find(' ');
    row[kKey] = line.substr(0, key_end);
    row[kValue] = line.substr(key_end + 1);
    return row;
  }
  std::vector<std::string> words;
  if (!line.empty()) words = absl::StrSplit(std::string(line), ' ');
  std::size_t next = 0;
  for (const Column column : kind->fields) row[column] = words[next++];
  for (; next < words.size(); ++next) {
    const std::string& word = words[next];
    if (word == "=") {
      row[kExpect] = words[++next];
      if (next + 1 < words.size()) row[kExpectMask] = words[++next];
    } else if (word[0] == '@') {
      row[kCpu] = word.substr(1);
    } else {
      row[kind->name == "scavenge" ? kMode : kScavenged] = word;
    }
  }
  return row;
}

/// What is wrong with a row, or its record.
class RowReader {
 public:
  RowReader(const std::string& name, const std::vector<std::size_t>& places)
      : name_(name), places_(places) {}

  absl::StatusOr<std::string> Record(std::uint64_t line, const std::vector<std::string>& cells) {
    SourcePosition where;
    where.file = name_;
    where.line = line;
    where.text = CsvRecord(cells);
    where.text.pop_back();
    const auto refuse = [&where](const std::string& reason, const std::string& advice) {
      return UsageError(RenderProblem(where, reason, advice));
    };
    if (cells.size() != places_.size()) {
      return refuse(
          absl::StrCat("it has ", cells.size(), " cells, and the header ", places_.size()),
          "Leave unused cells empty.");
    }
    Row row;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (cells[i].find('\n') != std::string::npos) {
        return refuse("a cell holds the end of a line", "A record is one line.");
      }
      if (places_[i] != kValue && cells[i].find(' ') != std::string::npos) {
        return refuse(absl::StrCat("the cell ", std::string(kNames[places_[i]]), " holds a space"),
                      "Spaces stand only in a value.");
      }
      row[places_[i]] = cells[i];
    }
    std::vector<std::string_view> names;
    for (const Kind& kind : Kinds()) names.push_back(kind.name);
    const auto kind = std::find_if(Kinds().begin(), Kinds().end(),
                                   [&row](const Kind& known) { return known.name == row[kKind]; });
    if (kind == Kinds().end()) {
      // Its sentence ends in a period of its own.
      std::string reason = UnknownName("kind", names, row[kKind], "see harness/README.md");
      if (reason.ends_with('.')) reason.pop_back();
      return refuse(reason, "Nothing was written.");
    }
    for (std::size_t i = kId; i < kColumns; ++i) {
      const auto column = static_cast<Column>(i);
      const auto has = [column](const std::vector<Column>& list) {
        return std::find(list.begin(), list.end(), column) != list.end();
      };
      if (has(kind->fields) && row[i].empty()) {
        return refuse(
            absl::StrCat(std::string(kind->name), " needs a cell ", std::string(kNames[i])),
            "Fill it in.");
      }
      if (!row[i].empty() && !has(kind->fields) && !has(kind->optional)) {
        return refuse(absl::StrCat(std::string(kind->name), " has no ", std::string(kNames[i])),
                      "Leave the cell empty.");
      }
    }
    if (!row[kExpectMask].empty() && row[kExpect].empty()) {
      return refuse("there is an expect_mask without an expect", "Fill in the offset too.");
    }
    return Text(*kind, row);
  }

 private:
  static std::string Text(const Kind& kind, const Row& row) {
    std::string text(kind.record);
    if (kind.name == "comment") return absl::StrCat(text, row[kValue], "\n");
    for (const Column column : kind.fields) absl::StrAppend(&text, " ", row[column]);
    if (!row[kCpu].empty()) absl::StrAppend(&text, " @", row[kCpu]);
    for (const Column column : {kScavenged, kMode}) {
      if (!row[column].empty()) absl::StrAppend(&text, " ", row[column]);
    }
    if (!row[kExpect].empty()) absl::StrAppend(&text, " = ", row[kExpect]);
    if (!row[kExpectMask].empty()) absl::StrAppend(&text, " ", row[kExpectMask]);
    text += '\n';
    return text;
  }

  const std::string& name_;
  const std::vector<std::size_t>& places_;
};

absl::Status HeaderError(const std::string& name, const std::string& reason,
                         const std::string& advice) {
  SourcePosition where;
  where.file = name;
  where.line = 1;
  return UsageError(RenderProblem(where, reason, advice));
}

}  // namespace

std::string TraceToCsv(std::string_view trace) {
  std::string csv = CsvRecord({kNames.begin(), kNames.end()});
  while (!trace.empty()) {
    const std::size_t end = trace.find('\n');
    std::string_view line = trace.substr(0, end);
    trace.remove_prefix(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty() || line.starts_with("pagetrace ")) continue;
    csv += Joined(RowOf(line));
  }
  return csv;
}

absl::StatusOr<std::string> CsvToTrace(const std::string& name, std::string_view csv) {
  CsvReader reader(csv);
  const std::optional<std::vector<std::string>> header = reader.Next();
  const std::string advice = "A trace as CSV begins with the header that trace convert writes.";
  if (!header) {
    return HeaderError(name, reader.error() ? reader.error()->reason : "the file is empty", advice);
  }
  std::vector<std::size_t> places;
  for (const std::string& column : *header) {
    const auto known = std::find(kNames.begin(), kNames.end(), column);
    if (known == kNames.end()) {
      std::string reason = UnknownName("column", kNames, column, "");
      if (reason.ends_with('.')) reason.pop_back();
      return HeaderError(name, reason, advice);
    }
    places.push_back(static_cast<std::size_t>(known - kNames.begin()));
    if (std::count(places.begin(), places.end(), places.back()) > 1) {
      return HeaderError(name, absl::StrCat("the column ", column, " stands twice"), advice);
    }
  }
  if (std::find(places.begin(), places.end(), std::size_t{kKind}) == places.end()) {
    return HeaderError(name, "there is no column kind", advice);
  }
  RowReader rows(name, places);
  std::string text = "pagetrace 1\n";
  while (const auto cells = reader.Next()) {
    const absl::StatusOr<std::string> record = rows.Record(reader.line(), *cells);
    if (!record.ok()) return record.status();
    text += *record;
  }
  if (!reader.error()) return text;
  SourcePosition where;
  where.file = name;
  where.line = reader.error()->line;
  std::string reason = reader.error()->reason;
  if (reason.ends_with('.')) reason.pop_back();
  return UsageError(RenderProblem(where, reason, "Mend it, or write the file again."));
}

}  // namespace pagealloc::bench
