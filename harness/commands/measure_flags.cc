#include "harness/commands/measure_flags.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <tuple>
#include <utility>

#include "CLI/Option.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/commands/measure_choices.h"
#include "harness/commands/resolver.h"
#include "harness/run/allocators.h"
#include "harness/run/console.h"
#include "harness/run/go_program.h"
#include "harness/run/status_codes.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kMostRepetitions = 100'000;
constexpr std::uint64_t kMostThreads = 256;
constexpr std::uint64_t kHighestRate = 1'000'000'000;            // no clock is read more often
constexpr std::uint64_t kLargestBatch = std::uint64_t{1} << 31;  // no program has more operations

void ResolveWorkloads(Resolver& resolver, const MeasureFlags& flags, std::uint64_t seed,
                      std::vector<WorkloadRequest>& requests) {
  const OrProblem<std::vector<WorkloadSelection>> selected =
      SelectWorkloads(flags.workloads, flags.exclude);
  if (!selected.ok()) return resolver.Refuse("-w", selected.error().sentence);
  ParamGrid grid;
  for (const std::string& param : flags.params) {
    const std::size_t equals = param.find('=');
    if (equals == std::string::npos || equals == 0) {
      return resolver.Refuse("-p", absl::StrCat("'", param, "' is not of the form K=V[,V]."));
    }
    std::vector<std::string>& values = grid[param.substr(0, equals)];
    for (std::string& value :
         std::vector<std::string>(absl::StrSplit(param.substr(equals + 1), ','))) {
      values.push_back(std::move(value));
    }
  }
  WorkloadRequest request;
  request.seed = seed;
  request.smoke = flags.smoke;
  if (!flags.ops.empty()) resolver.Number("--ops", flags.ops, 1, request.ops);
  if (!flags.heap.empty()) {
    const OrProblem<ByteCount> heap = ParseSize(flags.heap);
    if (!heap.ok()) return resolver.Refuse("--heap", heap.error().sentence);
    if (heap.value().raw == 0) return resolver.Refuse("--heap", "a heap of 0 bytes holds no page.");
    request.heap = heap.value();
  }
  for (const WorkloadSelection& selection : selected.value()) {
    const OrProblem<std::vector<ParamSet>> sets = ExpandParams(selection, grid);
    if (!sets.ok()) return resolver.Refuse("-p", sets.error().sentence);
    request.name = std::string(selection.workload->name);
    for (const ParamSet& params : sets.value()) {
      request.params = params;
      requests.push_back(request);
    }
  }
}

// Whether the user gave a flag. A command may have removed those that mean nothing to it.
bool Given(const CLI::App& app, const std::string& flag) {
  const CLI::Option* const option = app.get_option_no_throw(flag);
  return option != nullptr && option->count() > 0;
}

// What allocators mean for the flags about the heap's own pages.
void ResolveMemory(Resolver& resolver, const CLI::App& app, MeasureOptions& options) {
  const auto& names = options.allocators;
  for (const std::string& name : names) {
    if (AllocatorNamed(name).places != Places::kSystem) continue;
    for (const std::string flag : {"--memory", "--place", "--prefault"}) {
      if (!Given(app, flag)) continue;
      resolver.Refuse(flag,
                      absl::StrCat("-a ", name, " maps its own memory. Leave this flag out."));
    }
  }
  // The program behind go has no heap that could be mapped; all others shall do as it does.
  const bool go = std::any_of(names.begin(), names.end(), IsGo);
  options.memory_named = Given(app, "--memory");
  if (go && !options.memory_named) options.memory = HeapMemory::kSimulate;
}

// What --threads means for the other flags.
void ResolveThreads(Resolver& resolver, const CLI::App& app, const MeasureFlags& flags,
                    MeasureOptions& options) {
  std::uint64_t threads = 1;
  resolver.Number("--threads", flags.threads, 1, threads, kMostThreads);
  options.threads = static_cast<unsigned>(threads);
  if (threads == 1) return;
  for (const AllocatorInfo& allocator : AllAllocators()) {
    const auto& names = options.allocators;
    if (allocator.thread_safe ||
        std::find(names.begin(), names.end(), allocator.name) == names.end()) {
      continue;
    }
    resolver.Refuse("--threads", absl::StrCat("'", std::string(allocator.name),
                                              "' is for one thread at a time. Give -a heap."));
  }
  if (!Given(app, "--timing")) options.time_ops = false;
  if (options.time_ops) {
    resolver.Refuse("--timing", "several threads are timed together only. Give batch or none.");
  }
  if (Given(app, "--cpu") && options.cpu) {
    resolver.Refuse("--cpu", "several threads are not pinned. Leave this flag out.");
  }
  options.cpu.reset();
}

// A duration from 1 ms, of which the clock's errors are little, to an hour, which is no typing
// error.
void ResolveMinTime(Resolver& resolver, const MeasureFlags& flags, MeasureOptions& options) {
  if (flags.min_time.empty()) return;
  const OrProblem<std::chrono::nanoseconds> time = ParseDuration(flags.min_time);
  if (!time.ok()) return resolver.Refuse("--min-time", time.error().sentence);
  if (time.value() < std::chrono::milliseconds(1) || time.value() > std::chrono::hours(1)) {
    return resolver.Refuse("--min-time", absl::StrCat(flags.min_time, " is not from 1ms to 1h."));
  }
  if (!flags.ops.empty()) {
    resolver.Refuse("--min-time", "it chooses the operations that --ops gives. Leave one out.");
  }
  if (flags.smoke) resolver.Refuse("--min-time", "--smoke is as short as can be. Leave one out.");
  if (!options.Timed()) resolver.Refuse("--min-time", "with --timing none nothing is timed.");
  options.min_time = time.value();
}

// What --rate means for the other flags.
void ResolveOpenLoop(Resolver& resolver, const CLI::App& app, const MeasureFlags& flags,
                     MeasureOptions& options) {
  Arrival arrival{};
  resolver.Pick("--arrival", flags.arrival, kArrival, arrival);
  if (flags.rate.empty()) {
    if (Given(app, "--arrival")) {
      resolver.Refuse("--arrival", "it says how operations come at a rate. Give --rate too.");
    }
    return;
  }
  std::uint64_t rate = 0;
  resolver.Number("--rate", flags.rate, 1, rate, kHighestRate);
  for (const std::string flag : {"--timing", "--batch", "--hist-dir"}) {
    if (!Given(app, flag)) continue;
    resolver.Refuse(flag,
                    "at a --rate response times are measured and nothing else, since figures of "
                    "open and closed loops do not mix. Leave one of the two flags out.");
  }
  if (options.threads > 1) {
    resolver.Refuse("--rate", "operations come to one thread. Leave --threads out.");
  }
  for (const std::string& name : options.allocators) {
    if (AllocatorNamed(name).layouts != Layouts::kGo) continue;
    resolver.Refuse("--rate", absl::StrCat("'", name,
                                           "' runs in a program of its own, which knows "
                                           "closed loops only. Leave it out."));
  }
  options.time_batches = false;
  options.time_ops = false;
  options.open_loop = OpenLoop{static_cast<double>(rate), arrival, options.seed};
}

template <class Value, std::size_t kCount>
std::string NameOf(const std::array<Choice<Value>, kCount>& choices, Value value) {
  for (const auto& [name, choice] : choices) {
    if (choice == value) return std::string(name);
  }
  return "";
}

// Slowed figures must not be taken for others: every row says so in its label, and is noisy.
void ResolveSlowdown(Resolver& resolver, const MeasureFlags& flags, MeasureOptions& options) {
  std::uint64_t percent = 0;
  resolver.Number("--slowdown", flags.slowdown, 0, percent, kMostSlowdownPercent);
  options.slowdown_percent = static_cast<unsigned>(percent);
  if (percent == 0) return;
  if (options.open_loop)
    resolver.Refuse("--slowdown", "it slows batches down, which --rate has none of.");
  for (const std::string& name : options.allocators) {
    if (!IsGo(name) && AllocatorNamed(name).places != Places::kSystem) continue;
    resolver.Refuse("--slowdown", absl::StrCat("it has no effect on -a ", name, "."));
  }
  absl::StrAppend(&options.label, options.label.empty() ? "" : " ", "slowdown=", percent, "%");
}

// Every flag with the value that was used, for the environment file.
KeyValues Config(const CLI::App& app, const MeasureOptions& options) {
  KeyValues config;
  for (const CLI::Option* option : app.get_options()) {
    const bool word = option->get_lnames().empty();  // TRACE, which a file may have given
    const std::string name = word ? "trace" : option->get_lnames().front();
    if (name == "help" || name == "print-config") continue;
    if (name == "slowdown" && options.slowdown_percent == 0) continue;
    std::string value =
        option->count() > 0 ? absl::StrJoin(option->results(), ",") : option->get_default_str();
    const bool is_flag = option->get_expected_max() == 0;
    if (is_flag && option->count() == 0) value = name == "verify" ? "true" : "false";
    if (name == "timing" && options.time_batches && !options.time_ops) value = "batch";
    if (name == "timing" && options.open_loop) value = "response";
    if (name == "seed") value = std::to_string(options.seed);
    if (name == "memory") value = NameOf(kMemory, options.memory);
    config.emplace_back(name, value);
  }
  return config;
}

}  // namespace

void AddMeasureFlags(CLI::App& app, const std::string& suite, MeasureFlags& flags) {
  const auto text = [&app](const char* names, std::string& value, const char* help,
                           const char* group, const char* form) {
    app.add_option(names, value, help)->group(group)->type_name(form)->capture_default_str();
  };
  // Comma-separated, or the flag several times; never the next word, which may be a trace.
  const auto list = [&app](const char* names, std::vector<std::string>& value, const char* help,
                           const char* group, const char* form) {
    return app.add_option(names, value, help)
        ->group(group)
        ->type_name(form)
        ->allow_extra_args(false)
        ->take_all()
        ->default_str(absl::StrJoin(value, ","));
  };
  const auto flag = [&app](const char* names, bool& value, const char* help, const char* group) {
    app.add_flag(names, value, help)->group(group);
  };

  if (suite != "replay") {
    list("-w,--workload", flags.workloads,
         "workloads, by name or pattern; @quick and @full are sets", "What", "GLOB,...")
        ->delimiter(',');
    list("--exclude", flags.exclude, "workloads to leave out", "What", "GLOB,...")->delimiter(',');
    list("-t,--trace", flags.traces, "replay this trace too; - is standard input", "What", "FILE");
    text("--heap", flags.heap, "size of a workload's heap, such as 4GiB [1GiB]", "What", "SIZE");
    list("-p,--param", flags.params, "parameters of workloads; several values: every combination",
         "What", "K=V,...");
    text("--ops", flags.ops,
         suite == "count" ? "measured operations of a workload [20000]"
                          : "measured operations of a workload [200000]",
         "Reproduce", "N");
    text("--min-time", flags.min_time,
         "instead of --ops: as many as a repetition needs to be timed that long", "Reproduce",
         "DURATION");
  } else {
    app.add_option("TRACE", flags.traces, "pagetrace files, plain or .zst; - is standard input")
        ->required()
        ->group("What");
  }
  list("-a,--allocator", flags.allocators, "allocators", "What", "NAME,...")->delimiter(',');
  list("-l,--layout", flags.layouts, "address-space layouts", "What", "NAME,...")->delimiter(',');
  text("--cache", flags.cache,
       "page caches for requests below 16 pages: none, or per-cpu, by the @CPU of a record", "What",
       "MODE");
  text("--memory", flags.memory, "the heap's own pages: simulate, reserve, commit or touch", "What",
       "MODE");
  text("--place", flags.place, "where they lie: auto, or exact (at the layout's addresses)", "What",
       "MODE");
  flag("--smoke", flags.smoke, "tiny and once, to see that everything works", "What");
  text("--seed", flags.seed, "of workloads and of a random order; or random", "Reproduce", "N");

  text("--reps", flags.reps, "repetitions of each cell", "Repeat", "N");
  text("--warmup", flags.warmup, "repetitions before them that do not count", "Repeat", "N");
  text("--max-time", flags.max_time,
       "start nothing after this time but one repetition of each cell", "Repeat", "DURATION");
  text("--isolate", flags.isolate, "each repetition in a process of its own: process or none",
       "Repeat", "MODE");
  text("--interleave", flags.interleave, "order of the cells: abba, random or none", "Repeat",
       "ORDER");

  text("--timing", flags.timing, "batch, op, both or none (exact metrics only)", "Time", "MODE");
  text("--batch", flags.batch, "operations timed together, or auto", "Time", "N");
  text("--threads", flags.threads,
       "threads at work on one heap (-a heap), each with the program of a seed of its own", "Time",
       "N");
  text("--rate", flags.rate,
       "open loop: start operations at this rate, and time from when each should have started",
       "Time", "OPS/S");
  text("--arrival", flags.arrival, "of operations at a rate: fixed or poisson", "Time", "MODE");
  text("--percentiles", flags.percentiles, "of operations timed one by one", "Time", "LIST");

  // Not for users: it makes an allocator look slower, so that tests see whether `ab` notices.
  text("--slowdown", flags.slowdown, "", "", "PERCENT");

  text("--cpu", flags.cpu, "pin repetitions to a CPU: a number, auto or none", "Machine", "N");
  text("--thp", flags.thp, "transparent huge pages: inherit, never or always", "Machine", "MODE");
  flag("--prefault", flags.prefault, "write to the whole heap before the clock starts", "Machine");
  flag("--strict-env", flags.strict_env, "refuse a machine or build unfit for timing", "Machine");

  flag("--verify,!--no-verify", flags.verify,
       "compare every result with the reference model before any clock starts (default)", "Check");

  text("-o,--out", flags.out, "results file: NAME.csv or NAME.csv.zst", "Output", "FILE");
  flag("--force", flags.force, "replace files that exist", "Output");
  text("--format", flags.format, "of standard output: table, csv, json or markdown", "Output",
       "FORMAT");
  text("--hist-dir", flags.hist_dir, "write the histogram of each cell to this folder", "Output",
       "FOLDER");
  text("--record", flags.record, "write what ran as a trace", "Output", "FILE");
  text("--label", flags.label, "a word for the column label", "Output", "TEXT");
  flag("-q,--quiet", flags.quiet, "only errors on stderr", "Output");
  flag("-v,--verbose", flags.verbose, "more on stderr", "Output");
  text("--progress", flags.progress, "auto, always, never or plain", "Output", "MODE");
  text("--color", flags.color, "auto, always or never", "Output", "WHEN");
  flag("--dry-run", flags.dry_run, "say what would run, and run nothing", "Output");
  AddConfigFlags(app, flags.config);
}

absl::Status RefuseEmptyWords(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    const std::string name = option->get_name();
    if (name == "--label") continue;
    for (const std::string& word : option->results()) {
      if (!word.empty()) continue;
      return UsageError(
          absl::StrCat(name, ": the value is empty. Give one, or leave the flag out."));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<WorkloadRequest>> ResolveWorkloadFlags(const MeasureFlags& flags) {
  Resolver resolver;
  std::uint64_t seed = 1;
  std::vector<WorkloadRequest> requests;
  resolver.Seed("--seed", flags.seed, seed);
  ResolveWorkloads(resolver, flags, seed, requests);
  if (!resolver.status().ok()) return resolver.status();
  return requests;
}

absl::StatusOr<MeasureOptions> ResolveFlags(const CLI::App& app, const std::string& suite,
                                            const MeasureFlags& flags,
                                            const std::vector<std::string>& arguments) {
  Resolver resolver;
  if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
  MeasureOptions options;
  options.suite = suite;
  options.traces = flags.traces;
  std::vector<std::string_view> allocators;
  for (const AllocatorInfo& allocator : AllAllocators()) allocators.push_back(allocator.name);
  resolver.Names("allocator", flags.allocators, allocators, options.allocators);
  resolver.Names("layout", flags.layouts, LayoutNames(), options.layouts);
  options.layouts_named = app.count("--layout") > 0;
  resolver.Pick("--cache", flags.cache, kCache, options.per_cpu_caches);
  for (const std::string& allocator : options.allocators) {
    if (!options.per_cpu_caches || allocator == "radix") continue;
    resolver.Refuse(
        "--cache", absl::StrCat("per-cpu puts the library's page caches before radix; '", allocator,
                                "' is used as it is. Give it with -a radix only."));
  }
  resolver.Pick("--memory", flags.memory, kMemory, options.memory);
  resolver.Pick("--place", flags.place, kPlace, options.place_exact);
  resolver.Seed("--seed", flags.seed, options.seed);
  if (suite != "replay") ResolveWorkloads(resolver, flags, options.seed, options.workloads);

  resolver.Number("--reps", flags.reps, 1, options.reps, kMostRepetitions);
  resolver.Number("--warmup", flags.warmup, 0, options.warmups, kMostRepetitions);
  if (flags.smoke && !Given(app, "--reps")) options.reps = 1;
  if (flags.smoke && !Given(app, "--warmup")) options.warmups = 0;
  if (!flags.max_time.empty()) {
    const OrProblem<std::chrono::nanoseconds> time = ParseDuration(flags.max_time);
    if (time.ok()) {
      options.max_time = time.value();
    } else {
      resolver.Refuse("--max-time", time.error().sentence);
    }
  }
  resolver.Pick("--isolate", flags.isolate, kIsolate, options.isolation);
  resolver.Pick("--interleave", flags.interleave, kInterleave, options.interleave);

  std::pair<bool, bool> timing{true, true};
  resolver.Pick("--timing", flags.timing, kTiming, timing);
  std::tie(options.time_batches, options.time_ops) = timing;
  if (flags.batch != "auto") {
    resolver.Number("--batch", flags.batch, 1, options.batch.emplace(), kLargestBatch);
  }
  resolver.Percentiles("--percentiles", flags.percentiles, options.percentiles);

  resolver.Cpu("--cpu", flags.cpu, options.cpu);
  ResolveMemory(resolver, app, options);
  ResolveThreads(resolver, app, flags, options);
  ResolveOpenLoop(resolver, app, flags, options);
  ResolveMinTime(resolver, flags, options);
  resolver.Pick("--thp", flags.thp, kThp, options.huge_pages);
  options.prefault = flags.prefault;
  if (flags.prefault && options.memory != HeapMemory::kCommit &&
      options.memory != HeapMemory::kTouch) {
    resolver.Refuse("--prefault",
                    "there are pages to write to only with --memory commit or touch.");
  }
  options.strict_env = flags.strict_env;
  options.verify = flags.verify;

  options.out = flags.out;
  options.force = flags.force;
  resolver.Pick("--format", flags.format, kFormat, options.format);
  options.hist_dir = flags.hist_dir;
  if (!flags.hist_dir.empty() && !options.time_ops && !options.open_loop) {
    resolver.Refuse("--hist-dir", "there are histograms only with --timing op or both.");
  }
  options.record = flags.record;
  options.label = flags.label;
  resolver.MustBeUtf8("--label", flags.label);
  ResolveSlowdown(resolver, flags, options);
  options.quiet = flags.quiet;
  options.verbose = flags.verbose;
  resolver.Pick("--progress", flags.progress, kProgress, options.progress);
  Color color = Color::kAuto;
  resolver.Pick("--color", flags.color, kColor, color);
  options.color = color == Color::kAlways || (color == Color::kAuto && MayColor(STDOUT_FILENO));
  options.dry_run = flags.dry_run;
  if (!resolver.status().ok()) return resolver.status();
  options.arguments = arguments;
  options.config = Config(app, options);
  return options;
}

}  // namespace pagealloc::bench
