// What the real program does with allocators of others: those that are installed, and a library
// that the test compiles to be wrong.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliPeers : public ProgramTest {
 protected:
  void TearDown() override {
    for (const char* variable : {"PAGEALLOC_PEER_JEMALLOC", "PAGEALLOC_PEER_MIMALLOC"}) {
      unsetenv(variable);
    }
    ProgramTest::TearDown();
  }

  // What `list allocators` says, by name.
  std::map<std::string, nlohmann::json> Listed() const {
    const Ended ended = Bench({"list", "allocators", "--format", "json"});
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    std::map<std::string, nlohmann::json> listed;
    for (const auto& entry : nlohmann::json::parse(ended.out)) listed[entry["name"]] = entry;
    return listed;
  }

  Rows RowsOfRun(Words words) const {
    for (const char* word : {"--format", "csv", "--reps", "2", "--warmup", "1"}) {
      words.emplace_back(word);
    }
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    return RowsOf(ended.out);
  }

  // A workload and a trace, on one allocator; sizes from one page to more than a chunk.
  void RunBoth(const std::string& allocator, bool places_are_its_own) const {
    WriteFile("some.pagetrace",
              "pagetrace 1\na 1 1\na 2 700\na 3 33\nf 1\na 4 2\nf 2\nf 4\na 5 700\n");
    const Rows rows = RowsOfRun({"run", "-w", "churn", "--smoke", "--heap", "16MiB", "-t",
                                 "some.pagetrace", "-a", "radix," + allocator});
    std::set<std::string> metrics;
    std::set<std::string> workloads;
    for (const auto& row : rows) {
      if (row.at("allocator") != allocator) continue;
      EXPECT_EQ(row.at("layout"), "host");
      EXPECT_EQ(row.at("result_hash").empty(), !places_are_its_own) << row.at("metric");
      metrics.insert(row.at("metric"));
      workloads.insert(row.at("workload"));
      const bool live = row.at("metric") == "live_bytes" && row.at("workload") == "some";
      // Pages 1, 701, 734, 733, 735, 35, 33, 733 live after the eight records.
      if (live) {
        EXPECT_EQ(row.at("value"), std::to_string((3705 + 4) / 8 * 8192));
      }
    }
    EXPECT_EQ(workloads, (std::set<std::string>{"churn", "some"}));
    for (const char* metric : {"batch_ns", "service_ns", "null_op_ns", "span_bytes", "live_bytes",
                               "no_room", "rss_bytes"}) {
      EXPECT_EQ(metrics.count(metric), 1U) << metric;
    }
  }
};

TEST_F(CliPeers, BuddyAndBestFitPlaceTheSameInEveryRun) {
  RunBoth("buddy", true);
  RunBoth("best-fit-map", true);
}

TEST_F(CliPeers, TheKernelsMappingsAreMeasured) { RunBoth("mmap", false); }

TEST_F(CliPeers, InstalledMallocsAreMeasured) {
  std::string skipped;
  for (const auto& [name, entry] : Listed()) {
    const std::string package = entry["package"];
    if (!package.starts_with("lib")) continue;
    if (entry["available"]) {
      RunBoth(name, false);
    } else {
      EXPECT_THAT(std::string(entry["reason"]), HasSubstr("apt-get install " + package));
      skipped += name + " ";
    }
  }
  if (!skipped.empty()) GTEST_SKIP() << "not installed: " << skipped;
}

TEST_F(CliPeers, AMallocThatIsNotThereIsStatus2WithTheCommandThatInstallsIt) {
  setenv("PAGEALLOC_PEER_JEMALLOC", "/nowhere/libjemalloc.so", 1);
  const Ended ended = Bench({"run", "-w", "churn", "--smoke", "-a", "radix,jemalloc"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err,
              AllOf(StartsWith("-a jemalloc cannot load its library: /nowhere/libjemalloc"),
                    HasSubstr("apt-get install libjemalloc2; or name its file with "
                              "PAGEALLOC_PEER_JEMALLOC.")));
  EXPECT_FALSE(Listed()["jemalloc"]["available"]);
  EXPECT_TRUE(Listed()["buddy"]["available"]);
}

TEST_F(CliPeers, ALibraryWithoutTheCallsIsNone) {
  setenv("PAGEALLOC_PEER_MIMALLOC", "libz.so.1", 1);
  const Ended ended = Bench({"run", "-w", "churn", "--smoke", "-a", "mimalloc"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("libz.so.1 has no aligned_alloc and free of its own"));
}

TEST_F(CliPeers, AMallocThatGivesMemoryTwiceOrBesidePagesIsStatus1) {
  for (const char* variant : {"twice", "beside"}) {
    setenv("PAGEALLOC_PEER_JEMALLOC",
           (std::string(PAGEALLOC_BROKEN_MALLOCS) + "/libbroken_malloc_" + variant + ".so").c_str(),
           1);
    WriteFile("some.pagetrace", "pagetrace 1\na 1 1\na 2 1\na 3 1\n");
    const Ended ended = Bench({"replay", "some.pagetrace", "-a", "jemalloc", "--timing", "none"});
    EXPECT_EQ(ended.exit_status, 1) << ended.err;
    EXPECT_THAT(ended.err, HasSubstr("expected pages that only this thread holds, but jemalloc on "
                                     "host gave"));
    EXPECT_THAT(ended.err, HasSubstr(variant == std::string("twice")
                                         ? "a page that is held already"
                                         : "memory that does not begin at a page"));
  }
}

TEST_F(CliPeers, WhatNamesPagesIsLeftOutOrRefusedOnceForAll) {
  Ended ended =
      Bench({"run", "-w", "hot,churn", "--smoke", "-a", "radix,mmap,buddy", "--timing", "none"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, HasSubstr("note: skipped on mmap,buddy: hot:2: r 0 8192: -a mmap,buddy "
                                   "decides where runs lie"));
  WriteFile("some.pagetrace", "pagetrace 1\na 1 1\nr 5 1\n");
  ended = Bench({"replay", "some.pagetrace", "-a", "buddy"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, StartsWith("some.pagetrace:3: r 5 1: -a buddy decides where runs lie"));
}

TEST_F(CliPeers, InstructionsOfLibrariesAndTheKernelAreNotCounted) {
  for (const std::string name : {"jemalloc", "mmap"}) {
    const Ended ended = Bench({"count", "-w", "churn", "--smoke", "-a", "radix," + name});
    EXPECT_EQ(ended.exit_status, 2);
    EXPECT_THAT(ended.err, StartsWith("-a " + name + ": the code of a library or of the kernel"));
  }
}

TEST_F(CliPeers, FlagsAboutTheHeapsPagesAreRefusedWhereTheAllocatorMapsThem) {
  Ended ended = Bench({"run", "-w", "churn", "--smoke", "-a", "mmap", "--memory", "touch"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, StartsWith("--memory: -a mmap maps its own memory."));
  ended = Bench(
      {"run", "-w", "churn", "--smoke", "-a", "buddy", "--memory", "touch", "--heap", "16MiB"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  ended = Bench({"run", "-w", "churn", "--smoke", "-a", "mmap", "--threads", "2"});
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("'mmap' is for one thread at a time"));
}

}  // namespace
}  // namespace pagealloc::bench
