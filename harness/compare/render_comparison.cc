#include "harness/compare/render_comparison.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <vector>

#include "harness/report/csv.h"
#include "harness/report/results_csv.h"
#include "harness/report/text_table.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::ordered_json;

// A comment on a pull request has room for so many.
constexpr std::size_t kMostMarkdownLines = 150;

std::string ValueText(const ComparedRow& row, std::optional<double> value) {
  if (!value) return "";
  if (row.unit == "ns") return TimeText(*value);
  if (row.unit == "1/s") return ThreeDigits(*value / 1e6) + " M/s";
  const std::string number =
      *value == std::floor(*value) ? ShortestNumber(*value) : ThreeDigits(*value);
  return row.unit == "bytes" ? number + " B" : number;
}

std::string Percent(double ratio) {
  const double percent = (ratio - 1) * 100;
  // What would print as 0.00 % and is not 0 gets the digits that show it.
  const int digits = percent != 0 && std::abs(percent) < 0.005 ? 5 : 2;
  const std::string number = Decimals(percent, digits);
  std::string text;
  if (percent >= 0) text += '+';
  return text += number;
}

std::string IntervalText(const std::optional<Interval>& interval) {
  if (!interval) return "";
  return Percent(interval->low) + " to " + Percent(interval->high) + " %";
}

std::string ProbabilityText(std::optional<double> p) {
  if (!p) return "";
  return *p < 0.0001 ? "<0.0001" : Decimals(*p, 4);
}

std::string MetricText(const ComparedRow& row) {
  const MetricInfo* const info = FindMetric(row.metric);
  const bool has_several = info == nullptr || info->aggregate == Aggregate::kPooled;
  return has_several ? row.metric + ' ' + row.stat : row.metric;
}

bool IsShown(const ComparedRow& row, const ComparisonView& view) {
  if (view.all_rows || row.metric == "batch_ns") return true;
  if (row.verdict == Verdict::kSame) return false;
  return row.verdict != Verdict::kUnclear || row.gated;
}

TextTable TableOf(const Comparison& comparison, const ComparisonView& view) {
  TextTable table;
  for (const char* heading : {"workload", "params", "allocator", "layout", "op", "metric"}) {
    table.columns.push_back({heading, false});
  }
  for (const char* heading : {"base", "new", "change", "99 % interval", "p"}) {
    table.columns.push_back({heading, true});
  }
  for (const char* heading : {"note", "gate", "verdict"}) table.columns.push_back({heading, false});
  for (const ComparedRow& row : comparison.rows) {
    if (!IsShown(row, view)) continue;
    table.lines.push_back({row.cell.workload, row.cell.params, row.cell.allocator, row.cell.layout,
                           row.op, MetricText(row), ValueText(row, row.base),
                           ValueText(row, row.candidate),
                           row.ratio ? Percent(*row.ratio) + " %" : "", IntervalText(row.interval),
                           ProbabilityText(row.adjusted_p), row.note, row.gated ? "gated" : "",
                           std::string(VerdictName(row.verdict))});
  }
  DropEmptyColumns(table);
  return table;
}

/// What stands below a table.
std::vector<std::string> Summary(const Comparison& comparison, const ComparisonView& view) {
  std::vector<std::string> lines;
  lines.push_back(std::to_string(comparison.rows.size()) + " rows: " + CountsText(comparison));
  std::string means;
  for (const GeometricMeanRow& mean : comparison.geometric_means) {
    const MetricInfo* const info = FindMetric(mean.metric);
    const bool is_pooled = info == nullptr || info->aggregate == Aggregate::kPooled;
    const bool is_steady = mean.ratio == 1 && mean.metric != "batch_ns";
    if (!view.all_rows && (is_pooled || is_steady)) continue;
    if (!means.empty()) means += ", ";
    means += mean.metric;
    if (is_pooled) means += ' ' + mean.stat;
    means += ' ' + Percent(mean.ratio) + " % (" + std::to_string(mean.rows) + ")";
  }
  if (!means.empty()) {
    lines.push_back("geometric mean of new / base (over so many rows of both sides): " + means);
  }
  const bool has_times =
      std::any_of(comparison.rows.begin(), comparison.rows.end(),
                  [](const ComparedRow& row) { return row.interval.has_value(); });
  if (has_times && view.recorded_apart) {
    lines.emplace_back(
        comparison.timing_is_gated
            ? "Times are gated because --gate names them, although the two sides were recorded "
              "apart: what happened on the machine in between counts as a change."
            : "Times are advisory: the two sides were recorded apart, and what happened on the "
              "machine in between looks like a change. pagealloc-bench ab tells them apart.");
  }
  for (const std::string& cell : comparison.changed_behaviour) {
    lines.push_back("placements changed (result_hash): " + cell);
  }
  return lines;
}

std::string_view ColorOf(std::string_view verdict) {
  if (verdict == VerdictName(Verdict::kRegressed) || verdict == VerdictName(Verdict::kMissing)) {
    return "\033[31m";  // red
  }
  if (verdict == VerdictName(Verdict::kImproved)) return "\033[32m";  // green
  if (verdict == VerdictName(Verdict::kSame)) return "\033[2m";       // dim
  return "\033[33m";                                                  // yellow
}

std::string Title(const Comparison& comparison) {
  return comparison.base_name + " -> " + comparison.candidate_name;
}

std::string RenderTable(std::span<const Comparison> comparisons, Gate gate,
                        const ComparisonView& view) {
  std::string out;
  for (const Comparison& comparison : comparisons) {
    out += Title(comparison) + "\n\n";
    out += AlignedText(TableOf(comparison, view), view.color ? ColorOf : nullptr);
    out += '\n';
    for (const std::string& line : Summary(comparison, view)) out += line + '\n';
    out += '\n';
  }
  return out + "gate: " + std::string(GateName(gate)) + '\n';
}

std::string RenderMarkdown(std::span<const Comparison> comparisons, Gate gate,
                           const ComparisonView& view) {
  std::string out = "### pagealloc-bench: " + std::string(GateName(gate)) + "\n\n";
  for (const Comparison& comparison : comparisons) {
    TextTable table = TableOf(comparison, view);
    const std::size_t lines = table.lines.size();
    table.lines.resize(std::min(lines, kMostMarkdownLines));
    out += EscapedForMarkdown(Title(comparison)) + "\n\n" + MarkdownText(table) + '\n';
    if (lines > table.lines.size()) {
      out += "- " + std::to_string(lines - table.lines.size()) + " more rows are left out\n";
    }
    for (const std::string& line : Summary(comparison, view)) {
      out += "- " + EscapedForMarkdown(line) + '\n';
    }
    for (const std::string& warning : comparison.warnings) {
      out += "- warning: " + EscapedForMarkdown(warning) + '\n';
    }
    out += '\n';
  }
  return out;
}

struct OutputColumn {
  std::string_view name;
  bool is_number;
};
constexpr std::array kOutputColumns{
    OutputColumn{"verdict", false},   OutputColumn{"gated", false},
    OutputColumn{"suite", false},     OutputColumn{"workload", false},
    OutputColumn{"params", false},    OutputColumn{"stream_hash", false},
    OutputColumn{"allocator", false}, OutputColumn{"layout", false},
    OutputColumn{"heap_bytes", true}, OutputColumn{"seed", true},
    OutputColumn{"op", false},        OutputColumn{"metric", false},
    OutputColumn{"stat", false},      OutputColumn{"unit", false},
    OutputColumn{"better", false},    OutputColumn{"base_value", true},
    OutputColumn{"new_value", true},  OutputColumn{"base_n", true},
    OutputColumn{"new_n", true},      OutputColumn{"ratio", true},
    OutputColumn{"ratio_low", true},  OutputColumn{"ratio_high", true},
    OutputColumn{"p", true},          OutputColumn{"adjusted_p", true},
    OutputColumn{"threshold", true},  OutputColumn{"round_ratio", true},
    OutputColumn{"round_low", true},  OutputColumn{"round_high", true},
    OutputColumn{"note", false},
};

/// In the order of kOutputColumns.
std::vector<std::string> OutputCells(const ComparedRow& row) {
  const auto number = [](const std::optional<double>& value) {
    return value && std::isfinite(*value) ? ShortestNumber(*value) : "";
  };
  const auto whole = [](const std::optional<std::uint64_t>& value) {
    return value ? std::to_string(*value) : "";
  };
  const auto end = [&](const std::optional<Interval>& interval, double Interval::*which) {
    return interval ? number((*interval).*which) : "";
  };
  return {std::string(VerdictName(row.verdict)),
          row.gated ? "yes" : "no",
          row.cell.suite,
          row.cell.workload,
          row.cell.params,
          row.cell.stream_hash,
          row.cell.allocator,
          row.cell.layout,
          whole(row.cell.heap_bytes),
          whole(row.cell.seed),
          row.op,
          row.metric,
          row.stat,
          row.unit,
          row.better,
          number(row.base),
          number(row.candidate),
          std::to_string(row.base_n),
          std::to_string(row.candidate_n),
          number(row.ratio),
          end(row.interval, &Interval::low),
          end(row.interval, &Interval::high),
          number(row.p),
          number(row.adjusted_p),
          number(row.threshold),
          number(row.round_ratio),
          end(row.round_interval, &Interval::low),
          end(row.round_interval, &Interval::high),
          row.note};
}

std::string RenderCsv(std::span<const Comparison> comparisons) {
  std::vector<std::string> names{"base", "new"};
  for (const OutputColumn& column : kOutputColumns) names.emplace_back(column.name);
  std::string out = CsvRecord(names);
  for (const Comparison& comparison : comparisons) {
    for (const ComparedRow& row : comparison.rows) {
      std::vector<std::string> cells = OutputCells(row);
      cells.insert(cells.begin(), {comparison.base_name, comparison.candidate_name});
      out += CsvRecord(cells);
    }
  }
  return out;
}

std::string RenderJson(std::span<const Comparison> comparisons, Gate gate) {
  Json json;
  json["gate"] = GateName(gate);
  json["comparisons"] = Json::array();
  for (const Comparison& comparison : comparisons) {
    Json one;
    one["base"] = comparison.base_name;
    one["new"] = comparison.candidate_name;
    one["timing_is_gated"] = comparison.timing_is_gated;
    one["warnings"] = comparison.warnings;
    one["changed_behaviour"] = comparison.changed_behaviour;
    one["verdicts"] = Json::object();
    for (std::size_t i = 0; i < kVerdicts; ++i) {
      one["verdicts"][std::string(VerdictName(static_cast<Verdict>(i)))] = comparison.counts[i];
    }
    one["geometric_means"] = Json::array();
    for (const GeometricMeanRow& mean : comparison.geometric_means) {
      one["geometric_means"].push_back({{"metric", mean.metric},
                                        {"stat", mean.stat},
                                        {"rows", mean.rows},
                                        {"ratio", mean.ratio}});
    }
    one["rows"] = Json::array();
    for (const ComparedRow& row : comparison.rows) {
      const std::vector<std::string> cells = OutputCells(row);
      Json object = Json::object();
      for (std::size_t i = 0; i < cells.size(); ++i) {
        Json& value = object[std::string(kOutputColumns[i].name)];
        if (!kOutputColumns[i].is_number) {
          value = cells[i];
        } else if (!cells[i].empty()) {
          value = Json::parse(cells[i]);  // a cell's number is a JSON number as well
        }
      }
      one["rows"].push_back(std::move(object));
    }
    json["comparisons"].push_back(std::move(one));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::string_view GateName(Gate gate) {
  switch (gate) {
    case Gate::kPassed:
      return "passed";
    case Gate::kUnclear:
      return "unclear";
    case Gate::kFailed:
      return "failed";
    case Gate::kNotComparable:
      break;
  }
  return "not-comparable";
}

std::string CountsText(const Comparison& comparison) {
  std::string text;
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    if (comparison.counts[i] == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(comparison.counts[i]);
    text.append(1, ' ').append(VerdictName(static_cast<Verdict>(i)));
  }
  return text.empty() ? "none" : text;
}

std::string RenderComparisons(std::span<const Comparison> comparisons, Gate gate,
                              const ComparisonView& view) {
  switch (view.format) {
    case Format::kCsv:
      return RenderCsv(comparisons);
    case Format::kJson:
      return RenderJson(comparisons, gate);
    case Format::kMarkdown:
      return RenderMarkdown(comparisons, gate, view);
    case Format::kTable:
      break;
  }
  return RenderTable(comparisons, gate, view);
}

}  // namespace pagealloc::bench
