#include "harness/measure/measure.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "harness/base/clock.h"
#include "harness/base/parse_units.h"
#include "harness/base/source_position.h"
#include "harness/measure/cells.h"
#include "harness/measure/config.h"
#include "harness/measure/counting.h"
#include "harness/measure/files.h"
#include "harness/measure/min_time.h"
#include "harness/report/aggregate.h"
#include "harness/report/environment.h"
#include "harness/report/machine_check.h"
#include "harness/report/render.h"
#include "harness/report/results_writer.h"
#include "harness/report/run_report.h"
#include "harness/report/statistics.h"
#include "harness/run/allocators.h"
#include "harness/run/cell.h"
#include "harness/run/cell_process.h"
#include "harness/run/cell_rows.h"
#include "harness/run/console.h"
#include "harness/run/interrupts.h"
#include "harness/run/malloc_library.h"
#include "harness/run/plan.h"
#include "harness/run/progress.h"
#include "harness/run/source.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

class Measurement {
 public:
  explicit Measurement(MeasureOptions options)
      : options_(std::move(options)),
        console_(options_.quiet ? Loudness::kErrorsOnly
                                : (options_.verbose ? Loudness::kVerbose : Loudness::kNormal)),
        started_(std::chrono::steady_clock::now()) {}

  absl::Status Run();

 private:
  absl::Status DescribeMachine();
  absl::Status Load();
  std::string Plan() const;
  absl::Status PrepareFiles();
  absl::Status OpenFile();
  absl::Status SaveHistograms() const;
  absl::Status CheckAll();
  absl::Status CheckCell(Cell& cell);
  absl::Status SamePlaces(std::size_t source) const;
  absl::Status CountCell(Cell& cell, Progress& progress);
  absl::Status TimeAll();
  absl::Status TimeRepetition(Cell& cell, const PlannedRun& run);
  void WarnOfQueue(const Cell& cell) const;
  absl::Status CloseOut();
  absl::Status Save(std::vector<ResultRow> rows);
  absl::Status Interrupted(const absl::Status& status) const;
  absl::Status InCell(const Cell& cell, const absl::Status& status) const;

  const Source& SourceOf(const Cell& cell) const { return all_.SourceOf(cell); }
  std::string Title(const Cell& cell) const { return all_.Title(cell); }

  MeasureOptions options_;  ///< of which only --min-time changes something, once
  Console console_;
  std::chrono::steady_clock::time_point started_;
  std::optional<Clock> clock_;
  RunReport report_;
  Cells all_;
  std::optional<InstructionCounter> counter_;
  std::unique_ptr<ResultsWriter> writer_;
  std::uint64_t finished_ = 0;                ///< repetitions, warm-ups not counted
  std::vector<std::string> histogram_paths_;  ///< one for each cell, or none
};

absl::Status Measurement::DescribeMachine() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  clock_ = Clock::Calibrate();
  report_.environment = ReadEnvironment(options_.arguments, options_.config, clock_->calibration());
  report_.run = MakeRunColumns(report_.environment, options_.label,
                               static_cast<std::uint64_t>(std::chrono::nanoseconds(now).count()));
  if (!options_.Timed()) return absl::OkStatus();
  std::string problems;
  for (const std::string& problem : EnvironmentProblems(report_.environment)) {
    absl::StrAppend(&problems, problems.empty() ? "" : " ", problem);
  }
  if (!options_.strict_env || problems.empty()) return absl::OkStatus();
  return EnvironmentError(absl::StrCat("--strict-env refuses this machine: ", problems));
}

absl::Status Measurement::Load() {
  if (options_.min_time && !options_.dry_run) {
    absl::Status status = ChooseOperations(options_, *clock_, console_);
    if (!status.ok()) return status;
  }
  absl::StatusOr<Cells> loaded = LoadCells(options_, *clock_, console_);
  if (!loaded.ok()) return loaded.status();
  all_ = *std::move(loaded);
  for (const Source& source : all_.sources) {
    // With caches the model need not search, so that it checks everything.
    if (!options_.verify || options_.per_cpu_caches || source.unjudged_ops == 0) continue;
    console_.Note(absl::StrCat("note: ", source.Title(), ": the model checks all but the last ",
                               source.unjudged_ops, " operations, which would take it too long"));
  }
  AddLoadedConfig(options_, all_, report_.environment.config);
  if (options_.record.empty()) return absl::OkStatus();
  if (all_.sources.size() != 1) {
    return UsageError(absl::StrCat("--record writes one trace, but ", all_.sources.size(),
                                   " workloads or traces are to run. Select one with -w and -p."));
  }
  if (absl::Status status = AreDistinct(options_.out, options_.record); !status.ok()) return status;
  return MayRecord(all_.sources.front().program, options_.record, options_.force);
}

std::string Measurement::Plan() const {
  std::string text;
  for (const Cell& cell : all_.cells) {
    const Source& source = SourceOf(cell);
    const bool open = options_.min_time && source.workload;
    absl::StrAppend(&text, Title(cell), " | ", open ? "as many" : absl::StrCat(source.measured_ops),
                    " operations", open ? " as --min-time needs" : "", ", heap ",
                    SizeText(BytesOf(source.heap_pages)), "\n");
  }
  if (options_.count) {
    absl::StrAppend(&text, all_.cells.size(),
                    " cells, each checked and counted; nothing was run\n");
    return text;
  }
  const std::uint64_t reps = options_.Timed() ? options_.reps : 0;
  absl::StrAppend(&text, all_.cells.size(), " cells, each checked once and timed ", reps,
                  " times after ", options_.Timed() ? options_.warmups : 0,
                  " warm-ups; nothing was run\n");
  return text;
}

// Whatever would fail after the measurement is found before it.
absl::Status Measurement::PrepareFiles() {
  if (!options_.record.empty()) {
    if (absl::Status status = CanRecord(options_.record); !status.ok()) return status;
  }
  if (options_.hist_dir.empty()) return absl::OkStatus();
  std::vector<CellColumns> columns;
  for (const Cell& cell : all_.cells) columns.push_back(cell.columns);
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
  Progress progress(stderr, options_.quiet || !counter_ ? ProgressMode::kNever : options_.progress,
                    all_.cells.size());
  for (std::size_t i = 0; i < all_.sources.size(); ++i) {
    Source& source = all_.sources[i];
    if (source.workload && source.program.ops.empty() && source.measured_ops > 0) {
      absl::StatusOr<Source> again = LoadWorkload(*source.workload);
      if (!again.ok()) return again.status();
      again->columns = source.columns;
      source = *std::move(again);
    }
    for (Cell& cell : all_.cells) {
      if (cell.source != i) continue;
      progress.Begin(Title(cell));
      if (absl::Status status = CheckCell(cell); !status.ok()) return status;
      if (!counter_) continue;
      if (absl::Status status = CountCell(cell, progress); !status.ok()) return status;
    }
    if (absl::Status status = SamePlaces(i); !status.ok()) return status;
    if (!options_.record.empty()) {
      absl::Status status = RecordTrace(source.program, options_.record);
      if (!status.ok()) return status;
    }
    if (source.workload) source.ReleaseProgram();
  }
  return absl::OkStatus();
}

// Whether or not the model has judged them: allocators that have no choice do not differ.
absl::Status Measurement::SamePlaces(std::size_t source) const {
  std::map<std::string, const Cell*> first_on;
  for (const Cell& cell : all_.cells) {
    if (cell.source != source || cell.options.caches > 0) continue;
    if (AllocatorNamed(cell.options.allocator).places != Places::kModel) continue;
    const Cell& first = *first_on.try_emplace(cell.options.layout, &cell).first->second;
    if (cell.checked.result_hash == first.checked.result_hash) continue;
    return DiffersError(absl::StrCat(
        Title(cell), " placed pages differently from ", first.options.allocator, " (result hash ",
        HashText(cell.checked.result_hash), ", not ", HashText(first.checked.result_hash),
        "). Run without --no-verify to see the first difference."));
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
  std::string_view advice =
      "Replay with -a reference to see whether the trace or the allocator is wrong.";
  if (cell.options.caches > 0) {
    advice = "Replay without --cache to see whether the caches or the allocator are wrong.";
  } else if (IsHeap(cell.options.allocator)) {
    advice = "Replay with -a radix, and without --threads, to see what is wrong.";
  } else if (AllocatorNamed(cell.options.allocator).places != Places::kModel) {
    advice = "Replay with -a radix to see whether the program or this allocator is wrong.";
  }
  return DiffersError(RenderProblem(source.program.PositionOf(op), reason, advice));
}

absl::Status Measurement::CountCell(Cell& cell, Progress& progress) {
  std::string line = absl::StrCat(Title(cell), ": ");
  absl::StatusOr<std::vector<ResultRow>> rows =
      counter_->Count(cell, SourceOf(cell), finished_, line);
  if (!rows.ok()) return InCell(cell, rows.status());
  ++finished_;
  progress.EndRepetition();
  progress.EndCell(line);
  return Save(*std::move(rows));
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
  if (timed->open_loop) cell.open_loops.push_back(*timed->open_loop);
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
  if (options_.slowdown_percent > 0) {
    console_.Warning(absl::StrCat("--slowdown makes every batch ", options_.slowdown_percent,
                                  " % longer: these times say nothing about an allocator."));
  }
  const std::vector<PlannedRun> plan = MakePlan({.cells = all_.cells.size(),
                                                 .reps = options_.reps,
                                                 .warmups = options_.warmups,
                                                 .interleave = options_.interleave,
                                                 .seed = options_.seed});
  Progress progress(stderr, options_.quiet ? ProgressMode::kNever : options_.progress, plan.size());
  for (const PlannedRun& run : plan) {
    if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
    Cell& cell = all_.cells[run.cell];
    const bool late =
        options_.max_time && std::chrono::steady_clock::now() - started_ >= *options_.max_time;
    // Every cell gets one repetition, however short the time.
    if (!late || (run.rep && cell.finished == 0)) {
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

void Measurement::WarnOfQueue(const Cell& cell) const {
  std::vector<OpenLoopTime> late = cell.open_loops;
  std::erase_if(late, [](const OpenLoopTime& time) { return time.kept_up(); });
  if (late.empty()) return;
  const auto slower = [](const OpenLoopTime& a, const OpenLoopTime& b) {
    return a.achieved_ops_per_s() < b.achieved_ops_per_s();
  };
  const OpenLoopTime& worst = *std::min_element(late.begin(), late.end(), slower);
  console_.Warning(absl::StrFormat(
      "%s: in %d of %d repetitions the allocator or the machine did not keep up: achieved %.0f of "
      "%.0f ops/s. Response times then grow with the length of the run; give a lower --rate.",
      Title(cell), late.size(), cell.open_loops.size(), worst.achieved_ops_per_s(),
      cell.options.open_loop->ops_per_s));
}

absl::Status Measurement::CloseOut() {
  AddMeasuredConfig(options_, all_, report_.environment.config);
  std::vector<ResultRow> rows;
  for (const Cell& cell : all_.cells) {
    WarnOfQueue(cell);
    std::vector<ResultRow> of_cell;
    std::copy_if(report_.rows.begin(), report_.rows.end(), std::back_inserter(of_cell),
                 [&cell](const ResultRow& row) { return row.cell == cell.columns; });
    std::vector<ResultRow> over_all = AggregateRows(of_cell);
    const std::vector<ResultRow> pooled =
        cell.pooled.Rows(cell.columns, cell.options.clock.ns_per_tick, options_.percentiles);
    over_all.insert(over_all.end(), pooled.begin(), pooled.end());
    for (ResultRow& row : over_all) {
      if (options_.Timed() && cell.finished < options_.reps) {
        row.status = std::max(row.status, RowStatus::kTruncated);
      }
    }
    rows.insert(rows.end(), over_all.begin(), over_all.end());
  }
  const std::uint64_t planned = options_.Timed() ? all_.cells.size() * options_.reps : 0;
  if (finished_ < planned) {
    console_.Warning(absl::StrCat("--max-time ended the run after ", finished_, " of ", planned,
                                  " repetitions."));
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
    const absl::Status status = WriteHistograms(histogram_paths_[i], all_.cells[i].pooled,
                                                all_.cells[i].options.clock.ns_per_tick);
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
  const std::uint64_t planned = all_.cells.size() * (counter_ ? 1 : options_.reps);
  const std::string saved = writer_ == nullptr
                                ? "; they were not saved, since there was no -o"
                                : absl::StrCat("; they are saved in ", writer_->partial_path());
  return absl::CancelledError(
      absl::StrCat("interrupted after ", finished_, " of ", planned, " repetitions", saved));
}

absl::Status Measurement::Run() {
  if (absl::Status status = DescribeMachine(); !status.ok()) return status;
  if (absl::Status status = Load(); !status.ok()) return status;
  if (options_.dry_run) return WriteResult(Plan());
  // From here on there is a file to keep or to remove.
  CatchInterrupts();
  if (options_.count) {
    absl::StatusOr<InstructionCounter> counter = InstructionCounter::Open();
    if (!counter.ok()) return counter.status();
    counter_ = *std::move(counter);
    report_.environment.config.emplace_back("counted", counter_->path());
    console_.Note(absl::StrCat("counted: ", counter_->path()));
  }
  if (absl::Status status = PrepareFiles(); !status.ok()) return status;
  if (absl::Status status = OpenFile(); !status.ok()) return status;
  if (options_.Timed()) {
    for (const std::string& problem : EnvironmentProblems(report_.environment)) {
      console_.Warning(problem);
    }
  }
  absl::Status status = CheckAll();
  if (status.ok() && options_.Timed()) status = TimeAll();
  if (status.ok() && !options_.Timed() && !counter_) {
    std::uint64_t seq = 0;
    for (const Cell& cell : all_.cells) {
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

absl::Status Measure(const MeasureOptions& options) {
  const auto is_library = [](const std::string& name) { return !MallocPackage(name).empty(); };
  if (std::any_of(options.allocators.begin(), options.allocators.end(), is_library)) {
    RestartWithRoomForMallocs(options.arguments);
  }
  return Measurement(options).Run();
}

}  // namespace pagealloc::bench
