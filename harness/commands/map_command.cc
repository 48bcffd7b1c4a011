// map_command.cc: `map`: the heap's occupancy over time, as text or as SVG.
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/commands/trace_files.h"
#include "harness/run/status_codes.h"
#include "harness/trace/heap_map.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kMapPurpose =
    "Draws the heap's occupancy over the course of a trace or a workload.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench map corpora/golden/gofmt_std.golden.pagetrace.zst\n"
    "  pagealloc-bench map corpora/traces/gaps.pagetrace.zst -o gaps.svg\n"
    "  pagealloc-bench map -w churn -p occupancy=50 --heap 256MiB --columns 60\n"
    "  pagealloc-bench map -w adversary -p steps=10 --format svg >adversary.svg\n";

struct MapOptions {
  std::string trace;                        ///< empty: the workload
  std::optional<WorkloadRequest> workload;  ///< nullopt: the trace
  bool svg = false;
  std::uint64_t columns = 0;
  std::uint64_t rows = 0;
  OutputFlags output;
};

/// The words as they were given, or the defaults.
struct MapFlags {
  MapFlags() { workload.workloads.clear(); }

  MeasureFlags workload;  ///< of these those that describe a workload; none unless named
  std::string trace, columns, rows;
  std::string format;  ///< empty: by the name of the file
  OutputFlags output;
};

// What fits a terminal, and what a picture of readable cells holds.
constexpr std::uint64_t kTextColumns = 100, kTextRows = 32;
constexpr std::uint64_t kSvgColumns = 220, kSvgRows = 105;
constexpr std::uint64_t kMost = 1000;

absl::StatusOr<std::uint64_t> Cells(std::string_view flag, const std::string& text,
                                    std::uint64_t fallback) {
  if (text.empty()) return fallback;
  const OrProblem<std::uint64_t> number = ParseNumber(text);
  if (!number.ok()) {
    return UsageError(absl::StrCat(std::string(flag), ": ", number.error().sentence));
  }
  if (number.value() < 1 || number.value() > kMost) {
    return UsageError(
        absl::StrCat(std::string(flag), ": ", text, " is not from 1 to ", kMost, "."));
  }
  return number.value();
}

absl::StatusOr<bool> IsSvg(const MapFlags& flags) {
  if (flags.format.empty()) return flags.output.out.ends_with(".svg");
  if (flags.format == "svg") return true;
  if (flags.format == "text") return false;
  constexpr std::string_view kFormats[] = {"text", "svg"};  // NOLINT(*-avoid-c-arrays)
  return UsageError(absl::StrCat(
      "--format: ", UnknownName("value", kFormats, flags.format, "it is text or svg")));
}

void AddMapFlags(CLI::App& app, MapFlags& flags) {
  app.add_option("TRACE", flags.trace, "a pagetrace file, plain or .zst; - is standard input")
      ->group("What");
  app.add_option("-w,--workload", flags.workload.workloads, "a workload instead of a trace")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->group("What");
  app.add_option("-p,--param", flags.workload.params, "a parameter of the workload")
      ->type_name("K=V")
      ->allow_extra_args(false)
      ->take_all()
      ->group("What");
  const auto text = [&app](const char* names, std::string& value, const char* help,
                           const char* group, const char* form) {
    app.add_option(names, value, help)->group(group)->type_name(form);
  };
  text("--heap", flags.workload.heap, "size of the workload's heap [1GiB]", "What", "SIZE");
  text("--ops", flags.workload.ops, "operations of the workload [200000]", "What", "N");
  text("--seed", flags.workload.seed, "of the workload [1]", "What", "N");
  text("--columns", flags.columns, "moments, from left to right [100; svg: 220]", "Output", "N");
  text("--rows", flags.rows, "cells, upwards [32; svg: 105]", "Output", "N");
  text("--format", flags.format, "text or svg [by the name of -o; text]", "Output", "FORMAT");
  AddOutputFlags(app, flags.output);
}

absl::StatusOr<MapOptions> ResolveMapFlags(const CLI::App& app, const MapFlags& flags) {
  if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
  if (flags.trace.empty() == flags.workload.workloads.empty()) {
    return UsageError("map draws one trace or one workload; see pagealloc-bench map --help.");
  }
  MapOptions options;
  options.trace = flags.trace;
  if (flags.trace.empty()) {
    auto requests = ResolveWorkloadFlags(flags.workload);
    if (!requests.ok()) return requests.status();
    if (requests->size() != 1) {
      return UsageError(
          absl::StrCat("map draws one workload with one value for each parameter, and "
                       "this asks for ",
                       requests->size(), ". Name one with -w and -p."));
    }
    options.workload = std::move(requests->front());
  }
  const absl::StatusOr<bool> svg = IsSvg(flags);
  if (!svg.ok()) return svg.status();
  options.svg = *svg;
  const auto columns = Cells("--columns", flags.columns, *svg ? kSvgColumns : kTextColumns);
  if (!columns.ok()) return columns.status();
  options.columns = *columns;
  const auto rows = Cells("--rows", flags.rows, *svg ? kSvgRows : kTextRows);
  if (!rows.ok()) return rows.status();
  options.rows = *rows;
  options.output = flags.output;
  return options;
}

absl::StatusOr<Program> LoadProgram(const MapOptions& options) {
  if (options.workload) {
    OrProblem<Program> program = MakeWorkload(*options.workload);
    if (!program.ok()) return UsageError(program.error().sentence);
    return std::move(program).value();
  }
  absl::StatusOr<JudgedTrace> trace = ReadJudgedTrace(options.trace);
  if (!trace.ok()) return trace.status();
  trace->program.name = options.trace.substr(options.trace.find_last_of('/') + 1);
  return std::move(trace->program);
}

absl::Status DrawMap(const MapOptions& options) {
  if (absl::Status status = MayWriteOutput(options.output); !status.ok()) return status;
  const absl::StatusOr<Program> program = LoadProgram(options);
  if (!program.ok()) return program.status();
  const HeapMap map = MakeHeapMap(*program, options.columns, options.rows);
  return WriteOutput(options.output, options.svg ? HeapMapSvg(map) : HeapMapText(map));
}

class MapCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("map", kMapPurpose);
    AddMapFlags(*app, flags_);
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    absl::StatusOr<MapOptions> options = ResolveMapFlags(app, flags_);
    if (!options.ok()) return options.status();
    return [options = *std::move(options)] { return DrawMap(options); };
  }

 private:
  MapFlags flags_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeMapCommand() { return std::make_unique<MapCommand>(); }

}  // namespace pagealloc::bench
