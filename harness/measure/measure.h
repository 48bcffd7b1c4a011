/// measure.h: what `run` and `replay` do, from options to results.
///
///   load    every trace and workload, judged; layouts that do not fit are refused or skipped
///   check   every cell once, untimed, against the model; work is counted
///   time    the repetitions of all cells in planned order; rows are saved after each
///   report  rows over all repetitions; the file gets its name; the result goes to stdout
///
/// Nothing is executed before everything is loaded, nothing timed before everything is checked.
#pragma once

#include "absl/status/status.h"
#include "harness/measure/options.h"

namespace pagealloc::bench {

absl::Status Measure(const MeasureOptions& options);

}  // namespace pagealloc::bench
