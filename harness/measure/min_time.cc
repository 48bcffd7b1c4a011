#include "harness/measure/min_time.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/measure/cells.h"
#include "harness/run/cell_process.h"
#include "harness/run/interrupts.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// What is tried first: a millisecond or a few.
constexpr std::uint64_t kFirstTrial = 20'000;
/// The last trial of five covers 50^4 times the first.
constexpr int kMostTrials = 5;

// One for each name and set of parameters.
using Name = std::pair<std::string, ParamSet>;
Name NameOf(const WorkloadRequest& request) { return {request.name, request.params}; }

/// How long the measured operations of a cell take.
absl::StatusOr<double> Try(const Cells& cells, const Cell& cell) {
  CellOptions options = cell.options;
  options.time_batches = true;
  options.time_ops = false;
  absl::StatusOr<TimedResult> timed = RunTimed(Isolation::kProcess, options, cells.SourceOf(cell));
  if (!timed.ok()) {
    return absl::Status(timed.status().code(),
                        absl::StrCat("cannot try how long ", cells.Title(cell),
                                     " lasts: ", std::string(timed.status().message())));
  }
  PA_EXPECT(!timed->batches.empty());
  return timed->batches.front().ns * static_cast<double>(cells.SourceOf(cell).measured_ops);
}

/// The shortest time of the cells of each workload.
absl::StatusOr<std::map<Name, double>> TryAll(const MeasureOptions& options, const Clock& clock) {
  // The measurement itself says what it leaves out.
  const absl::StatusOr<Cells> cells = LoadCells(options, clock, Console(Loudness::kErrorsOnly));
  if (!cells.ok()) return cells.status();
  std::map<Name, double> shortest;
  for (const Cell& cell : cells->cells) {
    if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
    const absl::StatusOr<double> ns = Try(*cells, cell);
    if (!ns.ok()) return ns.status();
    double& least =
        shortest.try_emplace(NameOf(*cells->SourceOf(cell).workload), *ns).first->second;
    least = std::min(least, *ns);
  }
  return shortest;
}

}  // namespace

std::uint64_t MoreOperations(std::uint64_t ops, double ns, std::chrono::nanoseconds wanted) {
  PA_EXPECT(ops > 0);
  constexpr double kMostAtOnce = 50;
  const double ratio = 1.1 * static_cast<double>(wanted.count()) / std::max(ns, 1.0);
  const double more = static_cast<double>(ops) * std::min(ratio, kMostAtOnce);
  double step = 1;  // the weight of the second digit
  while (step * 100 <= more) step *= 10;
  constexpr double kRoundingError = 1e-6;
  return static_cast<std::uint64_t>(std::ceil(more / step - kRoundingError) * step);
}

absl::Status ChooseOperations(MeasureOptions& options, const Clock& clock, const Console& console) {
  PA_EXPECT(options.min_time.has_value());
  if (options.open_loop) {
    const double seconds = std::chrono::duration<double>(*options.min_time).count();
    for (WorkloadRequest& request : options.workloads) {
      request.ops = static_cast<std::uint64_t>(
          std::max(1.0, std::ceil(options.open_loop->ops_per_s * seconds)));
    }
    return absl::OkStatus();
  }
  MeasureOptions trial = options;
  trial.traces.clear();
  trial.max_time.reset();
  for (WorkloadRequest& request : trial.workloads) request.ops = kFirstTrial;
  for (int i = 0; i < kMostTrials && !trial.workloads.empty(); ++i) {
    const absl::StatusOr<std::map<Name, double>> shortest = TryAll(trial, clock);
    if (!shortest.ok()) return shortest.status();
    std::vector<WorkloadRequest> too_short;
    for (const WorkloadRequest& tried : trial.workloads) {
      for (WorkloadRequest& request : options.workloads) {
        if (NameOf(request) == NameOf(tried)) request.ops = tried.ops;
      }
      const auto ns = shortest->find(NameOf(tried));
      if (ns == shortest->end()) continue;  // no cell can run it, which the measurement says
      if (ns->second >= static_cast<double>(options.min_time->count())) {
        console.Detail(absl::StrCat(tried.name, " ", ParamText(tried.params), ": ", tried.ops,
                                    " operations a repetition"));
        continue;
      }
      too_short.push_back(tried);
      too_short.back().ops = MoreOperations(tried.ops, ns->second, *options.min_time);
    }
    trial.workloads = std::move(too_short);
  }
  for (const WorkloadRequest& request : trial.workloads) {
    console.Warning(absl::StrCat(request.name, " ", ParamText(request.params),
                                 ": a repetition is shorter than --min-time, since more "
                                 "operations do not take longer. Give --ops."));
  }
  return absl::OkStatus();
}

}  // namespace pagealloc::bench
