/// results_reader.h: results files from the file system: .csv, .csv.zst, and what an interrupted
/// run left.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// Reads a results file of schema 1.
///
/// @param path           compressed if the name ends in .zst, or .zst.partial; "-" is standard
/// input.
/// @param allow_partial  also read a .partial, of which rows are missing.
/// @return               a Status whose message says what is wrong, where, and what to do; its code
///                       is InvalidArgument for a file that is no results file of schema 1, or
///                       partial, and any other for one that cannot be read.
absl::StatusOr<ResultsFile> ReadResults(const std::string& path, bool allow_partial);

}  // namespace pagealloc::bench
