/// ab_session.h: `ab`: two programs in turn, in fresh processes, until there is a verdict.
///
///   round 0   base new        each call: the program's `run` (or `replay`), some repetitions
///   round 1   new base
///   round 2   base new ...    looks and repeats: harness/compare/procedure.h
///
/// A round's value is that over the repetitions of a call: for times the fastest quarter. A
/// neighbour's work comes and goes within a call, and most of a call is start and verification.
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
