// micro_command.cc: `micro`: the micro-benchmarks of the library's parts.
#include <unistd.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/base/parse_units.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/resolver.h"
#include "harness/micro/micro.h"
#include "harness/run/console.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kMicroPurpose =
    "Times the library's parts: bitmap scan, summary, merge, update, find, caches.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench micro\n"
    "  pagealloc-bench micro --filter 'Merge|Summarize' -o parts.csv\n"
    "  pagealloc-bench micro --filter 'Churn.*Linux386' --reps 20 --min-time 50ms\n"
    "  pagealloc-bench micro --filter BitmapScan --format markdown -q\n";

constexpr std::uint64_t kMostMicroRepetitions = 100'000;

class MicroCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("micro", kMicroPurpose);
    const auto text = [app](const char* names, std::string& value, const char* help,
                            const char* group, const char* form) {
      app->add_option(names, value, help)->group(group)->type_name(form)->capture_default_str();
    };
    text("--filter", options_.filter, "only benchmarks whose name contains it", "What", "REGEX");
    text("--reps", reps_, "repetitions of each, in processes of their own", "Repeat", "N");
    text("--min-time", min_time_, "how long a repetition is timed at least", "Repeat", "DURATION");
    text("--cpu", cpu_, "pin repetitions to a CPU: a number, auto or none", "Machine", "N");
    text("-o,--out", options_.out, "results file: NAME.csv or NAME.csv.zst", "Output", "FILE");
    app->add_flag("--force", options_.force, "replace files that exist")->group("Output");
    text("--format", format_, "of standard output: table, csv, json or markdown", "Output",
         "FORMAT");
    text("--label", options_.label, "a word for the column label", "Output", "TEXT");
    app->add_flag("-q,--quiet", options_.quiet, "only errors on stderr")->group("Output");
    text("--progress", progress_, "auto, always, never or plain", "Output", "MODE");
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app,
                               const std::vector<std::string>& arguments) override {
    constexpr std::array<Choice<Format>, 4> kFormat{{{"table", Format::kTable},
                                                     {"csv", Format::kCsv},
                                                     {"json", Format::kJson},
                                                     {"markdown", Format::kMarkdown}}};
    constexpr std::array<Choice<ProgressMode>, 4> kProgress{{{"auto", ProgressMode::kAuto},
                                                             {"always", ProgressMode::kAlways},
                                                             {"never", ProgressMode::kNever},
                                                             {"plain", ProgressMode::kPlain}}};
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    Resolver resolver;
    resolver.Number("--reps", reps_, 1, options_.reps, kMostMicroRepetitions);
    const OrProblem<std::chrono::nanoseconds> time = ParseDuration(min_time_);
    if (!time.ok()) {
      resolver.Refuse("--min-time", time.error().sentence);
    } else if (time.value() < std::chrono::microseconds(1) ||
               time.value() > std::chrono::minutes(1)) {
      resolver.Refuse("--min-time", absl::StrCat(min_time_, " is not from 1us to 60s."));
    } else {
      options_.min_time = time.value();
    }
    resolver.Cpu("--cpu", cpu_, options_.cpu);
    resolver.Pick("--format", format_, kFormat, options_.format);
    resolver.MustBeUtf8("--label", options_.label);
    resolver.Pick("--progress", progress_, kProgress, options_.progress);
    if (!resolver.status().ok()) return resolver.status();
    options_.color = MayColor(STDOUT_FILENO);
    options_.arguments = arguments;
    options_.config = {{"filter", options_.filter},
                       {"reps", reps_},
                       {"min-time", min_time_},
                       {"cpu", options_.cpu ? absl::StrCat(*options_.cpu) : "none"},
                       {"label", options_.label}};
    return [options = options_] { return RunMicro(options); };
  }

 private:
  MicroOptions options_;
  std::string reps_ = "10";
  std::string min_time_ = "20ms";
  std::string cpu_ = "auto";
  std::string format_ = "table";
  std::string progress_ = "auto";
};

}  // namespace

std::unique_ptr<CliCommand> MakeMicroCommand() { return std::make_unique<MicroCommand>(); }

}  // namespace pagealloc::bench
