// trace_generate_command.cc: `trace generate`: what a workload does, as a trace.
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/commands/trace_files.h"
#include "harness/measure/files.h"
#include "harness/run/source.h"
#include "harness/run/status_codes.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kGeneratePurpose =
    "Writes what a workload does as a trace.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench trace generate churn -o churn.pagetrace.zst\n"
    "  pagealloc-bench trace generate churn -p occupancy=50 --heap 64MiB --ops 1000 --seed 7\n"
    "  pagealloc-bench trace generate go-spans --ops 1000000 -o go.pagetrace.zst\n"
    "  pagealloc-bench trace generate hot --ops 20 | pagealloc-bench replay -\n";

absl::Status Generate(const WorkloadRequest& request, const OutputFlags& output) {
  if (absl::Status status = MayWriteOutput(output); !status.ok()) return status;
  absl::StatusOr<Source> source = LoadWorkload(request);
  if (!source.ok()) return source.status();
  Program& program = source->program;
  program.name = request.name;
  if (absl::Status status = MayRecord(program, output.out, true); !status.ok()) return status;
  return WriteOutput(output, WriteTrace(program));
}

class TraceGenerateCommand final : public CliCommand {
 public:
  TraceGenerateCommand() { flags_.workloads.clear(); }

  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("generate", kGeneratePurpose);
    app->add_option("WORKLOAD", flags_.workloads, "its name; see pagealloc-bench list workloads")
        ->required()
        ->expected(1);
    app->add_option("-p,--param", flags_.params, "a parameter of the workload")
        ->type_name("K=V")
        ->allow_extra_args(false)
        ->take_all();
    const auto text = [app](const char* name, std::string& value, const char* help,
                            const char* form) {
      app->add_option(name, value, help)->type_name(form);
    };
    text("--heap", flags_.heap, "size of its heap [1GiB]", "SIZE");
    text("--ops", flags_.ops, "its measured operations [200000]", "N");
    text("--seed", flags_.seed, "of its random numbers [1]", "N");
    AddOutputFlags(*app, output_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    absl::StatusOr<std::vector<WorkloadRequest>> requests = ResolveWorkloadFlags(flags_);
    if (!requests.ok()) return requests.status();
    if (requests->size() != 1) {
      return UsageError(absl::StrCat(
          "a trace is of one workload with one value for each parameter, and this asks for ",
          requests->size(), ". Name one, with -p where it has several."));
    }
    return [request = requests->front(), output = output_] { return Generate(request, output); };
  }

 private:
  MeasureFlags flags_;
  OutputFlags output_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeTraceGenerateCommand() {
  return std::make_unique<TraceGenerateCommand>();
}

}  // namespace pagealloc::bench
