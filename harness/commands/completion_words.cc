#include "harness/commands/completion_words.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "harness/commands/measure_choices.h"
#include "harness/commands/resolver.h"
#include "harness/compare/decision.h"
#include "harness/compare/row_selection.h"
#include "harness/report/run_report.h"
#include "harness/run/allocators.h"
#include "harness/run/with_layout.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

template <class Choices>
std::vector<std::string> NamesOf(const Choices& choices) {
  std::vector<std::string> names;
  names.reserve(choices.size());
  for (const auto& choice : choices) names.emplace_back(choice.first);
  return names;
}

std::vector<std::string> WorkloadNames() {
  std::vector<std::string> names{"@quick", "@full"};
  for (const WorkloadInfo& workload : Workloads()) names.emplace_back(workload.name);
  return names;
}

std::vector<std::string> AllocatorNames() {
  std::vector<std::string> names;
  for (const AllocatorInfo& allocator : AllAllocators()) names.emplace_back(allocator.name);
  return names;
}

std::vector<std::string> Texts(const auto& views) { return {views.begin(), views.end()}; }

std::vector<std::string> GateWords() {
  std::vector<std::string> names{"exact", "none"};
  for (const MetricInfo& metric : AllMetrics()) {
    if (metric.better != "info") names.emplace_back(metric.name);
  }
  return names;
}

std::vector<std::string> VerdictNames() {
  std::vector<std::string> names{"none"};
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    const auto verdict = static_cast<Verdict>(i);
    if (verdict != Verdict::kSame) names.emplace_back(VerdictName(verdict));
  }
  return names;
}

/// The words of a flag, which mean the same for every command but for --format.
Value WordsFor(std::string_view flag, std::string_view command) {
  if (flag == "workload" && command == "map") return {ValueKind::kWord, WorkloadNames()};
  if (flag == "workload" || flag == "exclude") return {ValueKind::kList, WorkloadNames()};
  if (flag == "allocator") return {ValueKind::kList, AllocatorNames()};
  if (flag == "layout") return {ValueKind::kList, Texts(LayoutNames())};
  if (flag == "memory") return {ValueKind::kWord, NamesOf(kMemory)};
  if (flag == "cache") return {ValueKind::kWord, NamesOf(kCache)};
  if (flag == "place") return {ValueKind::kWord, NamesOf(kPlace)};
  if (flag == "isolate") return {ValueKind::kWord, NamesOf(kIsolate)};
  if (flag == "interleave") return {ValueKind::kWord, NamesOf(kInterleave)};
  if (flag == "timing") return {ValueKind::kWord, NamesOf(kTiming)};
  if (flag == "arrival") return {ValueKind::kWord, NamesOf(kArrival)};
  if (flag == "thp") return {ValueKind::kWord, NamesOf(kThp)};
  if (flag == "progress") return {ValueKind::kWord, NamesOf(kProgress)};
  if (flag == "color") return {ValueKind::kWord, NamesOf(kColor)};
  if (flag == "format" && command == "map") return {ValueKind::kWord, {"text", "svg"}};
  if (flag == "format") {
    constexpr std::array<std::string_view, 6> kOfRows{"run",     "replay", "count",
                                                      "compare", "ab",     "micro"};
    const bool of_rows = std::find(kOfRows.begin(), kOfRows.end(), command) != kOfRows.end();
    return {ValueKind::kWord, of_rows ? NamesOf(kFormat) : NamesOf(kTableOrJson)};
  }
  if (flag == "by") return {ValueKind::kWord, Texts(SplitColumns())};
  if (flag == "gate") return {ValueKind::kList, GateWords()};
  if (flag == "fail-on") return {ValueKind::kList, VerdictNames()};
  if (flag == "from") return {ValueKind::kWord, {"auto", "csv", "pagetrace"}};
  if (flag == "cpu") return {ValueKind::kWord, {"auto", "none"}};
  if (flag == "seed") return {ValueKind::kWord, {"random"}};
  if (flag == "batch") return {ValueKind::kWord, {"auto"}};
  return {};
}

Value ValueOf(const CLI::Option& option, const CLI::App& command) {
  if (option.get_expected_max() == 0) return {};
  const std::string name =
      option.get_lnames().empty() ? option.get_name() : option.get_lnames().front();
  Value value = WordsFor(name, command.get_name());
  if (value.kind != ValueKind::kNone) return value;
  const std::string form = option.get_type_name();
  const bool is_file = form == "FILE" || form == "FOLDER" || form == "BIN";
  return {is_file ? ValueKind::kFile : ValueKind::kText, {}};
}

/// Operands are files, but for a few that help texts name otherwise.
Value OperandOf(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_lnames().empty() || !option->get_snames().empty()) continue;
    const std::string name = option->get_name();
    if (name == "WHAT") {
      return {ValueKind::kWord, {"workloads", "allocators", "layouts", "metrics"}};
    }
    if (name == "SHELL") return {ValueKind::kWord, {"bash", "zsh", "fish"}};
    if (name == "WORKLOAD") return {ValueKind::kWord, WorkloadNames()};
    return {ValueKind::kFile, {}};
  }
  return {};
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

void Add(const CLI::App& app, const std::string& path, std::vector<CommandWords>& commands) {
  CommandWords command;
  command.path = path;
  command.help = FirstLine(app.get_description());
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;  // not for users
    FlagWords flag;
    for (const std::string& name : option->get_snames()) flag.names.push_back("-" + name);
    for (const std::string& name : option->get_lnames()) flag.names.push_back("--" + name);
    if (flag.names.empty()) continue;
    flag.value = ValueOf(*option, app);
    flag.help = FirstLine(option->get_description());
    command.flags.push_back(std::move(flag));
  }
  command.operand = OperandOf(app);
  const auto subcommands = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* sub : subcommands) command.commands.push_back(sub->get_name());
  commands.push_back(std::move(command));
  for (const CLI::App* sub : subcommands) {
    Add(*sub, path.empty() ? sub->get_name() : absl::StrCat(path, " ", sub->get_name()), commands);
  }
}

}  // namespace

std::vector<CommandWords> WordsOf(const CLI::App& program) {
  std::vector<CommandWords> commands;
  Add(program, "", commands);
  return commands;
}

}  // namespace pagealloc::bench
