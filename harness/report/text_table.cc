#include "harness/report/text_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>

#include "harness/report/results_csv.h"

namespace pagealloc::bench {
namespace {

/// Characters of a UTF-8 text: bytes that continue none.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned>(c) & 0xc0U) != 0x80U;
  }));
}

}  // namespace

void DropEmptyColumns(TextTable& table) {
  for (std::size_t i = table.columns.size(); i-- > 0;) {
    const bool empty = std::all_of(table.lines.begin(), table.lines.end(),
                                   [i](const auto& line) { return line[i].empty(); });
    if (!empty) continue;
    const auto at = static_cast<std::ptrdiff_t>(i);
    table.columns.erase(table.columns.begin() + at);
    for (auto& line : table.lines) line.erase(line.begin() + at);
  }
}

std::string AlignedText(const TextTable& table, std::string_view (*color_of)(std::string_view)) {
  if (table.lines.empty()) return "";
  std::vector<std::size_t> widths;
  std::vector<std::string> headings;
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    headings.push_back(table.columns[i].heading);
    std::size_t width = Width(headings.back());
    for (const auto& line : table.lines) width = std::max(width, Width(line[i]));
    widths.push_back(width);
  }
  std::string out;
  const auto add_line = [&](const std::vector<std::string>& cells, bool is_heading) {
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const bool last = i + 1 == cells.size();  // it needs no padding
      const std::string padding(widths[i] - Width(cells[i]), ' ');
      if (i > 0) out += "  ";
      if (table.columns[i].right) out += padding;
      if (last && color_of != nullptr && !is_heading) {
        out.append(color_of(cells[i])).append(cells[i]).append("\033[0m");
      } else {
        out += cells[i];
      }
      if (!table.columns[i].right && !last) out += padding;
    }
    out += '\n';
  };
  add_line(headings, true);
  for (const auto& line : table.lines) add_line(line, false);
  return out;
}

std::string MarkdownText(const TextTable& table) {
  if (table.lines.empty()) return "";
  std::string out = "|";
  std::string rule = "|";
  for (const TextTable::Column& column : table.columns) {
    out += ' ' + EscapedForMarkdown(column.heading) + " |";
    rule += column.right ? " ---: |" : " --- |";
  }
  out += '\n' + rule + '\n';
  for (const auto& line : table.lines) {
    out += '|';
    for (const std::string& cell : line) out += ' ' + EscapedForMarkdown(cell) + " |";
    out += '\n';
  }
  return out;
}

std::string EscapedForMarkdown(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (std::string_view("\\|*_`<~").find(c) != std::string_view::npos) escaped += '\\';
    escaped += c;
  }
  return escaped;
}

std::string Decimals(double value, int digits) {
  std::array<char, 64> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value,
                                    std::chars_format::fixed, digits);
  return result.ec == std::errc{} ? std::string(text.data(), result.ptr) : ShortestNumber(value);
}

std::string ThreeDigits(double value) {
  return Decimals(value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

std::string TimeText(double ns) {
  if (ns < 99'999.5) return ThreeDigits(ns) + " ns";
  if (ns < 99'999'500) return Decimals(ns / 1e3, 0) + " us";
  return Decimals(ns / 1e6, 0) + " ms";
}

}  // namespace pagealloc::bench
