/// micro.h: what `micro` does: repetitions of the micro-benchmarks, as rows of suite `micro`.
///
///   Churn<LinuxAmd64>/max:16/percent:90   -->   op Churn, layout linux-amd64, max=16;percent=90
///
/// Each repetition is a process of its own, in rounds that treat all benchmarks alike, and is saved
/// before the next one starts, as `run` does it.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "harness/report/environment.h"
#include "harness/report/render.h"
#include "harness/report/run_report.h"
#include "harness/run/progress.h"

namespace pagealloc::bench {

struct MicroOptions {
  std::string filter;  ///< regular expression that a name contains; empty: all
  std::uint64_t reps = 10;
  std::chrono::nanoseconds min_time{20'000'000};
  std::optional<unsigned> cpu;
  std::string out;  ///< empty: no file
  bool force = false;
  Format format = Format::kTable;
  std::string label;
  bool quiet = false;
  ProgressMode progress = ProgressMode::kAuto;
  bool color = false;
  std::vector<std::string> arguments;
  KeyValues config;
};

absl::Status RunMicro(const MicroOptions& options);

/// The columns that follow from a benchmark's name, and its op.
struct MicroName {
  CellColumns cell;
  std::string op;
};
MicroName ParseMicroName(const std::string& name);

}  // namespace pagealloc::bench
