/// render.h: a run's results as text for standard output.
///
///   table, markdown  one line for each cell and op, from the rows over all repetitions
///   csv              header and every row, as in the results file
///   json             {"run": {...}, "environment": {...}, "rows": [{...}]}, every row
///
/// Where several allocators ran, a column of the table says how many times as long as the first of
/// them each takes. The table shows times or, where a run has none (--timing none), the exact
/// metrics. Columns that would be empty are left out. Of values timed one by one, a value below the
/// clock's step prints as "<10 ns" (the real step), and one that an empty operation reaches half of
/// gets a "~": it tells more about the machine than about the allocator. A legend line explains the
/// mark where it occurs.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "harness/report/run_report.h"

namespace pagealloc::bench {

enum class Format : std::uint8_t { kTable, kCsv, kJson, kMarkdown };

/// By its name in `--format`; nullopt if there is none such.
std::optional<Format> FormatFromName(std::string_view name);

/// @param color  whether status words in a table may carry ANSI colours; the words are there
/// anyway.
/// @return       whole lines, each ended by a newline.
std::string Render(const RunReport& report, Format format, bool color = false);

}  // namespace pagealloc::bench
