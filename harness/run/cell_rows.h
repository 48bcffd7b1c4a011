/// cell_rows.h: results of a cell as rows of the results file.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/report/histogram.h"
#include "harness/report/run_report.h"
#include "harness/run/cell.h"

namespace pagealloc::bench {

/// A repetition's place in the run.
struct RepetitionPlace {
  std::uint64_t rep = 0;
  std::uint64_t seq = 0;
};

/// Metadata and work counters: the same in every repetition, so they stand with the first one only.
///
/// @param ops  measured operations, of which the counters are totals.
std::vector<ResultRow> CheckedRows(const CellColumns& cell, RepetitionPlace place,
                                   const CheckedResult& result, std::uint64_t ops);

/// Everything that a repetition measured. A row is `noisy` when the process had to wait for its CPU
/// for more than a twentieth of the timed region.
std::vector<ResultRow> TimedRows(const CellColumns& cell, RepetitionPlace place,
                                 const TimedResult& result, const CellOptions& options,
                                 std::span<const double> percentiles);

/// The distributions of all repetitions of a cell together.
class PooledTimes {
 public:
  /// @param ns_per_tick  of the clock that `result` was measured with.
  void Add(const TimedResult& result, double ns_per_tick);
  /// Rows over all repetitions: rep and seq are empty, the status is the worst.
  [[nodiscard]] std::vector<ResultRow> Rows(const CellColumns& cell, double ns_per_tick,
                                            std::span<const double> percentiles) const;
  /// In ticks, by RowOp; those of kinds that did not occur are empty.
  [[nodiscard]] const std::vector<Histogram>& service() const { return service_; }
  [[nodiscard]] const Histogram& null_op() const { return null_op_; }

 private:
  std::vector<Histogram> service_{kRowOps};
  std::vector<Histogram> response_{kRowOps};
  Histogram null_op_;
  RegionCosts costs_;
  RowStatus status_ = RowStatus::kOk;
  std::string result_hash_;
};

/// A result hash as it stands in a row; empty if there is none.
std::string HashText(std::optional<std::uint64_t> hash);

}  // namespace pagealloc::bench
