/// region.h: how timed passes are cut into batches and summed up.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "harness/base/clock.h"
#include "harness/run/cell.h"
#include "harness/run/runner.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

/// Cuts [measured_from, end of ops) into batches of `batch` ops (at least 1; contract), the last
/// one shorter; with `by_kind` also wherever the kind of row changes.
std::vector<Batch> CutBatches(const Program& program, std::uint64_t batch, bool by_kind);

/// Times by kind out of two passes over equal batches.
///
/// kAll comes first: the time of all batches, minus what other processes took of it, minus that of
/// the same batches without an allocator, an operation. With `by_kind` one entry a kind follows:
/// the median of its batches (those at least half as long as its longest), minus the median of the
/// same without an allocator. Never below 0.
///
/// @param lost_ns  RegionCosts::lost_ns of the timed pass. Counts as far as batches show it: no
///                 more than by how much those of over ten times the median exceed that, since a
///                 process may also have waited just outside of all batches.
std::vector<BatchTimes> SumUpBatches(const Program& program, const Clock& clock,
                                     std::span<const Batch> timed, std::span<const Batch> empty,
                                     std::optional<double> lost_ns, bool by_kind);

/// Sum of the batches' ticks.
std::uint64_t TotalTicks(std::span<const Batch> batches);

/// Bytes of this process that are in memory; 0 if the kernel does not say.
std::uint64_t ResidentBytes();

}  // namespace pagealloc::bench
