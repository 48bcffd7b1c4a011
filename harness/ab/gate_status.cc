#include "harness/ab/gate_status.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

/// "3 gated rows regressed, 1 is missing": what failed.
std::string Failures(const Comparison& comparison, const GateOptions& options) {
  std::array<std::size_t, kVerdicts> counts{};
  for (const ComparedRow& row : comparison.rows) {
    if (row.gated && options.fail_on.contains(row.verdict)) {
      ++counts[static_cast<std::size_t>(row.verdict)];
    }
  }
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    if (counts[i] == 0) continue;
    parts.push_back(
        absl::StrCat(counts[i], " ", std::string(VerdictName(static_cast<Verdict>(i)))));
  }
  return absl::StrJoin(parts, ", ");
}

absl::Status StatusOf(const Comparison& comparison, const GateOptions& options) {
  const std::string sides = absl::StrCat(comparison.base_name, " and ", comparison.candidate_name);
  switch (GateOf(comparison, options)) {
    case Gate::kPassed:
      return absl::OkStatus();
    case Gate::kUnclear:
      return EnvironmentError(
          absl::StrCat("unclear: ", sides, ": ", Failures(comparison, options),
                       " of the gated rows. Measure more repetitions, or on a quieter machine."));
    case Gate::kFailed:
      return DiffersError(absl::StrCat("the gate failed: ", sides, ": ",
                                       Failures(comparison, options), " of the gated rows."));
    case Gate::kNotComparable:
      break;
  }
  if (comparison.in_common == 0) {
    return NotComparableError(absl::StrCat(
        "cannot compare ", sides,
        ": no row of one is about the same as a row of the other. Compare results of the same "
        "workloads, parameters, allocators and layouts."));
  }
  return NotComparableError(absl::StrCat(
      "cannot compare ", sides, ": the allocator places pages differently (result_hash) in ",
      comparison.changed_behaviour.front(),
      comparison.changed_behaviour.size() > 1
          ? absl::StrCat(" and ", comparison.changed_behaviour.size() - 1, " more")
          : "",
      ". If that is meant, give --allow-behaviour-change."));
}

}  // namespace

Gate WorstGate(std::span<const Comparison> comparisons, const GateOptions& options) {
  Gate worst = Gate::kPassed;
  for (const Comparison& comparison : comparisons) {
    worst = std::max(worst, GateOf(comparison, options));
  }
  return worst;
}

absl::Status GateStatus(std::span<const Comparison> comparisons, const GateOptions& options) {
  const Gate worst = WorstGate(comparisons, options);
  for (const Comparison& comparison : comparisons) {
    if (GateOf(comparison, options) == worst) return StatusOf(comparison, options);
  }
  return absl::OkStatus();
}

}  // namespace pagealloc::bench
