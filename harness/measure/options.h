/// options.h: what `run`, `replay` and `count` were asked to do, checked and without defaults left
/// open.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/report/environment.h"
#include "harness/report/render.h"
#include "harness/run/arrivals.h"
#include "harness/run/cell.h"
#include "harness/run/cell_process.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {

struct MeasureOptions {
  std::string suite;   ///< "run", "replay" or "count"
  bool count = false;  ///< instructions instead of times
  // What.
  std::vector<std::string> traces;
  std::vector<WorkloadRequest> workloads;  ///< one for each parameter set
  std::vector<std::string> allocators;
  std::vector<std::string> layouts;
  bool layouts_named = false;  ///< by the user: then one that does not fit is an error
  bool per_cpu_caches = false;
  unsigned threads = 1;
  HeapMemory memory = HeapMemory::kCommit;
  bool memory_named = false;  ///< by the user
  bool place_exact = false;
  // Repeat.
  std::uint64_t seed = 1;
  std::uint64_t reps = 20;
  std::uint64_t warmups = 1;
  std::optional<std::chrono::nanoseconds> min_time;  ///< of a workload's repetition; else `ops`
  std::optional<std::chrono::nanoseconds> max_time;
  Isolation isolation = Isolation::kProcess;
  Interleave interleave = Interleave::kAbba;
  // Time.
  bool time_batches = true;
  bool time_ops = true;
  std::optional<std::uint64_t> batch;  ///< nullopt: auto
  std::optional<OpenLoop> open_loop;   ///< --rate: then nothing else is timed
  std::vector<double> percentiles;
  unsigned slowdown_percent = 0;  ///< for tests: see CellOptions
  // Machine.
  std::optional<unsigned> cpu;
  HugePageMode huge_pages = HugePageMode::kNever;
  bool prefault = false;
  bool strict_env = false;
  // Check.
  bool verify = true;
  // Output.
  std::string out;  ///< empty: no file
  bool force = false;
  Format format = Format::kTable;
  std::string hist_dir;  ///< empty: none
  std::string record;    ///< empty: none
  std::string label;
  bool quiet = false;
  bool verbose = false;
  ProgressMode progress = ProgressMode::kAuto;
  bool color = false;
  bool dry_run = false;
  // For the environment file.
  std::vector<std::string> arguments;
  KeyValues config;

  /// Whether any clock runs; otherwise there are exact metrics only.
  [[nodiscard]] bool Timed() const { return time_batches || time_ops || open_loop; }
};

}  // namespace pagealloc::bench
