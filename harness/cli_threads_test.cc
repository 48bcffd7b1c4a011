// What the real program does with -a heap and --threads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliThreads : public ProgramTest {
 protected:
  // The run must end well.
  Rows RowsOfRun(Words words, std::string* notes = nullptr) const {
    for (const char* word : {"--format", "csv", "--reps", "2", "--warmup", "1"}) {
      words.emplace_back(word);
    }
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    if (notes != nullptr) *notes = ended.err;
    return RowsOf(ended.out);
  }
};

constexpr const char* kMixed =
    "pagetrace 1\na 1 1 @0 = 0\na 2 20 = 1\na 3 600\nf 2\nf 1\na 1 15\nn\ns 4 bg\ns 4\nf 3\n";

std::set<std::string> Values(const Rows& rows, const std::string& column) {
  std::set<std::string> values;
  for (const auto& row : rows) values.insert(row.at(column));
  return values;
}

TEST_F(CliThreads, AHeapWithOneThreadIsMeasuredLikeAnyAllocator) {
  WriteFile("mixed.pagetrace", kMixed);
  std::string notes;
  const Rows rows = RowsOfRun({"replay", "mixed.pagetrace", "-a", "heap,radix", "-l",
                               "linux-amd64,linux-386,wasm-1.26,aix-ppc64"},
                              &notes);
  std::set<std::string> metrics;
  for (const auto& row : rows) {
    if (row.at("allocator") != "heap") continue;
    metrics.insert(row.at("metric"));
    EXPECT_EQ(row.at("result_hash"), "");
    EXPECT_EQ(row.at("params"), "");
  }
  EXPECT_THAT(metrics,
              ElementsAre("batch_ns", "live_bytes", "metadata_bytes", "minor_faults", "no_room",
                          "null_op_ns", "ops_per_s", "rss_bytes", "service_ns", "span_bytes"));
  EXPECT_THAT(notes, HasSubstr("note: mixed: what its records expect is not compared on heap"));
}

TEST_F(CliThreads, ThreadsShareAHeapAndAreTimedTogether) {
  const Rows rows = RowsOfRun({"run", "-w", "churn,go-spans,scavenge", "--smoke", "-a", "heap",
                               "--threads", "3", "-l", "linux-amd64,linux-386"});
  EXPECT_EQ(Only(rows, "result_hash"), "");
  EXPECT_EQ(Only(rows, "op"), "all");
  EXPECT_THAT(Values(rows, "metric"),
              ElementsAre("batch_ns", "metadata_bytes", "minor_faults", "ops_per_s", "rss_bytes"));
  EXPECT_THAT(Values(rows, "workload"), ElementsAre("churn", "go-spans", "scavenge"));
  for (const auto& row : rows) {
    EXPECT_THAT(row.at("params"), HasSubstr("threads=3"));
    if (row.at("metric") != "batch_ns" || row.at("rep").empty()) continue;
    EXPECT_EQ(row.at("n"), row.at("batch"));
    EXPECT_EQ(row.at("stat"), "mean");
    // All threads' operations in the time of one's.
    for (const auto& rate : rows) {
      if (rate.at("metric") != "ops_per_s" || rate.at("rep") != row.at("rep") ||
          rate.at("seq") != row.at("seq")) {
        continue;
      }
      EXPECT_NEAR(std::stod(rate.at("value")) * std::stod(row.at("value")), 3e9, 1e4);
      EXPECT_EQ(rate.at("better"), "higher");
    }
  }
}

TEST_F(CliThreads, AHeapWithoutCachesRunsBesideOneWithThem) {
  const Rows rows = RowsOfRun({"run", "-w", "churn", "--smoke", "-a", "heap,heap-locked",
                               "--threads", "2", "-l", "linux-amd64"});
  EXPECT_THAT(Values(rows, "allocator"), ElementsAre("heap", "heap-locked"));
  std::map<std::string, double> metadata;
  for (const auto& row : rows) {
    if (row.at("metric") == "metadata_bytes") {
      metadata[row.at("allocator")] = std::stod(row.at("value"));
    }
  }
  EXPECT_LT(metadata.at("heap-locked"), metadata.at("heap")) << "it has no caches to keep";
}

TEST_F(CliThreads, EveryThreadRunsTheWholeTrace) {
  WriteFile("mixed.pagetrace", kMixed);
  for (const char* isolation : {"process", "none"}) {
    const Rows rows = RowsOfRun({"replay", "mixed.pagetrace", "-a", "heap", "--threads", "4", "-l",
                                 "linux-amd64", "--isolate", isolation});
    EXPECT_EQ(Only(rows, "params"), "threads=4");
    for (const auto& row : rows) {
      if (row.at("metric") == "batch_ns" && !row.at("rep").empty()) {
        EXPECT_EQ(row.at("n"), "10");
      }
    }
  }
}

TEST_F(CliThreads, ARecordThatAHeapCannotRunIsRefused) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"g 0 512\na 1 2\n", "bad.pagetrace:2: g 0 512: -a heap grows by itself"},
      {"a 1 2\nu 0 1\n", "bad.pagetrace:3: u 0 1: -a heap decides where runs lie"},
      {"a 1 2\nc\n", "bad.pagetrace:3: c: -a heap decides where runs lie"},
      {"a 1 2\nk 0 0x1\n", "bad.pagetrace:3: k 0 0x1: -a heap decides where runs lie"},
      {"a 1 2\nf 1\nr 0 1\n", "bad.pagetrace:4: r 0 1: -a heap decides where runs lie"}};
  for (const auto& [records, message] : cases) {
    WriteFile("bad.pagetrace", "pagetrace 1\n" + records);
    const Ended ended = Bench(Quick({"replay", "bad.pagetrace", "-a", "heap", "-o", "out.csv"}));
    EXPECT_EQ(ended.exit_status, 2) << ended.err;
    EXPECT_THAT(ended.err, StartsWith(message));
    EXPECT_THAT(Files(), ElementsAre("bad.pagetrace"));
  }
}

TEST_F(CliThreads, AWorkloadThatAHeapCannotRunIsLeftOutWithANote) {
  const Ended ended = Bench({"run", "-w", "grow,churn,cache", "--smoke", "-a", "heap", "--timing",
                             "none", "--format", "csv"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(Only(RowsOf(ended.out), "workload"), "churn");
  EXPECT_THAT(ended.err, HasSubstr("note: skipped on heap: grow"));
  EXPECT_THAT(ended.err, HasSubstr("note: skipped on heap: cache"));
  const Ended none = Bench({"run", "-w", "find-only", "--smoke", "-a", "heap"});
  EXPECT_EQ(none.exit_status, 2);
  EXPECT_THAT(none.err, HasSubstr("nothing is left to run"));
}

}  // namespace
}  // namespace pagealloc::bench
