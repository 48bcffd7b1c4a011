// trace_record_command.cc: `trace record`: what a program asks of its allocator, as a trace.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/base/temporary_folder.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/output_file.h"
#include "harness/commands/trace_files.h"
#include "harness/recorder/raw_events.h"
#include "harness/recorder/recording.h"
#include "harness/run/console.h"
#include "harness/run/foreground.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kRecordPurpose =
    "Runs a program and records its allocations of a page and more as a trace.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench trace record -o gxx.pagetrace.zst -- g++ -O2 -c file.cc\n"
    "  pagealloc-bench trace record -o py.pagetrace -- python3 script.py\n"
    "  pagealloc-bench trace record --all -o build.pagetrace -- make\n"
    "  pagealloc-bench trace record -o db.pagetrace -- sqlite3 my.db 'select count(*) from t'\n";

constexpr const char* kLibrary = "libpagealloc-record.so";

struct RecordOptions {
  std::vector<std::string> words;
  OutputFlags output;
  bool all = false;
  bool quiet = false;
};

/// One process, under one program.
struct Process {
  std::string id;  ///< "1234", or "1234.1" after an exec
  Recording recording;
};

absl::StatusOr<std::string> Library() {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  const std::filesystem::path library = program.parent_path() / kLibrary;
  if (!error && std::filesystem::exists(library, error)) return library.string();
  return EnvironmentError(absl::StrCat("cannot record: ", library.string(),
                                       " is not there. Build the target pagealloc-record."));
}

std::vector<Process> ReadProcesses(const std::string& folder) {
  std::vector<Process> processes;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    std::ostringstream bytes;
    bytes << std::ifstream(entry.path(), std::ios::binary).rdbuf();
    std::optional<Recording> recording = ReadRecording(bytes.view());
    if (!recording) continue;
    std::string id = entry.path().filename();
    if (id.ends_with(".0")) id.resize(id.size() - 2);
    processes.push_back({std::move(id), *std::move(recording)});
  }
  // The one that allocates most first; of equals always the same one.
  std::sort(processes.begin(), processes.end(), [](const Process& a, const Process& b) {
    const auto key = [](const Process& p) {
      return std::pair(-static_cast<std::int64_t>(p.recording.allocations), p.id);
    };
    return key(a) < key(b);
  });
  return processes;
}

/// One line without control characters or spaces in a row, as a note of a trace must be.
std::string NoteText(const std::string& text) {
  std::string note;
  for (const char c : text) {
    const bool plain = c > ' ' && c != '\x7f';
    if (plain || (!note.empty() && note.back() != ' ')) note += plain ? c : ' ';
  }
  if (note.ends_with(' ')) note.pop_back();
  return note;
}

absl::Status WriteProcess(Process process, const std::string& command, const OutputFlags& output) {
  Program& trace = process.recording.trace;
  trace.meta = {{"source", NoteText("trace record -- " + command)},
                {"program", NoteText(process.recording.program)}};
  if (trace.meta.back().second.empty()) trace.meta.pop_back();
  if (const auto judged = Judge(trace); !judged.ok()) {
    return UsageError(absl::StrCat("cannot write the trace of ", process.recording.program, ": ",
                                   judged.error().Message()));
  }
  return WriteOutput(output, WriteTrace(trace));
}

/// "out.pagetrace.zst" for process 12: "out.12.pagetrace.zst".
OutputFlags OutputFor(const OutputFlags& output, const std::string& id) {
  const std::size_t name = output.out.find_last_of('/') + 1;
  const std::size_t end = std::min(output.out.find('.', name + 1), output.out.size());
  OutputFlags own = output;
  own.out = absl::StrCat(output.out.substr(0, end), ".", id, output.out.substr(end));
  return own;
}

std::string Describe(const Process& process) {
  const Recording& recording = process.recording;
  std::string text =
      absl::StrCat("  ", process.id, " ", recording.program, ": ", recording.allocations,
                   " allocations, ", recording.trace.ops.size() - recording.allocations, " frees, ",
                   recording.threads, " threads");
  if (recording.unknown_frees > 0) {
    absl::StrAppend(&text, "; ", recording.unknown_frees,
                    " frees of what was not recorded are left out");
  }
  return text;
}

absl::StatusOr<ProgramEnd> RunRecorded(const RecordOptions& options,
                                       const TemporaryFolder& folder) {
  const absl::StatusOr<std::string> library = Library();
  if (!library.ok()) return library.status();
  // LD_PRELOAD knows no quoting, so the library gets a name without spaces and colons.
  const std::string link = folder.File("recorder.so");
  if (folder.path().find_first_of(" :") != std::string::npos) {
    return EnvironmentError(absl::StrCat("cannot record: the temporary folder ", folder.path(),
                                         " has a space or a colon in its name, which LD_PRELOAD "
                                         "cannot hold. Name another in TMPDIR."));
  }
  std::error_code error;
  std::filesystem::create_symlink(*library, link, error);
  std::filesystem::create_directory(folder.File("raw"), error);
  if (error) {
    return FileError(absl::StrCat("cannot write to ", folder.path(), ": ", error.message(),
                                  ". Make room, or name another folder in TMPDIR."));
  }
  ForegroundProgram program;
  program.words = options.words;
  const char* const loaded = std::getenv("LD_PRELOAD");
  const bool others = loaded != nullptr && *loaded != '\0';
  program.environment = {absl::StrCat("LD_PRELOAD=", link, others ? ":" : "", others ? loaded : ""),
                         absl::StrCat(recorder::kFolderVariable, "=", folder.File("raw"))};
  return RunInForeground(program);
}

absl::Status Record(const RecordOptions& options) {
  const Console console(options.quiet ? Loudness::kErrorsOnly : Loudness::kNormal);
  if (absl::Status status = MayWriteOutput(options.output); !status.ok()) return status;
  CatchInterrupts();
  const TemporaryFolder folder;
  if (folder.error()) {
    return FileError(absl::StrCat("cannot make the temporary folder ", folder.path(), ": ",
                                  folder.error().message(), ". Name another in TMPDIR."));
  }
  const absl::StatusOr<ProgramEnd> end = RunRecorded(options, folder);
  if (!end.ok()) return end.status();
  const std::string command = absl::StrJoin(options.words, " ");
  console.Note(absl::StrCat(options.words.front(), " ", end->Text()));
  std::vector<Process> processes = ReadProcesses(folder.File("raw"));
  if (processes.empty()) {
    return EnvironmentError(absl::StrCat(
        "nothing was recorded: ", options.words.front(),
        " did not load the recorder. Programs that are linked statically, of other word size, or "
        "with rights of their own (setuid) cannot be recorded; or ",
        folder.path(), " has no room."));
  }
  std::uint64_t lost = 0;
  for (const Process& process : processes) {
    console.Note(Describe(process));
    lost += process.recording.lost;
  }
  if (lost > 0) {
    console.Warning(absl::StrCat(lost, " events did not fit into ", folder.path(),
                                 " and are missing. Name a larger folder in TMPDIR."));
  }
  if (!options.all) processes.resize(1);
  for (std::size_t i = 0; i < processes.size(); ++i) {
    if (i > 0 && processes[i].recording.allocations == 0) break;
    const OutputFlags output = i == 0 ? options.output : OutputFor(options.output, processes[i].id);
    if (i > 0) {
      if (absl::Status status = MayWriteOutput(output); !status.ok()) return status;
    }
    const std::string about = absl::StrCat(processes[i].recording.program, ": ",
                                           processes[i].recording.trace.ops.size(), " operations");
    absl::Status status = WriteProcess(std::move(processes[i]), command, output);
    if (!status.ok()) return status;
    console.Note(absl::StrCat("trace: ", output.out, ", of ", about));
  }
  if (PendingInterrupt() != 0) {
    return absl::CancelledError("interrupted; what was recorded up to there is written");
  }
  return absl::OkStatus();
}

class TraceRecordCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("record", kRecordPurpose);
    app->add_option("PROGRAM", words_, "after --: a program and its arguments");
    app->add_option("-o,--out", options_.output.out, "write the trace to this file")
        ->type_name("FILE")
        ->required()
        ->group("Output");
    app->add_flag("--force", options_.output.force, "replace the file if it exists")
        ->group("Output");
    app->add_flag("--all", options_.all,
                  "a file for every process that allocates, not only for the one that does most")
        ->group("Output");
    app->add_flag("-q,--quiet", options_.quiet, "only errors on stderr")->group("Output");
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& /*app*/,
                               const std::vector<std::string>& arguments) override {
    // Without -- in front of all of them, the program's flags would have been taken for ours.
    const auto dashes = words_.size() < arguments.size()
                            ? arguments.end() - 1 - static_cast<std::ptrdiff_t>(words_.size())
                            : arguments.begin();
    if (words_.empty() || *dashes != "--") {
      return UsageError(
          "trace record takes the program and its arguments after --: trace record -o FILE -- "
          "PROGRAM ARGUMENT...");
    }
    // Of the program's own words one may be empty.
    if (options_.output.out.empty()) {
      return UsageError("--out: the value is empty. Give the name of a file.");
    }
    options_.words = words_;
    return [options = options_] { return Record(options); };
  }

 private:
  std::vector<std::string> words_;  ///< the program and its arguments
  RecordOptions options_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeTraceRecordCommand() {
  return std::make_unique<TraceRecordCommand>();
}

}  // namespace pagealloc::bench
