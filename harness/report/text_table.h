/// text_table.h: tables and numbers as text for people: aligned, or as Markdown.
/// Standard library only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::bench {

/// Headings and cells; every line has as many cells as there are columns.
struct TextTable {
  struct Column {
    std::string heading;
    bool right = false;  ///< numbers
  };
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> lines;
};

/// Removes the columns in which no line has a text.
void DropEmptyColumns(TextTable& table);

/// Columns as wide as their widest cell, two spaces between them; nothing for a table without
/// lines.
///
/// @param color_of  the ANSI sequence for a word of the last column; null: no colours.
std::string AlignedText(const TextTable& table, std::string_view (*color_of)(std::string_view));

/// A Markdown table; nothing for a table without lines.
std::string MarkdownText(const TextTable& table);

/// A text may hold what Markdown takes for layout.
std::string EscapedForMarkdown(std::string_view text);

/// With so many digits behind the point.
std::string Decimals(double value, int digits);

/// Three digits or more, as many as whole units need.
std::string ThreeDigits(double value);

/// "46.3 ns", "120 us", "15 ms": an average, which may lie below the clock's step.
std::string TimeText(double ns);

}  // namespace pagealloc::bench
