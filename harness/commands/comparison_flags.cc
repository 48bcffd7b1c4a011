#include "harness/commands/comparison_flags.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/base/nearest_name.h"
#include "harness/commands/resolver.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr std::array<Choice<Format>, 4> kFormat{{{"table", Format::kTable},
                                                 {"markdown", Format::kMarkdown},
                                                 {"csv", Format::kCsv},
                                                 {"json", Format::kJson}}};

std::vector<std::string_view> MetricNames() {
  std::vector<std::string_view> names;
  for (const MetricInfo& metric : AllMetrics()) {
    if (metric.better != "info") names.push_back(metric.name);
  }
  return names;
}

/// "METRIC=PERCENT", with or without a % sign.
absl::Status AddThreshold(const std::string& word, CompareOptions& options) {
  const auto refuse = [](const std::string& why) {
    return UsageError(absl::StrCat("--threshold: ", why));
  };
  const std::size_t equals = word.find('=');
  if (equals == std::string::npos) {
    return refuse(absl::StrCat("'", word, "' is not of the form METRIC=PERCENT."));
  }
  const std::string metric = word.substr(0, equals);
  const std::vector<std::string_view> names = MetricNames();
  if (std::find(names.begin(), names.end(), metric) == names.end()) {
    return refuse(UnknownName("metric", names, metric, "see pagealloc-bench list metrics"));
  }
  std::string number = word.substr(equals + 1);
  if (number.ends_with('%')) number.pop_back();
  double percent = 0;
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, percent);
  if (error != std::errc{} || stop != end || !std::isfinite(percent) || percent < 0) {
    return refuse(absl::StrCat("'", number, "' is no percentage: a number from 0 upwards."));
  }
  options.thresholds[metric] = percent;
  return absl::OkStatus();
}

absl::StatusOr<std::set<Verdict>> Verdicts(const std::vector<std::string>& words) {
  std::set<Verdict> verdicts;
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < kVerdicts; ++i) {
    if (static_cast<Verdict>(i) != Verdict::kSame) {
      names.push_back(VerdictName(static_cast<Verdict>(i)));
    }
  }
  for (const std::string& word : words) {
    const auto name = std::find(names.begin(), names.end(), word);
    if (name != names.end()) {
      for (std::size_t i = 0; i < kVerdicts; ++i) {
        if (VerdictName(static_cast<Verdict>(i)) == *name) verdicts.insert(static_cast<Verdict>(i));
      }
    } else if (word != "none" || words.size() > 1) {
      return UsageError(absl::StrCat(
          "--fail-on: ",
          UnknownName(
              "verdict", names, word,
              absl::StrCat(
                  "it is none, or some of ",
                  absl::StrJoin(std::vector<std::string>(names.begin(), names.end()), ", ")))));
    }
  }
  return verdicts;
}

absl::StatusOr<std::set<std::string>> GatedMetrics(const std::vector<std::string>& words,
                                                   const std::set<std::string>& otherwise) {
  if (words.empty()) return otherwise;
  if (words == std::vector<std::string>{"none"}) return std::set<std::string>{};
  const std::vector<std::string_view> names = MetricNames();
  std::set<std::string> metrics;
  for (const std::string& word : words) {
    if (word == "exact") {
      metrics.merge(ExactMetrics());
    } else if (std::find(names.begin(), names.end(), word) != names.end()) {
      metrics.insert(word);
    } else {
      return UsageError(absl::StrCat(
          "--gate: ", UnknownName("metric", names, word,
                                  "it is none, exact, or of pagealloc-bench list metrics")));
    }
  }
  return metrics;
}

}  // namespace

void AddComparisonFlags(CLI::App& app, ComparisonFlags& flags, const std::string& default_gate) {
  const auto list = [&app](const char* names, std::vector<std::string>& value, const char* help,
                           const char* group, const char* form) {
    return app.add_option(names, value, help)
        ->group(group)
        ->type_name(form)
        ->allow_extra_args(false)
        ->take_all();
  };
  list("--filter", flags.filters, "keep rows whose columns match: 'workload=churn,h*;op=all'",
       "What", "K=V,...;...");
  list("--threshold", flags.thresholds,
       "a change beyond this share counts [batch_ns=2, instructions=1, metadata_bytes=1, work "
       "counters 0, others 10]",
       "Judge", "METRIC=PERCENT")
      ->delimiter(',');
  list("--gate", flags.gate, "metrics that may fail the build, exact for all exact ones, or none",
       "Judge", "METRIC,...")
      ->delimiter(',')
      ->default_str(default_gate);
  list("--fail-on", flags.fail_on, "verdicts that fail it, or none", "Judge", "VERDICT,...")
      ->delimiter(',')
      ->default_str(absl::StrJoin(flags.fail_on, ","));
  app.add_flag("--allow-behaviour-change", flags.allow_behaviour_change,
               "compare although pages are placed differently")
      ->group("Judge");
  app.add_option("--format", flags.format, "table, markdown, csv or json")
      ->group("Output")
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_flag("--all-rows", flags.all_rows,
               "in a table also rows that are the same, or unclear and not gated")
      ->group("Output");
  app.add_flag("-q,--quiet", flags.quiet, "only errors on stderr")->group("Output");
}

absl::StatusOr<ComparisonChoices> ResolveComparisonFlags(
    const ComparisonFlags& flags, const std::set<std::string>& default_gate) {
  ComparisonChoices choices;
  for (const std::string& word : flags.thresholds) {
    if (absl::Status status = AddThreshold(word, choices.compare); !status.ok()) return status;
  }
  absl::StatusOr<std::set<std::string>> gate = GatedMetrics(flags.gate, default_gate);
  if (!gate.ok()) return gate.status();
  choices.compare.gate = *std::move(gate);
  absl::StatusOr<std::set<Verdict>> fail_on = Verdicts(flags.fail_on);
  if (!fail_on.ok()) return fail_on.status();
  choices.gate.fail_on = *std::move(fail_on);
  choices.gate.allow_behaviour_change = flags.allow_behaviour_change;
  Resolver resolver;
  resolver.Pick("--format", flags.format, kFormat, choices.view.format);
  if (!resolver.status().ok()) return resolver.status();
  choices.view.all_rows = flags.all_rows;
  choices.view.color = MayColor(STDOUT_FILENO);
  for (const std::string& text : flags.filters) {
    OrProblem<RowFilter> filter = RowFilter::Parse(text);
    if (!filter.ok()) return UsageError(absl::StrCat("--filter: ", filter.error().sentence));
    choices.filters.push_back(std::move(filter).value());
  }
  return choices;
}

}  // namespace pagealloc::bench
