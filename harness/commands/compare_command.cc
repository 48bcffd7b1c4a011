// compare_command.cc: `compare`: results files against each other, or parts of one.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/ab/gate_status.h"
#include "harness/base/nearest_name.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/comparison_flags.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/compare/comparison.h"
#include "harness/compare/row_selection.h"
#include "harness/report/results_reader.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kComparePurpose =
    "Compares results files: a verdict for each row, and an exit status for CI.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench compare base.csv new.csv\n"
    "  pagealloc-bench compare base.csv new.csv --format markdown -o comment.md\n"
    "  pagealloc-bench compare run.csv --by allocator --base radix --filter 'metric=batch_ns'\n"
    "  pagealloc-bench compare a.csv b.csv c.csv --gate exact,batch_ns --threshold batch_ns=5\n";

struct CompareJob {
  ComparisonChoices choices;
  std::vector<std::string> files;
  std::string by;    ///< empty: files are compared
  std::string base;  ///< with `by`; empty: the first value
  bool allow_partial = false;
  bool quiet = false;
  OutputFlags output;
};

/// What is compared: the first with each of the others.
absl::StatusOr<std::vector<FilePart>> LoadParts(const CompareJob& job) {
  std::vector<FilePart> parts;
  for (const std::string& path : job.files) {
    absl::StatusOr<ResultsFile> file = ReadResults(path, job.allow_partial);
    if (!file.ok()) return NotComparableError(std::string(file.status().message()));
    for (const RowFilter& filter : job.choices.filters) filter.Apply(*file);
    parts.push_back({path, *std::move(file)});
  }
  if (job.by.empty()) return parts;
  std::vector<FilePart> by_value = SplitBy(parts.front().file, job.by);
  if (by_value.size() < 2) {
    return NotComparableError(absl::StrCat(
        "cannot compare ", job.files.front(), " by ", job.by, ": ",
        by_value.empty() ? "no row is left."
                         : absl::StrCat("all rows have the value '", by_value.front().value, "'."),
        " Compare files, or by another column."));
  }
  const auto spread = [&job](std::vector<FilePart> values) {
    if (job.by == "allocator") {
      for (auto part = values.begin() + 1; part != values.end(); ++part) {
        SpreadOverLayouts(values.front().file, part->file);
      }
    }
    return values;
  };
  if (job.base.empty()) return spread(std::move(by_value));
  const auto base = std::find_if(by_value.begin(), by_value.end(),
                                 [&](const FilePart& part) { return part.value == job.base; });
  if (base == by_value.end()) {
    std::vector<std::string_view> values;
    values.reserve(by_value.size());
    for (const FilePart& part : by_value) values.emplace_back(part.value);
    return UsageError(absl::StrCat("--base: ", UnknownName(job.by, values, job.base, "")));
  }
  std::rotate(by_value.begin(), base, base + 1);
  return spread(std::move(by_value));
}

absl::Status RunCompare(const CompareJob& job) {
  if (absl::Status status = MayWriteOutput(job.output); !status.ok()) return status;
  const absl::StatusOr<std::vector<FilePart>> parts = LoadParts(job);
  if (!parts.ok()) return parts.status();
  const Console console(job.quiet ? Loudness::kErrorsOnly : Loudness::kNormal);
  std::vector<Comparison> comparisons;
  const FilePart& base = parts->front();
  for (auto part = parts->begin() + 1; part != parts->end(); ++part) {
    comparisons.push_back(
        Compare({base.value, &base.file}, {part->value, &part->file}, job.choices.compare));
    Comparison& comparison = comparisons.back();
    // Other allocators and layouts may place otherwise: that is what they are compared for.
    if (IsSubject(job.by)) comparison.changed_behaviour.clear();
    for (const std::string& warning : comparison.warnings) console.Warning(warning);
  }
  const Gate gate = WorstGate(comparisons, job.choices.gate);
  absl::Status written =
      WriteOutput(job.output, RenderComparisons(comparisons, gate, job.choices.view));
  if (!written.ok()) return written;
  return GateStatus(comparisons, job.choices.gate);
}

class CompareCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("compare", kComparePurpose);
    app->add_option("FILE", files_, "results files, .csv or .csv.zst; the first is the base")
        ->required()
        ->group("What");
    app->add_option("--by", by_, "compare the values of a column inside one file")
        ->type_name("COLUMN")
        ->group("What");
    app->add_option("--base", base_, "with --by: the value that is the base [the first]")
        ->type_name("VALUE")
        ->group("What");
    app->add_flag("--allow-partial", allow_partial_, "read what an interrupted run left")
        ->group("What");
    AddComparisonFlags(*app, flags_, "exact; with --by allocator or layout none");
    AddOutputFlags(*app, output_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    if (absl::Status status = CheckFiles(); !status.ok()) return status;
    absl::StatusOr<ComparisonChoices> choices =
        ResolveComparisonFlags(flags_, IsSubject(by_) ? std::set<std::string>{} : ExactMetrics());
    if (!choices.ok()) return choices.status();
    const CompareJob job{*std::move(choices), files_,       by_,    base_,
                         allow_partial_,      flags_.quiet, output_};
    return [job] { return RunCompare(job); };
  }

 private:
  [[nodiscard]] absl::Status CheckFiles() const {
    if (by_.empty()) {
      if (!base_.empty()) return UsageError("--base: it names a value of --by. Give both.");
      if (files_.size() < 2) {
        return UsageError(
            "compare needs two files or more, or one and --by COLUMN; "
            "see pagealloc-bench compare --help.");
      }
      return absl::OkStatus();
    }
    const auto columns = SplitColumns();
    if (std::find(columns.begin(), columns.end(), by_) == columns.end()) {
      const std::vector<std::string> names(columns.begin(), columns.end());
      return UsageError(absl::StrCat(
          "--by: ", UnknownName("column", columns, by_,
                                absl::StrCat("it is one of ", absl::StrJoin(names, ", ")))));
    }
    if (files_.size() == 1) return absl::OkStatus();
    return UsageError("--by: it looks inside one file. Give one, or leave --by out.");
  }

  std::vector<std::string> files_;
  std::string by_, base_;
  OutputFlags output_;
  bool allow_partial_ = false;
  ComparisonFlags flags_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeCompareCommand() { return std::make_unique<CompareCommand>(); }

}  // namespace pagealloc::bench
