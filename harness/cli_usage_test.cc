// What a user is told by the real program: refusals, help, lists; and that every workload runs.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "harness/run/with_layout.h"
#include "harness/trace/workload.h"
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

class CliUsage : public ProgramTest {};

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
      {"NoCommand", {}, "name a command: run, replay, compare"},
      {"NoTraceCommand", {"trace"}, "name a command: validate, inspect"},
      {"FlagTwice", {"run", "--reps", "1", "--reps", "2"}, "--reps has one value, and was given"},
      {"WordTwice", {"trace", "generate", "hot", "churn"}, "WORKLOAD has one value"},
      {"ListWithoutValue", {"run", "-w"}, "--workload needs a value behind it; see pagealloc-"},
      {"EmptyTraceToValidate", {"trace", "validate", ""}, "TRACE: the value is empty"},
      {"EmptyTraceToInspect", {"trace", "inspect", ""}, "TRACE: the value is empty"},
      {"UnknownCommand", {"replya", "x"}, "The nearest is 'replay'"},
      {"UnknownFlag", {"run", "--rep", "3"}, "The nearest is '--reps'"},
      {"UnknownFlagWithValue", {"run", "--hepa=3GiB"}, "The nearest is '--heap'"},
      {"UnknownFlagOfReplay",
       {"replay", "small.pagetrace", "--layuot", "linux-386"},
       "The nearest is '--layout'"},
      {"UnknownFlagHidesNoMissingTrace", {"replay", "--timming=op"}, "The nearest is '--timing'"},
      {"FlagOfAnotherCommand", {"count", "--min-time", "2s"}, "unknown flag '--min-time'"},
      {"MinTimeWithoutUnit", {"run", "--min-time", "5"}, "--min-time: "},
      {"MinTimeTooShort", {"run", "--min-time", "999us"}, "999us is not from 1ms to 1h"},
      {"MinTimeAndOps", {"run", "--min-time", "1s", "--ops", "5"}, "--ops gives. Leave one out"},
      {"MinTimeOfASmokeTest", {"run", "--min-time", "1s", "--smoke"}, "--smoke is as short"},
      {"MinTimeWithoutTiming", {"run", "--min-time", "1s", "--timing", "none"}, "nothing is timed"},
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
      {"UnknownCache", {"replay", "small.pagetrace", "--cache", "percpu"}, "'per-cpu'"},
      {"CachesOfAnotherAllocator",
       {"run", "-w", "hot", "-a", "radix,reference", "--cache", "per-cpu"},
       "'reference' is used as it is. Give it with -a radix only"},
      {"ThreadsOfAnotherAllocator",
       {"run", "-w", "hot", "--threads", "2"},
       "--threads: 'radix' is for one thread at a time. Give -a heap."},
      {"NoThreads", {"run", "-w", "hot", "-a", "heap", "--threads", "0"}, "at least 1"},
      {"ThreadsTimedOneByOne",
       {"run", "-w", "hot", "-a", "heap", "--threads", "2", "--timing", "both"},
       "--timing: several threads are timed together only"},
      {"ThreadsOnOneCpu",
       {"run", "-w", "hot", "-a", "heap", "--threads", "2", "--cpu", "0"},
       "--cpu: several threads are not pinned"},
      {"MemoryOfTheHeap",
       {"run", "-w", "hot", "-a", "heap", "--memory", "commit"},
       "--memory: -a heap maps its own memory"},
      {"CachesOfTheHeap", {"run", "-a", "heap", "--cache", "per-cpu"}, "'heap' is used as it is"},
      {"UnknownMemory",
       {"replay", "small.pagetrace", "--memory", "comit"},
       "The nearest is 'commit'"},
      {"NoRepetitions", {"replay", "small.pagetrace", "--reps", "0"}, "at least 1"},
      {"TooManyRepetitions", {"replay", "small.pagetrace", "--reps", "100001"}, "at most 100000"},
      {"RepetitionsThatOverflow",
       {"replay", "small.pagetrace", "--reps", "18446744073709551615"},
       "at most 100000"},
      {"TooManyWarmups", {"replay", "small.pagetrace", "--warmup", "100001"}, "at most 100000"},
      {"TooManyRuns",
       {"replay", "small.pagetrace", "--reps", "100000", "-l", "linux-amd64,linux-386"},
       "--reps: 100000 for each of 2 cells are more than 100000 runs"},
      {"TooManyWarmUpRuns",
       {"replay", "small.pagetrace", "--warmup", "50001", "-l", "linux-amd64,linux-386"},
       "--warmup: 50001 for each of 2 cells are more than 100000 runs"},
      {"TooLargeBatch",
       {"replay", "small.pagetrace", "--batch", "18446744073709551615"},
       "at most 2147483648"},
      {"EmptyHeap", {"run", "-w", "hot", "--smoke", "--heap", ""}, "--heap: the value is empty"},
      {"EmptyOps", {"run", "-w", "hot", "--smoke", "--ops", ""}, "--ops: the value is empty"},
      {"EmptyMaxTime", {"replay", "small.pagetrace", "--max-time", ""}, "--max-time: the value is"},
      {"EmptyTrace", {"replay", ""}, "TRACE: the value is empty"},
      {"EmptyOut", {"replay", "small.pagetrace", "-o", ""}, "--out: the value is empty"},
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
      {"FlagWithoutValue", {"run", "--reps"}, "--reps needs a value behind it"},
      {"ResultsOfAnotherKind",
       {"replay", "small.pagetrace", "-o", "results.txt", "--reps", "1", "--cpu", "none"},
       ".csv"},
      {"RecordOfSeveral", {"run", "-w", "hot,large", "--smoke", "--record", "x"}, "--record"},
      {"RecordOfFinds",
       {"run", "-w", "find-only", "--smoke", "--record", "x.pagetrace"},
       "no record for find"},
      {"LabelThatIsNotUtf8",
       {"replay", "small.pagetrace", "--label", "caf\xe9"},
       "--label: this is not UTF-8"},
      {"LabelThatIsCut", {"replay", "small.pagetrace", "--label", "\xe2\x82"}, "not UTF-8"},
      {"EndingAsAName", {"replay", "small.pagetrace", "-o", ".csv"}, "an ending without a name"},
      {"FolderAsAName", {"replay", "small.pagetrace", "-o", "/tmp"}, "/tmp is a folder"},
      {"RecordOverTheResults",
       {"replay", "small.pagetrace", "-o", "x.csv", "--record", "./x.csv"},
       "which is the same file"},
      {"RecordOverThePartialResults",
       {"replay", "small.pagetrace", "-o", "x.csv", "--record", "x.csv.partial"},
       "which is the same file"},
      {"RecordOverTheEnvironment",
       {"replay", "small.pagetrace", "-o", "x.csv.zst", "--record", "x.env.json", "--force"},
       "which is the same file"},
      {"MapOfNothing", {"map"}, "one trace or one workload"},
      {"MapOfBoth", {"map", "x", "-w", "hot"}, "one trace or one workload"},
      {"MapOfSeveralWorkloads", {"map", "-w", "h*"}, "this asks for 2"},
      {"MapOfAnEmptyHeap", {"map", "-w", "hot", "--heap", ""}, "--heap: the value is empty"},
      {"MapTooWide", {"map", "x", "--columns", "1001"}, "from 1 to 1000"},
      {"MapFormat", {"map", "x", "--format", "png"}, "text or svg"},
      {"FormatOfAList", {"list", "layouts", "--format", "csv"}, "it is one of table, json"},
  };
  return kCases;
}

INSTANTIATE_TEST_SUITE_P(All, CliBadUsage, ::testing::ValuesIn(BadUsages()),
                         [](const auto& test) { return std::string(test.param.name); });

// ---- Help, version, lists.

TEST_F(CliUsage, HelpOpensWithOneLineOfPurposeAndFourExamples) {
  for (const Words& words :
       {Words{"--help"}, Words{"run", "--help"}, Words{"replay", "-h"}, Words{"list", "-h"},
        Words{"trace", "validate", "-h"}, Words{"trace", "inspect", "-h"}}) {
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

TEST_F(CliUsage, HelpShowsFlagsInGroupsWithTheirDefaults) {
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

TEST_F(CliUsage, VersionNamesCommitCompilerFlagsAndLibraries) {
  const Ended ended = Bench({"--version"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.out, StartsWith("pagealloc-bench "));
  for (const char* part : {"compiler: ", "flags: ", "zstd", "CLI11", "abseil"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
}

TEST_F(CliUsage, ListsAreTablesAndJson) {
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

TEST_F(CliUsage, ListLayoutsShowsTablesAndReservations) {
  const nlohmann::json layouts =
      nlohmann::json::parse(Bench({"list", "layouts", "--format", "json"}).out, nullptr, false);
  ASSERT_THAT(layouts, SizeIs(10));
  EXPECT_EQ(layouts[0]["name"], "linux-amd64");
  EXPECT_EQ(layouts[0]["summary_reservation_bytes"], 613'548'032);
  EXPECT_EQ(layouts[0]["levels"][0]["entries"], 16'384);
  EXPECT_EQ(layouts[4]["summary_reservation_bytes"], 9'360);
}

TEST_F(CliUsage, HelpShowsExamplesThatAreThere) {
  for (const Words& words : {Words{"--help"}, Words{"run", "--help"}, Words{"replay", "--help"},
                             Words{"trace", "inspect", "--help"}, Words{"map", "--help"}}) {
    const std::string help = Bench(words).out;
    for (std::size_t at = help.find("corpora/"); at != std::string::npos;
         at = help.find("corpora/", at + 1)) {
      const std::string file = help.substr(at, help.find_first_of(" \n", at) - at);
      EXPECT_TRUE(std::filesystem::exists(PAGEALLOC_SOURCE + ("/" + file))) << file;
    }
  }
}

// ---- Traces.

TEST_F(CliUsage, ValidateExitsWithZeroOrTwo) {
  WriteFile("small.pagetrace", kSmallTrace);
  WriteFile("bad.pagetrace", "pagetrace 1\na 1 0\n");
  const Ended good = Bench({"trace", "validate", "small.pagetrace"});
  EXPECT_EQ(good.exit_status, 0);
  EXPECT_EQ(good.out, "small.pagetrace: valid, 6 operations\n");
  const Ended bad = Bench({"trace", "validate", "small.pagetrace", "bad.pagetrace"});
  EXPECT_EQ(bad.exit_status, 2);
  EXPECT_EQ(bad.out, "");
  EXPECT_THAT(bad.err, StartsWith("bad.pagetrace:2: a 1 0: "));
  EXPECT_EQ(Bench({"trace", "validate", "absent"}).exit_status, 4);
  EXPECT_THAT(Bench({"trace", "validate", "--help"}).out,
              HasSubstr("exit status 0 or 2; 4 for a file that cannot be read."));
}

TEST_F(CliUsage, InspectPrintsFiguresForPeopleAndPrograms) {
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

TEST_F(CliUsage, InspectPrintsJsonOfATraceWhoseNameIsNotUtf8) {
  WriteFile("\xff.pagetrace", kSmallTrace);
  const Ended ended = Bench({"trace", "inspect", "\xff.pagetrace", "--format", "json"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_TRUE(nlohmann::json::parse(ended.out, nullptr, false).is_array());
}

TEST_F(CliUsage, MoreOperationsThanTheMachineHoldsAreRefusedWithAReason) {
  const auto memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  if (memory > std::uint64_t{128} << 30) GTEST_SKIP() << "this machine holds them";
  const Ended ended = Bench({"run", "-w", "hot", "--ops", "2147483648"});
  EXPECT_EQ(ended.exit_status, 5) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("2147483648 operations need "));
}

// ---- Maps.

TEST_F(CliUsage, MapDrawsTracesAndWorkloads) {
  WriteFile("a.pagetrace", kSmallTrace);
  const Ended text = Bench({"map", "a.pagetrace"});
  EXPECT_EQ(text.exit_status, 0) << text.err;
  EXPECT_THAT(text.out, StartsWith("a.pagetrace: pages in use"));
  const Ended svg = Bench({"map", "-w", "churn", "--heap", "64MiB", "--ops", "500", "-o", "m.svg"});
  EXPECT_EQ(svg.exit_status, 0) << svg.err;
  EXPECT_THAT(svg.out, IsEmpty());
  EXPECT_THAT(ReadFile("m.svg"), StartsWith("<svg xmlns"));
  EXPECT_EQ(Bench({"map", "a.pagetrace", "-o", "m.svg"}).exit_status, 4) << "it exists";
  EXPECT_EQ(Bench({"map", "a.pagetrace", "-o", "m.svg", "--force"}).exit_status, 0);
  EXPECT_EQ(Bench({"map", "a.pagetrace", "-o", "no/m.svg"}).exit_status, 4);
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
