/// result_row.h: schema 1, one number a row.
///
/// RunColumns holds the columns that are the same in every row of a run, ResultRow the others;
/// together they are the columns of schema 1 (harness/report/README.md says what each means). An
/// empty text or std::nullopt is an empty cell.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

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
  std::string build;  ///< CMake's build type, "+checked" and sanitizers behind it
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

}  // namespace pagealloc::bench
