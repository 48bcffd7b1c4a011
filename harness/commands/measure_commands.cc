// measure_commands.cc: `run` and `replay`.
#include <string>
#include <utility>

#include "harness/commands/all_commands.h"
#include "harness/commands/config_file.h"
#include "harness/commands/measure_flags.h"
#include "harness/measure/measure.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kRunPurpose =
    "Runs synthetic workloads, and traces with -t; prints a table, writes a results file.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench run\n"
    "  pagealloc-bench run -w churn -p occupancy=50,99 --heap 4GiB -l linux-amd64 -o churn.csv\n"
    "  pagealloc-bench run -w 'hot,large' -a radix,reference --reps 5 --format markdown\n"
    "  pagealloc-bench run -w go-spans --ops 1000000 --record go-spans.pagetrace.zst --timing "
    "none\n";

constexpr const char* kReplayPurpose =
    "Replays recorded traces, checks every expectation; prints a table, writes a results file.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench replay corpora/golden/gofmt_std.golden.pagetrace.zst\n"
    "  pagealloc-bench replay web.pagetrace -l linux-arm64,wasm-1.26 --timing none\n"
    "  pagealloc-bench replay a.pagetrace b.pagetrace.zst -o ab.csv --label before\n"
    "  zstdcat web.pagetrace.zst | pagealloc-bench replay - --memory touch --format json\n";

class MeasureCommand final : public CliCommand {
 public:
  MeasureCommand(std::string suite, const char* purpose)
      : suite_(std::move(suite)), purpose_(purpose) {}

  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand(suite_, purpose_);
    AddMeasureFlags(*app, suite_, flags_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app,
                               const std::vector<std::string>& arguments) override {
    absl::StatusOr<MeasureOptions> options = ResolveFlags(app, suite_, flags_, arguments);
    if (!options.ok()) return options.status();
    if (flags_.config.print) return PrintConfig(app, options->config);
    return [options = *std::move(options)] { return Measure(options); };
  }

 private:
  const std::string suite_;
  const char* const purpose_;
  MeasureFlags flags_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeRunCommand() {
  return std::make_unique<MeasureCommand>("run", kRunPurpose);
}

std::unique_ptr<CliCommand> MakeReplayCommand() {
  return std::make_unique<MeasureCommand>("replay", kReplayPurpose);
}

}  // namespace pagealloc::bench
