#include "harness/report/run_report.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <random>
#include <utility>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

constexpr std::array kMetrics{
    MetricInfo{"batch_ns", "ns", "lower", "median", Aggregate::kFastestQuarter,
               "time of one operation, timed in batches, overhead subtracted"},
    MetricInfo{"service_ns", "ns", "lower", "p50", Aggregate::kPooled,
               "time of one operation, timed one by one"},
    MetricInfo{"response_ns", "ns", "lower", "p50", Aggregate::kPooled,
               "time from when an operation should have started until it was done (--rate)"},
    MetricInfo{"null_op_ns", "ns", "info", "p50", Aggregate::kPooled,
               "what service_ns or response_ns reads when there is no operation"},
    MetricInfo{"instructions", "count/op", "exact", "value", Aggregate::kExact,
               "instructions of one operation, from callgrind"},
    MetricInfo{"branches_missed", "count/op", "info", "value", Aggregate::kExact,
               "branches of one operation that callgrind's predictor missed"},
    MetricInfo{"words_scanned", "count", "exact", "value", Aggregate::kExact,
               "64-bit words of the bitmaps that the verification pass read"},
    MetricInfo{"summary_visits", "count", "exact", "value", Aggregate::kExact,
               "lines of the search index, 32 entries each, that the verification pass read"},
    MetricInfo{"summary_updates", "count", "exact", "value", Aggregate::kExact,
               "entries of the search index that the verification pass wrote"},
    MetricInfo{"metadata_bytes", "bytes", "exact", "value", Aggregate::kExact,
               "memory that the allocator committed for its own data, at the end"},
    MetricInfo{"span_bytes", "bytes", "info", "value", Aggregate::kExact,
               "from the lowest page in use to the highest: mean of 64 moments of the operations"},
    MetricInfo{"live_bytes", "bytes", "info", "value", Aggregate::kExact,
               "pages in use at the same moments: span_bytes / live_bytes is 1 at best"},
    MetricInfo{"no_room", "count", "info", "value", Aggregate::kExact, "requests that got nothing"},
    MetricInfo{"rss_bytes", "bytes", "lower", "value", Aggregate::kMedian,
               "resident memory that came with the allocator, its heap and the timed pass"},
    MetricInfo{"minor_faults", "count", "lower", "value", Aggregate::kMedian,
               "page faults in the timed region that needed no disk"},
    MetricInfo{"ops_per_s", "1/s", "higher", "value", Aggregate::kFastestQuarter,
               "operations in one second of the timed region, overhead subtracted; at a rate those "
               "achieved"},
};

std::string Timestamp(std::uint64_t ns_since_1970, const char* format) {
  const auto seconds = static_cast<std::time_t>(ns_since_1970 / 1'000'000'000U);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), format, &utc)};
}

}  // namespace

RunColumns MakeRunColumns(const Environment& environment, std::string label,
                          std::uint64_t started_at_ns) {
  std::array<char, 9> suffix{};
  std::snprintf(suffix.data(), suffix.size(), "%08x", std::random_device{}());
  RunColumns run;
  run.run_id = Timestamp(started_at_ns, "%Y%m%dT%H%M%SZ-") + suffix.data();
  run.started_at = Timestamp(started_at_ns, "%Y-%m-%dT%H:%M:%SZ");
  run.tool_version = environment.build.version;
  run.commit = environment.build.commit;
  run.build = environment.build.build_type;
  run.env_id = environment.env_id;
  run.cpu = environment.cpu_model;
  run.label = std::move(label);
  return run;
}

std::span<const MetricInfo> AllMetrics() { return kMetrics; }

const MetricInfo* FindMetric(std::string_view name) {
  const auto* const found =
      std::find_if(kMetrics.begin(), kMetrics.end(),
                   [name](const MetricInfo& metric) { return metric.name == name; });
  return found == kMetrics.end() ? nullptr : &*found;
}

ResultRow MakeRow(const CellColumns& cell, std::string_view op, std::string_view metric,
                  std::optional<double> value) {
  const MetricInfo* const info = FindMetric(metric);
  PA_EXPECT(info != nullptr);
  ResultRow row;
  row.cell = cell;
  row.op = op;
  row.metric = metric;
  row.stat = info->stat;
  row.unit = info->unit;
  row.better = info->better;
  row.value = value;
  return row;
}

std::string PercentileName(double percent) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), percent);
  std::string name = "p";
  return name.append(text.data(), result.ptr);
}

}  // namespace pagealloc::bench
