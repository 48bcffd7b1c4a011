// What the real program measures, and how it says so.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliResults : public ProgramTest {};

// ---- Results.

TEST_F(CliResults, ResultsFileHasEveryMetricOfEveryRepetitionAndItsEnvironmentBesideIt) {
  const Ended ended =
      Bench(Quick({"run", "-w", "find-only", "--smoke", "-l", "linux-amd64", "--reps", "3",
                   "--label", "a,b", "-o", "out.csv", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 2) << "a flag twice is refused";
  const Ended once = Bench({"run", "-w", "find-only", "--smoke", "-l", "linux-amd64", "--reps", "3",
                            "--cpu", "none", "--label", "a,b", "-o", "out.csv", "--format", "csv"});
  ASSERT_EQ(once.exit_status, 0) << once.err;
  EXPECT_THAT(Files(), ElementsAre("out.csv", "out.env.json"));
  EXPECT_EQ(ReadFile("out.csv"), once.out);
  const auto rows = RowsOf(once.out);
  EXPECT_EQ(Only(rows, "label"), "a,b");
  EXPECT_EQ(Only(rows, "suite"), "run");
  EXPECT_EQ(Only(rows, "seed"), "1");
  EXPECT_THAT(Only(rows, "result_hash"), SizeIs(16));
  std::map<std::string, int> reps_of;
  for (const auto& row : rows) {
    if (!row.at("rep").empty())
      ++reps_of[row.at("op") + " " + row.at("metric") + " " + row.at("stat")];
  }
  EXPECT_EQ(reps_of["all batch_ns mean"], 3);
  EXPECT_EQ(reps_of["find batch_ns median"], 3);
  EXPECT_EQ(reps_of["find service_ns p99.9"], 3);
  EXPECT_EQ(reps_of["all null_op_ns p50"], 3);
  EXPECT_EQ(reps_of["all summary_visits value"], 1);
  EXPECT_EQ(reps_of["all metadata_bytes value"], 1);
  const nlohmann::json environment =
      nlohmann::json::parse(ReadFile("out.env.json"), nullptr, false);
  ASSERT_TRUE(environment.is_object());
  EXPECT_EQ(environment["config"]["reps"], "3");
  EXPECT_EQ(environment["config"]["isolate"], "process");
  EXPECT_EQ(environment["config"]["memory"], "commit");
  EXPECT_EQ(environment["config"]["verify"], "true");
  EXPECT_EQ(environment["config"]["force"], "false");
}

TEST_F(CliResults, TheEnvironmentFileSaysWhatWasUsedNotWhatWasTyped) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench({"run", "-w", "hot,large", "-t", "small.pagetrace", "--smoke", "-l",
                             "linux-386", "--label", "\xc3\xa9", "-o", "out.csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const nlohmann::json config =
      nlohmann::json::parse(ReadFile("out.env.json"), nullptr, false)["config"];
  EXPECT_EQ(config["reps"], "1");
  EXPECT_EQ(config["warmup"], "0");
  EXPECT_EQ(config["heap"], "64MiB");
  EXPECT_EQ(config["ops"], "2000");
  EXPECT_EQ(config["processes"], "workloads re-executed, traces forked");
  EXPECT_NE(config["cpu"], "auto");
  EXPECT_NE(config["batch"], "auto");
  EXPECT_EQ(config["label"], "\xc3\xa9");
}

TEST_F(CliResults, EveryRepetitionSaysHowManyOperationsASecondItMade) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"run", "-w", "churn", "--ops", "20000", "--heap", "16MiB", "-l",
                                   "linux-386", "--timing", "batch", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::vector<std::string> stats;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") == "ops_per_s") stats.push_back(row.at("stat"));
  }
  EXPECT_THAT(stats, ElementsAre("value", "value", "fastest_quarter"));
}

TEST_F(CliResults, WithoutTimingThereAreTheExactMetricsOnly) {
  const std::set<std::string> exact{"metadata_bytes", "summary_updates", "summary_visits",
                                    "words_scanned"};
  std::set<std::string> with_places = exact;
  with_places.insert({"live_bytes", "no_room", "span_bytes"});
  for (const std::string verify : {"--verify", "--no-verify"}) {
    const Ended ended = Bench({"run", "-w", "churn", "--smoke", "--timing", "none", "--format",
                               "csv", "-l", "linux-386", verify});
    ASSERT_EQ(ended.exit_status, 0) << ended.err;
    std::set<std::string> metrics;
    for (const auto& row : RowsOf(ended.out)) metrics.insert(row.at("metric"));
    EXPECT_EQ(metrics, verify == "--verify" ? with_places : exact);
  }
}

TEST_F(CliResults, SameSeedSameResultsAnotherSeedOthers) {
  const auto hash = [this](const char* seed) {
    const Ended ended = Bench({"run", "-w", "churn", "--smoke", "--timing", "none", "--format",
                               "csv", "-l", "linux-386,linux-amd64", "--seed", seed});
    return Only(RowsOf(ended.out), "result_hash");
  };
  EXPECT_EQ(hash("7"), hash("7"));
  EXPECT_NE(hash("7"), hash("8"));
}

TEST_F(CliResults, ARandomSeedIsWrittenDown) {
  const Ended ended = Bench(
      {"run", "-w", "churn", "--smoke", "--timing", "none", "--format", "csv", "--seed", "random"});
  EXPECT_THAT(Only(RowsOf(ended.out), "seed"), Not(IsEmpty()));
}

TEST_F(CliResults, ARecordedWorkloadReplaysToTheSameResults) {
  for (const char* name : {"rec.pagetrace", "rec.pagetrace.zst"}) {
    const Ended run = Bench({"run", "-w", "go-spans", "--smoke", "--timing", "none", "--format",
                             "csv", "--record", name});
    ASSERT_EQ(run.exit_status, 0) << run.err;
    const Ended replay = Bench({"replay", name, "--timing", "none", "--format", "csv"});
    ASSERT_EQ(replay.exit_status, 0) << replay.err;
    const Rows made = RowsOf(run.out);
    const Rows replayed = RowsOf(replay.out);
    for (const char* column : {"result_hash", "stream_hash"}) {
      EXPECT_EQ(Only(made, column), Only(replayed, column)) << column;
    }
    // Only what the workload measures is counted in its replay: the set-up is known as such.
    ASSERT_EQ(made.size(), replayed.size());
    for (std::size_t i = 0; i < made.size(); ++i) {
      for (const char* column : {"metric", "value", "n"}) {
        EXPECT_EQ(made[i].at(column), replayed[i].at(column)) << made[i].at("metric");
      }
    }
    const Ended again =
        Bench({"run", "-w", "go-spans", "--smoke", "--timing", "none", "--record", name});
    EXPECT_EQ(again.exit_status, 4);
    EXPECT_THAT(again.err, HasSubstr("--force"));
  }
}

TEST_F(CliResults, AllocatorsAgreeOnEveryResult) {
  const Ended ended = Bench(Quick({"run", "-w", "sawtooth", "-a", "radix,reference", "--ops", "500",
                                   "--heap", "16MiB", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(Only(RowsOf(ended.out), "result_hash"), SizeIs(16));
}

TEST_F(CliResults, FormatsCarryTheSameResultOnStandardOutput) {
  WriteFile("small.pagetrace", kSmallTrace);
  const auto output = [this](const char* format) {
    const Ended ended =
        Bench({"replay", "small.pagetrace", "--timing", "none", "--format", format, "-q"});
    EXPECT_EQ(ended.exit_status, 0);
    EXPECT_EQ(ended.err, "");
    return ended.out;
  };
  EXPECT_TRUE(nlohmann::json::parse(output("json"), nullptr, false).is_object());
  EXPECT_THAT(output("csv"), StartsWith("schema,run_id,"));
  EXPECT_THAT(output("markdown"), StartsWith("|"));
  EXPECT_THAT(output("table"), HasSubstr("small"));
}

TEST_F(CliResults, MemoryModesAndProcessModesGiveTheSameResults) {
  std::set<std::string> hashes;
  for (const char* memory : {"simulate", "reserve", "commit", "touch"}) {
    for (const char* isolate : {"process", "none"}) {
      const Ended ended = Bench({"run", "-w", "churn", "--smoke", "-l", "linux-386", "--memory",
                                 memory, "--isolate", isolate, "--format", "csv", "--cpu", "none"});
      ASSERT_EQ(ended.exit_status, 0) << memory << isolate << ended.err;
      hashes.insert(Only(RowsOf(ended.out), "result_hash"));
    }
  }
  EXPECT_THAT(hashes, SizeIs(1));
}

TEST_F(CliResults, PrefaultAndHugePagesAndRandomOrderRun) {
  const Ended ended =
      Bench({"run", "-w", "churn,hot", "--smoke", "--reps", "3", "--prefault", "--thp", "always",
             "--interleave", "random", "--batch", "32", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  int rows = 0;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") != "batch_ns") continue;
    EXPECT_EQ(row.at("batch"), "32");
    ++rows;
  }
  EXPECT_EQ(rows, 2 * 2 * 4);  // workloads, layouts, three repetitions and over all
}

// Children inherit the memory of every trace that was read.
TEST_F(CliResults, ResidentMemoryDoesNotDependOnOtherTraces) {
  WriteFile("small.pagetrace", kSmallTrace);
  std::string big = "pagetrace 1\ng 0 512\n";
  for (int i = 0; i < 200'000; ++i) big += "a 1 1\nf 1\n";
  WriteFile("big.pagetrace", big);
  const Ended ended = Bench(Quick({"replay", "big.pagetrace", "small.pagetrace", "-l", "linux-386",
                                   "--timing", "batch", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  int rows = 0;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") != "rss_bytes" || row.at("workload") != "small") continue;
    EXPECT_LT(std::stoull(row.at("value")), 8U << 20);
    ++rows;
  }
  EXPECT_EQ(rows, 3);  // two repetitions and over both
}

TEST_F(CliResults, TheColumnBatchSaysWhatWasTimed) {
  const Ended ended = Bench(Quick({"run", "-w", "find-only", "--ops", "1000", "--heap", "16MiB",
                                   "-l", "linux-386", "--batch", "4096", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  int rows = 0;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") != "batch_ns") continue;
    EXPECT_EQ(row.at("batch"), "1000");
    ++rows;
  }
  EXPECT_GE(rows, 3);
}

// Blocks of 64 operations that take nanoseconds are shorter than what the clock can tell.
TEST_F(CliResults, KindsInBlocksTooShortForTheClockHaveNoBatchTimesOfTheirOwn) {
  const Ended ended = Bench(Quick({"run", "-w", "swiss-cheese", "--ops", "2000", "--heap", "16MiB",
                                   "-l", "linux-386", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::set<std::string> ops;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") == "batch_ns") ops.insert(row.at("op"));
  }
  EXPECT_THAT(ops, ElementsAre("all"));
}

// 4,000 pages are touched, between the batches and the operations that are timed.
TEST_F(CliResults, TouchingPagesDoesNotCountAsFaultsOfTheTimedRegion) {
  for (const char* timing : {"batch", "op"}) {
    const Ended ended =
        Bench(Quick({"run", "-w", "sequential", "--heap", "64MiB", "--ops", "8000", "-l",
                     "linux-386", "--memory", "touch", "--timing", timing, "--format", "csv"}));
    ASSERT_EQ(ended.exit_status, 0) << ended.err;
    int rows = 0;
    for (const auto& row : RowsOf(ended.out)) {
      if (row.at("metric") != "minor_faults") continue;
      EXPECT_LT(std::stod(row.at("value")), 1'000) << timing;
      ++rows;
    }
    EXPECT_EQ(rows, 3);
  }
}

TEST_F(CliResults, ExactPlacementFailsWithAReasonWhereTheHostCannot) {
  WriteFile("small.pagetrace", kSmallTrace);
  // No user process has the address 0x0a00010000000000.
  const Ended ended =
      Bench(Quick({"replay", "small.pagetrace", "-l", "aix-ppc64", "--place", "exact"}));
  EXPECT_EQ(ended.exit_status, 5);
  EXPECT_THAT(ended.err, HasSubstr("refused to reserve 4MiB"));
  EXPECT_THAT(ended.err, HasSubstr("--place"));
}

std::set<std::string> MeasuredOperations(const Ended& ended) {
  std::set<std::string> numbers;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") == "metadata_bytes") numbers.insert(row.at("n"));
  }
  return numbers;
}

TEST_F(CliResults, MinTimeChoosesAsManyOperationsAsItNeedsTheSameForAllCells) {
  const Ended ended = Bench(Quick({"run", "-w", "large", "--heap", "64MiB", "--min-time", "100ms",
                                   "--timing", "batch", "--format", "csv", "-v", "-o", "out.csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const std::set<std::string> numbers = MeasuredOperations(ended);
  ASSERT_THAT(numbers, SizeIs(1));
  const std::string& ops = *numbers.begin();
  EXPECT_GT(std::stoull(ops), 20'000U) << "which need 2 us each for 40 ms";
  EXPECT_LT(ops.find_last_not_of('0'), 2U) << "two digits, then zeros: " << ops;
  EXPECT_THAT(ended.err, HasSubstr(": " + ops + " operations a repetition"));
  EXPECT_THAT(ReadFile("out.env.json"), HasSubstr("\"ops\": \"" + ops + "\""));
  EXPECT_THAT(Bench({"run", "-w", "lifo", "--min-time", "1s", "--dry-run"}).out,
              HasSubstr("as many operations as --min-time needs"));
}

TEST_F(CliResults, AtARateMinTimeIsSoManyOperations) {
  const Ended ended = Bench(Quick({"run", "-w", "hot", "--heap", "16MiB", "--rate", "1000000",
                                   "--min-time", "1500us", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(MeasuredOperations(ended), ElementsAre("1500"));
}

TEST_F(CliResults, MaxTimeStillGivesEveryCellOneRepetition) {
  const Ended ended = Bench({"run", "-w", "hot,churn", "--smoke", "--reps", "50", "--max-time",
                             "1ns", "--format", "csv", "--cpu", "none"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("--max-time ended the run after 4 of 200 repetitions"));
  EXPECT_THAT(ended.err, HasSubstr("| radix | linux-386: 1 of 50 repetitions"));
  int of_one = 0;
  int over_all = 0;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("rep").empty()) {
      EXPECT_EQ(row.at("status"), "truncated");
      ++over_all;
    } else {
      EXPECT_EQ(row.at("rep"), "0");
      ++of_one;
    }
  }
  EXPECT_GT(of_one, 40);
  EXPECT_GT(over_all, 40);
}

TEST_F(CliResults, MaxTimeEndsWarmUpsToo) {
  const Ended ended =
      Bench({"run", "-w", "hot", "--smoke", "-l", "linux-386", "--reps", "1", "--warmup", "100000",
             "--max-time", "1ns", "--format", "csv", "--cpu", "none"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_GT(RowsOf(ended.out).size(), 10U);
  EXPECT_THAT(ended.err, Not(HasSubstr("--max-time ended"))) << "every repetition was made";
}

TEST_F(CliResults, APercentileNamedTwiceIsOneRow) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386", "--percentiles",
                                   "50,-0,0,50.0,5e1", "--timing", "op", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::multiset<std::string> stats;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") == "null_op_ns" && row.at("rep").empty()) stats.insert(row.at("stat"));
  }
  EXPECT_THAT(stats, ElementsAre("max", "p0", "p50"));
}

// ---- Manners.

TEST_F(CliResults, ProgressIsPlainLinesWhereThereIsNoTerminal) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386"}));
  EXPECT_THAT(ended.err, HasSubstr("small | radix | linux-386: 2 repetitions, "));
  EXPECT_THAT(ended.err, Not(HasSubstr("\033")));
  EXPECT_THAT(ended.out, Not(HasSubstr("\033")));
  EXPECT_THAT(Bench(Quick({"replay", "small.pagetrace", "--progress", "always"})).err,
              HasSubstr("\r\033[K["));
}

TEST_F(CliResults, QuietSilencesNotesButNotErrors) {
  WriteFile("small.pagetrace", kSmallTrace);
  EXPECT_EQ(Bench(Quick({"replay", "small.pagetrace", "-q"})).err, "");
  EXPECT_THAT(Bench({"replay", "absent", "-q"}).err, HasSubstr("absent"));
}

TEST_F(CliResults, StrictEnvironmentRefusesOrRuns) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended strict = Bench(Quick({"replay", "small.pagetrace", "--strict-env"}));
  const Ended plain = Bench(Quick({"replay", "small.pagetrace"}));
  // Which of the two depends on the machine; both must agree about it.
  if (strict.exit_status == 5) {
    EXPECT_THAT(strict.err, HasSubstr("--strict-env refuses this machine"));
  } else {
    EXPECT_EQ(strict.exit_status, 0) << strict.err;
    EXPECT_THAT(plain.err, Not(HasSubstr("warning: ")));
  }
}

}  // namespace
}  // namespace pagealloc::bench
