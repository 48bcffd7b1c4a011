// trace_minimize_command.cc: `trace minimize`: the shortest trace that still fails.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "harness/base/temporary_folder.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/output_file.h"
#include "harness/commands/resolver.h"
#include "harness/commands/trace_files.h"
#include "harness/files/write_file.h"
#include "harness/run/allocators.h"
#include "harness/run/cell_process.h"
#include "harness/run/console.h"
#include "harness/run/foreground.h"
#include "harness/run/interrupts.h"
#include "harness/run/source.h"
#include "harness/run/status_codes.h"
#include "harness/run/with_layout.h"
#include "harness/trace/minimize.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kMinimizePurpose =
    "Cuts a failing trace down to the shortest one that still fails.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench trace minimize bad.pagetrace -o small.pagetrace\n"
    "  pagealloc-bench trace minimize bad.pagetrace -a radix -l wasm-1.26 -o small.pagetrace\n"
    "  pagealloc-bench trace minimize slow.pagetrace.zst --check '! ./my-check {}' -o "
    "small.pagetrace\n"
    "  pagealloc-bench trace minimize bad.pagetrace --check 'other-bench replay {}' -q\n";

struct MinimizeOptions {
  std::string trace;
  std::string allocator;
  std::string layout;
  std::string check;  ///< a shell command with {}; empty: replay on allocator and layout
  OutputFlags output;
  bool quiet = false;
};

/// How a program fails, in words that stay the same from try to try; empty: it does not.
class Failing {
 public:
  Failing(const MinimizeOptions& options, std::string_view path) : options_(options), path_(path) {}

  absl::StatusOr<std::string> Of(const Program& program) {
    return options_.check.empty() ? OnAllocator(program) : OfCommand(program);
  }

 private:
  absl::StatusOr<std::string> OnAllocator(const Program& program) {
    Result<Judgement, TraceError> judgement = Judge(program);
    if (!judgement.ok()) return UsageError(judgement.error().Message());
    const Source source = SourceOf(program, std::move(judgement).value());
    CellOptions cell;
    cell.allocator = options_.allocator;
    cell.layout = options_.layout;
    cell.memory = HeapMemory::kSimulate;
    cell.heap_pages = source.heap_pages;
    const absl::StatusOr<CheckedResult> checked =
        RunChecked(Isolation::kProcess, cell, source, true);
    if (checked.ok()) return std::string(checked->mismatch ? "a result differs" : "");
    if (absl::IsInternal(checked.status())) return std::string("the allocator crashes");
    return checked.status();
  }

  absl::StatusOr<std::string> OfCommand(const Program& program) {
    if (absl::Status status = WriteTextFile(std::string(path_), WriteTrace(program));
        !status.ok()) {
      return FileError(absl::StrCat(std::string(status.message()),
                                    ". Make room, or name another folder in TMPDIR."));
    }
    ForegroundProgram shell;
    shell.words = {"/bin/sh", "-c",
                   absl::StrReplaceAll(options_.check, {{"{}", std::string(path_)}})};
    shell.silent = true;
    const absl::StatusOr<ProgramEnd> end = RunInForeground(shell);
    if (!end.ok()) return end.status();
    constexpr int kNotStarted = 126;
    constexpr int kNotFound = 127;
    if (end->exit_status == kNotStarted || end->exit_status == kNotFound) {
      return UsageError(absl::StrCat("--check: the shell cannot run '", options_.check,
                                     "' (exit status ", end->exit_status,
                                     "). Give a command that it finds."));
    }
    return std::string(end->failed() ? "the command fails" : "");
  }

  const MinimizeOptions& options_;
  const std::string_view path_;
};

absl::Status Misfits(const MinimizeOptions& options, const JudgedTrace& trace) {
  if (!options.check.empty()) return absl::OkStatus();
  const AllocatorInfo& allocator = AllocatorNamed(options.allocator);
  if (const auto why = WhyUnavailable(allocator, options.layout)) return UsageError(*why);
  if (const auto why = WrongLayout(allocator, options.layout)) return UsageError(*why);
  const Source source = SourceOf(trace.program, trace.judgement);
  if (const auto why = Misfit(source, options.layout)) return UsageError(*why);
  if (const auto why = MisfitForAllocator(allocator, source)) return UsageError(*why);
  return absl::OkStatus();
}

std::string OperationsText(std::size_t count) {
  return absl::StrCat(count, count == 1 ? " operation" : " operations");
}

absl::Status MinimizeTrace(const MinimizeOptions& options) {
  const Console console(options.quiet ? Loudness::kErrorsOnly : Loudness::kNormal);
  if (absl::Status status = MayWriteOutput(options.output); !status.ok()) return status;
  const absl::StatusOr<JudgedTrace> trace = ReadJudgedTrace(options.trace);
  if (!trace.ok()) return trace.status();
  if (absl::Status status = Misfits(options, *trace); !status.ok()) return status;
  CatchInterrupts();
  const TemporaryFolder folder;
  if (folder.error()) {
    return FileError(absl::StrCat("cannot make the temporary folder ", folder.path(), ": ",
                                  folder.error().message(), ". Name another in TMPDIR."));
  }
  const std::string path = folder.File("candidate.pagetrace");
  Failing failing(options, path);
  const absl::StatusOr<std::string> failure = failing.Of(trace->program);
  if (PendingInterrupt() != 0) return absl::CancelledError("interrupted before anything was cut");
  if (!failure.ok()) return failure.status();
  if (failure->empty()) {
    return UsageError(absl::StrCat(
        "cannot minimize ", options.trace, ": it does not fail",
        options.check.empty()
            ? absl::StrCat(" with ", options.allocator, " on ", options.layout,
                           ". Name the allocator and layout with which it does: -a, -l, or a "
                           "command that fails: --check.")
            : ": the command ends with exit status 0. Give one that fails for it."));
  }
  console.Note(
      absl::StrCat(options.trace, ": ", OperationsText(trace->program.ops.size()), "; ", *failure));
  absl::Status stopped;
  const auto still_fails = [&](const Program& program) -> std::optional<bool> {
    const absl::StatusOr<std::string> now = failing.Of(program);
    if (PendingInterrupt() != 0) return std::nullopt;
    if (now.ok()) return *now == *failure;
    stopped = now.status();
    return std::nullopt;
  };
  auto told = std::chrono::steady_clock::now();
  const auto shorter = [&](const Minimized& best) {
    const auto now = std::chrono::steady_clock::now();
    if (now - told < std::chrono::seconds(1)) return;
    told = now;
    console.Note(absl::StrCat("  ", OperationsText(best.program.ops.size()), " after ", best.tried,
                              " tries"));
  };
  const Minimized small = Minimize(trace->program, still_fails, shorter);
  if (!stopped.ok() && !absl::IsCancelled(stopped)) return stopped;
  if (absl::Status status = WriteOutput(options.output, WriteTrace(small.program)); !status.ok()) {
    return status;
  }
  const std::string done = absl::StrCat(OperationsText(trace->program.ops.size()), " became ",
                                        small.program.ops.size(), " in ", small.tried, " tries");
  if (!small.finished) {
    return absl::CancelledError(
        absl::StrCat("interrupted: ", done, "; what was written is the shortest so far"));
  }
  console.Note(absl::StrCat(done, "; ", *failure, " as before"));
  return absl::OkStatus();
}

class TraceMinimizeCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("minimize", kMinimizePurpose);
    app->add_option("TRACE", options_.trace, "a pagetrace file, plain or .zst; - is standard input")
        ->required();
    const auto text = [app](const char* names, std::string& value, const char* help,
                            const char* form) {
      app->add_option(names, value, help)->type_name(form)->group("What fails");
    };
    text("-a,--allocator", allocator_, "results of this allocator differ from the model's [radix]",
         "NAME");
    text("-l,--layout", layout_, "on this layout [linux-amd64]", "NAME");
    text("--check", options_.check,
         "a shell command that fails (status not 0) for the trace whose path stands for {}",
         "COMMAND");
    AddOutputFlags(*app, options_.output);
    app->add_flag("-q,--quiet", options_.quiet, "only errors on stderr")->group("Output");
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    Resolver resolver;
    std::vector<std::string_view> known;
    for (const AllocatorInfo& allocator : AllAllocators()) known.push_back(allocator.name);
    std::vector<std::string> allocators;
    std::vector<std::string> layouts;
    resolver.Names("allocator", {allocator_.empty() ? "radix" : allocator_}, known, allocators);
    resolver.Names("layout", {layout_.empty() ? "linux-amd64" : layout_}, LayoutNames(), layouts);
    if (!options_.check.empty()) {
      if (options_.check.find("{}") == std::string::npos) {
        resolver.Refuse("--check", "there is no {} for the name of the trace. Put it in.");
      }
      if (!allocator_.empty() || !layout_.empty()) {
        resolver.Refuse("--check", "the command says what fails. Leave -a and -l out.");
      }
    }
    if (!resolver.status().ok()) return resolver.status();
    options_.allocator = allocators.front();
    options_.layout = layouts.front();
    return [options = options_] { return MinimizeTrace(options); };
  }

 private:
  std::string allocator_;
  std::string layout_;
  MinimizeOptions options_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeTraceMinimizeCommand() {
  return std::make_unique<TraceMinimizeCommand>();
}

}  // namespace pagealloc::bench
