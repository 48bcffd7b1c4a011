// trace_command.cc: `trace validate` and `trace inspect`.
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/commands.h"
#include "harness/console.h"
#include "harness/run/status_codes.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_file.h"
#include "harness/trace/trace_statistics.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

struct Judged {
  Program program;
  Judgement judgement;
};

absl::StatusOr<Judged> ReadJudged(const std::string& path) {
  absl::StatusOr<ParsedTrace> trace = ReadTraceFile(path);
  if (!trace.ok()) return FileError(std::string(trace.status().message()));
  Result<Judgement, TraceError> judgement = Judge(*trace);
  if (!judgement.ok()) return UsageError(judgement.error().Message());
  return Judged{std::move(trace->program), std::move(judgement).value()};
}

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

}  // namespace

absl::Status ExamineTraces(const TraceOptions& options) {
  const bool inspect = options.verb == TraceOptions::Verb::kInspect;
  std::string text;
  Json list = Json::array();
  for (const std::string& path : options.files) {
    const absl::StatusOr<Judged> trace = ReadJudged(path);
    if (!trace.ok()) return trace.status();
    if (!inspect) {
      absl::StrAppend(&text, path, ": valid, ", trace->program.ops.size(), " operations\n");
      continue;
    }
    const TraceStatistics statistics = ComputeStatistics(trace->program, trace->judgement);
    if (options.json) list.push_back(Inspected(path, statistics));
    absl::StrAppend(&text, text.empty() ? "" : "\n", path, "\n", StatisticsText(statistics));
  }
  // Names are bytes, JSON is UTF-8: what is none becomes U+FFFD instead of an exception.
  const std::string json = list.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  return WriteResult(options.json ? json : text);
}

}  // namespace pagealloc::bench
