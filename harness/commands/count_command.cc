// count_command.cc: `count`: instructions instead of times.
#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/config_file.h"
#include "harness/commands/measure_flags.h"
#include "harness/measure/measure.h"
#include "harness/run/allocators.h"
#include "harness/run/status_codes.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kCountPurpose =
    "Counts instructions per operation under valgrind: the same number on every run.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench count\n"
    "  pagealloc-bench count -w churn -p occupancy=50,99 -l linux-amd64 -o churn.csv\n"
    "  pagealloc-bench count -w 'hot,large' -a radix,reference --ops 2000 --format markdown\n"
    "  pagealloc-bench count -w hot -t corpora/golden/link_cmdgo.golden.pagetrace.zst\n";

// Under valgrind everything takes some 50 times as long, and more operations say nothing new.
constexpr std::uint64_t kDefaultOps = 20'000;

class CountCommand final : public CliCommand {
 public:
  CountCommand() {
    flags_.timing = "none";
    flags_.reps = "1";
    flags_.warmup = "0";
  }

  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("count", kCountPurpose);
    AddMeasureFlags(*app, "count", flags_);
    // What is about time, or several times, means nothing here.
    for (const char* name :
         {"--reps", "--warmup", "--min-time", "--max-time", "--isolate", "--interleave", "--timing",
          "--batch", "--threads", "--rate", "--arrival", "--percentiles", "--thp", "--prefault",
          "--slowdown", "--strict-env", "--hist-dir", "--record"}) {
      app->remove_option(app->get_option(name));
    }
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app,
                               const std::vector<std::string>& arguments) override {
    absl::StatusOr<MeasureOptions> options = ResolveFlags(app, "count", flags_, arguments);
    if (!options.ok()) return options.status();
    if (options->memory == HeapMemory::kTouch) {
      return UsageError(
          "--memory: what touch writes is not the allocator's work. Give simulate, reserve or "
          "commit.");
    }
    for (const std::string& name : options->allocators) {
      const AllocatorInfo& allocator = AllocatorNamed(name);
      if (allocator.layouts == Layouts::kGo) {
        return UsageError(absl::StrCat("-a ", name,
                                       ": it runs in a program of its own, of which "
                                       "callgrind sees nothing. Leave it out."));
      }
      if (allocator.layouts == Layouts::kNone && allocator.places == Places::kSystem) {
        return UsageError(absl::StrCat("-a ", name,
                                       ": the code of a library or of the kernel does the work, "
                                       "and is not counted. Leave it out."));
      }
    }
    if (flags_.config.print) return PrintConfig(app, options->config);
    options->count = true;
    for (WorkloadRequest& request : options->workloads) {
      if (request.ops > 0) continue;
      request.ops = std::min(kDefaultOps, FindWorkload(request.name)->ops);
    }
    return [options = *std::move(options)] { return Measure(options); };
  }

 private:
  MeasureFlags flags_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeCountCommand() { return std::make_unique<CountCommand>(); }

}  // namespace pagealloc::bench
