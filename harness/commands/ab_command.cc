// ab_command.cc: `ab`: two builds, or two sets of flags, in turn.
#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "harness/ab/ab_options.h"
#include "harness/ab/ab_session.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/comparison_flags.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/resolver.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kAbPurpose =
    "Alternates two builds, or two sets of flags, in fresh processes and compares their times.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench ab --base old/pagealloc-bench --new new/pagealloc-bench\n"
    "  pagealloc-bench ab --base old/pagealloc-bench -o ab -- run -w churn,hot -l linux-amd64\n"
    "  pagealloc-bench ab --base-flags '-a radix' --new-flags '-a reference' -- -w hot --ops 1000\n"
    "  pagealloc-bench ab --aa -- replay corpora/golden/gofmt_std.golden.pagetrace.zst\n";

constexpr std::size_t kMostRoundsAllowed = 1000;

/// Words as a shell would split them: spaces separate, quotes hold together.
absl::StatusOr<std::vector<std::string>> Words(std::string_view flag, const std::string& text) {
  std::vector<std::string> words;
  char quote = '\0';
  bool in_word = false;
  for (const char c : text) {
    if (quote != '\0' ? c == quote : c == '\'' || c == '"') {
      quote = quote == '\0' ? c : '\0';
      if (!in_word) words.emplace_back();
      in_word = true;
    } else if (quote == '\0' && (c == ' ' || c == '\t' || c == '\n')) {
      in_word = false;
    } else {
      if (!in_word) words.emplace_back();
      in_word = true;
      words.back() += c;
    }
  }
  if (quote == '\0') return words;
  return UsageError(absl::StrCat(std::string(flag), ": a quote is not closed: ", text));
}

/// What ab decides itself for each call.
absl::Status RefuseOwnFlags(const std::vector<std::string>& words) {
  constexpr std::array<std::string_view, 6> kOwn{"--reps",   "--out",      "--dry-run",
                                                 "--record", "--hist-dir", "--format"};
  for (const std::string& word : words) {
    const std::string_view name = std::string_view(word).substr(0, word.find('='));
    if (name == "--min-time") {
      return UsageError(absl::StrCat("'", word,
                                     "': both sides must do the same operations, and this would "
                                     "choose them for each call. Give --ops."));
    }
    const bool is_out = word.starts_with("-o") && !word.starts_with("--");
    if (!is_out && std::find(kOwn.begin(), kOwn.end(), name) == kOwn.end()) continue;
    return UsageError(absl::StrCat("'", word,
                                   "': ab decides this itself for each call, into files of its "
                                   "own. Leave it out behind --; ab "
                                   "has --rounds, --reps, -o and --format before it."));
  }
  return absl::OkStatus();
}

class AbCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("ab", kAbPurpose);
    const auto text = [app](const char* names, std::string& value, const char* help,
                            const char* group, const char* form) {
      app->add_option(names, value, help)->group(group)->type_name(form);
    };
    text("--base", base_, "the program that is compared with [this one]", "What", "BIN");
    text("--new", new_, "the program that is judged [this one]", "What", "BIN");
    text("--base-flags", base_flags_, "flags of run for the base only", "What", "'FLAGS'");
    text("--new-flags", new_flags_, "flags of run for the new side only", "What", "'FLAGS'");
    app->add_flag("--aa", aa_, "the base against itself: what differs is noise")->group("What");
    app->add_option("RUN", run_,
                    "behind --: run or replay [run], and flags of both sides; --timing batch "
                    "unless given")
        ->group("What");
    app->add_option("--rounds", rounds_, "at most so many rounds, repeats not counted")
        ->group("Repeat")
        ->type_name("N")
        ->capture_default_str();
    app->add_option("--reps", reps_, "repetitions of each side in a round, each a fresh process")
        ->group("Repeat")
        ->type_name("N")
        ->capture_default_str();
    AddComparisonFlags(*app, flags_, "exact,batch_ns");
    text("-o,--out", out_, "write base.csv and new.csv to this folder", "Output", "FOLDER");
    app->add_flag("--force", force_, "replace files that exist")->group("Output");
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    AbOptions options;
    if (absl::Status status = ResolveSides(options); !status.ok()) return status;
    if (absl::Status status = ResolveRun(options); !status.ok()) return status;
    std::set<std::string> gate = ExactMetrics();
    gate.insert("batch_ns");
    absl::StatusOr<ComparisonChoices> choices = ResolveComparisonFlags(flags_, gate);
    if (!choices.ok()) return choices.status();
    options.compare = choices->compare;
    options.gate = choices->gate;
    options.view = choices->view;
    options.view.recorded_apart = false;
    options.filters = choices->filters;
    Resolver resolver;
    std::uint64_t rounds = 0;
    resolver.Number("--rounds", rounds_, 1, rounds, kMostRoundsAllowed);
    std::uint64_t reps = 0;
    resolver.Number("--reps", reps_, 1, reps, kMostRoundsAllowed);
    if (!resolver.status().ok()) return resolver.status();
    options.rounds = rounds;
    options.arguments.insert(options.arguments.end(), {"--reps", std::to_string(reps)});
    options.out = out_;
    options.force = force_;
    options.quiet = flags_.quiet;
    return [options] { return RunAb(options); };
  }

 private:
  absl::Status ResolveSides(AbOptions& options) const {
    if (aa_ && (!new_.empty() || !base_flags_.empty() || !new_flags_.empty())) {
      return UsageError(
          "--aa: both sides are the same. Leave out --new, --base-flags and --new-flags; flags "
          "of both sides stand behind --.");
    }
    if (!aa_ && new_ == base_ && base_flags_ == new_flags_) {
      return UsageError(
          "ab needs two sides that differ: give --base and --new, or --base-flags and --new-flags; "
          "or --aa to see the noise. See pagealloc-bench ab --help.");
    }
    std::error_code error;
    std::string self = std::filesystem::read_symlink("/proc/self/exe", error).string();
    if (error) self = "/proc/self/exe";
    options.base = {"base", base_.empty() ? self : base_};
    options.candidate = {"new", new_.empty() ? self : new_};
    if (aa_) options.candidate.program = options.base.program;
    options.same_on_both_sides = aa_;
    for (auto [flag, words, side] : {std::tuple{"--base-flags", &base_flags_, &options.base},
                                     std::tuple{"--new-flags", &new_flags_, &options.candidate}}) {
      absl::StatusOr<std::vector<std::string>> split = Words(flag, *words);
      if (!split.ok()) return split.status();
      if (absl::Status status = RefuseOwnFlags(*split); !status.ok()) return status;
      side->flags = *std::move(split);
    }
    return absl::OkStatus();
  }

  absl::Status ResolveRun(AbOptions& options) const {
    options.arguments = run_;
    if (run_.empty() || run_.front().starts_with('-')) {
      options.arguments.insert(options.arguments.begin(), "run");
    } else if (run_.front() != "run" && run_.front() != "replay") {
      return UsageError(absl::StrCat("behind -- stands run or replay, not '", run_.front(),
                                     "'. See pagealloc-bench ab --help."));
    }
    if (absl::Status status = RefuseOwnFlags(options.arguments); !status.ok()) return status;
    std::vector<std::string> all = options.arguments;
    for (const AbSide* side : {&options.base, &options.candidate}) {
      all.insert(all.end(), side->flags.begin(), side->flags.end());
    }
    // Nothing else is gated, and it takes half the time.
    const bool has_timing = std::any_of(all.begin(), all.end(), [](const std::string& word) {
      return word.starts_with("--timing") || word.starts_with("--rate");
    });
    if (!has_timing) {
      options.arguments.emplace_back("--timing");
      options.arguments.emplace_back("batch");
    }
    return absl::OkStatus();
  }

  std::string base_, new_, base_flags_, new_flags_, out_;
  std::string rounds_ = std::to_string(kMostRounds);
  std::string reps_ = "12";
  std::vector<std::string> run_;
  bool aa_ = false;
  bool force_ = false;
  ComparisonFlags flags_;
};

}  // namespace

std::unique_ptr<CliCommand> MakeAbCommand() { return std::make_unique<AbCommand>(); }

}  // namespace pagealloc::bench
