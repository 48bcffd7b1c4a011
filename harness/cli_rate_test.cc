// --rate: the open loop through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using ::testing::Not;
using Words = std::vector<std::string>;

class CliRate : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    WriteFile("small.pagetrace", kSmallTrace);
  }
};

// Open-loop and closed-loop figures never mix.
TEST_F(CliRate, GivesResponseTimesAndNoOthers) {
  const Ended ended =
      Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386", "--rate", "20000", "--format",
                   "csv", "--arrival", "poisson", "--percentiles", "50,99"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::set<std::string> metrics;
  const Rows rows = RowsOf(ended.out);
  for (const auto& row : rows) {
    metrics.insert(row.at("metric"));
    EXPECT_EQ(row.at("params"), "arrival=poisson;rate=20000");
    if (row.at("metric") == "response_ns") {
      EXPECT_EQ(row.at("better"), "lower");
    }
  }
  EXPECT_THAT(metrics, IsSupersetOf({"response_ns", "ops_per_s", "null_op_ns", "metadata_bytes"}));
  EXPECT_THAT(metrics, Not(Contains("service_ns")));
  EXPECT_THAT(metrics, Not(Contains("batch_ns")));
}

TEST_F(CliRate, IsATableForPeopleAndStandsInTheEnvironment) {
  const Ended ended = Bench(Quick(
      {"run", "-w", "hot", "--smoke", "-l", "linux-386", "--rate", "100000", "-o", "rate.csv"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("response p99"));
  EXPECT_THAT(ReadFile("rate.env.json"), HasSubstr("\"rate\": \"100000\""));
  EXPECT_THAT(ReadFile("rate.env.json"), HasSubstr("\"arrival\": \"fixed\""));
  EXPECT_THAT(ReadFile("rate.env.json"), HasSubstr("\"timing\": \"response\""));
}

// No machine does an operation in a nanosecond, clock included.
TEST_F(CliRate, SaysWhenTheRateWasNotReached) {
  const Words words = Words{"replay",     "small.pagetrace", "-l", "linux-386", "--rate",
                            "1000000000", "--reps",          "2",  "--warmup",  "0"};
  const Ended ended = Bench(words);
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("in 2 of 2 repetitions the allocator or the machine did not "
                                   "keep up: achieved "));
  EXPECT_THAT(ended.err, HasSubstr(" of 1000000000 ops/s"));
}

TEST_F(CliRate, IsRefusedWithWhatItCannotGoWith) {
  struct Case {
    Words flags;
    const char* message;
  };
  const std::vector<Case> cases{
      {{"--rate", "1000", "--timing", "op"}, "--timing: at a --rate response times are measured"},
      {{"--rate", "1000", "--timing", "none"}, "figures of open and closed loops do not mix"},
      {{"--rate", "1000", "--batch", "8"}, "--batch: at a --rate"},
      {{"--rate", "1000", "--hist-dir", "."}, "--hist-dir: at a --rate"},
      {{"--rate", "1000", "-a", "heap", "--threads", "2"}, "--rate: operations come to one thread"},
      {{"--arrival", "poisson"}, "--arrival: it says how operations come at a rate"},
      {{"--rate", "1000", "--arrival", "poison"}, "The nearest is 'poisson'"},
      {{"--rate", "0"}, "--rate: 0 is too small"},
      {{"--rate", "fast"}, "--rate"},
      {{"--rate", "1000000001"}, "at most 1000000000"},
      {{"--rate", ""}, "--rate: the value is empty"},
  };
  for (const Case& bad : cases) {
    Words words{"replay", "small.pagetrace"};
    words.insert(words.end(), bad.flags.begin(), bad.flags.end());
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 2) << bad.message;
    EXPECT_THAT(ended.err, HasSubstr(bad.message));
    EXPECT_EQ(ended.out, "");
  }
}

TEST_F(CliRate, ALongWaitCanBeInterrupted) {
  CallOptions options;
  options.interrupt_when_file = Path("rate.csv.partial");
  options.interrupt_signal = SIGINT;
  const Ended ended = Bench({"replay", "small.pagetrace", "-l", "linux-386", "--warmup", "0",
                             "--rate", "100", "--reps", "10000", "-o", "rate.csv"},
                            options);
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_TRUE(Exists("rate.csv.partial"));
}

}  // namespace
}  // namespace pagealloc::bench
