#include "harness/cli_flags.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <map>
#include <random>
#include <span>
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
#include "harness/console.h"
#include "harness/run/execute.h"
#include "harness/run/status_codes.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

template <class Enum>
using Choice = std::pair<std::string_view, Enum>;

constexpr std::array<Choice<HeapMemory>, 4> kMemory{{{"simulate", HeapMemory::kSimulate},
                                                     {"reserve", HeapMemory::kReserve},
                                                     {"commit", HeapMemory::kCommit},
                                                     {"touch", HeapMemory::kTouch}}};
constexpr std::array<Choice<bool>, 2> kPlace{{{"auto", false}, {"exact", true}}};
constexpr std::array<Choice<Isolation>, 2> kIsolate{
    {{"process", Isolation::kProcess}, {"none", Isolation::kNone}}};
constexpr std::array<Choice<Interleave>, 3> kInterleave{
    {{"abba", Interleave::kAbba}, {"random", Interleave::kRandom}, {"none", Interleave::kNone}}};
// Batches, then operations.
constexpr std::array<Choice<std::pair<bool, bool>>, 4> kTiming{{{"batch", {true, false}},
                                                                {"op", {false, true}},
                                                                {"both", {true, true}},
                                                                {"none", {false, false}}}};
constexpr std::array<Choice<HugePageMode>, 3> kThp{{{"inherit", HugePageMode::kInherit},
                                                    {"never", HugePageMode::kNever},
                                                    {"always", HugePageMode::kAlways}}};
constexpr std::array<Choice<Format>, 4> kFormat{{{"table", Format::kTable},
                                                 {"csv", Format::kCsv},
                                                 {"json", Format::kJson},
                                                 {"markdown", Format::kMarkdown}}};
constexpr std::array<Choice<ProgressMode>, 4> kProgress{{{"auto", ProgressMode::kAuto},
                                                         {"always", ProgressMode::kAlways},
                                                         {"never", ProgressMode::kNever},
                                                         {"plain", ProgressMode::kPlain}}};
enum class Color { kAuto, kAlways, kNever };
constexpr std::array<Choice<Color>, 3> kColor{
    {{"auto", Color::kAuto}, {"always", Color::kAlways}, {"never", Color::kNever}}};

constexpr std::uint64_t kMostRepetitions = 1'000'000;
constexpr std::uint64_t kLargestBatch = std::uint64_t{1} << 31;  // no program has more operations

/// Collects the first thing wrong, so that a list of flags reads as a list.
class Resolver {
 public:
  [[nodiscard]] const absl::Status& status() const { return status_; }
  void Refuse(std::string_view flag, const std::string& sentence) {
    if (status_.ok()) status_ = UsageError(absl::StrCat(std::string(flag), ": ", sentence));
  }

  template <class Enum, std::size_t kCount>
  void Pick(std::string_view flag, const std::string& text,
            const std::array<Choice<Enum>, kCount>& choices, Enum& value) {
    std::vector<std::string_view> names;
    for (const auto& [name, choice] : choices) {
      names.push_back(name);
      if (name != text) continue;
      value = choice;
      return;
    }
    Refuse(flag, UnknownName("value", names, text,
                             absl::StrCat("it is one of ", absl::StrJoin(Strings(names), ", "))));
  }

  void Number(std::string_view flag, const std::string& text, std::uint64_t least,
              std::uint64_t& value,
              std::uint64_t most = std::numeric_limits<std::uint64_t>::max()) {
    const OrProblem<std::uint64_t> number = ParseNumber(text);
    if (!number.ok()) {
      Refuse(flag, number.error().sentence);
    } else if (number.value() < least) {
      Refuse(flag, absl::StrCat(text, " is too small: it is at least ", least, "."));
    } else if (number.value() > most) {
      Refuse(flag, absl::StrCat(text, " is too large: it is at most ", most, "."));
    } else {
      value = number.value();
    }
  }

  void Names(std::string_view what, const std::vector<std::string>& given,
             const std::vector<std::string_view>& known, std::vector<std::string>& value) {
    for (const std::string& name : given) {
      if (std::find(known.begin(), known.end(), name) == known.end()) {
        if (status_.ok()) {
          status_ = UsageError(
              UnknownName(what, known, name,
                          absl::StrCat("see pagealloc-bench list ", std::string(what), "s")));
        }
        return;
      }
      if (std::find(value.begin(), value.end(), name) == value.end()) value.push_back(name);
    }
  }

 private:
  static std::vector<std::string> Strings(const std::vector<std::string_view>& views) {
    return {views.begin(), views.end()};
  }
  absl::Status status_;
};

void ResolvePercentiles(Resolver& resolver, const std::string& text, std::vector<double>& value) {
  for (const std::string& item : std::vector<std::string>(absl::StrSplit(text, ','))) {
    double percent = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), percent);
    // Written so that NaN is refused too.
    const bool fits =
        error == std::errc{} && end == item.data() + item.size() && percent >= 0 && percent <= 100;
    if (!fits) {
      resolver.Refuse("--percentiles", absl::StrCat("'", item, "' is not a number from 0 to 100."));
      return;
    }
    percent += 0.0;  // -0 is 0
    if (std::find(value.begin(), value.end(), percent) == value.end()) value.push_back(percent);
  }
  constexpr std::size_t kMost = 100;  // each is a row for each kind of each repetition
  if (value.size() > kMost) {
    resolver.Refuse("--percentiles",
                    absl::StrCat("these are ", value.size(), "; give at most ", kMost, "."));
  }
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > text.size() || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    std::uint32_t code = size == 1 ? lead : lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xc0U) != 0x80) return false;
      code = code << 6 | (byte & 0x3fU);
    }
    // Written longer than needed, halves of a pair, beyond the last.
    const bool longer = (size == 3 && code < 0x800) || (size == 4 && code < 0x1'0000);
    if (longer || (code >= 0xd800 && code < 0xe000) || code > 0x10'ffff) return false;
    text.remove_prefix(size);
  }
  return true;
}

// An empty word, as an unset variable of a script leaves it, is no wish for the default.
void RefuseEmpty(Resolver& resolver, const CLI::App& app, const char* flag,
                 const std::string& text) {
  const CLI::Option* const option = app.get_option_no_throw(flag);
  if (option == nullptr || option->count() == 0 || !text.empty()) return;
  resolver.Refuse(flag, "the value is empty. Give one, or leave the flag out.");
}

std::vector<unsigned> AllowedCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

void ResolveCpu(Resolver& resolver, const std::string& text, std::optional<unsigned>& value) {
  if (text == "none") return;
  const std::vector<unsigned> cpus = AllowedCpus();
  if (text == "auto") {
    // The last one: the first often serves the machine's interrupts.
    if (!cpus.empty()) value = cpus.back();
    return;
  }
  std::uint64_t number = 0;
  resolver.Number("--cpu", text, 0, number);
  if (!resolver.status().ok()) return;
  if (std::find(cpus.begin(), cpus.end(), number) == cpus.end()) {
    resolver.Refuse("--cpu", absl::StrCat("this process may not use CPU ", text, "; it may use ",
                                          absl::StrJoin(cpus, ", "), "."));
    return;
  }
  value = static_cast<unsigned>(number);
}

void ResolveSeed(Resolver& resolver, const std::string& text, std::uint64_t& value) {
  if (text != "random") {
    resolver.Number("--seed", text, 0, value);
    return;
  }
  std::random_device device;
  // 53 bits, which every reader of numbers keeps.
  value = (std::uint64_t{device()} << 21) ^ device();
  value &= (std::uint64_t{1} << 53) - 1;
}

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

// Every flag with the value that was used, for the environment file.
KeyValues Config(const CLI::App& app, const MeasureOptions& options) {
  KeyValues config;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_lnames().empty()) continue;  // TRACE: it stands in the arguments
    const std::string& name = option->get_lnames().front();
    if (name == "help") continue;
    std::string value =
        option->count() > 0 ? absl::StrJoin(option->results(), ",") : option->get_default_str();
    const bool is_flag = option->get_expected_max() == 0;
    if (is_flag && option->count() == 0) value = name == "verify" ? "true" : "false";
    if (name == "seed") value = std::to_string(options.seed);
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

  if (suite == "run") {
    list("-w,--workload", flags.workloads,
         "workloads, by name or pattern; @quick and @full are sets", "What", "GLOB,...")
        ->delimiter(',');
    list("--exclude", flags.exclude, "workloads to leave out", "What", "GLOB,...")->delimiter(',');
    list("-t,--trace", flags.traces, "replay this trace too; - is standard input", "What", "FILE");
    text("--heap", flags.heap, "size of a workload's heap, such as 4GiB [1GiB]", "What", "SIZE");
    list("-p,--param", flags.params, "parameters of workloads; several values: every combination",
         "What", "K=V,...");
    text("--ops", flags.ops, "measured operations of a workload [200000]", "Reproduce", "N");
  } else {
    app.add_option("TRACE", flags.traces, "pagetrace files, plain or .zst; - is standard input")
        ->required()
        ->group("What");
  }
  list("-a,--allocator", flags.allocators, "allocators", "What", "NAME,...")->delimiter(',');
  list("-l,--layout", flags.layouts, "address-space layouts", "What", "NAME,...")->delimiter(',');
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
  text("--percentiles", flags.percentiles, "of operations timed one by one", "Time", "LIST");

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
}

absl::StatusOr<std::vector<WorkloadRequest>> ResolveWorkloadFlags(const MeasureFlags& flags) {
  Resolver resolver;
  std::uint64_t seed = 1;
  std::vector<WorkloadRequest> requests;
  ResolveSeed(resolver, flags.seed, seed);
  ResolveWorkloads(resolver, flags, seed, requests);
  if (!resolver.status().ok()) return resolver.status();
  return requests;
}

absl::StatusOr<MeasureOptions> ResolveFlags(const CLI::App& app, const std::string& suite,
                                            const MeasureFlags& flags,
                                            const std::vector<std::string>& arguments) {
  Resolver resolver;
  RefuseEmpty(resolver, app, "--heap", flags.heap);
  RefuseEmpty(resolver, app, "--ops", flags.ops);
  RefuseEmpty(resolver, app, "--max-time", flags.max_time);
  RefuseEmpty(resolver, app, "--out", flags.out);
  RefuseEmpty(resolver, app, "--hist-dir", flags.hist_dir);
  RefuseEmpty(resolver, app, "--record", flags.record);
  MeasureOptions options;
  options.suite = suite;
  options.traces = flags.traces;
  std::vector<std::string_view> allocators;
  for (const AllocatorInfo& allocator : AllAllocators()) allocators.push_back(allocator.name);
  resolver.Names("allocator", flags.allocators, allocators, options.allocators);
  resolver.Names("layout", flags.layouts, LayoutNames(), options.layouts);
  options.layouts_named = app.count("--layout") > 0;
  resolver.Pick("--memory", flags.memory, kMemory, options.memory);
  resolver.Pick("--place", flags.place, kPlace, options.place_exact);
  ResolveSeed(resolver, flags.seed, options.seed);
  if (suite == "run") ResolveWorkloads(resolver, flags, options.seed, options.workloads);

  resolver.Number("--reps", flags.reps, 1, options.reps, kMostRepetitions);
  resolver.Number("--warmup", flags.warmup, 0, options.warmups, kMostRepetitions);
  if (flags.smoke && app.count("--reps") == 0) options.reps = 1;
  if (flags.smoke && app.count("--warmup") == 0) options.warmups = 0;
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
  ResolvePercentiles(resolver, flags.percentiles, options.percentiles);

  ResolveCpu(resolver, flags.cpu, options.cpu);
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
  if (!flags.hist_dir.empty() && !options.time_ops) {
    resolver.Refuse("--hist-dir", "there are histograms only with --timing op or both.");
  }
  options.record = flags.record;
  options.label = flags.label;
  if (!IsUtf8(flags.label)) {
    resolver.Refuse("--label", "this is not UTF-8, as a results file is.");
  }
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
