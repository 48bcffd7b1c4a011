/// cells.h: what `run` and `replay` measure: every trace or workload, on every allocator,
/// on every layout.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "harness/base/clock.h"
#include "harness/measure/options.h"
#include "harness/run/arrivals.h"
#include "harness/run/cell.h"
#include "harness/run/cell_rows.h"
#include "harness/run/console.h"
#include "harness/run/source.h"

namespace pagealloc::bench {

/// One line of the table: a source on an allocator on a layout.
struct Cell {
  std::size_t source = 0;
  CellOptions options;
  CellColumns columns;
  CheckedResult checked;
  std::uint64_t finished = 0;  ///< repetitions, warm-ups not counted
  std::vector<double> all_ns;  ///< of the repetitions timed in batches
  PooledTimes pooled;
  std::vector<OpenLoopTime> open_loops;  ///< of the repetitions at a rate
};

/// Cells in the order of their sources.
struct Cells {
  std::vector<Source> sources;
  std::vector<Cell> cells;

  [[nodiscard]] const Source& SourceOf(const Cell& cell) const { return sources[cell.source]; }
  /// For people: "churn occupancy=50;size=1-16 | radix | linux-386".
  [[nodiscard]] std::string Title(const Cell& cell) const;
};

/// Reads or makes everything that is asked for, judged; says what it leaves out.
///
/// Programs of workloads stay in memory up to a limit; those beyond it are released.
///
/// @return  a UsageError for a trace or workload that is wrong, a layout that was named and does
/// not
///          fit, or more runs than memory can plan; a FileError for a file that cannot be read.
absl::StatusOr<Cells> LoadCells(const MeasureOptions& options, const Clock& clock,
                                const Console& console);

}  // namespace pagealloc::bench
