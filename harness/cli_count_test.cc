// `count` through the real program: the same number on every run, and what may go wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliCount : public ProgramTest {
 protected:
  /// The aggregate rows' values of a metric, by workload and layout.
  static std::map<std::string, std::string> Counted(const std::string& csv,
                                                    const std::string& metric) {
    std::map<std::string, std::string> values;
    for (const auto& row : RowsOf(csv)) {
      if (row.at("metric") != metric || !row.at("rep").empty()) continue;
      values[row.at("workload") + " " + row.at("layout")] = row.at("value");
    }
    return values;
  }
};

const Words kSmall{"count",           "-w",       "hot", "--ops", "500", "--heap", "16MiB", "-t",
                   "small.pagetrace", "--format", "csv"};

TEST_F(CliCount, TheNumberIsTheSameToTheLastDigitOnEveryRun) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended first = Bench(kSmall);
  ASSERT_EQ(first.exit_status, 0) << first.err;
  // Another environment, and with it another place of the stack.
  ASSERT_EQ(setenv("PAGEALLOC_TEST_FILLER", std::string(4321, 'x').c_str(), 1), 0);
  const Ended second = Bench(kSmall);
  ASSERT_EQ(unsetenv("PAGEALLOC_TEST_FILLER"), 0);
  const auto values = Counted(first.out, "instructions");
  EXPECT_EQ(values.size(), 4U);
  EXPECT_EQ(values, Counted(second.out, "instructions"));
  const auto missed = Counted(first.out, "branches_missed");
  EXPECT_EQ(missed.size(), 4U);
  EXPECT_EQ(missed, Counted(second.out, "branches_missed"));
  for (const auto& [cell, value] : values) {
    // Two dozen at least for a page that comes and goes, and no operation costs thousands.
    EXPECT_GT(std::stod(value), 20) << cell;
    EXPECT_LT(std::stod(value), 3000) << cell;
  }
  const Rows rows = RowsOf(first.out);
  EXPECT_EQ(Only(rows, "suite"), "count");
  for (const auto& row : rows) {
    if (row.at("metric") == "branches_missed") {
      EXPECT_EQ(row.at("unit") + row.at("better") + row.at("stat"), "count/opinfovalue");
    }
    if (row.at("metric") != "instructions") continue;
    EXPECT_EQ(row.at("unit") + row.at("better") + row.at("stat"), "count/opexactvalue");
    EXPECT_EQ(row.at("n"), row.at("workload") == "hot" ? "500" : "6");
  }
}

// One page that comes and goes takes the same way each time; sizes drawn by lot do not.
TEST_F(CliCount, BranchesThatNobodyCanPredictAreMissed) {
  const Ended ended = Bench({"count", "-w", "hot,churn", "--ops", "2000", "--heap", "16MiB", "-l",
                             "linux-amd64", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const auto missed = Counted(ended.out, "branches_missed");
  EXPECT_LT(std::stod(missed.at("hot linux-amd64")), 0.3);
  EXPECT_GT(std::stod(missed.at("churn linux-amd64")), 0.5);
  EXPECT_LT(std::stod(missed.at("churn linux-amd64")), 20);
}

TEST_F(CliCount, TableAndFilesSayWhatWasCountedAndHow) {
  const Ended ended = Bench({"count", "-w", "hot", "--ops", "100", "--heap", "16MiB", "-l",
                             "linux-386", "-o", "out.csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out,
              AllOf(HasSubstr("instr/op"), HasSubstr("missed/op"), Not(HasSubstr("ns/op"))));
  EXPECT_THAT(ended.err, AllOf(HasSubstr("counted: valgrind-"), HasSubstr("instructions/op"),
                               HasSubstr("branches missed/op")));
  EXPECT_THAT(Files(), ElementsAre("out.csv", "out.env.json"));
  const nlohmann::json environment =
      nlohmann::json::parse(ReadFile("out.env.json"), nullptr, false);
  EXPECT_THAT(environment["config"]["counted"].get<std::string>(), StartsWith("valgrind-"));
  EXPECT_EQ(environment["config"]["ops"], "100");
}

TEST_F(CliCount, WithoutValgrindThePackageIsNamedAndNothingIsLeft) {
  const std::string path = std::getenv("PATH");
  ASSERT_EQ(setenv("PATH", folder_.c_str(), 1), 0);
  const Ended ended = Bench({"count", "-w", "hot", "--smoke", "-o", "out.csv"});
  ASSERT_EQ(setenv("PATH", path.c_str(), 1), 0);
  EXPECT_EQ(ended.exit_status, 5);
  EXPECT_THAT(ended.err, HasSubstr("apt-get install valgrind"));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CliCount, WhatIsAboutTimeIsNoFlagOfIt) {
  for (const Words& words : {Words{"count", "--reps", "3"}, Words{"count", "--timing", "none"},
                             Words{"count", "--threads", "2"}, Words{"count", "-w", "hott"},
                             Words{"count", "--memory", "touch"}, Words{"count", "-a", "radix2"},
                             Words{"count", "-a", "go"}}) {
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 2) << words[1];
    EXPECT_THAT(ended.err,
                HasSubstr(words[1][1] == 'w' || words[1][1] == 'a' ? words[2] : words[1]));
  }
  EXPECT_EQ(Bench({"count", "-w", "hot", "-t", "absent.pagetrace"}).exit_status, 4);
}

TEST_F(CliCount, ATraceThatDiffersFromItsExpectationIsToldBeforeItIsCounted) {
  WriteFile("wrong.pagetrace", "pagetrace 1\na x 1 = 7\n");
  const Ended ended = Bench({"count", "-w", "hot", "--smoke", "-t", "wrong.pagetrace"});
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.err, HasSubstr("wrong.pagetrace:2: a x 1 = 7: expected = 7"));
}

TEST_F(CliCount, FullDisksAreFileErrors) {
  CallOptions options;
  options.stdout_path = "/dev/full";
  const Words words{"count", "-w", "hot", "--ops", "100", "--heap", "16MiB", "-l", "linux-386"};
  EXPECT_EQ(Bench(words, options).exit_status, 4);
  // The temporary folder has no room for what callgrind writes.
  CallOptions limited;
  limited.file_size_limit = 4096;
  const Ended ended = Bench(words, limited);
  EXPECT_EQ(ended.exit_status, 4) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("File too large"));
}

TEST_F(CliCount, AClosedPipeEndsQuietly) {
  CallOptions options;
  options.stdout_closed_at_once = true;
  const Ended ended = Bench(
      {"count", "-w", "hot", "--ops", "100", "--heap", "16MiB", "-l", "linux-386", "-q"}, options);
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_EQ(ended.err, "");
}

TEST_F(CliCount, AnInterruptKeepsTheCellsThatAreCountedAndRemovesWhatIsTemporary) {
  ASSERT_EQ(mkdir(Path("tmp").c_str(), 0755), 0);
  ASSERT_EQ(setenv("TMPDIR", Path("tmp").c_str(), 1), 0);
  CallOptions options;
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("out.csv.partial");
  const Ended ended = Bench({"count", "-w", "churn", "-p", "occupancy=10,20,30,40,50,60,70,80,90",
                             "--ops", "2000", "--heap", "16MiB", "-o", "out.csv"},
                            options);
  ASSERT_EQ(unsetenv("TMPDIR"), 0);
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("they are saved in out.csv.partial"));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(RowsOf(ReadFile("out.csv.partial")), Not(IsEmpty()));
  EXPECT_TRUE(std::filesystem::is_empty(Path("tmp")));
}

}  // namespace
}  // namespace pagealloc::bench
