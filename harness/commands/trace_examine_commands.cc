// trace_examine_commands.cc: `trace validate` and `trace inspect`.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/resolver.h"
#include "harness/commands/trace_files.h"
#include "harness/run/console.h"
#include "harness/trace/trace_statistics.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::ordered_json;

// Named as `list` and the results file name kinds, except that records of one kind stay apart.
constexpr std::array<std::string_view, 10> kKinds{
    "grow",       "alloc",        "free",     "allocRange",      "freeRange",
    "take_cache", "return_cache", "scavenge", "next_generation", "find"};
static_assert(static_cast<std::size_t>(OpKind::kFind) + 1 == kKinds.size());

Json Lifetimes(const LifetimeStatistics& lifetimes) {
  return {{"freed", lifetimes.freed}, {"never_freed", lifetimes.never_freed},
          {"lower", lifetimes.lower}, {"median", lifetimes.median},
          {"upper", lifetimes.upper}, {"by_log2", lifetimes.by_log2}};
}

Json Inspected(const std::string& path, const TraceStatistics& statistics) {
  Json kinds;
  for (std::size_t i = 0; i < kKinds.size(); ++i) {
    const TraceStatistics::Events& events = statistics.by_kind[i];
    if (events.count > 0) kinds[kKinds[i]] = {{"count", events.count}, {"none", events.none}};
  }
  Json sizes = Json::array();
  for (std::size_t i = 0; i < kSizeClasses.size(); ++i) {
    Json size{{"from", kSizeClasses[i].low},
              {"to", kSizeClasses[i].high},
              {"count", statistics.by_size[i]}};
    if (kSizeClasses[i].high == 0) size["to"] = nullptr;
    sizes.push_back(size);
  }
  Json samples = Json::array();
  for (const HeapSample& sample : statistics.samples) {
    samples.push_back({{"event", sample.op_index + 1},
                       {"heap_pages", sample.heap.raw},
                       {"in_use", sample.in_use.raw},
                       {"below_top", sample.below_top.raw},
                       {"free_runs", sample.free_runs},
                       {"single_runs", sample.single_runs},
                       {"largest_run", sample.largest_run.raw}});
  }
  return {{"trace", path},
          {"events", statistics.events},
          {"by_kind", kinds},
          {"allocations", statistics.allocations},
          {"allocated_pages", statistics.allocated_pages.raw},
          {"largest_allocation", statistics.largest_allocation.raw},
          {"by_size", sizes},
          {"lifetimes", Lifetimes(statistics.lifetimes)},
          {"refills", statistics.refills},
          {"refill_pages", statistics.refill_pages.raw},
          {"whole_blocks", statistics.whole_blocks},
          {"block_lifetimes", Lifetimes(statistics.block_lifetimes)},
          {"peak_in_use", statistics.peak_in_use.raw},
          {"peak_occupancy", statistics.peak_occupancy},
          {"mean_occupancy", statistics.mean_occupancy},
          {"final_heap_pages", statistics.final_heap.raw},
          {"mean_occupancy_below_top", statistics.mean_occupancy_below_top},
          {"free_runs_per_1000_pages", statistics.free_runs_per_1000_pages},
          {"single_run_share", statistics.single_run_share},
          {"largest_run_share", statistics.largest_run_share},
          {"samples", samples}};
}

// All files are read before anything is printed.
absl::Status Validate(const std::vector<std::string>& files) {
  std::string text;
  for (const std::string& path : files) {
    const absl::StatusOr<JudgedTrace> trace = ReadJudgedTrace(path);
    if (!trace.ok()) return trace.status();
    absl::StrAppend(&text, path, ": valid, ", trace->program.ops.size(), " operations\n");
  }
  return WriteResult(text);
}

absl::Status Inspect(const std::vector<std::string>& files, bool as_json) {
  std::string text;
  Json list = Json::array();
  for (const std::string& path : files) {
    const absl::StatusOr<JudgedTrace> trace = ReadJudgedTrace(path);
    if (!trace.ok()) return trace.status();
    const TraceStatistics statistics = ComputeStatistics(trace->program, trace->judgement);
    if (as_json) {
      list.push_back(Inspected(path, statistics));
    } else {
      absl::StrAppend(&text, text.empty() ? "" : "\n", path, "\n", StatisticsText(statistics));
    }
  }
  // Names are bytes, JSON is UTF-8: what is none becomes U+FFFD instead of an exception.
  return WriteResult(as_json ? list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n"
                             : text);
}

void AddTraces(CLI::App& app, std::vector<std::string>& files) {
  app.add_option("TRACE", files, "pagetrace files, plain or .zst; - is standard input")->required();
}

class TraceValidateCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand(
        "validate",
        "Checks form and legality: exit status 0 or 2; 4 for a file that cannot be read.\n"
        "\n"
        "Examples:\n"
        "  pagealloc-bench trace validate web.pagetrace\n"
        "  pagealloc-bench trace validate corpora/golden/*.pagetrace.zst\n"
        "  generate-trace | pagealloc-bench trace validate -\n"
        "  pagealloc-bench trace validate new.pagetrace && mv new.pagetrace traces/\n");
    AddTraces(*app, files_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    return [files = files_] { return Validate(files); };
  }

 private:
  std::vector<std::string> files_;
};

class TraceInspectCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand(
        "inspect",
        "Prints events by kind, sizes, lifetimes, occupancy and fragmentation.\n"
        "\n"
        "Examples:\n"
        "  pagealloc-bench trace inspect web.pagetrace\n"
        "  pagealloc-bench trace inspect corpora/golden/http_loopback.golden.pagetrace.zst\n"
        "  pagealloc-bench trace inspect web.pagetrace mail.pagetrace --format json\n"
        "  pagealloc-bench trace generate churn --ops 1000 | pagealloc-bench trace inspect -\n");
    AddTraces(*app, files_);
    AddTableOrJson(*app, format_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    Resolver resolver;
    bool json = false;
    resolver.Pick("--format", format_, kTableOrJson, json);
    if (!resolver.status().ok()) return resolver.status();
    return [files = files_, json] { return Inspect(files, json); };
  }

 private:
  std::vector<std::string> files_;
  std::string format_ = "table";
};

}  // namespace

std::unique_ptr<CliCommand> MakeTraceValidateCommand() {
  return std::make_unique<TraceValidateCommand>();
}

std::unique_ptr<CliCommand> MakeTraceInspectCommand() {
  return std::make_unique<TraceInspectCommand>();
}

}  // namespace pagealloc::bench
