// completion_command.cc: `completion`: a script with which a shell completes our command line.
#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/completion_words.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/resolver.h"
#include "harness/run/console.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kCompletionPurpose =
    "Prints a script that completes commands, flags and names in a shell.\n"
    "\n"
    "Examples:\n"
    "  source <(pagealloc-bench completion bash)\n"
    "  pagealloc-bench completion bash "
    ">~/.local/share/bash-completion/completions/pagealloc-bench\n"
    "  pagealloc-bench completion zsh >~/.zfunc/_pagealloc-bench\n"
    "  pagealloc-bench completion fish >~/.config/fish/completions/pagealloc-bench.fish\n";

enum class Shell { kBash, kZsh, kFish };
constexpr std::array<Choice<Shell>, 3> kShells{
    {{"bash", Shell::kBash}, {"zsh", Shell::kZsh}, {"fish", Shell::kFish}}};

std::string Spaced(const std::vector<std::string>& words) { return absl::StrJoin(words, " "); }

// How bash and zsh offer words. Both scripts go the same way: find the command among the words
// before the cursor, then look at the word before it.
struct Dialect {
  const char* words;  ///< one of them
  const char* list;   ///< behind a comma too
  const char* files;
  const char* nothing;
};
constexpr Dialect kBash{"_pagealloc_bench_words", "_pagealloc_bench_list", "_pagealloc_bench_files",
                        ":"};
constexpr Dialect kZsh{"compadd --", "compset -P '*,'; compadd -S '' --", "_files",
                       "_message value"};

std::string Offer(const Dialect& dialect, const Value& value) {
  switch (value.kind) {
    case ValueKind::kNone:
    case ValueKind::kText:
      return dialect.nothing;
    case ValueKind::kWord:
      return absl::StrCat(dialect.words, " ", Spaced(value.words));
    case ValueKind::kList:
      return absl::StrCat(dialect.list, " ", Spaced(value.words));
    case ValueKind::kFile:
      break;
  }
  return dialect.files;
}

/// The branches of "case COMMAND/WORD" that find the command.
std::string CommandCases(const std::vector<CommandWords>& commands) {
  std::string cases;
  for (const CommandWords& command : commands) {
    for (const std::string& name : command.commands) {
      absl::StrAppend(&cases, "      '", command.path, "/", name, "') command='",
                      command.path.empty() ? name : absl::StrCat(command.path, " ", name),
                      "' ;;\n");
    }
  }
  return cases;
}

/// The branches of "case COMMAND/FLAG" that offer a flag's values.
std::string ValueCases(const std::vector<CommandWords>& commands, const Dialect& dialect) {
  std::string cases;
  for (const CommandWords& command : commands) {
    for (const FlagWords& flag : command.flags) {
      if (flag.value.kind == ValueKind::kNone) continue;
      std::vector<std::string> patterns;
      for (const std::string& name : flag.names) {
        patterns.push_back(absl::StrCat("'", command.path, "/", name, "'"));
      }
      absl::StrAppend(&cases, "    ", absl::StrJoin(patterns, "|"), ") ",
                      Offer(dialect, flag.value), "; return ;;\n");
    }
  }
  return cases;
}

/// The branches of "case COMMAND" that offer flags, or commands and operands.
std::string WordCases(const std::vector<CommandWords>& commands, const Dialect& dialect,
                      bool flags) {
  std::string cases;
  for (const CommandWords& command : commands) {
    Value value = command.operand;
    if (flags) {
      value = {ValueKind::kWord, {}};
      for (const FlagWords& flag : command.flags) {
        value.words.insert(value.words.end(), flag.names.begin(), flag.names.end());
      }
    } else if (!command.commands.empty()) {
      value = {ValueKind::kWord, command.commands};
    }
    absl::StrAppend(&cases, "    '", command.path, "') ", Offer(dialect, value), " ;;\n");
  }
  return cases;
}

/// From "case COMMAND/WORD in", inside a loop over the words before the cursor, to the function's
/// end. `$command`, `$flag` and `$cur` mean the same to both shells.
std::string Cases(const std::vector<CommandWords>& commands, const Dialect& dialect) {
  return absl::StrCat(CommandCases(commands),
                      "    esac\n"
                      "  done\n"
                      "  case $command/$flag in\n",
                      ValueCases(commands, dialect),
                      "  esac\n"
                      "  if [[ $cur == -* ]]; then case $command in\n",
                      WordCases(commands, dialect, true), "  esac; else case $command in\n",
                      WordCases(commands, dialect, false),
                      "  esac; fi\n"
                      "}\n");
}

std::string BashScript(const std::vector<CommandWords>& commands) {
  return absl::StrCat(
      "# Completes pagealloc-bench in bash: source <(pagealloc-bench completion bash)\n"
      "_pagealloc_bench_words() { mapfile -t COMPREPLY < <(compgen -W \"$*\" -- \"$cur\"); }\n"
      "_pagealloc_bench_list() {\n"
      "  local before=\n"
      "  [[ $cur == *,* ]] && before=${cur%,*},\n"
      "  mapfile -t COMPREPLY < <(compgen -P \"$before\" -W \"$*\" -- \"${cur##*,}\")\n"
      "  compopt -o nospace 2>/dev/null\n"
      "}\n"
      "_pagealloc_bench_files() {\n"
      "  mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
      "  compopt -o filenames 2>/dev/null\n"
      "}\n"
      "_pagealloc_bench() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} flag=${COMP_WORDS[COMP_CWORD-1]} command= i\n"
      "  COMPREPLY=()\n"
      "  # --flag=value is three words here.\n"
      "  if [[ $cur == = ]]; then cur=\n"
      "  elif [[ $flag == = ]]; then flag=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    case $command/${COMP_WORDS[i]} in\n",
      Cases(commands, kBash), "complete -F _pagealloc_bench pagealloc-bench\n");
}

std::string ZshScript(const std::vector<CommandWords>& commands) {
  return absl::StrCat(
      "#compdef pagealloc-bench\n"
      "# Completes pagealloc-bench in zsh: put it into a folder of $fpath as _pagealloc-bench.\n"
      "_pagealloc-bench() {\n"
      "  local cur=${words[CURRENT]} flag=${words[CURRENT-1]} command= word\n"
      "  if [[ $cur == --*=* ]]; then flag=${cur%%=*}; compset -P '*='; fi\n"
      "  for word in ${words[2,CURRENT-1]}; do\n"
      "    case $command/$word in\n",
      Cases(commands, kZsh),
      "if [[ $funcstack[1] == _pagealloc-bench ]]; then _pagealloc-bench \"$@\"\n"
      "else compdef _pagealloc-bench pagealloc-bench; fi\n");
}

std::string FishQuoted(std::string_view text) {
  return absl::StrCat("'", absl::StrReplaceAll(std::string(text), {{"\\", "\\\\"}, {"'", "\\'"}}),
                      "'");
}

std::string FishScript(const std::vector<CommandWords>& commands) {
  std::string script =
      "# Completes pagealloc-bench in fish: put it into ~/.config/fish/completions/\n"
      "complete -c pagealloc-bench -f\n";
  const auto line = [&script](const std::string& condition, const std::string& rest) {
    absl::StrAppend(&script, "complete -c pagealloc-bench -n ", FishQuoted(condition), " ", rest,
                    "\n");
  };
  const auto offers = [](const Value& value) {
    switch (value.kind) {
      case ValueKind::kNone:
        return std::string();
      case ValueKind::kText:
        return std::string(" -x");
      case ValueKind::kWord:
      case ValueKind::kList:
        return absl::StrCat(" -x -a ", FishQuoted(Spaced(value.words)));
      case ValueKind::kFile:
        break;
    }
    return std::string(" -r -F");
  };
  for (const CommandWords& command : commands) {
    std::string condition = "__fish_use_subcommand";
    if (!command.path.empty()) {
      condition = absl::StrCat("__fish_seen_subcommand_from ",
                               command.path.substr(command.path.find(' ') + 1));
    }
    if (!command.commands.empty()) {
      line(condition, absl::StrCat("-a ", FishQuoted(Spaced(command.commands))));
    } else if (command.operand.kind == ValueKind::kFile) {
      line(condition, "-F");
    } else if (command.operand.kind == ValueKind::kWord) {
      line(condition, absl::StrCat("-a ", FishQuoted(Spaced(command.operand.words))));
    }
    for (const FlagWords& flag : command.flags) {
      std::string names;
      for (const std::string& name : flag.names) {
        const bool is_long = name.starts_with("--");
        absl::StrAppend(&names, is_long ? " -l " : " -s ", name.substr(is_long ? 2 : 1));
      }
      line(condition,
           absl::StrCat(names.substr(1), offers(flag.value), " -d ", FishQuoted(flag.help)));
    }
  }
  return script;
}

class CompletionCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("completion", kCompletionPurpose);
    app->add_option("SHELL", shell_, "bash, zsh or fish")->required();
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    Resolver resolver;
    Shell shell{};
    resolver.Pick("SHELL", shell_, kShells, shell);
    if (!resolver.status().ok()) return resolver.status();
    const std::vector<CommandWords> commands = WordsOf(*app.get_parent());
    const std::string script = shell == Shell::kBash  ? BashScript(commands)
                               : shell == Shell::kZsh ? ZshScript(commands)
                                                      : FishScript(commands);
    return [script] { return WriteResult(script); };
  }

 private:
  std::string shell_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeCompletionCommand() {
  return std::make_unique<CompletionCommand>();
}

}  // namespace pagealloc::bench
