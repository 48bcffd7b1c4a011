#include "harness/report/render.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>
#include <vector>

#include "harness/report/results_csv.h"
#include "harness/report/text_table.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::ordered_json;

std::string StepText(double step_ns) {
  const double rounded = step_ns < 10 ? std::round(step_ns * 100) / 100 : std::round(step_ns);
  return ShortestNumber(rounded) + " ns";
}

/// A time of single operations: nothing below the clock's step, no fractions.
std::string SingleTime(double ns, double step_ns) {
  if (ns < step_ns) return '<' + StepText(step_ns);
  if (ns < 99'999.5) return Decimals(ns, 0) + " ns";
  return TimeText(ns);
}

/// The rows over all repetitions of one cell and op.
struct Line {
  const ResultRow* first = nullptr;
  std::vector<const ResultRow*> rows;

  [[nodiscard]] const ResultRow* Find(std::string_view metric, std::string_view stat = "") const {
    for (const ResultRow* row : rows) {
      if (row->metric == metric && (stat.empty() || row->stat == stat)) return row;
    }
    return nullptr;
  }
};

std::vector<Line> LinesOf(const std::vector<ResultRow>& rows) {
  std::vector<Line> lines;
  for (const ResultRow& row : rows) {
    if (row.rep) continue;
    // Rows of one line stand close together, so the search starts at the end.
    auto line = std::find_if(lines.rbegin(), lines.rend(), [&](const Line& known) {
      return known.first->op == row.op && known.first->cell == row.cell;
    });
    if (line == lines.rend()) {
      lines.push_back({&row, {}});
      line = lines.rbegin();
    }
    line->rows.push_back(&row);
  }
  return lines;
}

bool IsTime(const ResultRow& row) {
  return row.metric == "batch_ns" || row.metric == "service_ns" || row.metric == "response_ns";
}

/// What goes into a table, and whether the legend must explain a mark.
struct Table {
  TextTable text;
  bool has_timing = false;
  bool has_null_mark = false;
  bool has_below_step = false;
  bool has_ratio = false;
  std::string base;  ///< the allocator that the others are compared with; empty: there is one only
};

class TableBuilder {
 public:
  explicit TableBuilder(const RunReport& report)
      : step_ns_(report.environment.clock.step_ns), lines_(LinesOf(report.rows)) {
    for (const Line& line : lines_) {
      for (const ResultRow* row : line.rows) {
        table_.has_timing = table_.has_timing || IsTime(*row);
        if (row->metric == "service_ns" && row->stat.starts_with("p"))
          AddTo(percentiles_, row->stat);
        if (row->metric == "response_ns" && row->stat.starts_with("p"))
          AddTo(responses_, row->stat);
      }
      const std::string& base = lines_.front().first->cell.allocator;
      if (line.first->cell.allocator != base) table_.base = base;
    }
  }

  Table Build() {
    for (const char* name : {"workload", "params", "allocator", "layout", "op"})
      Column(name, false);
    if (table_.has_timing) {
      Column("ns/op", true);
      Column("vs " + table_.base, true);
      for (const std::string& stat : percentiles_) Column(stat, true);
      for (const std::string& stat : responses_) Column("response " + stat, true);
      Column("Mops/s", true);
    } else {
      for (const auto& [heading, metric] : kExact) Column(heading, true);
    }
    Column("status", false);
    for (const Line& line : lines_) AddLine(line);
    DropEmptyColumns(table_.text);
    return std::move(table_);
  }

 private:
  // Exact counts are totals of n operations; metadata is one number.
  static constexpr std::array<std::pair<const char*, const char*>, 8> kExact{{
      {"words/op", "words_scanned"},
      {"visits/op", "summary_visits"},
      {"updates/op", "summary_updates"},
      {"instr/op", "instructions"},
      {"missed/op", "branches_missed"},
      {"metadata", "metadata_bytes"},
      {"span", "span_bytes"},
      {"live", "live_bytes"},
  }};

  static void AddTo(std::vector<std::string>& stats, const std::string& stat) {
    if (std::find(stats.begin(), stats.end(), stat) == stats.end()) stats.push_back(stat);
  }

  void Column(std::string heading, bool right) {
    table_.text.columns.push_back({std::move(heading), right});
  }

  void AddLine(const Line& line) {
    const CellColumns& cell = line.first->cell;
    std::vector<std::string> texts{cell.workload, cell.params, cell.allocator, cell.layout,
                                   line.first->op};
    std::vector<const ResultRow*> shown;
    const auto add = [&](const ResultRow* row, const std::string& text) {
      if (row != nullptr) shown.push_back(row);
      texts.push_back(text);
    };
    if (table_.has_timing) {
      const ResultRow* const batch = line.Find("batch_ns");
      add(batch, batch != nullptr && batch->value ? TimeText(*batch->value) : "");
      add(nullptr, Ratio(line, batch));
      for (const std::string& stat : percentiles_) {
        const ResultRow* const row = line.Find("service_ns", stat);
        add(row, Single(line, row, stat));
      }
      for (const std::string& stat : responses_) {
        const ResultRow* const row = line.Find("response_ns", stat);
        add(row, Single(line, row, stat));
      }
      add(nullptr, Rate(batch, line.Find("ops_per_s")));
    } else {
      for (const auto& [heading, metric] : kExact) {
        const ResultRow* const row = line.Find(metric);
        add(row, Exact(row));
      }
    }
    if (shown.empty()) return;
    RowStatus status = RowStatus::kOk;
    for (const ResultRow* row : shown) status = std::max(status, row->status);
    texts.emplace_back(StatusName(status));
    table_.text.lines.push_back(std::move(texts));
  }

  /// How many times as long as the base takes for the same; on the base's first layout where the
  /// allocator has none.
  std::string Ratio(const Line& line, const ResultRow* batch) {
    const CellColumns& cell = line.first->cell;
    if (batch == nullptr || !batch->value || cell.allocator == table_.base) return "";
    for (const Line& other : lines_) {
      CellColumns same = other.first->cell;
      if (same.allocator != table_.base || other.first->op != line.first->op) continue;
      if (cell.layout == kNoLayout) same.layout = kNoLayout;
      same.allocator = cell.allocator;
      if (same != cell) continue;
      const ResultRow* const base = other.Find("batch_ns");
      if (base == nullptr || !base->value || *base->value <= 0) return "";
      table_.has_ratio = true;
      return ThreeDigits(*batch->value / *base->value) + "x";
    }
    return "";
  }

  // Only the whole replay has a rate of its own; with several threads it is that of all.
  static std::string Rate(const ResultRow* batch, const ResultRow* rate) {
    if (rate != nullptr && rate->value) return ThreeDigits(*rate->value / 1e6);
    const bool has_time = batch != nullptr && batch->value && *batch->value > 0;
    return has_time ? ThreeDigits(1e3 / *batch->value) : "";
  }

  std::string Single(const Line& line, const ResultRow* row, const std::string& stat) {
    if (row == nullptr || !row->value) return "";
    std::string text = SingleTime(*row->value, step_ns_);
    if (text.front() == '<') table_.has_below_step = true;
    const std::optional<double> null_ns = NullOf(line, stat);
    if (!null_ns || *null_ns * 2 < *row->value) return text;
    table_.has_null_mark = true;
    return "~" + text;
  }

  /// What an empty operation reads at this percentile: measured for the op, or for the whole cell.
  [[nodiscard]] std::optional<double> NullOf(const Line& line, const std::string& stat) const {
    const ResultRow* found = line.Find("null_op_ns", stat);
    for (auto other = lines_.begin(); found == nullptr && other != lines_.end(); ++other) {
      if (other->first->op == "all" && other->first->cell == line.first->cell) {
        found = other->Find("null_op_ns", stat);
      }
    }
    return found == nullptr ? std::nullopt : found->value;
  }

  static std::string Exact(const ResultRow* row) {
    if (row == nullptr || !row->value) return "";
    if (row->unit == "bytes") return Decimals(*row->value / 1024, 0) + " KiB";
    const bool is_total = row->unit == "count" && row->n.value_or(0) > 0;
    return ThreeDigits(is_total ? *row->value / static_cast<double>(*row->n) : *row->value);
  }

  double step_ns_;
  std::vector<Line> lines_;
  std::vector<std::string> percentiles_;
  std::vector<std::string> responses_;
  Table table_;
};

std::vector<std::string> Legend(const Table& table, double step_ns) {
  std::vector<std::string> lines;
  if (table.text.lines.empty()) return {"No results."};
  if (table.has_timing) {
    lines.emplace_back(
        "ns/op: mean of the fastest quarter of the repetitions, timed in batches. "
        "p50 ...: operations timed one by one.");
  }
  if (table.has_ratio) {
    lines.push_back("vs " + table.base + ": how many times as long as " + table.base +
                    " takes for the same on the same layout (" + std::string(kNoLayout) +
                    ": on its first one).");
  }
  if (table.has_null_mark) {
    lines.emplace_back(
        "~ an empty operation reaches half of this value: "
        "it is the machine's more than the allocator's.");
  }
  if (table.has_below_step) {
    lines.push_back("< below the clock's step of " + StepText(step_ns) + ".");
  }
  return lines;
}

std::string_view ColorOf(std::string_view status) {
  if (status == StatusName(RowStatus::kOk)) return "\033[32m";      // green
  if (status == StatusName(RowStatus::kSkipped)) return "\033[2m";  // dim
  return "\033[33m";                                                // yellow
}

std::string RenderTable(const RunReport& report, bool color) {
  const Table table = TableBuilder(report).Build();
  std::string out = AlignedText(table.text, color ? ColorOf : nullptr);
  if (!out.empty()) out += '\n';
  for (const std::string& line : Legend(table, report.environment.clock.step_ns)) {
    out += line + '\n';
  }
  return out;
}

std::string RenderMarkdown(const RunReport& report) {
  const Table table = TableBuilder(report).Build();
  std::string out = MarkdownText(table.text);
  if (!out.empty()) out += '\n';
  for (const std::string& line : Legend(table, report.environment.clock.step_ns)) {
    out += "- " + EscapedForMarkdown(line) + '\n';
  }
  return out;
}

std::string RenderCsv(const RunReport& report) {
  std::string out = ResultsHeader();
  for (const ResultRow& row : report.rows) out += ResultsLine(report.run, row);
  return out;
}

std::string RenderJson(const RunReport& report) {
  const auto columns = ResultColumns();
  const auto object = [&](const std::vector<std::string>& cells, std::size_t begin,
                          std::size_t end) {
    Json json = Json::object();
    for (std::size_t i = begin; i < end; ++i) {
      Json& value = json[std::string(columns[i].name)];
      if (!columns[i].is_number) {
        value = cells[i];
      } else if (!cells[i].empty()) {
        value = Json::parse(cells[i]);  // a cell's number is a JSON number as well
      }
    }
    return json;
  };
  Json json;
  json["run"] = object(ResultCells(report.run, {}), 0, kRunColumns);
  json["environment"] = Json::parse(ToJson(report.environment));
  json["rows"] = Json::array();
  for (const ResultRow& row : report.rows) {
    json["rows"].push_back(object(ResultCells(report.run, row), kRunColumns, columns.size()));
  }
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

std::optional<Format> FormatFromName(std::string_view name) {
  if (name == "table") return Format::kTable;
  if (name == "csv") return Format::kCsv;
  if (name == "json") return Format::kJson;
  if (name == "markdown") return Format::kMarkdown;
  return std::nullopt;
}

std::string Render(const RunReport& report, Format format, bool color) {
  switch (format) {
    case Format::kCsv:
      return RenderCsv(report);
    case Format::kJson:
      return RenderJson(report);
    case Format::kMarkdown:
      return RenderMarkdown(report);
    case Format::kTable:
      break;
  }
  return RenderTable(report, color);
}

}  // namespace pagealloc::bench
