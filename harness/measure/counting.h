/// counting.h: what `count` adds to a run: the instructions of each cell, after its check.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "harness/measure/cells.h"
#include "harness/measure/options.h"
#include "harness/report/run_report.h"
#include "harness/run/progress.h"

namespace pagealloc::bench {

class InstructionCounter {
 public:
  /// Looks for valgrind and starts it once. An EnvironmentError if there is none.
  static absl::StatusOr<InstructionCounter> Open();

  /// Which program counted, and the processor that it showed, in words.
  [[nodiscard]] const std::string& path() const { return path_; }

  /// Counts a cell that was checked and whose program is in memory: its rows, those of the check
  /// included. DiffersError if it placed otherwise than in the check.
  absl::StatusOr<std::vector<ResultRow>> Count(const Cell& cell, const Source& source,
                                               std::uint64_t seq, std::string& line) const;

 private:
  std::string valgrind_;
  std::string path_;
};

}  // namespace pagealloc::bench
