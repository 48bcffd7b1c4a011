/// measure_flags.h: the flags of `run`, `replay` and `count`, as words and as MeasureOptions.
#pragma once

#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "harness/commands/config_file.h"
#include "harness/measure/options.h"

namespace pagealloc::bench {

/// The words as they were given, or the defaults.
struct MeasureFlags {
  std::vector<std::string> traces;
  std::vector<std::string> workloads{"@quick"};
  std::vector<std::string> exclude;
  std::vector<std::string> allocators{"radix"};
  std::vector<std::string> layouts{"linux-amd64", "linux-386"};
  std::vector<std::string> params;
  std::string heap, ops, min_time, max_time, out, hist_dir, record, label;
  std::string cache = "none", memory = "commit", place = "auto", seed = "1", reps = "20",
              warmup = "1";
  std::string isolate = "process", interleave = "abba", timing = "both", batch = "auto";
  std::string threads = "1", slowdown = "0", rate, arrival = "fixed";
  std::string percentiles = "50,90,99,99.9", cpu = "auto", thp = "never";
  std::string format = "table", progress = "auto", color = "auto";
  bool prefault = false, strict_env = false, verify = true, force = false, quiet = false;
  bool verbose = false, dry_run = false, smoke = false;
  ConfigFlags config;
};

/// Adds the flags of `run` (suite "run"), `replay` or `count` to a subcommand; those about time
/// too, which `count` removes again. `flags` must outlive `app`.
void AddMeasureFlags(CLI::App& app, const std::string& suite, MeasureFlags& flags);

/// A UsageError if any word but --label's is empty, as an unset variable of a script leaves it:
/// that is no wish for the default.
absl::Status RefuseEmptyWords(const CLI::App& app);

/// The workloads that -w, --exclude, -p, --heap, --ops, --seed and --smoke ask for.
absl::StatusOr<std::vector<WorkloadRequest>> ResolveWorkloadFlags(const MeasureFlags& flags);

/// Checks the words. `app` says which of them the user gave.
absl::StatusOr<MeasureOptions> ResolveFlags(const CLI::App& app, const std::string& suite,
                                            const MeasureFlags& flags,
                                            const std::vector<std::string>& arguments);

}  // namespace pagealloc::bench
