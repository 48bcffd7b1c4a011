#include "harness/cli.h"

#include <algorithm>
#include <csignal>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "CLI/Version.hpp"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/base/nearest_name.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/config_file.h"
#include "harness/report/environment.h"
#include "harness/run/console.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"
#include "pagealloc/contract.h"

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

/// What the parser says about a flag's number of values, in words that say what to do. Others stay.
std::string InPlainWords(const CLI::App& at, const CLI::ParseError& error) {
  std::string text = error.what();
  const std::string name = text.substr(0, text.find(": "));
  if (text.find(": At Most 1 required") != std::string::npos) {
    return absl::StrCat(name, " has one value, and was given several. Give it once");
  }
  if (text.ends_with(" missing")) return absl::StrCat(name, " needs a value behind it");
  if (text.starts_with("A subcommand is required")) {
    std::vector<std::string> names;
    for (const CLI::App* sub : at.get_subcommands([](const CLI::App*) { return true; })) {
      names.push_back(NameOf(sub));
    }
    return absl::StrCat("name a command: ", absl::StrJoin(names, ", "));
  }
  return text;
}

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
    std::erase(rest, "--");  // the parser knows it, and leaves it over all the same
    std::stable_partition(rest.begin(), rest.end(), [](const std::string& word) {
      return word.size() > 1 && word.front() == '-';
    });
    if (!rest.empty()) return rest.front();
    if (at == &app) break;
  }
  return "";
}

/// The whole command line, as the parser fills it.
class CommandLine {
 public:
  CommandLine();

  /// Lets the parser have the words.
  ///
  /// @param text  receives what --help or --version print, if that is asked for.
  absl::Status Parse(const std::vector<std::string>& arguments, std::optional<std::string>& text);
  /// Whether Parse() failed only because words are missing.
  [[nodiscard]] bool lacks_words() const { return lacks_words_; }
  /// The subcommand that the user's words reached.
  [[nodiscard]] const CLI::App& reached() const { return Innermost(app_); }
  /// What the parsed words ask for.
  absl::StatusOr<Task> Resolve(const std::vector<std::string>& arguments) const;

 private:
  struct Entry {
    std::unique_ptr<CliCommand> command;
    CLI::App* app = nullptr;
  };
  /// The command that was parsed; call it after Parse() only.
  [[nodiscard]] const Entry& Parsed() const;
  /// The subcommand that stands for a group of commands, added with its first.
  CLI::App& Group(std::string_view name);

  CLI::App app_{kPurpose, "pagealloc-bench"};
  std::map<std::string_view, CLI::App*> groups_;
  std::vector<Entry> entries_;
  bool lacks_words_ = false;
};

CommandLine::CommandLine() {
  app_.formatter(std::make_shared<HelpFormatter>());  // before the subcommands, which inherit it
  app_.require_subcommand(1);
  app_.set_version_flag("--version", "", "print versions, compiler and flags");
  app_.allow_extras();
  for (ListedCommand& listed : AllCommands()) {
    CLI::App& parent = listed.group.empty() ? app_ : Group(listed.group);
    CLI::App* const app = listed.command->Add(parent);
    app->allow_extras();
    entries_.push_back({std::move(listed.command), app});
  }
}

CLI::App& CommandLine::Group(std::string_view name) {
  CLI::App*& group = groups_[name];
  if (group == nullptr) {
    group = app_.add_subcommand(std::string(name), std::string(GroupPurpose(name)));
    group->require_subcommand(1);
    group->allow_extras();
  }
  return *group;
}

absl::Status CommandLine::Parse(const std::vector<std::string>& arguments,
                                std::optional<std::string>& text) {
  std::string refusal;
  try {
    // CLI11 takes the words in reverse order, without the program's name.
    app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend() - 1));
  } catch (const CLI::CallForHelp&) {
    const CLI::App& at = reached();
    text = at.help(at.get_parent() == nullptr ? "" : CommandName(*at.get_parent()));
    return absl::OkStatus();
  } catch (const CLI::CallForVersion&) {
    text = VersionText();
    return absl::OkStatus();
  } catch (const CLI::RequiredError& error) {
    refusal = InPlainWords(reached(), error);
    lacks_words_ = true;
  } catch (const CLI::ParseError& error) {
    refusal = InPlainWords(reached(), error);
  }
  // A word that nobody knows is the likely cause of whatever else is missing.
  if (const std::string word = FirstUnknown(app_, reached()); !word.empty()) {
    lacks_words_ = false;
    return UnknownWord(reached(), word);
  }
  if (!refusal.empty()) {
    return UsageError(absl::StrCat(refusal, "; see ", CommandName(reached()), " --help."));
  }
  return absl::OkStatus();
}

absl::StatusOr<Task> CommandLine::Resolve(const std::vector<std::string>& arguments) const {
  return Parsed().command->Resolve(*Parsed().app, arguments);
}

const CommandLine::Entry& CommandLine::Parsed() const {
  const auto parsed = std::find_if(entries_.begin(), entries_.end(),
                                   [](const Entry& entry) { return entry.app->parsed(); });
  PA_EXPECT(parsed != entries_.end());  // since one is required
  return *parsed;
}

/// `arguments` with those of a file behind the command's name.
std::vector<std::string> WithConfig(std::vector<std::string> arguments, const CLI::App& app,
                                    const ConfigWords& config) {
  std::ptrdiff_t at = 1;  // the program's name
  for (const CLI::App* name = &app; name->get_parent() != nullptr; name = name->get_parent()) ++at;
  arguments.insert(arguments.begin() + at, config.words.begin(), config.words.end());
  return arguments;
}

}  // namespace

absl::StatusOr<Task> ParseCli(const std::vector<std::string>& arguments) {
  CommandLine line;
  std::optional<std::string> text;
  absl::Status status = line.Parse(arguments, text);
  if (text) return [text = *std::move(text)] { return WriteResult(text); };
  const std::string file = ConfigFileOf(line.reached());
  if (file.empty()) return status.ok() ? line.Resolve(arguments) : status;
  // What the command line lacks may stand in the file.
  if (!status.ok() && !line.lacks_words()) return status;
  const absl::StatusOr<ConfigWords> config = ReadConfig(file, line.reached());
  if (!config.ok()) return config.status();
  CommandLine whole;
  status = whole.Parse(WithConfig(arguments, line.reached(), *config), text);
  if (!status.ok()) return InConfig(file, *config, status);
  absl::StatusOr<Task> task = whole.Resolve(arguments);
  return task.ok() ? std::move(task) : InConfig(file, *config, task.status());
}

int ExitStatus(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kAborted:
      return 1;
    case absl::StatusCode::kInvalidArgument:
      return 2;
    case absl::StatusCode::kOutOfRange:
      return 3;
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
