#include "harness/ab/ab_session.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "harness/ab/align.h"
#include "harness/ab/gate_status.h"
#include "harness/ab/side_runner.h"
#include "harness/base/temporary_folder.h"
#include "harness/compare/procedure.h"
#include "harness/report/aggregate.h"
#include "harness/report/results_writer.h"
#include "harness/run/console.h"
#include "harness/run/interrupts.h"
#include "harness/run/progress.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

/// What one side has measured so far.
struct MeasuredSide {
  explicit MeasuredSide(const AbSide& which) : side(which) {}

  const AbSide& side;
  ResultsFile file;  ///< one run; `rep` is the round
  std::unique_ptr<ResultsWriter> writer;
};

class AbSession {
 public:
  explicit AbSession(const AbOptions& options)
      : options_(options),
        console_(options.quiet ? Loudness::kErrorsOnly : Loudness::kNormal),
        base_(options.base),
        candidate_(options.candidate),
        procedure_(options.compare, options.rounds) {}

  absl::Status Run();

 private:
  absl::Status PrepareFolder() const;
  absl::Status MeasureRounds(Progress& progress);
  absl::Status MeasureRound(Progress& progress);
  absl::Status MeasureOnce(MeasuredSide& measured);
  absl::Status OpenFile(MeasuredSide& measured, const SideResult& result) const;
  absl::Status CloseFile(MeasuredSide& measured) const;
  absl::Status Interrupted(const absl::Status& status) const;
  void SayWhatWasSeen(Progress& progress) const;
  std::string NoiseFloor(const Comparison& comparison) const;

  /// Both sides as they are compared: filtered, and made comparable where their flags differ.
  struct Compared {
    ResultsFile base, candidate;
    std::vector<std::string> differences;
  };
  Compared Prepared() const;
  Side BaseOf(const Compared& compared) const { return {base_.side.name, &compared.base}; }
  Side CandidateOf(const Compared& compared) const {
    return {candidate_.side.name, &compared.candidate};
  }

  const AbOptions& options_;
  Console console_;
  TemporaryFolder folder_;
  MeasuredSide base_;
  MeasuredSide candidate_;
  AbProcedure procedure_;
  std::size_t rounds_ = 0;
  std::uint64_t seq_ = 0;
};

// What would fail after the first round is found before it.
absl::Status AbSession::PrepareFolder() const {
  if (options_.out.empty()) return absl::OkStatus();
  std::error_code error;
  std::filesystem::create_directories(options_.out, error);
  if (error) {
    return FileError(absl::StrCat("cannot make the folder ", options_.out, ": ", error.message(),
                                  ". Choose another one with -o."));
  }
  for (const MeasuredSide* measured : {&base_, &candidate_}) {
    const std::string path = absl::StrCat(options_.out, "/", measured->side.name, ".csv");
    if (!options_.force && std::filesystem::exists(path, error)) {
      return FileError(
          absl::StrCat("cannot write ", path, ": it exists. Choose another folder or --force."));
    }
  }
  return absl::OkStatus();
}

absl::Status AbSession::OpenFile(MeasuredSide& measured, const SideResult& result) const {
  if (options_.out.empty()) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<ResultsWriter>> writer =
      ResultsWriter::Create(absl::StrCat(options_.out, "/", measured.side.name, ".csv"),
                            result.file.runs.front(), result.environment, options_.force);
  if (!writer.ok()) return FileError(std::string(writer.status().message()));
  measured.writer = *std::move(writer);
  if (!measured.writer->note().empty()) console_.Note(measured.writer->note());
  return absl::OkStatus();
}

absl::Status AbSession::MeasureOnce(MeasuredSide& measured) {
  absl::StatusOr<SideResult> result =
      MeasureSide(measured.side, options_.arguments, folder_.path());
  if (!result.ok()) return result.status();
  if (rounds_ == 0) {
    measured.file.runs = result->file.runs;
    if (absl::Status status = OpenFile(measured, *result); !status.ok()) return status;
  }
  std::vector<ResultRow> rows;
  for (ResultsFile::Row& row : result->file.rows) {
    row.result.rep = rounds_;
    row.result.seq = seq_;
    rows.push_back(row.result);
    measured.file.rows.push_back(std::move(row));
  }
  ++seq_;
  if (measured.writer == nullptr) return absl::OkStatus();
  const absl::Status status = measured.writer->Write(rows);
  return status.ok() ? status : FileError(std::string(status.message()));
}

absl::Status AbSession::MeasureRound(Progress& progress) {
  std::array<MeasuredSide*, 2> order{&base_, &candidate_};
  if (rounds_ % 2 != 0) std::swap(order[0], order[1]);
  for (MeasuredSide* measured : order) {
    if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
    progress.Begin(absl::StrCat("round ", rounds_, ", ", measured->side.name));
    if (absl::Status status = MeasureOnce(*measured); !status.ok()) return status;
    progress.EndRepetition();
  }
  ++rounds_;
  return absl::OkStatus();
}

AbSession::Compared AbSession::Prepared() const {
  Compared compared{base_.file, candidate_.file, {}};
  for (const RowFilter& filter : options_.filters) {
    filter.Apply(compared.base);
    filter.Apply(compared.candidate);
  }
  if (base_.side.flags != candidate_.side.flags) {
    compared.differences = AlignRows(compared.base, compared.candidate);
  }
  return compared;
}

void AbSession::SayWhatWasSeen(Progress& progress) const {
  const Compared compared = Prepared();
  std::string line = absl::StrCat(
      rounds_, " rounds: ", CountsText(procedure_.Result(BaseOf(compared), CandidateOf(compared))));
  if (procedure_.wanted()) {
    absl::StrAppend(&line,
                    procedure_.confirming() ? "; repeating what regressed, up to round "
                                            : "; going on to round ",
                    *procedure_.wanted());
  }
  progress.EndCell(line);
}

absl::Status AbSession::MeasureRounds(Progress& progress) {
  while (procedure_.wanted()) {
    while (rounds_ < *procedure_.wanted()) {
      if (absl::Status status = MeasureRound(progress); !status.ok()) return status;
      if (rounds_ > 1) continue;
      // What cannot be compared shows at once.
      const Compared compared = Prepared();
      if (!compared.differences.empty()) {
        console_.Note("the sides differ in " + absl::StrJoin(compared.differences, ", "));
      }
      const Comparison first = Compare(BaseOf(compared), CandidateOf(compared), options_.compare);
      if (GateOf(first, options_.gate) == Gate::kNotComparable) {
        return GateStatus({&first, 1}, options_.gate);
      }
    }
    const Compared compared = Prepared();
    procedure_.Look(BaseOf(compared), CandidateOf(compared));
    SayWhatWasSeen(progress);
  }
  return absl::OkStatus();
}

absl::Status AbSession::CloseFile(MeasuredSide& measured) const {
  if (measured.writer == nullptr) return absl::OkStatus();
  std::vector<ResultRow> rows;
  std::transform(measured.file.rows.begin(), measured.file.rows.end(), std::back_inserter(rows),
                 [](const ResultsFile::Row& row) { return row.result; });
  absl::Status status = measured.writer->Write(AggregateRows(rows));
  if (status.ok()) status = measured.writer->Finish();
  if (!status.ok()) return FileError(std::string(status.message()));
  console_.Note(absl::StrCat("results: ", measured.writer->path()));
  return status;
}

absl::Status AbSession::Interrupted(const absl::Status& status) const {
  if (status.code() != absl::StatusCode::kCancelled || PendingInterrupt() == 0) return status;
  if (rounds_ == 0) return absl::CancelledError("interrupted before any round was finished");
  return absl::CancelledError(absl::StrCat(
      "interrupted after ", rounds_, rounds_ == 1 ? " round" : " rounds",
      base_.writer == nullptr ? "; they were not saved, since there was no -o"
                              : absl::StrCat("; they are saved in ", base_.writer->partial_path(),
                                             " and ", candidate_.writer->partial_path())));
}

std::string AbSession::NoiseFloor(const Comparison& comparison) const {
  double difference = 0;
  double reach = 0;
  for (const ComparedRow& row : comparison.rows) {
    if (!row.gated || !row.ratio || !row.interval) continue;
    difference = std::max(difference, std::abs(*row.ratio - 1));
    reach = std::max({reach, std::abs(row.interval->low - 1), std::abs(row.interval->high - 1)});
  }
  return absl::StrFormat(
      "noise floor after %d rounds: the same program differed from itself by up to %.2f %%, and "
      "intervals reach %.2f %%; smaller changes than that cannot be told from noise here\n",
      rounds_, difference * 100, reach * 100);
}

absl::Status AbSession::Run() {
  for (const AbSide* side : {&options_.base, &options_.candidate}) {
    if (absl::Status status = CanStart(*side); !status.ok()) return status;
  }
  if (folder_.error()) {
    return FileError(absl::StrCat("cannot make a folder ", folder_.path(), ": ",
                                  folder_.error().message(), ". Set TMPDIR to another place."));
  }
  if (absl::Status status = PrepareFolder(); !status.ok()) return status;
  CatchInterrupts();
  Progress progress(stderr, options_.quiet ? ProgressMode::kNever : ProgressMode::kAuto,
                    2 * options_.rounds);
  const absl::Status measured = MeasureRounds(progress);
  progress.Clear();
  if (!measured.ok()) return Interrupted(measured);
  for (MeasuredSide* side : {&base_, &candidate_}) {
    if (absl::Status status = CloseFile(*side); !status.ok()) return status;
  }
  const Compared compared = Prepared();
  const Comparison comparison = procedure_.Result(BaseOf(compared), CandidateOf(compared));
  for (const std::string& warning : comparison.warnings) console_.Warning(warning);
  const Gate gate = GateOf(comparison, options_.gate);
  std::string text = RenderComparisons({&comparison, 1}, gate, options_.view);
  const bool for_people =
      options_.view.format == Format::kTable || options_.view.format == Format::kMarkdown;
  if (options_.same_on_both_sides) {
    if (for_people) {
      text += NoiseFloor(comparison);
    } else {
      console_.Note(NoiseFloor(comparison));
    }
  }
  if (absl::Status status = WriteResult(text); !status.ok()) return status;
  return GateStatus({&comparison, 1}, options_.gate);
}

}  // namespace

absl::Status RunAb(const AbOptions& options) { return AbSession(options).Run(); }

}  // namespace pagealloc::bench
