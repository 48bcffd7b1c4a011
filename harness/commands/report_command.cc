// report_command.cc: `report`: results files as one page of HTML.
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/commands/report_maps.h"
#include "harness/compare/comparison.h"
#include "harness/page/page.h"
#include "harness/report/results_reader.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kReportPurpose =
    "Makes one page of HTML of results files: verdict, figures and numbers, without scripts or "
    "network.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench report nightly.csv -o report.html\n"
    "  pagealloc-bench report base.csv new.csv -o report.html\n"
    "  pagealloc-bench report base.csv.zst new.csv.zst -o report.html --force\n"
    "  pagealloc-bench report base.csv new.csv >report.html\n";

struct ReportOptions {
  std::vector<std::string> files;
  OutputFlags output;
};

/// NAME.env.json beside NAME.csv or NAME.csv.zst; empty if there is none.
std::string EnvironmentBeside(std::string path) {
  for (const std::string_view ending : {".zst", ".csv"}) {
    if (path.ends_with(ending)) path.resize(path.size() - ending.size());
  }
  std::ifstream file(path + ".env.json", std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

absl::StatusOr<std::vector<PageFile>> ReadFiles(const std::vector<std::string>& paths) {
  std::vector<PageFile> files;
  for (const std::string& path : paths) {
    absl::StatusOr<ResultsFile> results = ReadResults(path, false);
    if (!results.ok()) {
      const std::string message(results.status().message());
      return absl::IsInvalidArgument(results.status()) ? UsageError(message) : FileError(message);
    }
    if (results->rows.empty()) {
      return UsageError(absl::StrCat("cannot report ", path,
                                     ": it has no rows. Give a file that run or replay wrote."));
    }
    files.push_back({path, *std::move(results), EnvironmentBeside(path)});
  }
  return files;
}

absl::Status Report(const ReportOptions& options) {
  if (absl::Status status = MayWriteOutput(options.output); !status.ok()) return status;
  absl::StatusOr<std::vector<PageFile>> files = ReadFiles(options.files);
  if (!files.ok()) return files.status();
  PageInput input;
  input.files = *std::move(files);
  for (std::size_t i = 1; i < input.files.size(); ++i) {
    const PageFile& base = input.files.front();
    const PageFile& candidate = input.files[i];
    input.comparisons.push_back(
        Compare({base.name, &base.results}, {candidate.name, &candidate.results}, {}));
  }
  AddMaps(input);
  return WriteOutput(options.output, MakePage(input));
}

class ReportCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("report", kReportPurpose);
    app->add_option("RESULTS", options_.files,
                    "results files, .csv or .csv.zst; others are compared with the first")
        ->required();
    AddOutputFlags(*app, options_.output);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    constexpr std::size_t kMostFiles = 5;  // colours that people tell apart
    if (options_.files.size() > kMostFiles) {
      return UsageError(absl::StrCat("report shows at most ", kMostFiles, " files side by side; ",
                                     "these are ", options_.files.size(), "."));
    }
    for (const std::string& file : options_.files) {
      if (file == "-" || file != options_.output.out) continue;
      return UsageError(absl::StrCat("--out: ", file, " is one of the results files."));
    }
    return [options = options_] { return Report(options); };
  }

 private:
  ReportOptions options_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeReportCommand() { return std::make_unique<ReportCommand>(); }

}  // namespace pagealloc::bench
