// What a user sees: the real program, its output, its files and its exit status.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "harness/run/with_layout.h"
#include "harness/trace/trace_file.h"
#include "harness/trace/workload.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

constexpr const char* kSmallTrace =
    "pagetrace 1\n"
    "g 0 512\n"
    "a 1 3 = 0\n"
    "a 2 64 = 3\n"
    "f 1\n"
    "a 3 1 = 0\n"
    "c = 0 0x6\n";

// The flags with which a run takes a moment only.
Words Quick(Words words) {
  for (const char* word : {"--reps", "2", "--warmup", "0", "--cpu", "none"}) words.push_back(word);
  return words;
}

// The one value that a column has in all rows.
std::string Only(const std::vector<std::map<std::string, std::string>>& rows,
                 const std::string& column) {
  std::set<std::string> values;
  for (const auto& row : rows) values.insert(row.at(column));
  EXPECT_THAT(values, SizeIs(1)) << column;
  return values.empty() ? "" : *values.begin();
}

class Cli : public ProgramTest {};

// ---- Bad usage: refused with 2 before anything runs, and the nearest thing is named.

struct BadUsage {
  const char* name;
  Words arguments;
  const char* message;  ///< part of stderr
};
void PrintTo(const BadUsage& usage, std::ostream* out) { *out << usage.name; }

class CliBadUsage : public ProgramTest, public ::testing::WithParamInterface<BadUsage> {};

TEST_P(CliBadUsage, IsRefusedWithAMessageThatHelps) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(GetParam().arguments);
  EXPECT_EQ(ended.exit_status, 2) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr(GetParam().message));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(Files(), ElementsAre("small.pagetrace"));
}

const std::vector<BadUsage>& BadUsages() {
  static const std::vector<BadUsage> kCases{
      {"NoCommand", {}, "see pagealloc-bench --help"},
      {"UnknownCommand", {"replya", "x"}, "The nearest is 'replay'"},
      {"UnknownFlag", {"run", "--rep", "3"}, "The nearest is '--reps'"},
      {"UnknownFlagWithValue", {"run", "--hepa=3GiB"}, "The nearest is '--heap'"},
      {"UnknownFlagOfReplay",
       {"replay", "small.pagetrace", "--layuot", "linux-386"},
       "The nearest is '--layout'"},
      {"UnknownFlagHidesNoMissingTrace", {"replay", "--timming=op"}, "The nearest is '--timing'"},
      {"FlagOfALaterVersion", {"run", "--threads", "2"}, "unknown flag '--threads'"},
      {"UnknownTraceCommand", {"trace", "inspekt", "x"}, "The nearest is 'inspect'"},
      {"UnknownListing", {"list", "workload"}, "The nearest is 'workloads'"},
      {"UnknownWorkload", {"run", "-w", "chrun"}, "'churn'"},
      {"UnknownParameter", {"run", "-w", "churn", "-p", "ocupancy=5"}, "'occupancy'"},
      {"BadParameterValue", {"run", "-w", "churn", "-p", "occupancy=100"}, "occupancy"},
      {"ParameterWithoutValue", {"run", "-w", "churn", "-p", "occupancy"}, "K=V"},
      {"UnknownLayout",
       {"replay", "small.pagetrace", "-l", "linux-amd46"},
       "The nearest is 'linux-amd64'"},
      {"UnknownAllocator",
       {"replay", "small.pagetrace", "-a", "radix,referense"},
       "The nearest is 'reference'"},
      {"UnknownMemory",
       {"replay", "small.pagetrace", "--memory", "comit"},
       "The nearest is 'commit'"},
      {"NoRepetitions", {"replay", "small.pagetrace", "--reps", "0"}, "at least 1"},
      {"NegativeNumber", {"replay", "small.pagetrace", "--reps=-3"}, "--reps"},
      {"BadPercentile", {"replay", "small.pagetrace", "--percentiles", "50,101"}, "'101'"},
      {"NotANumberPercentile", {"replay", "small.pagetrace", "--percentiles", "nan"}, "'nan'"},
      {"BadDuration", {"replay", "small.pagetrace", "--max-time", "5"}, "--max-time"},
      {"BadHeap", {"run", "--heap", "1 GB"}, "--heap"},
      {"UnknownCpu", {"replay", "small.pagetrace", "--cpu", "99999"}, "CPU 99999"},
      {"PrefaultWithoutMemory",
       {"replay", "small.pagetrace", "--prefault", "--memory", "simulate"},
       "--memory commit or touch"},
      {"HistogramsWithoutOps",
       {"replay", "small.pagetrace", "--hist-dir", ".", "--timing", "batch"},
       "--timing op or both"},
      {"NoTrace", {"replay"}, "TRACE"},
      {"WorkloadAsAWord", {"run", "churn"}, "unexpected word 'churn'"},
      {"FlagWithoutValue", {"run", "--reps"}, "--reps"},
      {"ResultsOfAnotherKind",
       {"replay", "small.pagetrace", "-o", "results.txt", "--reps", "1", "--cpu", "none"},
       ".csv"},
      {"RecordOfSeveral", {"run", "-w", "hot,large", "--smoke", "--record", "x"}, "--record"},
      {"RecordOfFinds",
       {"run", "-w", "find-only", "--smoke", "--record", "x.pagetrace"},
       "no record for find"},
      {"FormatOfAList", {"list", "layouts", "--format", "csv"}, "table or json"},
  };
  return kCases;
}

INSTANTIATE_TEST_SUITE_P(All, CliBadUsage, ::testing::ValuesIn(BadUsages()),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- Help, version, lists.

TEST_F(Cli, HelpOpensWithOneLineOfPurposeAndFourExamples) {
  for (const Words& words : {Words{"--help"}, Words{"run", "--help"}, Words{"replay", "-h"}}) {
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 0);
    EXPECT_EQ(ended.err, "");
    std::size_t examples = 0;
    const std::string head = ended.out.substr(0, ended.out.find("Usage:"));
    for (std::size_t at = head.find("\n  "); at != std::string::npos;
         at = head.find("\n  ", at + 1)) {
      ++examples;
    }
    EXPECT_EQ(examples, 4U) << head;
    EXPECT_GT(head.find('\n'), 40U);
  }
}

TEST_F(Cli, HelpShowsFlagsInGroupsWithTheirDefaults) {
  const std::string help = Bench({"run", "--help"}).out;
  for (const char* group :
       {"\nWhat:", "\nRepeat:", "\nTime:", "\nMachine:", "\nCheck:", "\nOutput:"}) {
    EXPECT_THAT(help, HasSubstr(group));
  }
  EXPECT_THAT(help, HasSubstr("Usage: pagealloc-bench run [OPTIONS]"));
  EXPECT_THAT(help, HasSubstr("--verify,--no-verify "));
  EXPECT_THAT(help, HasSubstr("MODE=commit"));
  EXPECT_THAT(help, HasSubstr("GLOB,...=@quick"));
}

TEST_F(Cli, VersionNamesCommitCompilerFlagsAndLibraries) {
  const Ended ended = Bench({"--version"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.out, StartsWith("pagealloc-bench "));
  for (const char* part : {"compiler: ", "flags: ", "zstd", "CLI11", "abseil"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
}

TEST_F(Cli, ListsAreTablesAndJson) {
  for (const char* what : {"workloads", "allocators", "layouts", "metrics"}) {
    const Ended table = Bench({"list", what});
    EXPECT_EQ(table.exit_status, 0);
    EXPECT_THAT(table.out, Not(IsEmpty()));
    const nlohmann::json json =
        nlohmann::json::parse(Bench({"list", what, "--format", "json"}).out, nullptr, false);
    ASSERT_TRUE(json.is_array()) << what;
    for (const auto& entry : json) {
      EXPECT_THAT(table.out, HasSubstr(entry.at("name").get<std::string>()));
    }
  }
}

TEST_F(Cli, ListLayoutsShowsTablesAndReservations) {
  const nlohmann::json layouts =
      nlohmann::json::parse(Bench({"list", "layouts", "--format", "json"}).out, nullptr, false);
  ASSERT_THAT(layouts, SizeIs(9));
  EXPECT_EQ(layouts[0]["name"], "linux-amd64");
  EXPECT_EQ(layouts[0]["summary_reservation_bytes"], 613'548'032);
  EXPECT_EQ(layouts[0]["levels"][0]["entries"], 16'384);
  EXPECT_EQ(layouts[4]["summary_reservation_bytes"], 9'360);
}

// ---- Replays.

TEST_F(Cli, ReplayChecksTimesAndPrintsATable) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"replay", "small.pagetrace"}));
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  for (const char* part : {"small", "radix", "linux-amd64", "linux-386", "alloc", "cache", "ns"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
}

TEST_F(Cli, ReplayReadsStandardInputAndCompressedFiles) {
  WriteFile("small.pagetrace", kSmallTrace);
  ASSERT_TRUE(WriteTraceFile(Path("small.pagetrace.zst"), kSmallTrace).ok());
  const Words common{"--timing", "none", "--format", "csv"};
  std::set<std::string> hashes;
  for (const char* source : {"small.pagetrace", "small.pagetrace.zst", "-"}) {
    Words words{"replay", source};
    words.insert(words.end(), common.begin(), common.end());
    CallOptions options;
    if (std::string(source) == "-") options.standard_input = kSmallTrace;
    const Ended ended = Bench(words, options);
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    const auto rows = RowsOf(ended.out);
    EXPECT_EQ(Only(rows, "workload"), source[0] == '-' ? "stdin" : "small");
    hashes.insert(Only(rows, "stream_hash") + Only(rows, "result_hash"));
  }
  EXPECT_THAT(hashes, SizeIs(1));
}

TEST_F(Cli, ADifferenceExitsWithOneAndNamesLineExpectationAndResult) {
  WriteFile("wrong.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = 0\na 2 2 = 9\n");
  const Ended ended = Bench(Quick({"replay", "wrong.pagetrace", "-o", "out.csv"}));
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.err, HasSubstr("wrong.pagetrace:4: a 2 2 = 9: expected = 9, but radix on "
                                   "linux-amd64 gave = 2."));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(Files(), ElementsAre("wrong.pagetrace"));
}

TEST_F(Cli, ADifferenceIsFoundWithoutVerificationToo) {
  WriteFile("wrong.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = none\n");
  EXPECT_EQ(
      Bench(Quick({"replay", "wrong.pagetrace", "--no-verify", "-a", "reference"})).exit_status, 1);
}

TEST_F(Cli, ABadTraceIsRefusedWithPlaceAndReasonAndLeavesNoFile) {
  for (const std::string text :
       {"", "pagetrace 1\ng 0 512\na 1 2", "pagetrace 2\n", "pagetrace 1\ng 0 512\nf 9\n"}) {
    WriteFile("bad.pagetrace", text);
    const Ended ended = Bench({"replay", "bad.pagetrace", "-o", "out.csv"});
    EXPECT_EQ(ended.exit_status, 2) << text;
    EXPECT_THAT(ended.err, StartsWith("bad.pagetrace:"));
    EXPECT_THAT(Files(), ElementsAre("bad.pagetrace"));
  }
}

TEST_F(Cli, ATraceCutAnywhereNeverCrashesAndNeverLeavesAFile) {
  const std::string whole = kSmallTrace;
  for (std::size_t size = 0; size < whole.size(); size += 3) {
    if (size > 0 && whole[size - 1] == '\n') continue;  // whole lines: a shorter, legal trace
    WriteFile("cut.pagetrace", whole.substr(0, size));
    const Ended ended = Bench(
        {"replay", "cut.pagetrace", "-o", "out.csv", "--timing", "none", "--isolate", "none"});
    EXPECT_EQ(ended.exit_status, 2) << size << ended.err;
    EXPECT_THAT(Files(), ElementsAre("cut.pagetrace")) << size;
  }
}

TEST_F(Cli, OfSeveralTracesAllAreReadBeforeAnyRuns) {
  WriteFile("good.pagetrace", kSmallTrace);
  WriteFile("bad.pagetrace", "pagetrace 1\nx\n");
  const Ended ended = Bench(Quick({"replay", "good.pagetrace", "bad.pagetrace", "-o", "out.csv"}));
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("bad.pagetrace:2: x: "));
  EXPECT_FALSE(Exists("out.csv"));
  EXPECT_FALSE(Exists("out.csv.partial"));
}

TEST_F(Cli, ScavengingIsRefusedAsNotYetThere) {
  WriteFile("scavenge.pagetrace", "pagetrace 1\ng 0 512\nn\ns 5\n");
  const Ended ended = Bench({"replay", "scavenge.pagetrace"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("scavenge.pagetrace:3: n: there is no scavenger yet"));
  EXPECT_EQ(Bench({"trace", "validate", "scavenge.pagetrace"}).exit_status, 0);
}

TEST_F(Cli, ALayoutThatDoesNotFitIsRefusedIfNamedAndSkippedIfNot) {
  WriteFile("high.pagetrace", "pagetrace 1\ng 490496 1024\na 1 1\n");
  const Ended named = Bench(Quick({"replay", "high.pagetrace", "-l", "linux-amd64,linux-386"}));
  EXPECT_EQ(named.exit_status, 2);
  EXPECT_THAT(named.err, HasSubstr("high.pagetrace:2: g 490496 1024: "));
  EXPECT_THAT(named.err, HasSubstr("linux-386"));
  const Ended unnamed = Bench(Quick({"replay", "high.pagetrace", "--format", "csv"}));
  EXPECT_EQ(unnamed.exit_status, 0);
  EXPECT_THAT(unnamed.err, HasSubstr("note: skipped on linux-386"));
  EXPECT_EQ(Only(RowsOf(unnamed.out), "layout"), "linux-amd64");
}

TEST_F(Cli, AMissingTraceIsAFileError) {
  const Ended ended = Bench({"replay", "absent.pagetrace"});
  EXPECT_EQ(ended.exit_status, 4);
  EXPECT_THAT(ended.err, HasSubstr("absent.pagetrace"));
}

TEST_F(Cli, ATraceNamedTwiceRunsOnce) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench({"replay", "small.pagetrace", "small.pagetrace", "-l", "linux-386",
                             "--timing", "none", "--format", "csv"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, HasSubstr("named twice"));
  EXPECT_THAT(RowsOf(ended.out), SizeIs(8));  // four metrics, rep 0 and over all
}

// ---- Results.

TEST_F(Cli, ResultsFileHasEveryMetricOfEveryRepetitionAndItsEnvironmentBesideIt) {
  const Ended ended =
      Bench(Quick({"run", "-w", "find-only", "--smoke", "-l", "linux-amd64", "--reps", "3",
                   "--label", "a,b", "-o", "out.csv", "--format", "csv"}));
  // The last --reps counts.
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

TEST_F(Cli, WithoutTimingThereAreTheExactMetricsOnly) {
  for (const char* verify : {"--verify", "--no-verify"}) {
    const Ended ended = Bench({"run", "-w", "churn", "--smoke", "--timing", "none", "--format",
                               "csv", "-l", "linux-386", verify});
    ASSERT_EQ(ended.exit_status, 0) << ended.err;
    std::set<std::string> metrics;
    for (const auto& row : RowsOf(ended.out)) metrics.insert(row.at("metric"));
    EXPECT_THAT(metrics, ElementsAre("metadata_bytes", "summary_updates", "summary_visits",
                                     "words_scanned"));
  }
}

TEST_F(Cli, SameSeedSameResultsAnotherSeedOthers) {
  const auto hash = [this](const char* seed) {
    const Ended ended = Bench({"run", "-w", "churn", "--smoke", "--timing", "none", "--format",
                               "csv", "-l", "linux-386,linux-amd64", "--seed", seed});
    return Only(RowsOf(ended.out), "result_hash");
  };
  EXPECT_EQ(hash("7"), hash("7"));
  EXPECT_NE(hash("7"), hash("8"));
}

TEST_F(Cli, ARandomSeedIsWrittenDown) {
  const Ended ended = Bench(
      {"run", "-w", "churn", "--smoke", "--timing", "none", "--format", "csv", "--seed", "random"});
  EXPECT_THAT(Only(RowsOf(ended.out), "seed"), Not(IsEmpty()));
}

TEST_F(Cli, ARecordedWorkloadReplaysToTheSameResults) {
  for (const char* name : {"rec.pagetrace", "rec.pagetrace.zst"}) {
    const Ended run = Bench({"run", "-w", "go-spans", "--smoke", "--timing", "none", "--format",
                             "csv", "--record", name});
    ASSERT_EQ(run.exit_status, 0) << run.err;
    const Ended replay = Bench({"replay", name, "--timing", "none", "--format", "csv"});
    ASSERT_EQ(replay.exit_status, 0) << replay.err;
    for (const char* column : {"result_hash", "stream_hash"}) {
      EXPECT_EQ(Only(RowsOf(run.out), column), Only(RowsOf(replay.out), column)) << column;
    }
    const Ended again =
        Bench({"run", "-w", "go-spans", "--smoke", "--timing", "none", "--record", name});
    EXPECT_EQ(again.exit_status, 4);
    EXPECT_THAT(again.err, HasSubstr("--force"));
  }
}

TEST_F(Cli, AllocatorsAgreeOnEveryResult) {
  const Ended ended = Bench(Quick({"run", "-w", "sawtooth", "-a", "radix,reference", "--ops", "500",
                                   "--heap", "16MiB", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(Only(RowsOf(ended.out), "result_hash"), SizeIs(16));
}

TEST_F(Cli, FormatsCarryTheSameResultOnStandardOutput) {
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

TEST_F(Cli, MemoryModesAndProcessModesGiveTheSameResults) {
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

TEST_F(Cli, PrefaultAndHugePagesAndRandomOrderRun) {
  const Ended ended =
      Bench({"run", "-w", "churn,hot", "--smoke", "--reps", "3", "--prefault", "--thp", "always",
             "--interleave", "random", "--batch", "32", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("metric") == "batch_ns") {
      EXPECT_EQ(row.at("batch"), "32");
    }
  }
}

TEST_F(Cli, ExactPlacementFailsWithAReasonWhereTheHostCannot) {
  WriteFile("small.pagetrace", kSmallTrace);
  // No user process has the address 0x0a00010000000000.
  const Ended ended =
      Bench(Quick({"replay", "small.pagetrace", "-l", "aix-ppc64", "--place", "exact"}));
  EXPECT_EQ(ended.exit_status, 5);
  EXPECT_THAT(ended.err, HasSubstr("refused to reserve 4MiB"));
  EXPECT_THAT(ended.err, HasSubstr("--place"));
}

TEST_F(Cli, MaxTimeStillGivesEveryCellOneRepetition) {
  const Ended ended = Bench({"run", "-w", "hot,churn", "--smoke", "--reps", "50", "--max-time",
                             "1ns", "--format", "csv", "--cpu", "none"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("--max-time ended the run after 4 of 200 repetitions"));
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("rep").empty()) {
      EXPECT_EQ(row.at("status"), "truncated");
    } else {
      EXPECT_EQ(row.at("rep"), "0");
    }
  }
}

TEST_F(Cli, HistogramsAreWrittenForEachCell) {
  WriteFile("small.pagetrace", kSmallTrace);
  ASSERT_EQ(mkdir(Path("hist").c_str(), 0755), 0);
  const Ended ended =
      Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386", "--hist-dir", "hist"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const std::string text = ReadFile("hist/small--radix-linux-386.hist");
  EXPECT_THAT(text, StartsWith("pagealloc-histograms 1\n"));
  EXPECT_THAT(text, HasSubstr("\nalloc h1 "));
  EXPECT_EQ(Bench(Quick({"replay", "small.pagetrace", "--hist-dir", "absent"})).exit_status, 4);
}

TEST_F(Cli, DryRunSaysWhatWouldRunAndWritesNothing) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench({"replay", "small.pagetrace", "-o", "out.csv", "--dry-run"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.out, HasSubstr("small | radix | linux-386"));
  EXPECT_THAT(ended.out, HasSubstr("2 cells"));
  EXPECT_THAT(Files(), ElementsAre("small.pagetrace"));
}

// ---- Files and streams that fail.

TEST_F(Cli, AnExistingFileIsKeptUnlessForced) {
  WriteFile("small.pagetrace", kSmallTrace);
  WriteFile("out.csv", "mine");
  const Words words{"replay", "small.pagetrace", "--timing", "none", "-o", "out.csv"};
  const Ended refused = Bench(words);
  EXPECT_EQ(refused.exit_status, 4);
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  EXPECT_EQ(ReadFile("out.csv"), "mine");
  Words forced = words;
  forced.push_back("--force");
  EXPECT_EQ(Bench(forced).exit_status, 0);
  EXPECT_THAT(ReadFile("out.csv"), StartsWith("schema,"));
}

TEST_F(Cli, AFolderThatCannotBeWrittenIsAFileError) {
  WriteFile("small.pagetrace", kSmallTrace);
  EXPECT_EQ(Bench({"replay", "small.pagetrace", "-o", "absent/out.csv"}).exit_status, 4);
  EXPECT_EQ(Bench({"replay", "small.pagetrace", "-o", "/proc/out.csv"}).exit_status, 4);
}

TEST_F(Cli, AFileSizeLimitIsAFileErrorNotACrash) {
  WriteFile("small.pagetrace", kSmallTrace);
  CallOptions options;
  options.file_size_limit = 4096;
  const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-o", "out.csv"}), options);
  EXPECT_EQ(ended.exit_status, 4) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("out.csv"));
  EXPECT_FALSE(Exists("out.csv"));
}

TEST_F(Cli, AClosedPipeEndsQuietly) {
  CallOptions options;
  options.stdout_closed_at_once = true;
  for (const Words& words : {Words{"list", "workloads"}, Words{"--help"}}) {
    const Ended ended = Bench(words, options);
    EXPECT_EQ(ended.exit_status, 0);
    EXPECT_EQ(ended.err, "");
  }
}

TEST_F(Cli, AFullDiskBehindStandardOutputIsAFileError) {
  CallOptions options;
  options.stdout_path = "/dev/full";
  EXPECT_EQ(Bench({"list", "workloads"}, options).exit_status, 4);
}

TEST_F(Cli, AnInterruptKeepsTheFinishedRepetitionsAndSaysHowMany) {
  for (const int signal_number : {SIGINT, SIGTERM}) {
    const std::string out = std::to_string(signal_number) + ".csv";
    CallOptions options;
    options.interrupt_signal = signal_number;
    options.interrupt_when_file = Path(out + ".partial");
    const Ended ended = Bench({"run", "-w", "churn", "--heap", "16MiB", "--reps", "100000",
                               "--timing", "batch", "-o", out, "-l", "linux-386"},
                              options);
    EXPECT_EQ(ended.exit_status, 128 + signal_number) << ended.err;
    EXPECT_EQ(ended.out, "");
    EXPECT_FALSE(Exists(out));
    std::set<std::string> reps;
    for (const auto& row : RowsOf(ReadFile(out + ".partial"))) reps.insert(row.at("rep"));
    EXPECT_THAT(reps, Not(IsEmpty()));
    EXPECT_THAT(ended.err,
                HasSubstr("interrupted after " + std::to_string(reps.size()) +
                          " of 100000 repetitions; they are saved in " + out + ".partial"));
  }
}

TEST_F(Cli, AChildThatDiesIsABugThatNamesTheCellAndKeepsTheRest) {
  CallOptions options;
  options.interrupt_signal = SIGKILL;
  options.interrupt_when_file = Path("out.csv.partial");
  options.signal_its_child = true;
  const Ended ended = Bench({"run", "-w", "churn", "--heap", "16MiB", "--reps", "100000",
                             "--timing", "batch", "-o", "out.csv", "-l", "linux-386"},
                            options);
  EXPECT_EQ(ended.exit_status, 70) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("cannot replay churn "));
  EXPECT_THAT(ended.err, HasSubstr("| radix | linux-386: its process was ended by signal 9"));
  EXPECT_THAT(ended.err, HasSubstr("Please report it"));
  EXPECT_TRUE(Exists("out.csv.partial"));
  EXPECT_FALSE(Exists("out.csv"));
}

TEST_F(Cli, AnInterruptWhileATraceIsReadEndsAtOnceAndLeavesNoFile) {
  WriteFile("ready", "one\ntwo\n");
  CallOptions options;
  options.stdin_stays_open = true;  // so that it waits for the rest of the trace
  options.standard_input = "pagetrace 1\n";
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("ready");
  const Ended ended = Bench({"replay", "-", "-o", "out.csv"}, options);
  // On a busy machine the signal may come before the program's first line.
  EXPECT_THAT(ended.exit_status, AnyOf(130, 1000 + SIGINT));
  EXPECT_THAT(Files(), ElementsAre("ready"));
}

// ---- Manners.

TEST_F(Cli, ProgressIsPlainLinesWhereThereIsNoTerminal) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386"}));
  EXPECT_THAT(ended.err, HasSubstr("small | radix | linux-386: 2 repetitions, "));
  EXPECT_THAT(ended.err, Not(HasSubstr("\033")));
  EXPECT_THAT(ended.out, Not(HasSubstr("\033")));
  EXPECT_THAT(Bench(Quick({"replay", "small.pagetrace", "--progress", "always"})).err,
              HasSubstr("\r\033[K["));
}

TEST_F(Cli, QuietSilencesNotesButNotErrors) {
  WriteFile("small.pagetrace", kSmallTrace);
  EXPECT_EQ(Bench(Quick({"replay", "small.pagetrace", "-q"})).err, "");
  EXPECT_THAT(Bench({"replay", "absent", "-q"}).err, HasSubstr("absent"));
}

TEST_F(Cli, StrictEnvironmentRefusesOrRuns) {
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

// ---- Traces.

TEST_F(Cli, ValidateExitsWithZeroOrTwo) {
  WriteFile("small.pagetrace", kSmallTrace);
  WriteFile("bad.pagetrace", "pagetrace 1\na 1 0\n");
  const Ended good = Bench({"trace", "validate", "small.pagetrace"});
  EXPECT_EQ(good.exit_status, 0);
  EXPECT_EQ(good.out, "small.pagetrace: valid, 6 operations\n");
  const Ended bad = Bench({"trace", "validate", "small.pagetrace", "bad.pagetrace"});
  EXPECT_EQ(bad.exit_status, 2);
  EXPECT_EQ(bad.out, "");
  EXPECT_THAT(bad.err, StartsWith("bad.pagetrace:2: a 1 0: "));
}

TEST_F(Cli, InspectPrintsFiguresForPeopleAndPrograms) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended text = Bench({"trace", "inspect", "small.pagetrace"});
  EXPECT_EQ(text.exit_status, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("small.pagetrace\n"));
  const nlohmann::json json = nlohmann::json::parse(
      Bench({"trace", "inspect", "small.pagetrace", "--format", "json"}).out, nullptr, false);
  ASSERT_THAT(json, SizeIs(1));
  EXPECT_EQ(json[0]["events"], 6);
  EXPECT_EQ(json[0]["by_kind"]["alloc"]["count"], 3);
  EXPECT_EQ(json[0]["peak_in_use"], 67);
}

// ---- Every workload, small, on every layout: so that none rots.

class CliSmoke : public ProgramTest, public ::testing::WithParamInterface<std::string> {};

TEST_P(CliSmoke, RunsOnEveryLayoutWithTheSamePlacements) {
  std::string layouts;
  for (const std::string_view name : LayoutNames()) {
    if (!layouts.empty()) layouts += ',';
    layouts += name;
  }
  const Ended ended = Bench({"run", "-w", GetParam(), "--smoke", "-l", layouts, "-a",
                             "radix,reference", "--format", "csv", "--cpu", "none"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const auto rows = RowsOf(ended.out);
  EXPECT_THAT(Only(rows, "result_hash"), SizeIs(16));
  std::set<std::string> seen;
  for (const auto& row : rows) seen.insert(row.at("layout"));
  EXPECT_THAT(seen, SizeIs(LayoutNames().size()));
}

std::vector<std::string> WorkloadNames() {
  std::vector<std::string> names;
  for (const WorkloadInfo& workload : Workloads()) names.emplace_back(workload.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Workloads, CliSmoke, ::testing::ValuesIn(WorkloadNames()),
                         [](const auto& test) {
                           std::string name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace pagealloc::bench
