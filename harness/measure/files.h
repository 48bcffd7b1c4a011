/// files.h: the smaller files around a run.
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

/// A UsageError if --record would write over the results (`out`) or what lies beside them. Either
/// may be empty.
absl::Status AreDistinct(const std::string& out, const std::string& record);

/// Whether --record can write this program: a UsageError if it has operations without a record, a
/// FileError if the file exists and `force` is not set.
absl::Status MayRecord(const Program& program, const std::string& path, bool force);
/// Whether the file can be created, found by doing so: before a run that would be lost otherwise.
absl::Status CanRecord(const std::string& path);
/// Writes it as a trace.
absl::Status RecordTrace(const Program& program, const std::string& path);

/// A file for each cell in `folder`; no two are the same.
std::vector<std::string> HistogramPaths(const std::string& folder,
                                        const std::vector<CellColumns>& cells);
/// Whether these can be written: the folder is there, and none of them unless `force`.
absl::Status MayWriteHistograms(const std::string& folder, const std::vector<std::string>& paths,
                                bool force);
/// Writes the histograms of a cell:
///
///   pagealloc-histograms 1
///   ns-per-unit 0.3125
///   alloc h1 ...              kind of row, then Histogram::ToText()
absl::Status WriteHistograms(const std::string& path, const PooledTimes& times, double ns_per_tick);

/// Removes the unfinished results file and its environment file.
void RemovePartial(const ResultsWriter& writer);

}  // namespace pagealloc::bench
