// What the real program does with --cache per-cpu.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliCaches : public ProgramTest {
 protected:
  // Rows without times; the run must end well.
  Rows Exact(Words words, std::string* notes = nullptr) const {
    for (const char* word : {"--timing", "none", "--format", "csv", "-l", "linux-amd64"}) {
      words.emplace_back(word);
    }
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    if (notes != nullptr) *notes = ended.err;
    return RowsOf(ended.out);
  }
};

// Two processors in turn, with the places that there are without caches.
constexpr const char* kTwoProcessors =
    "pagetrace 1\na 1 1 @0 = 0\na 2 1 @1 = 1\na 3 2 @0 = 2\nf 1\na 4 20 @1 = 4\nf 3\na 5 1 = 0\n";

TEST_F(CliCaches, ThePlacesAreTheCachesAndTheRowsSayIt) {
  WriteFile("two.pagetrace", kTwoProcessors);
  const Rows without = Exact({"replay", "two.pagetrace"});
  std::string notes;
  const Rows with = Exact({"replay", "two.pagetrace", "--cache", "per-cpu"}, &notes);
  EXPECT_EQ(Only(without, "params"), "");
  EXPECT_EQ(Only(with, "params"), "cache=per-cpu");
  EXPECT_EQ(Only(with, "stream_hash"), Only(without, "stream_hash"));
  EXPECT_THAT(Only(with, "result_hash"), SizeIs(16));
  EXPECT_NE(Only(with, "result_hash"), Only(without, "result_hash"));
  EXPECT_THAT(notes, HasSubstr("note: two: what its records expect is not compared"));
}

TEST_F(CliCaches, ARecordWithoutProcessorIsThatOfTheFirst) {
  WriteFile("with.pagetrace", "pagetrace 1\na 1 3 @0\na 2 1 @1\na 3 2 @0\n");
  WriteFile("without.pagetrace", "pagetrace 1\na 1 3\na 2 1 @1\na 3 2\n");
  WriteFile("one.pagetrace", "pagetrace 1\na 1 3\na 2 1\na 3 2\n");
  const auto hash = [this](const char* trace) {
    return Only(Exact({"replay", trace, "--cache", "per-cpu"}), "result_hash");
  };
  EXPECT_EQ(hash("with.pagetrace"), hash("without.pagetrace"));
  EXPECT_NE(hash("with.pagetrace"), hash("one.pagetrace"));
}

TEST_F(CliCaches, EveryRepetitionPlacesAlikeAndIsTimed) {
  WriteFile("two.pagetrace", kTwoProcessors);
  for (const char* memory : {"simulate", "touch"}) {
    const Ended ended = Bench({"replay", "two.pagetrace", "--cache", "per-cpu", "--reps", "3",
                               "--memory", memory, "--cpu", "none", "--format", "csv"});
    ASSERT_EQ(ended.exit_status, 0) << ended.err;
    const Rows rows = RowsOf(ended.out);
    EXPECT_THAT(Only(rows, "result_hash"), SizeIs(16));
    std::set<std::string> metrics;
    for (const auto& row : rows) metrics.insert(row.at("metric"));
    for (const char* metric : {"batch_ns", "service_ns", "summary_visits", "metadata_bytes"}) {
      EXPECT_EQ(metrics.count(metric), 1U) << metric;
    }
  }
}

TEST_F(CliCaches, ARecordedTraceReplaysWithTheProcessorsOfItsProgram) {
  const std::string trace = PAGEALLOC_SOURCE "/corpora/traces/link_cmdgo.pagetrace.zst";
  const Ended ended = Bench(Quick(
      {"replay", trace, "--cache", "per-cpu", "-l", "linux-amd64,linux-386", "--format", "csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(Only(RowsOf(ended.out), "result_hash"), SizeIs(16));
}

TEST_F(CliCaches, ARecordThatNamesPagesIsRefused) {
  for (const char* record : {"r 0 1", "u 0 1", "c", "k 0 0x1"}) {
    WriteFile("bad.pagetrace", std::string("pagetrace 1\ng 0 512\na 1 2\n") +
                                   (record[0] == 'r' ? "f 1\n" : "") + record + "\n");
    const Ended ended =
        Bench(Quick({"replay", "bad.pagetrace", "--cache", "per-cpu", "-o", "out.csv"}));
    EXPECT_EQ(ended.exit_status, 2) << ended.err;
    EXPECT_THAT(ended.err, StartsWith("bad.pagetrace:"));
    EXPECT_THAT(ended.err, HasSubstr(std::string(": ") + record + ": this names pages, and with "));
    EXPECT_THAT(Files(), ElementsAre("bad.pagetrace"));
  }
}

TEST_F(CliCaches, AWorkloadRunsOrIsLeftOutWithANote) {
  const Ended ended = Bench({"run", "-w", "hot,churn,go-spans,scavenge,grow,cache,swiss-cheese",
                             "--smoke", "--cache", "per-cpu", "--format", "csv", "--cpu", "none",
                             "-l", "linux-386", "--timing", "batch"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::set<std::string> seen;
  for (const auto& row : RowsOf(ended.out)) {
    EXPECT_THAT(row.at("params"), HasSubstr("cache=per-cpu"));
    EXPECT_THAT(row.at("result_hash"), Not(IsEmpty()));
    seen.insert(row.at("workload"));
  }
  for (const char* name : {"hot", "churn", "go-spans", "scavenge", "grow", "swiss-cheese"}) {
    EXPECT_EQ(seen.count(name), 1U) << name;
  }
  EXPECT_EQ(seen.count("cache"), 0U);
  EXPECT_THAT(ended.err, HasSubstr("note: skipped with --cache per-cpu: cache:"));
  const Ended none = Bench({"run", "-w", "cache", "--smoke", "--cache", "per-cpu"});
  EXPECT_EQ(none.exit_status, 2);
  EXPECT_THAT(none.err, HasSubstr("--cache: none of these workloads can run with page caches"));
}

}  // namespace
}  // namespace pagealloc::bench
