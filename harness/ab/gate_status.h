/// gate_status.h: how comparisons end, as the status of a command.
#pragma once

#include <span>

#include "absl/status/status.h"
#include "harness/compare/comparison.h"

namespace pagealloc::bench {

/// The worst end of several comparisons.
Gate WorstGate(std::span<const Comparison> comparisons, const GateOptions& options);

/// OK, or what failed in the worst of them and what to do (status_codes.h):
///
///   failed          Aborted (1)
///   not comparable  OutOfRange (3)
///   unclear         FailedPrecondition (5)
absl::Status GateStatus(std::span<const Comparison> comparisons, const GateOptions& options);

}  // namespace pagealloc::bench
