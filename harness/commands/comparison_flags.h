/// comparison_flags.h: the flags that `compare` and `ab` share: how rows are judged and shown.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/compare/comparison.h"
#include "harness/compare/render_comparison.h"
#include "harness/compare/row_selection.h"

namespace pagealloc::bench {

/// The words as they were given, or the defaults.
struct ComparisonFlags {
  std::vector<std::string> filters, thresholds;
  std::vector<std::string> gate;  ///< empty: the command's default
  std::vector<std::string> fail_on{"regressed", "missing"};
  std::string format = "table";
  bool allow_behaviour_change = false, all_rows = false, quiet = false;
};

struct ComparisonChoices {
  std::vector<RowFilter> filters;
  CompareOptions compare;
  GateOptions gate;
  ComparisonView view;
};

/// @param default_gate  what --help says of --gate.
void AddComparisonFlags(CLI::App& app, ComparisonFlags& flags, const std::string& default_gate);

/// @param default_gate  the metrics that are gated unless --gate says otherwise.
absl::StatusOr<ComparisonChoices> ResolveComparisonFlags(const ComparisonFlags& flags,
                                                         const std::set<std::string>& default_gate);

}  // namespace pagealloc::bench
