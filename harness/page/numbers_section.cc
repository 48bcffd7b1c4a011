// numbers_section.cc: the exact numbers, and the command behind each cell.
#include <algorithm>
#include <map>
#include <string_view>
#include <tuple>

#include "harness/page/html.h"
#include "harness/page/reproduce.h"
#include "harness/page/sections.h"

namespace pagealloc::bench {
namespace {

/// The rows of comparisons by what they are about.
class ComparedRows {
 public:
  explicit ComparedRows(const std::vector<Comparison>& comparisons) {
    for (std::size_t i = 0; i < comparisons.size(); ++i) {
      for (const ComparedRow& row : comparisons[i].rows) {
        rows_[{i, KeyOf(row.cell), row.op, row.metric, PercentileOf(row.metric, row.stat)}] = &row;
      }
    }
  }
  [[nodiscard]] const ComparedRow* Find(std::size_t comparison, const std::string& key,
                                        const RowName& name) const {
    const auto found = rows_.find({comparison, key, name.op, name.metric, name.percentile});
    return found == rows_.end() ? nullptr : found->second;
  }

 private:
  using Name = std::tuple<std::size_t, std::string, std::string, std::string, std::string>;
  std::map<Name, const ComparedRow*> rows_;
};

std::string NumberCell(const std::string& text) { return Element("td", "class=\"n\"", text); }

std::string RowOf(const PageContent& content, const PageCell& cell, const RowName& name,
                  const ComparedRows& compared) {
  std::string html = Element("td", "", Escaped(name.op)) + Element("td", "", Escaped(name.metric));
  std::string stat;
  std::string values;
  RowStatus status = RowStatus::kOk;
  for (const PageCell::OfFile& file : cell.files) {
    const ResultRow* const row = file.Aggregate(name.op, name.metric, name.percentile);
    if (row == nullptr) {
      values += NumberCell("") + NumberCell("");
      continue;
    }
    stat = row->stat;
    status = std::max(status, row->status);
    const std::string exact = ShortestNumber(*row->value) + " " + row->unit;
    values += Element("td", "class=\"n\" title=\"" + Escaped(exact) + "\"",
                      Escaped(ValueText(*row->value, row->unit))) +
              NumberCell(row->n ? std::to_string(*row->n) : "");
  }
  html += Element("td", "", Escaped(stat)) + values;
  for (std::size_t i = 0; i < content.input.comparisons.size(); ++i) {
    const ComparedRow* const row = compared.Find(i, cell.key, name);
    std::string ratio;
    if (row != nullptr && row->ratio) {
      ratio = Rounded(*row->ratio);
      if (row->interval) {
        ratio += " <small>[" + Rounded(row->interval->low) + ", " + Rounded(row->interval->high) +
                 "]</small>";
      }
    }
    html += NumberCell(ratio) + Element("td", "", row == nullptr ? "" : VerdictBadge(row->verdict));
  }
  return Element("tr", "", html + Element("td", "", std::string(StatusName(status))));
}

/// One for all files, or one for each where they differ.
std::string Commands(const PageInput& input, const PageCell& cell) {
  std::vector<std::string> commands;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < cell.files.size(); ++i) {
    if (cell.files[i].aggregates.empty()) continue;
    commands.push_back(CommandFor(cell.files[i].aggregates.front()->cell, input.files[i]));
    names.push_back(input.files[i].name);
  }
  const bool same = std::all_of(commands.begin(), commands.end(), [&](const std::string& command) {
    return command == commands.front();
  });
  if (same) return Element("code", "", Escaped(commands.front()));
  std::string html;
  for (std::size_t i = 0; i < commands.size(); ++i) {
    html += Element("small", "", Escaped(names[i])) + Element("code", "", Escaped(commands[i]));
  }
  return html;
}

}  // namespace

std::string NumbersSection(const PageContent& content) {
  const PageInput& input = content.input;
  const ComparedRows compared(input.comparisons);
  std::string head =
      "<th scope=\"col\">op</th><th scope=\"col\">metric</th><th scope=\"col\">stat</th>";
  for (const PageFile& file : input.files) {
    head += Element("th", "scope=\"col\" class=\"n\"", Escaped(file.name)) +
            "<th scope=\"col\" class=\"n\">n</th>";
  }
  for (std::size_t i = 0; i < input.comparisons.size(); ++i) {
    const std::string of =
        input.comparisons.size() > 1 ? " of " + Escaped(input.files[i + 1].name) : "";
    head += Element("th", "scope=\"col\" class=\"n\"", "new / base" + of) +
            "<th scope=\"col\">verdict</th>";
  }
  head += "<th scope=\"col\">status</th>";
  const std::size_t columns = 4 + 2 * input.files.size() + 2 * input.comparisons.size();
  std::string body;
  std::size_t shown = 0;
  std::size_t left = 0;
  for (const PageCell& cell : content.cells) {
    const std::vector<RowName> names = RowsOf(cell);
    if (names.empty()) continue;
    if (shown++ >= content.limits.cells) {
      ++left;
      continue;
    }
    std::string rows =
        Element("tr", "class=\"cell\"",
                Element("th", "scope=\"rowgroup\" colspan=\"" + std::to_string(columns) + "\"",
                        Escaped(TitleOf(cell.columns)) + Commands(input, cell)));
    for (const RowName& name : names) rows += RowOf(content, cell, name, compared);
    body += Element("tbody", "", rows);
  }
  if (body.empty()) return "";
  return Element("p", "",
                 "Rows over all repetitions. Point at a number for all its digits. The command "
                 "under each heading measures its rows again.") +
         ScrollingTable("class=\"numbers\"", Element("thead", "", Element("tr", "", head)) + body) +
         LeftOut(left, "headings with their rows");
}

}  // namespace pagealloc::bench
