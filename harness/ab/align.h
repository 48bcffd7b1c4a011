/// align.h: makes rows comparable that differ in what the two sides were told to differ in.
#pragma once

#include <string>
#include <vector>

#include "harness/report/results_csv.h"

namespace pagealloc::bench {

/// Where a side has one value throughout (an allocator, a layout, a parameter, a heap, a seed) and
/// the other side has another one throughout, it is what their flags differ in: `candidate` gets
/// the base's, so that its rows are about the same thing.
///
/// @return  what differs, such as "allocator radix -> reference", "cache (none) -> per-cpu".
std::vector<std::string> AlignRows(const ResultsFile& base, ResultsFile& candidate);

}  // namespace pagealloc::bench
