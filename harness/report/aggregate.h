/// aggregate.h: the rows over all repetitions, made from the rows of each.
#pragma once

#include <span>
#include <vector>

#include "harness/report/histogram.h"
#include "harness/report/run_report.h"

namespace pagealloc::bench {

/// One row for every cell, op and metric (rows of one repetition that differ in rep, seq, value and
/// what belongs to the value), in the order of their first appearance; rep and seq are empty.
///
///   metric                              stat             value
///   times: batch_ns                     fastest_quarter  FastestQuarterMean of the rows' values
///   rates: ops_per_s                    fastest_quarter  HighestQuarterMean
///   exact: instructions, counters,      value            the value all rows have; if they differ,
///          metadata_bytes                                stat `max`, the largest, status `noisy`
///   rss_bytes, minor_faults             median           Median
///   distributions: service_ns, ...      no row here: see DistributionRows()
///
/// `n` is the number of repetitions behind the value (exact metrics keep the rows' own n, the
/// number of operations), `batch` the rows' if they agree, overhead_ns their median, lost_ns and
/// nivcsw sums, status the worst, result_hash the rows' if they agree. Skipped rows count for
/// nothing unless all rows of a group are skipped: then the aggregate is too, without a value. A
/// metric that is not in AllMetrics() is taken as kMedian.
std::vector<ResultRow> AggregateRows(std::span<const ResultRow> rows);

/// The rows of one distribution: one for each percentile (stat `p50`, ...), then `max`. With the
/// merged histogram of all repetitions these are the pooled rows; with one repetition's (and a
/// prototype that has rep and seq) they are that repetition's.
///
/// @param prototype    every column but stat, value and n; its metric says unit and better.
/// @param ns_per_unit  nanoseconds in one unit of the histogram (1, or the clock's ns per tick).
/// @return             nothing when the histogram is empty; otherwise percentiles.size() + 1 rows,
///                     n = the number of values.
std::vector<ResultRow> DistributionRows(const ResultRow& prototype, const Histogram& histogram,
                                        double ns_per_unit, std::span<const double> percentiles);

}  // namespace pagealloc::bench
