/// min_time.h: how many operations a workload needs to last as long as --min-time says.
///
/// Trials of growing length, each in a fresh process as a repetition is, until every cell of a
/// workload lasts long enough. All its cells get the same number, that of the fastest, since only
/// equal operations compare. The number is rounded, so that machines of a kind tend to agree on it;
/// whoever needs the same one again gives it to --ops.
#pragma once

#include <chrono>
#include <cstdint>

#include "absl/status/status.h"
#include "harness/base/clock.h"
#include "harness/measure/options.h"
#include "harness/run/console.h"

namespace pagealloc::bench {

/// Operations with which a trial of `ops` that lasted `ns` would last `wanted`: a tenth more than
/// proportion says, at most 50 times as many as were tried, and rounded up to two digits.
///
/// @param ops  at least 1 (contract).
/// @param ns   at least 1 is assumed.
std::uint64_t MoreOperations(std::uint64_t ops, double ns, std::chrono::nanoseconds wanted);

/// Sets `ops` of each workload for options.min_time, which must be set (contract); traces stay as
/// they are. At a rate nothing is tried: the rate says how many there are.
///
/// @return  as LoadCells(), and an error of the trials.
/// @cost    a few repetitions of each cell.
absl::Status ChooseOperations(MeasureOptions& options, const Clock& clock, const Console& console);

}  // namespace pagealloc::bench
