/// run_report.h: the results of a run as plain data: schema 1, one number a row.
///
/// RunColumns holds the columns that are the same in every row of a run, ResultRow the others;
/// together they are the columns of schema 1 (harness/report/README.md says what each means). An
/// empty text or std::nullopt is an empty cell. The runner fills rows, MakeRow() helps it, and the
/// functions of aggregate.h make the rows over all repetitions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/report/environment.h"

namespace pagealloc::bench {

inline constexpr std::uint64_t kSchema = 1;

/// In order of severity: the status of an aggregate is the worst of its rows.
enum class RowStatus : std::uint8_t { kOk, kNoisy, kTruncated, kSkipped };
std::string_view StatusName(RowStatus status);

/// schema, then these, are the first columns of every row.
struct RunColumns {
  std::string run_id;      ///< the same in all rows of one call of the program, unique otherwise
  std::string started_at;  ///< UTC, "2024-05-01T12:00:00Z"
  std::string tool_version;
  std::string commit;
  std::string build;  ///< BuildInfo::build_type
  std::string env_id;
  std::string cpu;    ///< the CPU's model
  std::string label;  ///< --label

  friend bool operator==(const RunColumns&, const RunColumns&) = default;
};

/// The layout of allocators that have none.
inline constexpr std::string_view kNoLayout = "host";

/// What was measured: the columns that name a cell of the run's table. Initialised one by one, so
/// that designated initialisers may leave some out.
struct CellColumns {
  std::string suite{};        ///< "run", "replay", "count", "micro"
  std::string workload{};     ///< workload or trace
  std::string params{};       ///< "k=v;k=v", keys sorted
  std::string stream_hash{};  ///< of the operations
  std::string allocator{};
  std::string layout{};
  std::optional<std::uint64_t> heap_bytes{};
  std::optional<std::uint64_t> seed{};

  friend bool operator==(const CellColumns&, const CellColumns&) = default;
};

struct ResultRow {
  CellColumns cell;
  std::optional<std::uint64_t> rep;  ///< empty in rows over all repetitions, as is seq
  std::optional<std::uint64_t> seq;
  std::string op;
  std::string metric;
  std::string stat;
  std::string unit;
  std::string better;
  std::optional<double> value;  ///< finite (contract of everything that prints it)
  std::optional<std::uint64_t> n;
  std::optional<std::uint64_t> batch;
  std::optional<double> overhead_ns;
  std::optional<double> lost_ns;
  std::optional<std::uint64_t> nivcsw;
  RowStatus status = RowStatus::kOk;
  std::string result_hash;

  friend bool operator==(const ResultRow&, const ResultRow&) = default;
};

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
