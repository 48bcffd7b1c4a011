// trace_convert_command.cc: `trace convert`: a trace as CSV, and back.
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "absl/status/statusor.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/commands/resolver.h"
#include "harness/commands/trace_csv.h"
#include "harness/commands/trace_files.h"
#include "harness/files/read_file.h"
#include "harness/run/status_codes.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kConvertPurpose =
    "Turns a trace into CSV, and CSV into a trace; nothing is lost in either direction.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench trace convert web.pagetrace.zst -o web.csv\n"
    "  pagealloc-bench trace convert web.csv -o web.pagetrace.zst\n"
    "  pagealloc-bench trace convert web.pagetrace.zst | sqlite3 :memory: '.import --csv "
    "/dev/stdin t' 'select kind, count(*) from t group by 1'\n"
    "  generate-rows | pagealloc-bench trace convert - --from csv -o made.pagetrace\n";

bool NamesCsv(std::string_view path) {
  return path.ends_with(".csv") || path.ends_with(".csv.zst");
}

absl::Status Convert(const std::string& path, bool from_csv, const OutputFlags& output) {
  if (absl::Status status = MayWriteOutput(output); !status.ok()) return status;
  if (!from_csv) {
    const absl::StatusOr<JudgedTrace> trace = ReadJudgedTrace(path);
    if (!trace.ok()) return trace.status();
    return WriteOutput(output, TraceToCsv(trace->program.text));
  }
  const absl::StatusOr<std::string> csv = ReadTextFile(path, kMaxTraceBytes);
  if (!csv.ok()) return FileError(std::string(csv.status().message()));
  const absl::StatusOr<std::string> text = CsvToTrace(path, *csv);
  if (!text.ok()) return text.status();
  const auto judged = Judge(ParseTrace(path, *text));
  if (!judged.ok()) return UsageError(judged.error().Message());
  return WriteOutput(output, *text);
}

class TraceConvertCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("convert", kConvertPurpose);
    app->add_option("FILE", file_, "a pagetrace or CSV file, plain or .zst; - is standard input")
        ->required();
    app->add_option("--from", from_, "what FILE holds: pagetrace, csv or auto, by its name")
        ->type_name("FORMAT")
        ->capture_default_str();
    AddOutputFlags(*app, output_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    enum class From { kAuto, kCsv, kTrace };
    constexpr std::array<Choice<From>, 3> kFrom{
        {{"auto", From::kAuto}, {"csv", From::kCsv}, {"pagetrace", From::kTrace}}};
    From from = From::kAuto;
    Resolver resolver;
    resolver.Pick("--from", from_, kFrom, from);
    if (!resolver.status().ok()) return resolver.status();
    const bool csv = from == From::kCsv || (from == From::kAuto && NamesCsv(file_));
    if (!output_.out.empty() && NamesCsv(output_.out) == csv) {
      return UsageError(csv ? "-o: from CSV comes a trace. Give a name that does not end in .csv."
                            : "-o: a trace becomes CSV. Give a name that ends in .csv, or say "
                              "--from csv if the input is none.");
    }
    return [file = file_, csv, output = output_] { return Convert(file, csv, output); };
  }

 private:
  std::string file_;
  std::string from_ = "auto";
  OutputFlags output_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeTraceConvertCommand() {
  return std::make_unique<TraceConvertCommand>();
}

}  // namespace pagealloc::bench
