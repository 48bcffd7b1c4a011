/// cli.h: the command line, from argv to a Command; and from a Status to the exit status.
///
/// Everything that can be refused by looking at the words alone is refused here, as a UsageError
/// that names the nearest thing that exists. Nothing is read, written or run.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/measure_options.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {

/// --help, --version: print it and end.
struct PrintText {
  std::string text;
};

enum class Listing : std::uint8_t { kWorkloads, kAllocators, kLayouts, kMetrics };
struct ListOptions {
  Listing what = Listing::kWorkloads;
  bool json = false;
};

struct TraceOptions {
  enum class Verb : std::uint8_t { kValidate, kInspect };
  Verb verb = Verb::kValidate;
  std::vector<std::string> files;
  bool json = false;
};

struct MapOptions {
  std::string trace;                        ///< empty: the workload
  std::optional<WorkloadRequest> workload;  ///< nullopt: the trace
  bool svg = false;
  std::uint64_t columns = 0;
  std::uint64_t rows = 0;
  std::string out;  ///< empty: standard output
  bool force = false;
};

using Command = std::variant<PrintText, MeasureOptions, ListOptions, TraceOptions, MapOptions>;

absl::StatusOr<Command> ParseCli(const std::vector<std::string>& arguments);

/// harness.md's table of exit codes, by status_codes.h.
int ExitStatus(const absl::Status& status);

}  // namespace pagealloc::bench
