// --config and --print-config: flags from a file, through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

class CliConfig : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    WriteFile("small.pagetrace", kSmallTrace);
  }
  [[nodiscard]] Ended Print(Words words) const {
    words.emplace_back("--print-config");
    return Bench(words);
  }
};

TEST_F(CliConfig, AFileSaysWhatFlagsSay) {
  WriteFile("nightly.toml",
            "# every kind of value\n"
            "workload = ['hot', 'large']\n"
            "layout = \"linux-386\"\n"
            "reps = 1\n"
            "warmup = 0\n"
            "percentiles = [50, 99.5]\n"
            "smoke = true\n"
            "verify = false\n"
            "param = ['occupancy=50,90']\n");
  const Ended from_file = Bench({"run", "--config", "nightly.toml", "--dry-run", "-w", "churn"});
  const Ended from_flags =
      Bench({"run", "-w", "churn", "-l", "linux-386", "--reps", "1", "--warmup", "0", "--smoke",
             "--no-verify", "-p", "occupancy=50,90", "--percentiles", "50,99.5", "--dry-run"});
  EXPECT_EQ(from_file.exit_status, 0) << from_file.err;
  EXPECT_EQ(from_file.out, from_flags.out);
  WriteFile("plain.toml", "workload = ['hot', 'large']\nlayout = 'linux-386'\nsmoke = true\n");
  const Ended two = Bench({"run", "--config", "plain.toml", "--dry-run"});
  EXPECT_THAT(two.out, HasSubstr("hot occupancy=50 | radix | linux-386"));
  EXPECT_THAT(two.out, HasSubstr("large "));
}

TEST_F(CliConfig, TheCommandLineWins) {
  WriteFile("c.toml",
            "reps = 7\nlayout = 'linux-386'\nprefault = true\ntrace = ['no.pagetrace']\n");
  const Ended ended = Bench({"replay", "--config", "c.toml", "small.pagetrace", "--reps", "3",
                             "--prefault=false", "--dry-run", "--warmup", "0"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("1 cells, each checked once and timed 3 times"));
}

TEST_F(CliConfig, TracesMayStandInTheFileOnly) {
  WriteFile("c.toml", "trace = 'small.pagetrace'\nlayout = ['linux-386']\ntiming = 'none'\n");
  const Ended ended = Bench({"replay", "--config", "c.toml"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("linux-386"));
}

struct FlagSet {
  const char* name;
  Words words;
};

// What is printed says the same to the program, to the byte, and so does what would run.
TEST_F(CliConfig, WhatIsPrintedGivesTheSameWhenItIsRead) {
  const std::vector<FlagSet> sets{
      {"defaults", {"run"}},
      {"lists",
       {"run", "-w", "hot,large", "-w", "churn", "--exclude", "h*", "-p", "occupancy=50,90", "-p",
        "sizes=1", "-l", "linux-386,wasm-1.26", "-a", "radix,reference"}},
      {"smoke", {"run", "--smoke", "-w", "hot"}},
      {"threads", {"run", "-w", "hot", "--smoke", "-a", "heap", "--threads", "2"}},
      {"rate", {"run", "-w", "hot", "--smoke", "--rate", "1000", "--arrival", "poisson"}},
      {"seed", {"run", "-w", "hot", "--seed", "random", "--smoke"}},
      {"flags",
       {"run", "-w", "hot", "--smoke", "--no-verify", "-q", "--prefault=true", "--force", "--cpu",
        "none", "--heap", "1GiB", "--percentiles", "50,99.99"}},
      {"switches", {"run", "-w", "hot", "--smoke", "--prefault=1", "--verify=off", "--force=yes"}},
      {"texts", {"replay", "small.pagetrace", "--label", "a \"b\" \\ #c \t'd' \x7f \u00e9"}},
      {"empty label", {"replay", "small.pagetrace", "--label", ""}},
      {"number as label", {"replay", "small.pagetrace", "--label", "007", "--reps", "007"}},
  };
  for (const FlagSet& set : sets) {
    SCOPED_TRACE(set.name);
    const Words& words = set.words;
    const Ended printed = Print(words);
    ASSERT_EQ(printed.exit_status, 0) << printed.err;
    EXPECT_THAT(printed.out, StartsWith("# pagealloc-bench " + words[0] + " --config FILE\n"));
    WriteFile("printed.toml", printed.out);
    const Ended again = Print({words[0], "--config", "printed.toml"});
    EXPECT_EQ(again.out, printed.out) << again.err;
    if (words[0] == "run" && words.size() == 1) continue;
    if (std::string(set.name) == "seed") continue;  // of which each call makes another
    Words plan = words;
    plan.emplace_back("--dry-run");
    EXPECT_EQ(Bench({words[0], "--config", "printed.toml", "--dry-run"}).out, Bench(plan).out);
  }
}

TEST_F(CliConfig, ARandomSeedIsPrintedAsTheOneThatWasUsed) {
  const Ended printed = Print({"run", "-w", "hot", "--seed", "random"});
  EXPECT_THAT(printed.out, ::testing::ContainsRegex("\nseed = [0-9]+\n"));
}

TEST_F(CliConfig, WhatIsWrongIsNamedWithItsLine) {
  struct Case {
    const char* text;
    const char* message;
  };
  const std::vector<Case> cases{
      {"reps = 1\nlayuot = 'linux-386'\n",
       "c.toml:2: unknown key 'layuot'. The nearest is 'layout'"},
      {"\n\nhelp = true\n", "c.toml:3: unknown key 'help'"},
      {"config = 'd.toml'\n", "c.toml:1: unknown key 'config'"},
      {"[run]\nreps = 1\n", "c.toml:1: unknown key 'run'"},
      {"zzz = 1\nabc = 2\n", "c.toml:1: unknown key 'zzz'"},
      {"reps = 1\nreps = 2\n", "c.toml:2: "},
      {"reps = \n", "c.toml:1: "},
      {"reps = 0\n", "c.toml:1: --reps: 0 is too small"},
      {"\nthp = 'nevr'\n", "c.toml:2: --thp: unknown value 'nevr'. The nearest is 'never'"},
      {"reps = 1979-05-27\n", "c.toml:1: reps is a text, a number (not inf or nan) or a list"},
      {"reps = 1\npercentiles = [50, nan]\n", "c.toml:2: percentiles is a text, a number (not"},
      {"layout = [['linux-386']]\n", "c.toml:1: layout is a text"},
      {"verify = 'no'\n", "c.toml:1: verify is either true or false"},
      {"heap = ''\n", "c.toml:1: --heap: the value is empty"},
      {"label = '\xff'\n", "c.toml:1: "},
      {"smoke = 1\n", "c.toml:1: smoke is either true or false"},
  };
  for (const Case& bad : cases) {
    WriteFile("c.toml", bad.text);
    const Ended ended = Bench({"run", "-w", "hot", "--config", "c.toml", "--dry-run"});
    EXPECT_EQ(ended.exit_status, 2) << bad.text;
    EXPECT_THAT(ended.err, StartsWith(bad.message));
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(CliConfig, AFileThatCannotBeReadIsAFileError) {
  const Ended missing = Bench({"run", "--config", "no.toml"});
  EXPECT_EQ(missing.exit_status, 4);
  EXPECT_THAT(missing.err, StartsWith("cannot read no.toml: No such file"));
  EXPECT_EQ(Bench({"run", "--config", "."}).exit_status, 4);
  EXPECT_EQ(Bench({"run", "--config", "/dev/zero"}).exit_status, 4);
  EXPECT_EQ(Bench({"run", "--config", ""}).exit_status, 2);
}

TEST_F(CliConfig, AMissingTraceIsStillMissedWithAFile) {
  WriteFile("c.toml", "reps = 1\n");
  const Ended ended = Bench({"replay", "--config", "c.toml"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("TRACE is required"));
  EXPECT_EQ(Bench({"replay", "--config", "c.toml", "--rpes", "1"}).exit_status, 2);
}

TEST_F(CliConfig, PrintingKeepsToTheRulesOfStandardOutput) {
  CallOptions closed;
  closed.stdout_closed_at_once = true;
  EXPECT_EQ(Bench({"run", "--print-config"}, closed).exit_status, 0);
  CallOptions full;
  full.stdout_path = "/dev/full";
  EXPECT_EQ(Bench({"run", "--print-config"}, full).exit_status, 4);
  const Ended bytes = Print({"replay", "\xff.pagetrace"});
  EXPECT_EQ(bytes.exit_status, 2);
  EXPECT_THAT(bytes.err, HasSubstr("--print-config: the value of trace is not UTF-8"));
}

}  // namespace
}  // namespace pagealloc::bench
