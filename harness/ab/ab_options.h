/// ab_options.h: what `ab` was asked to do, checked.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "harness/compare/comparison.h"
#include "harness/compare/procedure.h"
#include "harness/compare/render_comparison.h"
#include "harness/compare/row_selection.h"

namespace pagealloc::bench {

/// One of the two things that are measured.
struct AbSide {
  std::string name;                  ///< "base" or "new": in messages, files and tables
  std::string program;               ///< a pagealloc-bench
  std::vector<std::string> flags{};  ///< beyond AbOptions::arguments
};

struct AbOptions {
  AbSide base;
  AbSide candidate;
  /// "run" or "replay", and the flags of both sides, --reps among them.
  std::vector<std::string> arguments;
  bool same_on_both_sides = false;  ///< --aa: what differs is noise
  std::size_t rounds = kMostRounds;
  std::vector<RowFilter> filters;
  CompareOptions compare;
  GateOptions gate;
  ComparisonView view;
  std::string out;  ///< a folder for base.csv and new.csv; empty: nothing is kept
  bool force = false;
  bool quiet = false;
};

}  // namespace pagealloc::bench
