// What the real program does with -a go: with the programs that tools/build-go-peer makes, where
// they are, and with scripts in their place that answer as a broken one would.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "harness/run/go_program.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliGo : public ProgramTest {
 protected:
  void TearDown() override {
    unsetenv(kGoFolderVariable);
    ProgramTest::TearDown();
  }

  // From now on a script answers for both layouts: `version` when asked for it, else `body`.
  void Answer(const std::string& version, const std::string& body) const {
    for (const std::string_view layout : kGoLayouts) {
      const std::string name = "go-peer-" + std::string(layout);
      WriteFile(name, "#!/bin/sh\nif [ \"$1\" = --version ]; then echo '" + version +
                          "'; exit; fi\ncat >/dev/null\n" + body + "\n");
      chmod(Path(name).c_str(), 0755);
    }
    setenv(kGoFolderVariable, folder_.c_str(), 1);
  }

  Ended Replay(const std::string& trace, Words words = {}) const {
    WriteFile("some.pagetrace", trace);
    Words all{"replay", "some.pagetrace", "-a", "radix,go", "--timing", "none"};
    all.insert(all.end(), words.begin(), words.end());
    return Bench(all);
  }
};

/// Tests of the programs themselves.
class CliGoPeer : public CliGo {
 protected:
  void SetUp() override {
    CliGo::SetUp();
    for (const std::string_view layout : kGoLayouts) {
      if (const auto why = WhyNoGoProgram(layout)) GTEST_SKIP() << *why;
    }
    setenv(kGoFolderVariable, GoProgram("").substr(0, GoProgram("").rfind('/')).c_str(), 1);
  }
};

constexpr const char* kVersion = "pagealloc-go-peer 2 go1.0 none";

// Every kind of record that Go can do, and requests that find no room.
constexpr const char* kEveryKind =
    "pagetrace 1\n"
    "g 0 512\n"
    "a 1 3 = 0\n"
    "a 2 600 = none\n"
    "g 512 512\n"
    "a 3 600 = 3\n"
    "r 700 5\n"
    "f 1\n"
    "c = 0 0x7\n"
    "k 0 0x6 0x2\n"
    "u 701 4\n"
    "a 4 2 = 1\n"
    "a 5 400 = none\n";

TEST_F(CliGoPeer, PlacesEveryKindOfRecordAsRadixDoesAndIsTimedBesideIt) {
  WriteFile("every.pagetrace", kEveryKind);
  const Ended ended = Bench({"replay", "every.pagetrace", "-a", "radix,go", "--reps", "2",
                             "--warmup", "1", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const Rows rows = RowsOf(ended.out);
  EXPECT_NE(Only(rows, "result_hash"), "");
  std::set<std::string> of_go;
  std::set<std::string> of_radix;
  for (const auto& row : rows) {
    if (row.at("rep").empty()) continue;
    const std::string what = row.at("layout") + " " + row.at("op") + " " + row.at("metric");
    (row.at("allocator") == "go" ? of_go : of_radix).insert(what);
  }
  // The same rows, but for the work of a tree.
  for (const std::string& what : of_radix) {
    const bool work =
        what.find("words") != std::string::npos || what.find("summary") != std::string::npos;
    EXPECT_EQ(of_go.count(what), work ? 0U : 1U) << what;
  }
  EXPECT_THAT(of_go,
              AllOf(Contains("linux-amd64 all batch_ns"), Contains("linux-386 all null_op_ns"),
                    Contains("linux-386 alloc service_ns")));
}

// The same answers, and longer times: a call of the runtime costs what a switch of stacks and a
// lock cost. Only the former is checked.
TEST_F(CliGoPeer, LocksForEachOperationWhenAsked) {
  WriteFile("every.pagetrace", kEveryKind);
  const Ended ended =
      Bench({"replay", "every.pagetrace", "-a", "go,go-locked", "--reps", "2", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const Rows rows = RowsOf(ended.out);
  EXPECT_NE(Only(rows, "result_hash"), "");
  std::map<std::string, std::set<std::string>> metrics;
  for (const auto& row : rows) metrics[row.at("allocator")].insert(row.at("metric"));
  EXPECT_EQ(metrics["go"], metrics["go-locked"]);
}

TEST_F(CliGoPeer, GrowsOnDemandAsTheTraceFormatSays) {
  const Ended ended = Replay("pagetrace 1\na 1 1 = 0\na 2 512 = 1\na 3 510 = 513\na 4 2 = 1023\n");
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
}

// More would not change an address, but where a heap ends that is as large as the layout.
TEST_F(CliGoPeer, GrowsByNoMoreThanIsAskedForRoundedToChunks) {
  const Ended ended = Replay("pagetrace 1\na 1 490496 = 0\na 2 511 = 490496\na 3 1 = 491007\n",
                             {"-l", "linux-386"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  const Ended at_once = Replay("pagetrace 1\na 1 491008 = 0\n", {"-l", "linux-386"});
  EXPECT_EQ(at_once.exit_status, 0) << at_once.err;
}

TEST_F(CliGoPeer, AgreesOnAGoldenTrace) {
  const Ended ended =
      Bench({"replay", PAGEALLOC_SOURCE "/corpora/golden/compile386_nethttp.golden.pagetrace.zst",
             "-a", "radix,go", "--reps", "1", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_NE(Only(RowsOf(ended.out), "result_hash"), "");
}

TEST_F(CliGoPeer, RunsEveryWorkloadButThoseThatScavenge) {
  const Ended ended = Bench({"run", "-w", "*", "--smoke", "--heap", "16MiB", "-a", "go,radix",
                             "--timing", "batch", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::set<std::string> workloads;
  for (const auto& row : RowsOf(ended.out)) {
    if (row.at("allocator") == "go") workloads.insert(row.at("workload"));
  }
  for (const char* name : {"hot", "sequential", "churn", "swiss-cheese", "sawtooth", "large",
                           "go-spans", "lifo", "fifo", "find-only", "alloc-range-only", "cache"}) {
    EXPECT_EQ(workloads.count(name), 1U) << name;
  }
  EXPECT_EQ(workloads.count("scavenge"), 0U);
  EXPECT_THAT(ended.err, HasSubstr("note: skipped on go: scavenge:"));
}

TEST_F(CliGoPeer, ShowsHowManyTimesAsLongItTakes) {
  const Ended ended = Bench({"run", "-w", "hot", "--smoke", "-a", "radix,go", "-l", "linux-amd64"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("vs radix"));
  EXPECT_THAT(ended.err, HasSubstr("note: -a go maps no heap, so none is mapped for others"));
}

TEST_F(CliGo, WithoutItsProgramItIsMissingAndTheCommandIsNamed) {
  setenv(kGoFolderVariable, "/nowhere", 1);
  const Ended ended = Replay(kSmallTrace);
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, StartsWith("-a go needs /nowhere/go-peer-linux-amd64: No such file"));
  EXPECT_THAT(ended.err, HasSubstr("Build it: tools/build-go-peer -o /nowhere linux-amd64"));
  const Ended list = Bench({"list", "allocators", "--format", "json"});
  EXPECT_EQ(list.exit_status, 0);
  for (const auto& entry : nlohmann::json::parse(list.out)) {
    const bool go = IsGo(entry["name"].get<std::string>());
    EXPECT_EQ(entry["available"], !go) << entry;
    if (!go) continue;
    EXPECT_EQ(entry["package"], "golang-1.19-go");
    EXPECT_THAT(entry["reason"], HasSubstr("tools/build-go-peer"));
  }
}

TEST_F(CliGo, AProgramOfAnotherVersionIsRefused) {
  Answer("pagealloc-go-peer 99 go9.99 none", "");
  const Ended ended = Replay(kSmallTrace);
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("it was built for another version. Build it:"));
}

// One word of the answer is an octal escape for each byte, lowest first.
constexpr const char* kHead =
    "printf 'page-ans\\2\\0\\0\\0\\0\\0\\0\\0'\n"                   // whose, version
    "printf '\\7\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'\n";  // hash, metadata

TEST_F(CliGo, AnAddressThatDiffersIsStatus1) {
  // Offset 5 where 0 is right.
  Answer(kVersion, std::string(kHead) +
                       "printf '\\5\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0\\0'\n"
                       "printf '\\0\\0\\0\\0\\0\\0\\0\\0'");
  const Ended ended = Replay("pagetrace 1\na 1 1\n", {"-l", "linux-386"});
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.err,
              HasSubstr("some.pagetrace:2: a 1 1: expected offset 0, 1 pages scavenged"));
  EXPECT_THAT(ended.err, HasSubstr("but go on linux-386 gave offset 5"));
}

TEST_F(CliGo, WithoutTheModelTheHashesAreCompared) {
  Answer(kVersion, std::string(kHead) +
                       "printf '\\0\\0\\0\\0\\0\\0\\0\\0\\1\\0\\0\\0\\0\\0\\0\\0'\n"
                       "printf '\\0\\0\\0\\0\\0\\0\\0\\0'");
  const Ended ended = Replay("pagetrace 1\na 1 1\n", {"-l", "linux-386", "--no-verify"});
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(
      ended.err,
      HasSubstr("some | go | linux-386 placed pages differently from radix (result hash 0000"));
}

TEST_F(CliGo, AProgramThatBreaksDownIsABug) {
  Answer(kVersion, "exit 3");
  Ended ended = Replay(kSmallTrace);
  EXPECT_EQ(ended.exit_status, 70);
  EXPECT_THAT(ended.err, HasSubstr("its process ended with exit status 3"));
  Answer(kVersion, kHead);
  ended = Replay(kSmallTrace);
  EXPECT_EQ(ended.exit_status, 70);
  EXPECT_THAT(ended.err, HasSubstr("the Go program's answer has another length"));
}

TEST_F(CliGo, WhatItCannotRunIsRefusedOrLeftOut) {
  Answer(kVersion, "exit 3");
  Ended ended = Replay("pagetrace 1\na 1 1\nf 1\ns 1\n");
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("some.pagetrace:4: s 1: -a go does not scavenge"));
  ended = Bench({"run", "-w", "hot", "--smoke", "-a", "go", "-l", "wasm-1.26"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("note: -a go has no layout wasm-1.26. Choose linux-amd64 or"));
  EXPECT_THAT(ended.err, HasSubstr("nothing is left to run"));
}

TEST_F(CliGo, AMappedHeapBesideItIsWarnedAbout) {
  Answer(kVersion, "exit 3");
  const Ended ended = Replay(kSmallTrace, {"--memory", "commit", "--dry-run"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, HasSubstr("warning: -a go maps no heap, and others do"));
}

}  // namespace
}  // namespace pagealloc::bench
