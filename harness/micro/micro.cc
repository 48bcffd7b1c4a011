#include "harness/micro/micro.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <cstdio>
#include <memory>
#include <regex>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "harness/base/clock.h"
#include "harness/measure/files.h"
#include "harness/micro/micro_child.h"
#include "harness/report/aggregate.h"
#include "harness/report/machine_check.h"
#include "harness/report/results_writer.h"
#include "harness/report/statistics.h"
#include "harness/run/console.h"
#include "harness/run/interrupts.h"
#include "harness/run/plan.h"
#include "harness/run/status_codes.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

// "LinuxAmd64" is the type of "linux-amd64": the same letters and digits.
std::string LayoutOfType(const std::string& type) {
  const auto plain = [](std::string_view name) {
    std::string letters;
    for (const char c : name) {
      if (std::isalnum(static_cast<unsigned char>(c)) == 0) continue;
      letters += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return letters;
  };
  for (const std::string_view layout : LayoutNames()) {
    if (plain(layout) == plain(type)) return std::string(layout);
  }
  return "host";
}

struct Benchmark {
  std::string name;
  MicroName columns;
  std::uint64_t finished = 0;
  std::vector<double> ns;
};

absl::StatusOr<std::vector<Benchmark>> Select(const std::string& filter) {
  std::vector<Benchmark> selected;
  try {
    const std::regex pattern(filter);
    for (std::string& name : MicroBenchmarks()) {
      if (!std::regex_search(name, pattern)) continue;
      Benchmark benchmark;
      benchmark.columns = ParseMicroName(name);
      benchmark.name = std::move(name);
      selected.push_back(std::move(benchmark));
    }
  } catch (const std::regex_error& error) {
    return UsageError(
        absl::StrCat("--filter: '", filter, "' is no regular expression: ", error.what(), "."));
  }
  if (!selected.empty()) return selected;
  return UsageError(absl::StrCat("--filter: no benchmark has a name with '", filter,
                                 "' in it. There are:\n  ",
                                 absl::StrJoin(MicroBenchmarks(), "\n  ")));
}

class Run {
 public:
  Run(const MicroOptions& options, std::vector<Benchmark> benchmarks)
      : options_(options),
        console_(options.quiet ? Loudness::kErrorsOnly : Loudness::kNormal),
        benchmarks_(std::move(benchmarks)) {}

  absl::Status All() {
    const Clock clock = Clock::Calibrate();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    report_.environment = ReadEnvironment(options_.arguments, options_.config, clock.calibration());
    report_.run = MakeRunColumns(report_.environment, options_.label,
                                 static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()));
    for (const std::string& problem : EnvironmentProblems(report_.environment)) {
      console_.Warning(problem);
    }
    CatchInterrupts();
    if (absl::Status status = Open(); !status.ok()) return status;
    absl::Status status = Repetitions();
    if (status.ok()) status = Close();
    if (status.ok()) return WriteResult(Render(report_, options_.format, options_.color));
    if (writer_ != nullptr && finished_ == 0) RemovePartial(*writer_);
    return status.code() == absl::StatusCode::kCancelled ? Interrupted() : status;
  }

 private:
  absl::Status Open() {
    if (options_.out.empty()) return absl::OkStatus();
    absl::StatusOr<std::unique_ptr<ResultsWriter>> writer =
        ResultsWriter::Create(options_.out, report_, options_.force);
    if (!writer.ok()) return FromFile(writer.status());
    writer_ = *std::move(writer);
    if (!writer_->note().empty()) console_.Note(writer_->note());
    return absl::OkStatus();
  }

  absl::Status Repetitions() {
    const std::vector<PlannedRun> plan =
        MakePlan({.cells = benchmarks_.size(), .reps = options_.reps, .warmups = 0});
    Progress progress(stderr, options_.quiet ? ProgressMode::kNever : options_.progress,
                      plan.size());
    for (const PlannedRun& run : plan) {
      if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
      Benchmark& benchmark = benchmarks_[run.cell];
      progress.Begin(benchmark.name);
      const absl::StatusOr<MicroResult> result =
          RunMicroBenchmark(benchmark.name, options_.min_time, options_.cpu);
      if (!result.ok()) return result.status();
      progress.EndRepetition();
      ++finished_;
      benchmark.ns.push_back(result->ns);
      ResultRow row = MakeRow(benchmark.columns.cell, benchmark.columns.op, "batch_ns", result->ns);
      row.rep = run.rep;
      row.seq = run.seq;
      row.stat = "mean";
      row.n = result->operations;
      row.batch = result->operations;
      if (absl::Status status = Save({row}); !status.ok()) return status;
      if (++benchmark.finished < options_.reps) continue;
      progress.EndCell(absl::StrFormat("%s: %d repetitions, %.4g ns/op", benchmark.name,
                                       benchmark.finished, FastestQuarterMean(benchmark.ns)));
    }
    return absl::OkStatus();
  }

  absl::Status Close() {
    // Rows of one benchmark together, as the table shows them.
    std::vector<ResultRow> rows;
    for (const Benchmark& benchmark : benchmarks_) {
      std::vector<ResultRow> own;
      for (const ResultRow& row : report_.rows) {
        const bool same = row.cell == benchmark.columns.cell && row.op == benchmark.columns.op;
        if (same) own.push_back(row);
      }
      for (ResultRow& row : AggregateRows(own)) rows.push_back(std::move(row));
    }
    if (absl::Status status = Save(std::move(rows)); !status.ok()) return status;
    if (writer_ == nullptr) return absl::OkStatus();
    if (absl::Status status = FromFile(writer_->Finish()); !status.ok()) return status;
    console_.Note(absl::StrCat("results: ", writer_->path()));
    return absl::OkStatus();
  }

  absl::Status Save(std::vector<ResultRow> rows) {
    absl::Status status;
    if (writer_ != nullptr) status = FromFile(writer_->Write(rows));
    for (ResultRow& row : rows) report_.rows.push_back(std::move(row));
    return status;
  }

  [[nodiscard]] absl::Status Interrupted() const {
    if (finished_ == 0) return absl::CancelledError("interrupted before any repetition finished");
    return absl::CancelledError(absl::StrCat(
        "interrupted after ", finished_, " of ", benchmarks_.size() * options_.reps, " repetitions",
        writer_ == nullptr ? "; they were not saved, since there was no -o"
                           : absl::StrCat("; they are saved in ", writer_->partial_path())));
  }

  const MicroOptions& options_;
  Console console_;
  std::vector<Benchmark> benchmarks_;
  RunReport report_;
  std::unique_ptr<ResultsWriter> writer_;
  std::uint64_t finished_ = 0;
};

}  // namespace

MicroName ParseMicroName(const std::string& name) {
  std::vector<std::string> parts = absl::StrSplit(name, '/');
  MicroName parsed;
  parsed.cell.suite = "micro";
  parsed.cell.workload = "micro";
  parsed.cell.allocator = "radix";
  parsed.cell.layout = "host";
  parsed.op = parts.front();
  if (const std::size_t type = parsed.op.find('<'); type != std::string::npos) {
    parsed.cell.layout = LayoutOfType(parsed.op.substr(type + 1, parsed.op.size() - type - 2));
    parsed.op.resize(type);
  }
  std::vector<std::string> params(parts.begin() + 1, parts.end());
  for (std::string& param : params) {
    const std::size_t colon = param.find(':');
    param = colon == std::string::npos ? absl::StrCat("argument=", param)
                                       : param.replace(colon, 1, "=");
  }
  std::sort(params.begin(), params.end());
  parsed.cell.params = absl::StrJoin(params, ";");
  return parsed;
}

absl::Status RunMicro(const MicroOptions& options) {
  absl::StatusOr<std::vector<Benchmark>> benchmarks = Select(options.filter);
  if (!benchmarks.ok()) return benchmarks.status();
  return Run(options, *std::move(benchmarks)).All();
}

}  // namespace pagealloc::bench
