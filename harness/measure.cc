#include "harness/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "harness/base/clock.h"
#include "harness/base/parse_units.h"
#include "harness/base/source_position.h"
#include "harness/console.h"
#include "harness/measure_files.h"
#include "harness/report/aggregate.h"
#include "harness/report/environment.h"
#include "harness/report/render.h"
#include "harness/report/results_writer.h"
#include "harness/report/run_report.h"
#include "harness/report/statistics.h"
#include "harness/run/cell.h"
#include "harness/run/cell_process.h"
#include "harness/run/cell_rows.h"
#include "harness/run/interrupts.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/source.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

/// One line of the table: a source on an allocator on a layout.
struct Cell {
  std::size_t source = 0;
  CellOptions options;
  CellColumns columns;
  CheckedResult checked;
  std::uint64_t finished = 0;  ///< repetitions, warm-ups not counted
  std::vector<double> all_ns;  ///< of the repetitions timed in batches
  PooledTimes pooled;
};

class Measurement {
 public:
  explicit Measurement(const MeasureOptions& options)
      : options_(options),
        console_(options.quiet ? Loudness::kErrorsOnly
                               : (options.verbose ? Loudness::kVerbose : Loudness::kNormal)),
        started_(std::chrono::steady_clock::now()) {}

  absl::Status Run();

 private:
  absl::Status DescribeMachine();
  absl::Status Load();
  absl::Status AddCells(std::size_t source_index);
  void SayWhatIsChecked(const Source& source);
  std::string Plan() const;
  absl::Status PrepareFiles();
  absl::Status OpenFile();
  absl::Status SaveHistograms() const;
  absl::Status CheckAll();
  absl::Status CheckCell(Cell& cell);
  absl::Status TimeAll();
  absl::Status TimeRepetition(Cell& cell, const PlannedRun& run);
  void ResolveConfig();
  void SetConfig(const std::string& key, const std::string& value);
  absl::Status CloseOut();
  absl::Status Save(std::vector<ResultRow> rows);
  absl::Status Interrupted(const absl::Status& status) const;
  absl::Status InCell(const Cell& cell, const absl::Status& status) const;

  const Source& SourceOf(const Cell& cell) const { return sources_[cell.source]; }
  std::string Title(const Cell& cell) const {
    return absl::StrCat(SourceOf(cell).Title(), " | ", cell.options.allocator, " | ",
                        cell.options.layout);
  }
  bool Timed() const { return options_.time_batches || options_.time_ops; }

  const MeasureOptions& options_;
  Console console_;
  std::chrono::steady_clock::time_point started_;
  std::optional<Clock> clock_;
  RunReport report_;
  std::vector<Source> sources_;
  std::vector<Cell> cells_;
  std::unique_ptr<ResultsWriter> writer_;
  std::uint64_t finished_ = 0;  ///< repetitions, warm-ups not counted
  bool truncated_ = false;
  std::vector<std::string> histogram_paths_;  ///< one for each cell, or none
};

absl::Status Measurement::DescribeMachine() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  clock_ = Clock::Calibrate();
  report_.environment = ReadEnvironment(options_.arguments, options_.config, clock_->calibration());
  report_.run = MakeRunColumns(report_.environment, options_.label,
                               static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()));
  if (!Timed()) return absl::OkStatus();
  std::string problems;
  for (const std::string& problem : EnvironmentProblems(report_.environment)) {
    absl::StrAppend(&problems, problems.empty() ? "" : " ", problem);
  }
  if (!options_.strict_env || problems.empty()) return absl::OkStatus();
  return EnvironmentError(absl::StrCat("--strict-env refuses this machine: ", problems));
}

// Programs stay in memory between loading and checking up to this many operations in all (about
// 1.3 GB); beyond, a workload is made twice rather than the machine run out of memory.
constexpr std::size_t kOpsKept = 20'000'000;

// What a path leads to, so that two names of one file are known as such.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return path == "-" || error ? path : real.string();
}

// Another trace of the same base name is known by its path, or where even that is taken by a number
// behind it: rows of two traces must be told apart.
std::string UnusedName(const std::string& name, const std::string& path,
                       std::set<std::string>& used) {
  if (used.insert(name).second) return name;
  if (used.insert(path).second) return path;
  std::size_t number = 2;
  while (!used.insert(absl::StrCat(path, "#", number)).second) ++number;
  return absl::StrCat(path, "#", number);
}

absl::Status Measurement::Load() {
  std::set<std::string> files;
  std::set<std::string> names;
  for (const std::string& path : options_.traces) {
    if (!files.insert(RealPath(path)).second) {
      console_.Note(absl::StrCat("note: ", path, " was named twice; it runs once"));
      continue;
    }
    absl::StatusOr<Source> source = LoadTrace(path);
    if (!source.ok()) return source.status();
    source->columns.workload = UnusedName(source->columns.workload, path, names);
    sources_.push_back(*std::move(source));
  }
  std::size_t ops = 0;
  for (const WorkloadRequest& request : options_.workloads) {
    absl::StatusOr<Source> source = LoadWorkload(request);
    if (!source.ok()) return source.status();
    sources_.push_back(*std::move(source));
  }
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    if (absl::Status status = AddCells(i); !status.ok()) return status;
    SayWhatIsChecked(sources_[i]);
    ops += sources_[i].program.ops.size();
    if (sources_[i].workload && sources_.size() > 1 && ops > kOpsKept) sources_[i].ReleaseProgram();
  }
  if (!options_.record.empty()) {
    if (sources_.size() != 1) {
      return UsageError(
          absl::StrCat("--record writes one trace, but ", sources_.size(),
                       " workloads or traces are to run. Select one with -w and -p."));
    }
    absl::Status status = AreDistinct(options_.out, options_.record);
    if (!status.ok()) return status;
    status = MayRecord(sources_.front().program, options_.record, options_.force);
    if (!status.ok()) return status;
  }
  // Each is a planned run in memory, and none takes less than a millisecond.
  constexpr std::uint64_t kMostRuns = 10'000'000;
  const std::uint64_t rounds = options_.reps + options_.warmups;
  if (Timed() && !cells_.empty() && rounds > kMostRuns / cells_.size()) {
    return UsageError(absl::StrCat("--reps: ", cells_.size(), " cells of ", rounds,
                                   " repetitions and warm-ups are more than ", kMostRuns,
                                   " runs. Give fewer, or select fewer cells."));
  }
  if (!cells_.empty()) return absl::OkStatus();
  return UsageError("no layout of the default list holds any of these traces. Name one with -l.");
}

absl::Status Measurement::AddCells(std::size_t source_index) {
  const Source& source = sources_[source_index];
  for (const std::string& layout : options_.layouts) {
    if (const std::optional<std::string> why = Misfit(source, layout)) {
      if (options_.layouts_named) return UsageError(*why);
      console_.Note(absl::StrCat("note: skipped on ", layout, ": ", *why));
      continue;
    }
    for (const std::string& allocator : options_.allocators) {
      Cell cell;
      cell.source = source_index;
      cell.options.allocator = allocator;
      cell.options.layout = layout;
      cell.options.memory = options_.memory;
      cell.options.place_exact = options_.place_exact;
      cell.options.prefault = options_.prefault;
      cell.options.huge_pages = options_.huge_pages;
      cell.options.cpu = options_.cpu;
      cell.options.time_batches = options_.time_batches;
      cell.options.time_ops = options_.time_ops;
      // No operation of any allocator costs less than 2 ns; a warm-up says more (TimeRepetition).
      cell.options.batch = options_.batch.value_or(clock_->BatchFor(2));
      cell.options.batches_by_kind = source.kind_block >= clock_->BatchFor(2);
      cell.options.heap_pages = source.heap_pages;
      cell.options.clock = clock_->calibration();
      cell.columns = source.columns;
      cell.columns.suite = options_.suite;
      cell.columns.allocator = allocator;
      cell.columns.layout = layout;
      // Traces have names of their own, but -p may spell one parameter set in two ways.
      const bool known = std::any_of(cells_.begin(), cells_.end(), [&cell](const Cell& other) {
        return other.columns == cell.columns;
      });
      if (known) {
        console_.Note(absl::StrCat("note: ", Title(cell), " was named twice; it runs once"));
      } else {
        cells_.push_back(std::move(cell));
      }
    }
  }
  return absl::OkStatus();
}

void Measurement::SayWhatIsChecked(const Source& source) {
  const std::size_t ops = source.program.ops.size();
  if (!options_.verify || source.judgement.judged == ops) return;
  const std::string checked =
      absl::StrCat("first ", source.judgement.judged, " of ", ops, " operations");
  console_.Note(absl::StrCat("note: ", source.Title(), ": the model checks the ", checked,
                             "; the rest would take it too long"));
  report_.environment.config.emplace_back(absl::StrCat("verified ", source.Title()), checked);
}

std::string Measurement::Plan() const {
  std::string text;
  for (const Cell& cell : cells_) {
    absl::StrAppend(&text, Title(cell), " | ", SourceOf(cell).measured_ops, " operations, heap ",
                    SizeText(BytesOf(SourceOf(cell).heap_pages)), "\n");
  }
  const std::uint64_t reps = Timed() ? options_.reps : 0;
  absl::StrAppend(&text, cells_.size(), " cells, each checked once and timed ", reps,
                  " times after ", Timed() ? options_.warmups : 0, " warm-ups; nothing was run\n");
  return text;
}

// Whatever would fail after the measurement is found before it.
absl::Status Measurement::PrepareFiles() {
  if (!options_.record.empty()) {
    if (absl::Status status = CanRecord(options_.record); !status.ok()) return status;
  }
  if (options_.hist_dir.empty()) return absl::OkStatus();
  std::vector<CellColumns> columns;
  for (const Cell& cell : cells_) columns.push_back(cell.columns);
  histogram_paths_ = HistogramPaths(options_.hist_dir, columns);
  return MayWriteHistograms(options_.hist_dir, histogram_paths_, options_.force);
}

absl::Status Measurement::OpenFile() {
  if (options_.out.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<ResultsWriter>> writer =
      ResultsWriter::Create(options_.out, report_, options_.force);
  if (!writer.ok()) return FromFile(writer.status());
  writer_ = *std::move(writer);
  if (!writer_->note().empty()) console_.Note(writer_->note());
  return absl::OkStatus();
}

absl::Status Measurement::InCell(const Cell& cell, const absl::Status& status) const {
  if (status.ok() || status.code() == absl::StatusCode::kCancelled) return status;
  std::string message =
      absl::StrCat("cannot replay ", Title(cell), ": ", std::string(status.message()));
  if (!message.ends_with('.')) message += '.';
  return absl::Status(status.code(), message);
}

absl::Status Measurement::CheckAll() {
  for (std::size_t i = 0; i < sources_.size(); ++i) {
    Source& source = sources_[i];
    if (source.workload && source.program.ops.empty() && source.measured_ops > 0) {
      absl::StatusOr<Source> again = LoadWorkload(*source.workload);
      if (!again.ok()) return again.status();
      source = *std::move(again);
    }
    for (Cell& cell : cells_) {
      if (cell.source != i) continue;
      if (absl::Status status = CheckCell(cell); !status.ok()) return status;
    }
    if (!options_.record.empty()) {
      absl::Status status = RecordTrace(source.program, options_.record);
      if (!status.ok()) return status;
    }
    if (source.workload) source.ReleaseProgram();
  }
  return absl::OkStatus();
}

absl::Status Measurement::CheckCell(Cell& cell) {
  if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
  const Source& source = SourceOf(cell);
  absl::StatusOr<CheckedResult> checked =
      RunChecked(options_.isolation, cell.options, source, options_.verify);
  if (!checked.ok()) return InCell(cell, checked.status());
  cell.checked = *std::move(checked);
  if (!cell.checked.mismatch) {
    console_.Detail(absl::StrCat("checked: ", Title(cell), ": result hash ",
                                 HashText(cell.checked.result_hash)));
    return absl::OkStatus();
  }
  const Mismatch& mismatch = *cell.checked.mismatch;
  const bool at_end = mismatch.op == source.program.ops.size();
  const Op& op = source.program.ops[at_end ? mismatch.op - 1 : mismatch.op];
  const std::string reason = absl::StrFormat(
      "expected %s, but %s on %s gave %s%s", mismatch.expected, cell.options.allocator,
      cell.options.layout, mismatch.got, at_end ? " after the last operation" : "");
  return DiffersError(RenderProblem(
      source.program.PositionOf(op), reason,
      "Replay with -a reference to see whether the trace or the allocator is wrong."));
}

absl::Status Measurement::TimeRepetition(Cell& cell, const PlannedRun& run) {
  CellOptions options = cell.options;
  // A warm-up finds out what the kinds cost, and with it whether their blocks are long enough.
  if (!run.rep) options.batches_by_kind = SourceOf(cell).kind_block > 0;
  absl::StatusOr<TimedResult> timed = RunTimed(options_.isolation, options, SourceOf(cell));
  if (!timed.ok()) return InCell(cell, timed.status());
  if (timed->result_hash != cell.checked.result_hash) {
    return DiffersError(absl::StrCat(
        "cannot trust ", Title(cell), ": a timed pass placed pages ",
        "differently from the checked one (result hash ", HashText(timed->result_hash), ", not ",
        HashText(cell.checked.result_hash), "). The allocator is not deterministic."));
  }
  if (!run.rep) {
    if (!timed->batches.empty()) {
      double fastest = timed->batches.front().ns;
      for (const BatchTimes& batch : timed->batches) fastest = std::min(fastest, batch.ns);
      const std::uint64_t long_enough = clock_->BatchFor(fastest);
      if (!options_.batch) cell.options.batch = long_enough;
      cell.options.batches_by_kind = SourceOf(cell).kind_block >= long_enough;
    }
    return absl::OkStatus();
  }
  ++finished_;
  ++cell.finished;
  cell.pooled.Add(*timed, cell.options.clock.ns_per_tick);
  if (!timed->batches.empty()) cell.all_ns.push_back(timed->batches.front().ns);
  const RepetitionPlace place{*run.rep, run.seq};
  std::vector<ResultRow> rows =
      TimedRows(cell.columns, place, *timed, cell.options, options_.percentiles);
  if (*run.rep == 0) {
    const std::vector<ResultRow> exact =
        CheckedRows(cell.columns, place, cell.checked, SourceOf(cell).measured_ops);
    rows.insert(rows.end(), exact.begin(), exact.end());
  }
  return Save(std::move(rows));
}

absl::Status Measurement::TimeAll() {
  const std::vector<PlannedRun> plan = MakePlan({.cells = cells_.size(),
                                                 .reps = options_.reps,
                                                 .warmups = options_.warmups,
                                                 .interleave = options_.interleave,
                                                 .seed = options_.seed});
  Progress progress(stderr, options_.quiet ? ProgressMode::kNever : options_.progress, plan.size());
  for (const PlannedRun& run : plan) {
    if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
    Cell& cell = cells_[run.cell];
    const bool late =
        options_.max_time && std::chrono::steady_clock::now() - started_ >= *options_.max_time;
    // Every cell gets one repetition, however short the time.
    if (late && (!run.rep || cell.finished > 0)) {
      truncated_ = truncated_ || run.rep.has_value();
    } else {
      progress.Begin(Title(cell));
      if (absl::Status status = TimeRepetition(cell, run); !status.ok()) return status;
    }
    progress.EndRepetition();
    if (run.rep == options_.reps - 1) {  // its last, in every order
      std::string line = absl::StrCat(Title(cell), ": ", cell.finished);
      if (cell.finished < options_.reps) absl::StrAppend(&line, " of ", options_.reps);
      absl::StrAppend(&line, " repetitions");
      if (!cell.all_ns.empty()) {
        absl::StrAppendFormat(&line, ", %.4g ns/op", FastestQuarterMean(cell.all_ns));
      }
      progress.EndCell(line);
    }
  }
  return absl::OkStatus();
}

absl::Status Measurement::Save(std::vector<ResultRow> rows) {
  absl::Status status;
  if (writer_ != nullptr) status = FromFile(writer_->Write(rows));
  report_.rows.insert(report_.rows.end(), std::make_move_iterator(rows.begin()),
                      std::make_move_iterator(rows.end()));
  return status;
}

void Measurement::SetConfig(const std::string& key, const std::string& value) {
  KeyValues& config = report_.environment.config;
  const auto known = std::find_if(config.begin(), config.end(),
                                  [&key](const auto& entry) { return entry.first == key; });
  if (known == config.end()) {
    config.emplace_back(key, value);
  } else {
    known->second = value;
  }
}

// The environment file says what was used, not what was typed.
void Measurement::ResolveConfig() {
  SetConfig("reps", absl::StrCat(options_.reps));
  SetConfig("warmup", absl::StrCat(options_.warmups));
  SetConfig("cpu", options_.cpu ? absl::StrCat(*options_.cpu) : "none");
  std::set<std::uint64_t> heaps;
  std::set<std::uint64_t> ops;
  bool traces = false;
  for (const Source& source : sources_) {
    traces = traces || !source.workload;
    if (!source.workload) continue;
    heaps.insert(source.columns.heap_bytes.value_or(0));
    ops.insert(source.measured_ops);
  }
  if (!heaps.empty()) {
    SetConfig("heap", absl::StrJoin(heaps, ",", [](std::string* out, std::uint64_t bytes) {
                absl::StrAppend(out, SizeText(ByteCount{bytes}));
              }));
    SetConfig("ops", absl::StrJoin(ops, ","));
  }
  std::string processes = "one for all";
  if (options_.isolation == Isolation::kProcess) {
    processes = heaps.empty() ? "forked"
                : traces      ? "workloads re-executed, traces forked"
                              : "re-executed";
  }
  SetConfig("processes", processes);
}

absl::Status Measurement::CloseOut() {
  if (options_.time_batches) {
    std::set<std::uint64_t> batches;
    for (const Cell& cell : cells_) batches.insert(cell.options.batch);
    SetConfig("batch", absl::StrJoin(batches, ","));
  }
  std::vector<ResultRow> rows;
  for (const Cell& cell : cells_) {
    std::vector<ResultRow> of_cell;
    std::copy_if(report_.rows.begin(), report_.rows.end(), std::back_inserter(of_cell),
                 [&cell](const ResultRow& row) { return row.cell == cell.columns; });
    const std::vector<ResultRow> over_all = AggregateRows(of_cell);
    rows.insert(rows.end(), over_all.begin(), over_all.end());
    const std::vector<ResultRow> pooled =
        cell.pooled.Rows(cell.columns, cell.options.clock.ns_per_tick, options_.percentiles);
    rows.insert(rows.end(), pooled.begin(), pooled.end());
  }
  if (truncated_) {
    console_.Warning(absl::StrCat("--max-time ended the run after ", finished_, " of ",
                                  cells_.size() * options_.reps, " repetitions."));
    for (ResultRow& row : rows) row.status = std::max(row.status, RowStatus::kTruncated);
  }
  if (absl::Status status = Save(std::move(rows)); !status.ok()) return status;
  if (writer_ == nullptr) return absl::OkStatus();
  absl::Status status = FromFile(writer_->ReplaceEnvironment(report_.environment));
  if (status.ok()) status = FromFile(writer_->Finish());
  if (!status.ok()) return status;
  console_.Note(absl::StrCat("results: ", writer_->path()));
  return absl::OkStatus();
}

absl::Status Measurement::SaveHistograms() const {
  for (std::size_t i = 0; i < histogram_paths_.size(); ++i) {
    const absl::Status status =
        WriteHistograms(histogram_paths_[i], cells_[i].pooled, cells_[i].options.clock.ns_per_tick);
    if (status.ok()) continue;
    const std::string rest =
        writer_ == nullptr ? "" : absl::StrCat(" The results are in ", writer_->path(), ".");
    return FileError(absl::StrCat(std::string(status.message()), rest));
  }
  return absl::OkStatus();
}

absl::Status Measurement::Interrupted(const absl::Status& status) const {
  if (status.code() != absl::StatusCode::kCancelled) return status;
  if (finished_ == 0) return absl::CancelledError("interrupted before any repetition finished");
  const std::uint64_t planned = cells_.size() * options_.reps;
  const std::string saved = writer_ == nullptr
                                ? "; they were not saved, since there was no -o"
                                : absl::StrCat("; they are saved in ", writer_->partial_path());
  return absl::CancelledError(
      absl::StrCat("interrupted after ", finished_, " of ", planned, " repetitions", saved));
}

absl::Status Measurement::Run() {
  if (absl::Status status = DescribeMachine(); !status.ok()) return status;
  if (absl::Status status = Load(); !status.ok()) return status;
  ResolveConfig();
  if (options_.dry_run) return WriteResult(Plan());
  // From here on there is a file to keep or to remove.
  CatchInterrupts();
  if (absl::Status status = PrepareFiles(); !status.ok()) return status;
  if (absl::Status status = OpenFile(); !status.ok()) return status;
  if (Timed()) {
    for (const std::string& problem : EnvironmentProblems(report_.environment)) {
      console_.Warning(problem);
    }
  }
  absl::Status status = CheckAll();
  if (status.ok() && Timed()) status = TimeAll();
  if (status.ok() && !Timed()) {
    std::uint64_t seq = 0;
    for (const Cell& cell : cells_) {
      status =
          Save(CheckedRows(cell.columns, {0, seq++}, cell.checked, SourceOf(cell).measured_ops));
      if (!status.ok()) break;
    }
  }
  if (status.ok()) status = CloseOut();
  if (!status.ok()) {
    // A file without a single repetition helps nobody.
    if (writer_ != nullptr && finished_ == 0) RemovePartial(*writer_);
    return Interrupted(status);
  }
  // The results come first: they are whole, whatever becomes of the histograms.
  const absl::Status histograms = SaveHistograms();
  status = WriteResult(Render(report_, options_.format, options_.color));
  return status.ok() ? histograms : status;
}

}  // namespace

absl::Status Measure(const MeasureOptions& options) { return Measurement(options).Run(); }

}  // namespace pagealloc::bench
