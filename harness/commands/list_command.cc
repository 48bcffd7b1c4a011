// list_command.cc: what there is, as a table for people or as JSON for programs.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "harness/base/parse_units.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/resolver.h"
#include "harness/report/run_report.h"
#include "harness/run/allocators.h"
#include "harness/run/console.h"
#include "harness/run/malloc_library.h"
#include "harness/trace/workload.h"
#include "nlohmann/json.hpp"
#include "pagealloc/layout.h"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::ordered_json;

enum class Listing : std::uint8_t { kWorkloads, kAllocators, kLayouts, kMetrics };
constexpr std::array<Choice<Listing>, 4> kListings{{{"workloads", Listing::kWorkloads},
                                                    {"allocators", Listing::kAllocators},
                                                    {"layouts", Listing::kLayouts},
                                                    {"metrics", Listing::kMetrics}}};

std::string Text(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::string Range(const ParamInfo& param) {
  if (param.kind == ParamKind::kWord) {
    return absl::StrJoin(std::vector<std::string>(param.words.begin(), param.words.end()), "|");
  }
  const std::string range = absl::StrCat(param.min, "..", param.max);
  return param.kind == ParamKind::kSizes ? absl::StrCat("N or N-M of ", range) : range;
}

Json Workload(const WorkloadInfo& workload) {
  Json params = Json::array();
  for (const ParamInfo& param : workload.params) {
    params.push_back({{"name", param.name},
                      {"values", Range(param)},
                      {"default", param.fallback},
                      {"full", param.full},
                      {"sentence", param.sentence}});
  }
  return {{"name", workload.name},
          {"sentence", workload.sentence},
          {"quick", workload.quick},
          {"recordable", workload.has_trace_form},
          {"params", params}};
}

template <Layout L>
Json LayoutEntry() {
  using G = Geometry<L>;
  std::uint64_t summary_bytes = 0;
  Json levels = Json::array();
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const std::uint64_t bytes = G::kEntries[level] * sizeof(std::uint64_t);
    summary_bytes += bytes;
    levels.push_back({{"level", level},
                      {"index_bits", G::kIndexBits[level]},
                      {"span_bits", G::kSpanBits[level]},
                      {"span_pages", std::uint64_t{1} << G::kSpanPageBits[level]},
                      {"entries", G::kEntries[level]},
                      {"bytes", bytes}});
  }
  return {
      {"name", L::kName},
      {"address_bits", L::kAddressBits},
      {"pointer_bits", L::kPointerBits},
      {"base", absl::StrFormat("0x%x", L::kBase.raw)},
      {"heap_base", absl::StrFormat("0x%x", L::kHeapBase.raw)},
      {"heap_pages", (G::kHeapEnd - G::kHeapBasePage).raw},
      {"chunk_pages", G::kChunkPages.raw},
      {"summary_reservation_bytes", summary_bytes},
      {"reserved", L::kSummaryMemory == SummaryMemory::kOneBlockAtStart ? "at once" : "per level"},
      {"levels", levels}};
}

Json Everything(Listing what) {
  Json list = Json::array();
  switch (what) {
    case Listing::kWorkloads:
      for (const WorkloadInfo& workload : Workloads()) list.push_back(Workload(workload));
      break;
    case Listing::kAllocators:
      for (const AllocatorInfo& allocator : AllAllocators()) {
        const std::optional<std::string> why_not = WhyUnavailable(allocator, "");
        list.push_back({{"name", allocator.name},
                        {"available", !why_not},
                        {"package", allocator.package},
                        {"reason", why_not.value_or("")},
                        {"sentence", allocator.sentence}});
      }
      break;
    case Listing::kLayouts:
      ForEachLayout([&list]<Layout L>() { list.push_back(LayoutEntry<L>()); });
      break;
    case Listing::kMetrics:
      for (const MetricInfo& metric : AllMetrics()) {
        list.push_back({{"name", metric.name},
                        {"unit", metric.unit},
                        {"better", metric.better},
                        {"sentence", metric.sentence}});
      }
      break;
  }
  return list;
}

// Columns as wide as their widest cell; the last one is not padded.
std::string Table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const std::vector<std::string>& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      text += row[i];
      if (i + 1 < row.size()) text += std::string(widths[i] - row[i].size() + 2, ' ');
    }
    text += '\n';
  }
  return text;
}

std::string WorkloadTable(const Json& list) {
  std::string text;
  for (const Json& workload : list) {
    absl::StrAppend(&text, Text(workload["name"]), workload["quick"] ? "" : "  (not in @quick)",
                    "\n    ", Text(workload["sentence"]), "\n");
    std::vector<std::vector<std::string>> rows;
    for (const Json& param : workload["params"]) {
      rows.push_back({absl::StrCat("    -p ", Text(param["name"]), "=", Text(param["default"])),
                      Text(param["values"]), Text(param["sentence"])});
    }
    text += Table(rows);
  }
  return text;
}

std::string LayoutTable(const Json& list) {
  std::vector<std::vector<std::string>> rows{{"layout", "bits", "heap base", "heap pages", "chunk",
                                              "index bits", "span bits", "summaries if stored"}};
  for (const Json& layout : list) {
    std::vector<std::string> index;
    std::vector<std::string> span;
    for (const Json& level : layout["levels"]) {
      index.push_back(Text(level["index_bits"]));
      span.push_back(Text(level["span_bits"]));
    }
    const std::uint64_t bytes = layout["summary_reservation_bytes"];
    rows.push_back({Text(layout["name"]), Text(layout["address_bits"]), Text(layout["heap_base"]),
                    Text(layout["heap_pages"]), Text(layout["chunk_pages"]),
                    absl::StrJoin(index, ","), absl::StrJoin(span, ","),
                    absl::StrCat(bytes, " B ", Text(layout["reserved"]))});
  }
  return Table(rows);
}

std::string TableOf(Listing what, const Json& list) {
  if (what == Listing::kWorkloads) return WorkloadTable(list);
  if (what == Listing::kLayouts) return LayoutTable(list);
  std::vector<std::vector<std::string>> rows;
  std::string missing;
  for (const Json& entry : list) {
    std::vector<std::string> row{Text(entry["name"])};
    if (what == Listing::kAllocators) {
      row.emplace_back(entry["available"] ? "available" : "missing");
      if (!entry["available"]) absl::StrAppend(&missing, Text(entry["reason"]), "\n");
    }
    if (what == Listing::kMetrics) {
      row.push_back(Text(entry["unit"]));
      row.push_back(Text(entry["better"]));
    }
    row.push_back(Text(entry["sentence"]));
    rows.push_back(std::move(row));
  }
  return absl::StrCat(Table(rows), missing.empty() ? "" : "\n", missing);
}

class ListCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app =
        parent.add_subcommand("list",
                              "Lists what there is: workloads, allocators, layouts, metrics.\n"
                              "\n"
                              "Examples:\n"
                              "  pagealloc-bench list workloads\n"
                              "  pagealloc-bench list allocators\n"
                              "  pagealloc-bench list layouts --format json\n"
                              "  pagealloc-bench list metrics\n");
    app->add_option("WHAT", listing_, "workloads, allocators, layouts or metrics")->required();
    AddTableOrJson(*app, format_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App&, const std::vector<std::string>& words) override {
    Resolver resolver;
    Listing listing{};
    bool json = false;
    resolver.Pick("list", listing_, kListings, listing);
    resolver.Pick("--format", format_, kTableOrJson, json);
    if (!resolver.status().ok()) return resolver.status();
    return [listing, json, words] {
      if (listing == Listing::kAllocators) RestartWithRoomForMallocs(words);
      const Json list = Everything(listing);
      return WriteResult(json ? list.dump(2) + "\n" : TableOf(listing, list));
    };
  }

 private:
  std::string listing_;
  std::string format_ = "table";
};

}  // namespace

std::unique_ptr<CliCommand> MakeListCommand() { return std::make_unique<ListCommand>(); }

}  // namespace pagealloc::bench
