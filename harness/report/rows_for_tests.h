/// rows_for_tests.h: rows of results as a run writes them, for tests of what reads results.
#pragma once

#include <cstdint>
#include <string>

#include "harness/report/run_report.h"

namespace pagealloc::bench {

/// A row of one repetition of a whole replay on radix, with a stream and a result hash.
inline ResultRow RowForTest(const std::string& workload, const std::string& metric, double value,
                            std::uint64_t rep) {
  CellColumns cell;
  cell.suite = "run";
  cell.workload = workload;
  cell.stream_hash = "5eed";
  cell.allocator = "radix";
  cell.layout = "linux-amd64";
  ResultRow row = MakeRow(cell, "all", metric, value);
  row.rep = rep;
  row.result_hash = "abcd";
  return row;
}

}  // namespace pagealloc::bench
