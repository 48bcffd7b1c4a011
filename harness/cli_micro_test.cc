// `micro` through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

using Words = std::vector<std::string>;

class CliMicro : public ProgramTest {};

const Words kShort{"micro",      "--filter", "Summarize|Merge", "--reps", "2",
                   "--min-time", "10us",     "--cpu",           "none"};

Words With(Words words, const Words& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST_F(CliMicro, EveryRepetitionAndTheRowsOverAllAreInTheFile) {
  const Ended ended = Bench(With(kShort, {"-o", "out.csv", "--format", "csv", "--label", "x"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(Files(), ElementsAre("out.csv", "out.env.json"));
  EXPECT_EQ(ReadFile("out.csv"), ended.out);
  const Rows rows = RowsOf(ended.out);
  EXPECT_EQ(rows.size(), 4 * 3U);  // two layouts of Merge, two gaps of Summarize
  EXPECT_EQ(Only(rows, "suite"), "micro");
  EXPECT_EQ(Only(rows, "metric"), "batch_ns");
  EXPECT_EQ(Only(rows, "label"), "x");
  std::set<std::string> cells;
  for (const auto& row : rows) {
    cells.insert(row.at("op") + " " + row.at("layout") + " " + row.at("params"));
    EXPECT_EQ(row.at("stat"), row.at("rep").empty() ? "fastest_quarter" : "mean");
    EXPECT_GT(std::stod(row.at("value")), 0);  // how long it is depends on who else is there
  }
  EXPECT_THAT(cells, ElementsAre("Merge linux-386 ", "Merge linux-amd64 ", "Summarize host gap=2",
                                 "Summarize host gap=50"));
}

// What harness users are promised: each part of the library has its benchmark.
TEST_F(CliMicro, TheSuiteHasEveryPart) {
  const Ended ended = Bench({"micro", "--filter", "no such name"});
  EXPECT_EQ(ended.exit_status, 2);
  for (const char* part : {"BitmapScan/", "Summarize/", "Merge<", "FindPastHoles<",
                           "AllocateRange<", "Update<", "CacheTakeAndFlush<"}) {
    EXPECT_THAT(ended.err, HasSubstr(part));
  }
}

TEST_F(CliMicro, TableIsReadable) {
  const Ended ended = Bench(With(kShort, {"-q"}));
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, AllOf(HasSubstr("ns/op"), HasSubstr("Summarize"), HasSubstr("gap=50")));
}

TEST_F(CliMicro, BadWordsAreRefused) {
  EXPECT_THAT(Bench({"micro", "--filter", "("}).err, HasSubstr("is no regular expression"));
  EXPECT_THAT(Bench({"micro", "--reps", "0"}).err, HasSubstr("--reps"));
  EXPECT_THAT(Bench({"micro", "--min-time", "2h"}).err, HasSubstr("--min-time"));
  EXPECT_THAT(Bench({"micro", "--flter", "x"}).err, HasSubstr("nearest is '--filter'"));
  EXPECT_EQ(Bench({"micro", "--filter", "("}).exit_status, 2);
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CliMicro, FilesThatCannotBeWrittenAreFileErrors) {
  WriteFile("mine.csv", "mine");
  EXPECT_EQ(Bench(With(kShort, {"-o", "mine.csv"})).exit_status, 4);
  EXPECT_EQ(ReadFile("mine.csv"), "mine");
  CallOptions full;
  full.stdout_path = "/dev/full";
  EXPECT_EQ(Bench(kShort, full).exit_status, 4);
  CallOptions limited;
  limited.file_size_limit = 1000;
  EXPECT_EQ(Bench(With(kShort, {"-o", "out.csv"}), limited).exit_status, 4);
  EXPECT_FALSE(Exists("out.csv"));
  CallOptions closed;
  closed.stdout_closed_at_once = true;
  EXPECT_EQ(Bench(kShort, closed).exit_status, 0);
}

TEST_F(CliMicro, AnInterruptKeepsTheFinishedRepetitions) {
  CallOptions options;
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("out.csv.partial");
  const Ended ended =
      Bench({"micro", "--filter", "Merge", "--reps", "10000", "-o", "out.csv"}, options);
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("of 20000 repetitions; they are saved in out.csv.partial"));
  EXPECT_THAT(RowsOf(ReadFile("out.csv.partial")), Not(IsEmpty()));
  EXPECT_FALSE(Exists("out.csv"));
}

}  // namespace
}  // namespace pagealloc::bench
