/// render_comparison.h: comparisons as text for standard output.
///
///   table, markdown  worst rows first; of rows that are the same or not gated and unclear only
///   those
///                    of batch_ns, unless all are asked for. Then verdicts, geometric means, gate.
///   csv              every row of every comparison, `base` and `new` in the first columns
///   json             {"gate": ..., "comparisons": [{...}]}, every row
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "harness/compare/comparison.h"
#include "harness/report/render.h"

namespace pagealloc::bench {

/// "passed", "unclear", "failed", "not-comparable".
std::string_view GateName(Gate gate);

struct ComparisonView {
  Format format = Format::kTable;
  bool color = false;  ///< verdicts in a table may carry ANSI colours; the words are there anyway
  bool all_rows = false;  ///< in table and markdown
  /// The two sides were recorded apart, so that differences in times may be the machine's.
  bool recorded_apart = true;
};

/// "2 regressed, 1 missing, 40 same": the verdicts that occur, worst first.
std::string CountsText(const Comparison& comparison);

/// @param gate  of all comparisons together.
/// @return      whole lines, each ended by a newline.
std::string RenderComparisons(std::span<const Comparison> comparisons, Gate gate,
                              const ComparisonView& view);

}  // namespace pagealloc::bench
