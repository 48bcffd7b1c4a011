#include "harness/cli.h"

#include <algorithm>
#include <csignal>
#include <memory>
#include <string_view>
#include <utility>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Version.hpp"
#include "absl/strings/str_cat.h"
#include "harness/base/nearest_name.h"
#include "harness/cli_flags.h"
#include "harness/map_flags.h"
#include "harness/report/environment.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kPurpose =
    "Replays page traces and synthetic workloads on page allocators, checks every result and "
    "times it.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench replay corpora/golden/gofmt_std.golden.pagetrace.zst\n"
    "  pagealloc-bench run -w churn -p occupancy=50,99 -l linux-amd64 -o churn.csv\n"
    "  pagealloc-bench run -w 'hot,large' -a radix,reference --reps 5 --format markdown\n"
    "  pagealloc-bench trace inspect corpora/traces/compile_ssa.pagetrace.zst\n";

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

constexpr const char* kMapPurpose =
    "Draws the heap's occupancy over the course of a trace or a workload.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench map corpora/golden/gofmt_std.golden.pagetrace.zst\n"
    "  pagealloc-bench map corpora/traces/gaps.pagetrace.zst -o gaps.svg\n"
    "  pagealloc-bench map -w churn -p occupancy=50 --heap 256MiB --columns 60\n"
    "  pagealloc-bench map -w adversary -p steps=10 --format svg >adversary.svg\n";

/// The parts of the command line, as the parser fills them.
struct Parser {
  CLI::App app{kPurpose, "pagealloc-bench"};
  MeasureFlags run_flags;
  MeasureFlags replay_flags;
  std::string listing;
  std::string list_format = "table";
  TraceOptions validate;
  TraceOptions inspect;
  std::string inspect_format = "table";
  MapFlags map_flags;
  CLI::App* run = nullptr;
  CLI::App* replay = nullptr;
  CLI::App* list = nullptr;
  CLI::App* trace = nullptr;
  CLI::App* map = nullptr;
  CLI::App* trace_validate = nullptr;
  CLI::App* trace_inspect = nullptr;

  Parser();
};

class HelpFormatter final : public CLI::Formatter {
 public:
  // The first line of a help text is enough beside the subcommand's name.
  std::string make_subcommand(const CLI::App* sub) const override {
    const std::string text = sub->get_description();
    return absl::StrCat("  ", sub->get_name(), std::string(12 - sub->get_name().size(), ' '),
                        text.substr(0, text.find('\n')), "\n");
  }
  // Without "{false}" behind the name of a flag that switches something off.
  std::string make_option_name(const CLI::Option* option, bool is_positional) const override {
    std::string name = Formatter::make_option_name(option, is_positional);
    constexpr std::string_view kValue = "{false}";
    const std::size_t at = name.find(kValue);
    if (at != std::string::npos) name.erase(at, kValue.size());
    return name;
  }
};

Parser::Parser() {
  app.formatter(std::make_shared<HelpFormatter>());  // before the subcommands, which inherit it
  app.require_subcommand(1);
  app.set_version_flag("--version", "", "print versions, compiler and flags");
  run = app.add_subcommand("run", kRunPurpose);
  AddMeasureFlags(*run, "run", run_flags);
  replay = app.add_subcommand("replay", kReplayPurpose);
  AddMeasureFlags(*replay, "replay", replay_flags);
  list =
      app.add_subcommand("list", "Lists what there is: workloads, allocators, layouts, metrics.");
  list->add_option("WHAT", listing, "workloads, allocators, layouts or metrics")->required();
  list->add_option("--format", list_format, "table or json")->capture_default_str();
  trace = app.add_subcommand("trace", "Checks traces, and says what is in them.");
  trace->require_subcommand(1);
  const auto add_trace = [this](const char* name, const char* purpose, TraceOptions& options) {
    CLI::App* verb = trace->add_subcommand(name, purpose);
    verb->add_option("TRACE", options.files, "pagetrace files, plain or .zst; - is standard input")
        ->required();
    return verb;
  };
  trace_validate = add_trace(
      "validate", "Checks form and legality: exit status 0 or 2; 4 for a file that cannot be read.",
      validate);
  trace_inspect = add_trace(
      "inspect", "Prints events by kind, sizes, lifetimes, occupancy and fragmentation.", inspect);
  inspect.verb = TraceOptions::Verb::kInspect;
  trace_inspect->add_option("--format", inspect_format, "table or json")->capture_default_str();
  map = app.add_subcommand("map", kMapPurpose);
  AddMapFlags(*map, map_flags);
  for (CLI::App* sub : {run, replay, list, trace, trace_validate, trace_inspect, map}) {
    sub->allow_extras();
  }
  app.allow_extras();
}

std::string VersionText() {
  const BuildInfo build = ThisBuild();
  std::string text = absl::StrCat(
      "pagealloc-bench ", build.version, " (", build.commit, ")\n", "build:    ", build.build_type,
      "\n", "compiler: ", build.compiler, "\n", "flags:    ", build.flags, "\n");
  for (const auto& [library, version] : build.libraries) {
    absl::StrAppend(&text, "library:  ", library, " ", version, "\n");
  }
  absl::StrAppend(&text, "library:  CLI11 ", CLI11_VERSION, "\n");
  return text;
}

/// Names under which the options of `app` are known, with their dashes.
std::vector<std::string> FlagsOf(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

/// The subcommand that the user's words reached: the innermost.
const CLI::App& Innermost(const CLI::App& app) {
  const CLI::App* at = &app;
  while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
  return *at;
}

std::string CommandName(const CLI::App& app) {
  return app.get_parent() == nullptr
             ? app.get_name()
             : absl::StrCat(CommandName(*app.get_parent()), " ", app.get_name());
}

std::string NameOf(const CLI::App* app) { return app->get_name(); }

absl::Status UnknownWord(const CLI::App& at, const std::string& word) {
  const std::string help = absl::StrCat("see ", CommandName(at), " --help");
  std::vector<std::string> names;
  if (word.size() > 1 && word.front() == '-') {
    names = FlagsOf(at);
    const std::string flag = word.substr(0, word.find('='));
    return UsageError(
        UnknownName("flag", std::vector<std::string_view>(names.begin(), names.end()), flag, help));
  }
  const std::vector<const CLI::App*> subcommands =
      at.get_subcommands([](const CLI::App*) { return true; });
  if (subcommands.empty()) {
    return UsageError(absl::StrCat("unexpected word '", word, "'; ", help, "."));
  }
  for (const CLI::App* sub : subcommands) names.push_back(NameOf(sub));
  return UsageError(UnknownName(
      "command", std::vector<std::string_view>(names.begin(), names.end()), word, help));
}

/// The first of the words that no part of the command line knows.
std::string FirstUnknown(const CLI::App& app, const CLI::App& innermost) {
  for (const CLI::App* at = &innermost; at != nullptr; at = at->get_parent()) {
    // Flags first: behind an unknown flag its value is left over too.
    std::vector<std::string> rest = at->remaining();
    std::stable_partition(rest.begin(), rest.end(), [](const std::string& word) {
      return word.size() > 1 && word.front() == '-';
    });
    if (!rest.empty()) return rest.front();
    if (at == &app) break;
  }
  return "";
}

absl::StatusOr<bool> IsJson(const std::string& format) {
  if (format == "json") return true;
  if (format == "table") return false;
  constexpr std::string_view kFormats[] = {"table", "json"};  // NOLINT(*-avoid-c-arrays)
  return UsageError(
      absl::StrCat("--format: ", UnknownName("value", kFormats, format, "it is table or json")));
}

absl::StatusOr<Command> ListCommand(const Parser& parser) {
  constexpr std::string_view kListings[] = {"workloads", "allocators",  // NOLINT(*-avoid-c-arrays)
                                            "layouts", "metrics"};
  const absl::StatusOr<bool> json = IsJson(parser.list_format);
  if (!json.ok()) return json.status();
  for (std::size_t i = 0; i < std::size(kListings); ++i) {
    if (kListings[i] == parser.listing) return ListOptions{static_cast<Listing>(i), *json};
  }
  return UsageError(
      UnknownName("listing", kListings, parser.listing, "see pagealloc-bench list --help"));
}

}  // namespace

absl::StatusOr<Command> ParseCli(const std::vector<std::string>& arguments) {
  Parser parser;
  std::string refusal;
  try {
    // CLI11 takes the words in reverse order, without the program's name.
    parser.app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend() - 1));
  } catch (const CLI::CallForHelp&) {
    const CLI::App& at = Innermost(parser.app);
    return PrintText{at.help(at.get_parent() == nullptr ? "" : CommandName(*at.get_parent()))};
  } catch (const CLI::CallForVersion&) {
    return PrintText{VersionText()};
  } catch (const CLI::ParseError& error) {
    refusal = error.what();
  }
  const CLI::App& at = Innermost(parser.app);
  // A word that nobody knows is the likely cause of whatever else is missing.
  if (const std::string word = FirstUnknown(parser.app, at); !word.empty()) {
    return UnknownWord(at, word);
  }
  if (!refusal.empty()) {
    return UsageError(absl::StrCat(refusal, "; see ", CommandName(at), " --help."));
  }
  if (parser.run->parsed()) {
    return ResolveFlags(*parser.run, "run", parser.run_flags, arguments);
  }
  if (parser.replay->parsed()) {
    return ResolveFlags(*parser.replay, "replay", parser.replay_flags, arguments);
  }
  if (parser.list->parsed()) return ListCommand(parser);
  if (parser.map->parsed()) return ResolveMapFlags(*parser.map, parser.map_flags);
  if (parser.trace_validate->parsed()) return parser.validate;
  const absl::StatusOr<bool> json = IsJson(parser.inspect_format);
  if (!json.ok()) return json.status();
  parser.inspect.json = *json;
  return parser.inspect;
}

int ExitStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kAborted:
      return 1;
    case absl::StatusCode::kInvalidArgument:
      return 2;
    case absl::StatusCode::kUnavailable:
      return 4;
    case absl::StatusCode::kFailedPrecondition:
      return 5;
    case absl::StatusCode::kCancelled:
      return 128 + (PendingInterrupt() != 0 ? PendingInterrupt() : SIGINT);
    default:
      return 70;
  }
}

}  // namespace pagealloc::bench
