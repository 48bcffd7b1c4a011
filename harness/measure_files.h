/// measure_files.h: the smaller files around a run, and what to think of the machine.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "harness/report/environment.h"
#include "harness/report/results_writer.h"
#include "harness/report/run_report.h"
#include "harness/run/cell_rows.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

/// A status of ResultsWriter as one of ours: bad usage stays, everything else is a FileError.
absl::Status FromFile(const absl::Status& status);

/// Whether --record can write this program: a UsageError if it has operations without a record, a
/// FileError if the file exists and `force` is not set.
absl::Status MayRecord(const Program& program, const std::string& path, bool force);
/// Writes it as a trace.
absl::Status RecordTrace(const Program& program, const std::string& path);

/// Writes the histograms of a cell to a file of its own in `folder`, which must exist:
///
///   pagealloc-histograms 1
///   ns-per-unit 0.3125
///   alloc h1 ...              kind of row, then Histogram::ToText()
absl::Status WriteHistograms(const std::string& folder, const CellColumns& cell,
                             const PooledTimes& times, double ns_per_tick);

/// Removes the unfinished results file and its environment file.
void RemovePartial(const ResultsWriter& writer);

/// What makes timings on this machine or with this build doubtful, a sentence each.
std::vector<std::string> EnvironmentProblems(const Environment& environment);

}  // namespace pagealloc::bench
