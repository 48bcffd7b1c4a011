// figure_sections.cc: ratios, percentiles, values in time order, memory.
#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "harness/page/figures.h"
#include "harness/page/html.h"
#include "harness/page/sections.h"

namespace pagealloc::bench {
namespace {

std::string Figure(const std::string& title, const std::string& subtitle, const std::string& svg) {
  return Element(
      "figure", "",
      Element("figcaption", "",
              Element("b", "", Escaped(title)) + Element("span", "", Escaped(subtitle))) +
          svg);
}

std::string Grid(const std::string& figures) {
  return figures.empty() ? "" : Element("div", "class=\"grid\"", figures);
}

std::optional<std::pair<double, double>> PairOf(const std::optional<Interval>& interval) {
  if (!interval) return std::nullopt;
  return std::pair(interval->low, interval->high);
}

/// The lines of a forest plot, worst first.
std::string Forest(const std::string& title, const std::vector<const ComparedRow*>& rows,
                   std::size_t most) {
  std::vector<double> seen;
  for (const ComparedRow* row : rows) {
    if (*row->ratio > 0) seen.push_back(*row->ratio);
    if (!row->interval) continue;
    if (row->interval->low > 0) seen.push_back(row->interval->low);
    seen.push_back(row->interval->high);
  }
  const RatioAxis axis(seen);
  std::string body;
  for (std::size_t i = 0; i < std::min(rows.size(), most); ++i) {
    const ComparedRow& row = *rows[i];
    const std::string name(VerdictName(row.verdict));
    std::string numbers = Rounded(*row.ratio);
    if (row.interval) {
      numbers += " <small>[" + Rounded(row.interval->low) + ", " + Rounded(row.interval->high) +
                 "]</small>";
    }
    const std::string stat = PercentileOf(row.metric, row.stat);
    body += Element(
        "tr", "",
        Element("th", "scope=\"row\"",
                Escaped(TitleOf(row.cell)) + " <small>" +
                    Escaped(row.op + " " + row.metric + (stat.empty() ? "" : " " + stat)) +
                    "</small>") +
            Element("td", "class=\"plot\"",
                    axis.LineSvg(*row.ratio, PairOf(row.interval), row.threshold, name)) +
            Element("td", "class=\"n\"", numbers) + Element("td", "", VerdictBadge(row.verdict)));
  }
  const std::string head =
      "<tr><th scope=\"col\">row</th><th scope=\"col\" class=\"plot\">" + axis.AxisSvg() +
      "</th><th scope=\"col\" class=\"n\">new / base</th><th scope=\"col\">verdict</th></tr>";
  return Element("h4", "", title) +
         ScrollingTable("class=\"forest\"",
                        Element("thead", "", head) + Element("tbody", "", body)) +
         LeftOut(rows.size() - std::min(rows.size(), most), "rows");
}

/// What a cell is drawn by in time order: whole operations first, else a percentile of one kind.
std::optional<RowName> DrawnInTime(const PageCell& cell) {
  for (const RowName& name : RowsOf(cell)) {
    if (name.metric == "batch_ns" && name.op == "all") return name;
  }
  for (const RowName& name : RowsOf(cell)) {
    if (name.metric.ends_with("_ns") && name.metric != "null_op_ns" && name.percentile == "p50") {
      return name;
    }
  }
  return std::nullopt;
}

std::string TimePanel(const PageCell& cell, const RowName& name) {
  Panel panel;
  panel.x_name = "place in the order of execution";
  panel.description = TitleOf(cell.columns) + ": " + name.metric + " in time order";
  for (std::size_t i = 0; i < cell.files.size(); ++i) {
    Series series;
    series.color = i;
    for (const ResultRow* row : cell.files[i].repetitions) {
      if (row->op != name.op || row->metric != name.metric ||
          PercentileOf(row->metric, row->stat) != name.percentile) {
        continue;
      }
      series.points.push_back(
          {static_cast<double>(row->seq.value_or(0)), *row->value, row->status != RowStatus::kOk});
    }
    panel.series.push_back(std::move(series));
  }
  const std::string svg = PanelSvg(panel);
  if (svg.empty()) return "";
  return Figure(
      TitleOf(cell.columns),
      name.op + " " + name.metric + (name.percentile.empty() ? "" : " " + name.percentile), svg);
}

std::string PercentilePanel(const PageCell& cell, const std::string& op,
                            const std::string& metric) {
  Panel panel;
  panel.log = panel.lines = true;
  panel.x_name = "percentile of all repetitions";
  panel.description = TitleOf(cell.columns) + ", " + op + ": " + metric + " by percentile";
  for (const RowName& name : RowsOf(cell)) {
    if (name.op == op && name.metric == metric) panel.categories.push_back(name.percentile);
  }
  const auto series = [&](const PageCell::OfFile& file, const std::string& of_op,
                          const std::string& of_metric) {
    Series points;
    for (std::size_t x = 0; x < panel.categories.size(); ++x) {
      const ResultRow* const row = file.Aggregate(of_op, of_metric, panel.categories[x]);
      if (row == nullptr) continue;
      points.points.push_back({static_cast<double>(x), *row->value, row->status != RowStatus::kOk});
    }
    return points;
  };
  for (std::size_t i = 0; i < cell.files.size(); ++i) {
    Series null = series(cell.files[i], "all", "null_op_ns");
    null.is_null = true;
    panel.series.push_back(std::move(null));
    Series measured = series(cell.files[i], op, metric);
    measured.color = i;
    panel.series.push_back(std::move(measured));
  }
  const std::string svg = PanelSvg(panel);
  return svg.empty() ? "" : Figure(TitleOf(cell.columns), op + " " + metric, svg);
}

}  // namespace

std::string LeftOut(std::size_t count, const std::string& what) {
  if (count == 0) return "";
  return Element("p", "class=\"note\"",
                 std::to_string(count) + " more " + what +
                     " are left out to keep this page small; the results files have them.");
}

std::string ScrollingTable(const std::string& attributes, const std::string& content) {
  return Element("div", "class=\"scroll\" tabindex=\"0\"", Element("table", attributes, content));
}

std::string FileLegend(const PageContent& content, bool null_line) {
  const std::vector<PageFile>& files = content.input.files;
  std::string items;
  for (std::size_t i = 0; i < files.size(); ++i) {
    items += Element(
        "li", "", "<i class=\"swatch c" + std::to_string(i) + "\"></i> " + Escaped(files[i].name));
  }
  if (null_line) items += "<li><i class=\"swatch null\"></i> an operation that does nothing</li>";
  return Element("ul", "class=\"legend\"", items);
}

std::string RatioSection(const PageContent& content) {
  std::string html;
  for (const Comparison& comparison : content.input.comparisons) {
    // What is best to believe comes first.
    constexpr std::array<const char*, 3> kTitles{"Times in batches, and exact numbers",
                                                 "Times of single operations, by percentile",
                                                 "Rates, resident memory, page faults"};
    std::array<std::vector<const ComparedRow*>, kTitles.size()> groups;
    std::size_t equal = 0;
    for (const ComparedRow& row : comparison.rows) {
      if (!row.ratio || *row.ratio <= 0) continue;
      if (row.better == "exact" && *row.ratio == 1) {
        ++equal;
        continue;
      }
      const bool solid = row.metric == "batch_ns" || row.better == "exact";
      const bool single = !PercentileOf(row.metric, row.stat).empty();
      groups[solid ? 0 : single ? 1 : 2].push_back(&row);
    }
    std::string plots;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      if (!groups[i].empty()) plots += Forest(kTitles[i], groups[i], content.limits.ratios);
    }
    if (equal > 0) {
      plots += Element("p", "class=\"note\"",
                       "Not drawn: " + std::to_string(equal) + " exact numbers that are equal.");
    }
    if (plots.empty()) continue;
    html += Element("h3", "", Escaped(comparison.candidate_name + " / " + comparison.base_name)) +
            plots;
  }
  if (html.empty()) return "";
  return Element(
             "p", "",
             "The mark is the ratio of new to base, the line its bootstrap interval where there "
             "are enough repetitions. Inside the shaded band a change is below the threshold of "
             "its metric. Worst first.") +
         html;
}

std::string PercentileSection(const PageContent& content) {
  std::string figures;
  std::size_t drawn = 0;
  std::size_t left = 0;
  for (const PageCell& cell : content.cells) {
    std::vector<std::pair<std::string, std::string>> kinds;
    for (const RowName& name : RowsOf(cell)) {
      if (name.metric != "service_ns" && name.metric != "response_ns") continue;
      std::pair kind(name.op, name.metric);
      if (std::find(kinds.begin(), kinds.end(), kind) == kinds.end()) kinds.push_back(kind);
    }
    for (const auto& [op, metric] : kinds) {
      if (drawn >= content.limits.panels) {
        ++left;
        continue;
      }
      const std::string panel = PercentilePanel(cell, op, metric);
      if (!panel.empty()) ++drawn;
      figures += panel;
    }
  }
  if (figures.empty()) return "";
  return Element("p", "",
                 "Operations timed one by one, logarithmic. Where the dashed line comes near, the "
                 "value is the machine's and not the allocator's.") +
         FileLegend(content, true) + Grid(figures) + LeftOut(left, "figures");
}

std::string TimeOrderSection(const PageContent& content) {
  std::string figures;
  std::size_t drawn = 0;
  std::size_t left = 0;
  for (const PageCell& cell : content.cells) {
    const std::optional<RowName> name = DrawnInTime(cell);
    if (!name) continue;
    if (drawn >= content.limits.panels) {
      ++left;
      continue;
    }
    const std::string panel = TimePanel(cell, *name);
    if (!panel.empty()) ++drawn;
    figures += panel;
  }
  if (figures.empty()) return "";
  return Element("p", "",
                 "Each point is a repetition; rings were noisy. A drift or a step says that the "
                 "machine changed, not the allocator.") +
         FileLegend(content, false) + Grid(figures) + LeftOut(left, "figures");
}

std::string MemorySection(const PageContent& content) {
  std::string html;
  for (const auto& [metric, caption] :
       {std::pair<std::string_view, std::string_view>{
            "metadata_bytes", "Metadata: what the allocator committed for its own data"},
        {"rss_bytes", "RSS: resident memory that came with allocator, heap and timed pass"}}) {
    double most = 0;
    for (const PageCell& cell : content.cells) {
      for (const PageCell::OfFile& file : cell.files) {
        const ResultRow* const row = file.Aggregate("all", metric);
        if (row != nullptr) most = std::max(most, *row->value);
      }
    }
    std::string body;
    std::size_t left = 0;
    std::size_t drawn = 0;
    for (const PageCell& cell : content.cells) {
      std::string bars;
      std::string values;
      for (std::size_t i = 0; i < cell.files.size(); ++i) {
        const ResultRow* const row = cell.files[i].Aggregate("all", metric);
        if (row == nullptr) continue;
        bars += Element("div", "", BarSvg(most > 0 ? *row->value / most : 0, i));
        values += Element("div", "", ValueText(*row->value, row->unit));
      }
      if (bars.empty()) continue;
      if (drawn++ >= content.limits.cells) {
        ++left;
        continue;
      }
      body +=
          Element("tr", "",
                  Element("th", "scope=\"row\"", Escaped(TitleOf(cell.columns))) +
                      Element("td", "class=\"bars\"", bars) + Element("td", "class=\"n\"", values));
    }
    if (body.empty()) continue;
    html += ScrollingTable("class=\"memory\"",
                           Element("caption", "", caption) + Element("tbody", "", body)) +
            LeftOut(left, "rows");
  }
  return html.empty() ? "" : FileLegend(content, false) + html;
}

std::string MapSection(const PageContent& content) {
  const PageInput& input = content.input;
  const std::size_t drawn = std::min(input.maps.size(), content.limits.maps);
  std::string html;
  for (std::size_t i = 0; i < drawn; ++i) {
    const HeapPicture& map = input.maps[i];
    html += Element(
        "figure", "class=\"wide\"",
        Element("figcaption", "",
                Element("b", "", Escaped(map.title)) + Element("span", "", Escaped(map.note))) +
            map.svg);
  }
  html += LeftOut(input.maps.size() - drawn, "maps");
  for (const std::string& note : input.map_notes) {
    html += Element("p", "class=\"note\"", Escaped(note));
  }
  return html;
}

}  // namespace pagealloc::bench
