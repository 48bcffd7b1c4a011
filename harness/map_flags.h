/// map_flags.h: the flags of `map`, as words and as MapOptions.
#pragma once

#include <string>

#include "CLI/App.hpp"
#include "absl/status/statusor.h"
#include "harness/cli.h"
#include "harness/cli_flags.h"

namespace pagealloc::bench {

/// The words as they were given, or the defaults.
struct MapFlags {
  MapFlags() { workload.workloads.clear(); }

  MeasureFlags workload;  ///< of these those that describe a workload; none unless named
  std::string trace, out, columns, rows;
  std::string format;  ///< empty: by the name of `out`
  bool force = false;
};

/// Adds the flags to the subcommand. `flags` must outlive `app`.
void AddMapFlags(CLI::App& app, MapFlags& flags);

absl::StatusOr<MapOptions> ResolveMapFlags(const CLI::App& app, const MapFlags& flags);

}  // namespace pagealloc::bench
