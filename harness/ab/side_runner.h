/// side_runner.h: measures one side of an `ab` once: a call of its program.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "harness/ab/ab_options.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// What one call of a side's program measured.
struct SideResult {
  ResultsFile file;         ///< a row for all repetitions of a number; without rep and seq
  std::string environment;  ///< the text of its .env.json
};

/// Calls `PROGRAM ARGUMENTS FLAGS -o FOLDER/NAME.csv` and reads what it wrote.
///
/// Errors tell which side, its program, its exit status and what it said on stderr. Their code is
/// that of the program's status (status_codes.h); a program that cannot be started, or writes no
/// results, is a UsageError.
///
/// @param folder  for the files in between; they are removed again.
absl::StatusOr<SideResult> MeasureSide(const AbSide& side,
                                       const std::vector<std::string>& arguments,
                                       const std::string& folder);

/// A UsageError if the side's program cannot be started.
absl::Status CanStart(const AbSide& side);

}  // namespace pagealloc::bench
