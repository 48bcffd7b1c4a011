// What holds for every command of the real program: good words, bad words, none; a full disk, a
// reader that goes away, Ctrl-C. And each exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::UnorderedElementsAreArray;

using Words = std::vector<std::string>;

struct Command {
  const char* name;
  Words good;            ///< words with which it prints a result at once
  int without_words;     ///< exit status
  Words waits = {};      ///< words with which it takes a while, or waits for standard input
  const char* out = "";  ///< a file that -o may name; empty: it has no -o, or other tests try it
};
void PrintTo(const Command& command, std::ostream* out) { *out << command.name; }

// `run` without words is a run of all workloads; cli_files_test has one that is interrupted.
const std::vector<Command>& Commands() {
  static const std::vector<Command> kCommands{
      {"run", {"-w", "hot", "--smoke", "--timing", "none", "-q"}, 0, {}, "r.csv"},
      {"replay", {"t.pagetrace", "--timing", "none", "-q"}, 2, {"-"}, "r.csv"},
      {"compare", {"a.csv", "a.csv", "-q"}, 2, {"a.csv", "-"}, "c.txt"},
      {"list", {"layouts"}, 2},
      {"trace validate", {"t.pagetrace"}, 2, {"-"}},
      {"trace inspect", {"t.pagetrace"}, 2, {"-"}},
      {"trace convert", {"t.pagetrace"}, 2, {"-"}, "t.csv"},
      {"trace generate",
       {"hot", "--ops", "20"},
       2,
       {"churn", "--ops", "5000000", "-o", "g.pagetrace.zst"},
       "g.pagetrace"},
      {"trace minimize", {"wrong.pagetrace", "-q"}, 2, {"-"}, "m.pagetrace"},
      {"map", {"t.pagetrace"}, 2, {"-"}, "m.svg"},
      {"report", {"a.csv"}, 2, {"-"}, "p.html"},
      {"doctor", {}, 0, {"--cpu", "none"}},
      {"completion", {"bash"}, 2},
  };
  return kCommands;
}
// These take longer, and have tests of their own for all of it.
constexpr const char* kOthers[] = {"ab", "count", "micro", "trace record"};  // NOLINT(*-c-arrays)

class CliCommand : public ProgramTest, public ::testing::WithParamInterface<Command> {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    WriteFile("t.pagetrace", kSmallTrace);
    WriteFile("wrong.pagetrace", "pagetrace 1\na 1 1 = 1\n");
    const Words& good = GetParam().good;
    if (std::find(good.begin(), good.end(), "a.csv") != good.end()) {
      const Words words{"run", "-w", "hot", "--smoke", "--timing", "none", "-q", "-o", "a.csv"};
      ASSERT_EQ(Bench(words).exit_status, 0);
    }
    before_ = Files();
  }
  /// The command with these words.
  static Words With(Words words) {
    Words all;
    std::istringstream name(GetParam().name);
    for (std::string word; name >> word;) all.push_back(word);
    all.insert(all.end(), words.begin(), words.end());
    return all;
  }
  std::vector<std::string> before_;
};

TEST_P(CliCommand, PrintsItsResultForGoodWords) {
  const Ended ended = Bench(With(GetParam().good));
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.out, Not(IsEmpty()));
  EXPECT_EQ(ended.err, "");
  EXPECT_EQ(Files(), before_);
}

TEST_P(CliCommand, RefusesWordsThatItDoesNotKnow) {
  for (const Words& bad : {Words{"--nonsense"}, Words{"-Z", "3"}, Words{"a\n", "--=x"}}) {
    const Ended ended = Bench(With(bad));
    EXPECT_EQ(ended.exit_status, 2) << bad[0];
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err,
                HasSubstr(std::string("pagealloc-bench ") + GetParam().name + " --help"));
  }
}

TEST_P(CliCommand, WithoutWordsItSaysWhatIsMissing) {
  if (GetParam().name == std::string("run")) GTEST_SKIP() << "which then measures all workloads";
  const Ended ended = Bench(With({}));
  EXPECT_EQ(ended.exit_status, GetParam().without_words);
  EXPECT_EQ(ended.out.empty(), ended.exit_status == 2);
  EXPECT_EQ(ended.err.empty(), ended.exit_status == 0);
}

TEST_P(CliCommand, HelpBeginsWithALineOfPurpose) {
  const Ended ended = Bench(With({"--help"}));
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_GT(ended.out.find('\n'), 30U);
  EXPECT_THAT(ended.out, HasSubstr(std::string("Usage: pagealloc-bench ") + GetParam().name));
}

TEST_P(CliCommand, AReaderThatGoesAwayIsNoError) {
  CallOptions closed;
  closed.stdout_closed_at_once = true;
  const Ended ended = Bench(With(GetParam().good), closed);
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_EQ(ended.err, "");
}

TEST_P(CliCommand, AFullDiskIsAFileErrorAndLeavesNothing) {
  CallOptions full;
  full.stdout_path = "/dev/full";
  const Ended ended = Bench(With(GetParam().good), full);
  EXPECT_EQ(ended.exit_status, 4);
  EXPECT_THAT(ended.err, HasSubstr("cannot write to standard output"));
  const std::string out = GetParam().out;
  if (out.empty()) return;
  CallOptions limited;
  limited.file_size_limit = 8;
  Words words = GetParam().good;
  words.insert(words.end(), {"-o", out});
  const Ended cut = Bench(With(words), limited);
  EXPECT_EQ(cut.exit_status, 4);
  EXPECT_THAT(cut.err, HasSubstr("File too large"));
  EXPECT_EQ(Files(), before_);
}

TEST_P(CliCommand, CtrlCEndsItAndLeavesNothing) {
  if (GetParam().waits.empty()) GTEST_SKIP() << "it takes a moment only, or has a test of its own";
  CallOptions options;
  options.stdin_stays_open = true;
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("t.pagetrace");  // at once
  const Ended ended = Bench(With(GetParam().waits), options);
  // 1002: nothing had to be kept, so the signal ended it; a shell says 130, too.
  EXPECT_THAT(ended.exit_status, AnyOf(130, 1000 + SIGINT));
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(Files(), before_);
}

INSTANTIATE_TEST_SUITE_P(All, CliCommand, ::testing::ValuesIn(Commands()), [](const auto& test) {
  std::string name = test.param.name;
  std::replace(name.begin(), name.end(), ' ', '_');
  return name;
});

class CliCommands : public ProgramTest {};

/// The names behind "name a command: ", of which there is no other list.
Words NamesIn(const std::string& message, const std::string& group) {
  Words names;
  const std::string lead = "name a command: ";
  std::istringstream list(message.substr(message.find(lead) + lead.size()));
  for (std::string name; std::getline(list, name, ',');) {
    name = name.substr(0, name.find(';'));
    name.erase(0, name.find_first_not_of(' '));
    names.push_back(group + name);
  }
  return names;
}

// A new command must be tried here, or say that it has tests of its own.
TEST_F(CliCommands, AllOfThemAreTried) {
  Words there = NamesIn(Bench({}).err, "");
  EXPECT_EQ(std::erase(there, "trace"), 1U);
  for (const std::string& name : NamesIn(Bench({"trace"}).err, "trace ")) there.push_back(name);
  Words tried(std::begin(kOthers), std::end(kOthers));
  if (std::find(there.begin(), there.end(), "micro") == there.end()) std::erase(tried, "micro");
  for (const Command& command : Commands()) tried.emplace_back(command.name);
  EXPECT_THAT(there, UnorderedElementsAreArray(tried));
}

struct Status {
  Words words;
  int exit_status;
  const char* says;
  int signal_number = 0;
  bool to_child = false;
};

TEST_F(CliCommands, EveryExitStatusMeansWhatIsDocumented) {
  WriteFile("t.pagetrace", kSmallTrace);
  WriteFile("wrong.pagetrace", "pagetrace 1\na 1 1 = 1\n");
  WriteFile("bad.pagetrace", "pagetrace 1\nf 1\n");
  WriteFile("unknown.toml", "reps = 1\nlayuot = 'linux-386'\n");
  const Words run{"run", "-w", "hot", "-l", "linux-386", "--smoke", "--timing", "none", "-q", "-o"};
  for (const char* out : {"a.csv", "b.csv"}) {
    Words words = run;
    words.emplace_back(out);
    ASSERT_EQ(Bench(words).exit_status, 0);
  }
  const std::string csv = ReadFile("b.csv");
  const std::string header = csv.substr(0, csv.find('\n') + 1);
  const auto changed = [&csv](const std::string& from, const std::string& to) {
    std::string text = csv;
    for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
      text.replace(at, from.size(), to);
    }
    return text;
  };
  WriteFile("less.csv", csv.substr(0, csv.find('\n', header.size()) + 1));
  WriteFile("schema.csv", changed("\n1,", "\n2,"));
  WriteFile("left.csv.partial", csv);
  WriteFile("other.csv", changed(",hot,", ",cold,"));
  WriteFile("places.csv", changed(Only(RowsOf(csv), "result_hash"), "0123456789abcdef"));
  const auto long_run = [](const std::string& out) {
    return Words{"run",      "-w",    "churn", "--heap",    "16MiB", "--reps", "100000",
                 "--timing", "batch", "-l",    "linux-386", "-o",    out};
  };
  for (const Status& status : std::vector<Status>{
           {{"replay", "t.pagetrace", "--timing", "none"}, 0, ""},
           {{"compare", "a.csv", "b.csv"}, 0, ""},
           {{"replay", "wrong.pagetrace"}, 1, "wrong.pagetrace:2: a 1 1 = 1: expected"},
           {{"compare", "a.csv", "less.csv"}, 1, "missing of the gated rows"},
           {{"replay", "bad.pagetrace"}, 2, "bad.pagetrace:2: f 1: the ID is not in use"},
           {{"run", "--config", "unknown.toml"}, 2, "unknown.toml:2: unknown key 'layuot'"},
           {{"run", "-a", "radiks"}, 2, "The nearest is 'radix'"},
           {{"compare", "a.csv", "absent.csv"}, 3, "absent.csv"},
           {{"compare", "a.csv", "schema.csv"}, 3, "schema 2"},
           {{"compare", "a.csv", "left.csv.partial"}, 3, "--allow-partial"},
           {{"compare", "a.csv", "other.csv"}, 3, "no row of one"},
           {{"compare", "a.csv", "places.csv"}, 3, "--allow-behaviour-change"},
           {{"replay", "absent.pagetrace"}, 4, "absent.pagetrace: No such file"},
           {{"replay", "t.pagetrace", "-o", "a.csv"}, 4, "--force"},
           {{"run", "-w", "hot", "--ops", "999999999999999"}, 5, "memory"},
           {long_run("kill.csv"), 70, "Please report it", SIGKILL, true},
           {long_run("int.csv"), 130, "repetitions; they are saved in int.csv.partial", SIGINT},
           {long_run("term.csv"), 143, "repetitions; they are saved in term.csv.partial", SIGTERM},
       }) {
    CallOptions options;
    if (status.signal_number != 0) {
      options.interrupt_when_file = Path(status.words.back() + ".partial");
    }
    options.interrupt_signal = status.signal_number;
    options.signal_its_child = status.to_child;
    const Ended ended = Bench(status.words, options);
    EXPECT_EQ(ended.exit_status, status.exit_status) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(status.says));
    if (status.exit_status == 2 || status.exit_status > 3) {
      EXPECT_EQ(ended.out, "");
    }
  }
}

}  // namespace
}  // namespace pagealloc::bench
