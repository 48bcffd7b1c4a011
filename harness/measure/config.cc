#include "harness/measure/config.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/base/parse_units.h"

namespace pagealloc::bench {
namespace {

void Set(KeyValues& config, const std::string& key, const std::string& value) {
  const auto known = std::find_if(config.begin(), config.end(),
                                  [&key](const auto& entry) { return entry.first == key; });
  if (known == config.end()) {
    config.emplace_back(key, value);
  } else {
    known->second = value;
  }
}

std::string ProcessesText(const MeasureOptions& options, bool workloads, bool traces) {
  if (options.isolation == Isolation::kNone) return "one for all";
  if (!workloads) return "forked";
  return traces ? "workloads re-executed, traces forked" : "re-executed";
}

}  // namespace

void AddLoadedConfig(const MeasureOptions& options, const Cells& cells, KeyValues& config) {
  Set(config, "reps", absl::StrCat(options.reps));
  Set(config, "warmup", absl::StrCat(options.warmups));
  Set(config, "cpu", options.cpu ? absl::StrCat(*options.cpu) : "none");
  std::set<std::uint64_t> heaps;
  std::set<std::uint64_t> ops;
  bool traces = false;
  for (const Source& source : cells.sources) {
    if (options.verify && !options.per_cpu_caches && source.unjudged_ops > 0) {
      Set(config, absl::StrCat("unverified ", source.Title()),
          absl::StrCat("the last ", source.unjudged_ops, " operations"));
    }
    if (source.workload) {
      heaps.insert(source.columns.heap_bytes.value_or(0));
      ops.insert(source.measured_ops);
    } else {
      traces = true;
    }
  }
  if (!heaps.empty()) {
    const auto size = [](std::string* out, std::uint64_t bytes) {
      absl::StrAppend(out, SizeText(ByteCount{bytes}));
    };
    Set(config, "heap", absl::StrJoin(heaps, ",", size));
    Set(config, "ops", absl::StrJoin(ops, ","));
  }
  Set(config, "processes", ProcessesText(options, !heaps.empty(), traces));
}

void AddMeasuredConfig(const MeasureOptions& options, const Cells& cells, KeyValues& config) {
  if (!options.time_batches) return;
  std::set<std::uint64_t> batches;
  for (const Cell& cell : cells.cells) batches.insert(cell.options.batch);
  Set(config, "batch", absl::StrJoin(batches, ","));
}

}  // namespace pagealloc::bench
