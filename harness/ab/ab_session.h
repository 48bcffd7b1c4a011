/// ab_session.h: `ab`: two programs in turn, in fresh processes, until there is a verdict.
///
///   round 0   base new        each call: the program's `run` (or `replay`) with one repetition
///   round 1   new base
///   round 2   base new ...    looks and repeats: harness/compare/procedure.h
///
/// With a folder for results, the rows of each side are in FOLDER/NAME.csv.partial before the next
/// call starts; the files get their names at the end, and an interrupted ab leaves the .partial.
#pragma once

#include "absl/status/status.h"
#include "harness/ab/ab_options.h"

namespace pagealloc::bench {

/// Measures, prints the comparison on standard output, and returns how the gate ends.
absl::Status RunAb(const AbOptions& options);

}  // namespace pagealloc::bench
