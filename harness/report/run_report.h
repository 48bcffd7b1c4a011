/// run_report.h: the results of a run as plain data: where it ran, and its rows.
///
/// The runner fills rows, MakeRow() helps it, and the functions of aggregate.h make the rows over
/// all repetitions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/report/environment.h"
#include "harness/report/result_row.h"

namespace pagealloc::bench {

/// Everything that a run hands to those who print it.
struct RunReport {
  RunColumns run;
  Environment environment;
  std::vector<ResultRow> rows;
};

/// The columns that follow from the environment and the start, with a fresh run_id.
///
/// @param started_at_ns  nanoseconds since 1970, UTC.
RunColumns MakeRunColumns(const Environment& environment, std::string label,
                          std::uint64_t started_at_ns);

/// How the values of several repetitions become one.
enum class Aggregate : std::uint8_t {
  kFastestQuarter,  ///< times and rates
  kExact,           ///< numbers that must not differ
  kMedian,          ///< the rest
  kPooled,          ///< distributions: percentiles of all repetitions' values together
};

/// What a metric's name stands for.
struct MetricInfo {
  std::string_view name;
  std::string_view unit;    ///< "ns", "count", "bytes", "1/s"
  std::string_view better;  ///< "lower", "higher", "exact", "info"
  std::string_view stat;    ///< of one repetition's row, unless the caller says otherwise
  Aggregate aggregate;
  std::string_view sentence;  ///< for `list metrics`
};

/// Every metric, in the order of the documentation.
std::span<const MetricInfo> AllMetrics();
/// nullptr for a name that is not in the list.
const MetricInfo* FindMetric(std::string_view name);

/// A row with unit, better and stat filled in from the metric, which must be in the list
/// (contract). The caller adds rep, seq, n and what else it knows, and may set another stat
/// ("mean", "p99").
ResultRow MakeRow(const CellColumns& cell, std::string_view op, std::string_view metric,
                  std::optional<double> value);

/// "p50", "p99.9": the stat of a percentile.
std::string PercentileName(double percent);

}  // namespace pagealloc::bench
