// The files that the real program leaves behind, and what becomes of them when something fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliFiles : public ProgramTest {};

TEST_F(CliFiles, HistogramsAreWrittenForEachCell) {
  WriteFile("small.pagetrace", kSmallTrace);
  ASSERT_EQ(mkdir(Path("hist").c_str(), 0755), 0);
  const Ended ended =
      Bench(Quick({"replay", "small.pagetrace", "-l", "linux-386", "--hist-dir", "hist"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const std::string text = ReadFile("hist/small--radix-linux-386.hist");
  EXPECT_THAT(text, StartsWith("pagealloc-histograms 1\n"));
  EXPECT_THAT(text, HasSubstr("\nalloc h1 "));
  const Words again{"replay", "small.pagetrace", "-l", "linux-386", "--hist-dir", "hist"};
  const Ended refused = Bench(Quick(again));
  EXPECT_EQ(refused.exit_status, 4);
  EXPECT_THAT(refused.err, HasSubstr("hist/small--radix-linux-386.hist: the file exists"));
  Words forced = again;
  forced.emplace_back("--force");
  EXPECT_EQ(Bench(Quick(forced)).exit_status, 0);
}

TEST_F(CliFiles, HistogramsOfDifferentTracesHaveFilesOfTheirOwn) {
  WriteFile("a_b.pagetrace", kSmallTrace);
  WriteFile("a b.pagetrace", "pagetrace 1\na 1 1\n");
  ASSERT_EQ(mkdir(Path("hist").c_str(), 0755), 0);
  const Ended ended = Bench(
      Quick({"replay", "a_b.pagetrace", "a b.pagetrace", "-l", "linux-386", "--hist-dir", "hist"}));
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(Path("hist"))) {
    EXPECT_THAT(entry.path().filename().string(), StartsWith("a_b--radix-linux-386"));
    ++files;
  }
  EXPECT_EQ(files, 2U);
}

// A minute of measuring must not end with a name that could never be written.
TEST_F(CliFiles, APlaceThatCannotBeWrittenIsFoundBeforeAnythingRuns) {
  WriteFile("small.pagetrace", kSmallTrace);
  for (const Words& place :
       {Words{"--hist-dir", "absent"}, Words{"--hist-dir", "small.pagetrace"},
        Words{"--record", "absent/x.pagetrace"}, Words{"--record", "/proc/x.pagetrace"}}) {
    Words words{"replay", "small.pagetrace", "-l", "linux-386", "-v", "-o", "out.csv"};
    words.insert(words.end(), place.begin(), place.end());
    const Ended ended = Bench(words);
    EXPECT_EQ(ended.exit_status, 4) << place[1];
    EXPECT_THAT(ended.err, HasSubstr(place[1]));
    EXPECT_THAT(ended.err, Not(HasSubstr("checked: "))) << place[1];
    EXPECT_THAT(Files(), ElementsAre("small.pagetrace"));
  }
}

TEST_F(CliFiles, ALinkThatLeadsNowhereIsKeptWhereTheTraceIsRecorded) {
  WriteFile("small.pagetrace", kSmallTrace);
  std::filesystem::create_symlink("made.pagetrace", Path("link.pagetrace"));
  const Words words{"replay", "small.pagetrace", "--timing", "none", "--record", "link.pagetrace"};
  ASSERT_EQ(Bench(words).exit_status, 0);
  EXPECT_TRUE(std::filesystem::is_symlink(Path("link.pagetrace")));
  EXPECT_THAT(ReadFile("made.pagetrace"), StartsWith("pagetrace 1\n"));
}

TEST_F(CliFiles, DryRunSaysWhatWouldRunAndWritesNothing) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench({"replay", "small.pagetrace", "-o", "out.csv", "--dry-run"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.out, HasSubstr("small | radix | linux-386"));
  EXPECT_THAT(ended.out, HasSubstr("2 cells"));
  EXPECT_THAT(Files(), ElementsAre("small.pagetrace"));
}

// ---- Files and streams that fail.

TEST_F(CliFiles, AnExistingFileIsKeptUnlessForced) {
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

TEST_F(CliFiles, AFolderThatCannotBeWrittenIsAFileError) {
  WriteFile("small.pagetrace", kSmallTrace);
  EXPECT_EQ(Bench({"replay", "small.pagetrace", "-o", "absent/out.csv"}).exit_status, 4);
  EXPECT_EQ(Bench({"replay", "small.pagetrace", "-o", "/proc/out.csv"}).exit_status, 4);
}

TEST_F(CliFiles, AFileSizeLimitIsAFileErrorNotACrash) {
  WriteFile("small.pagetrace", kSmallTrace);
  CallOptions options;
  options.file_size_limit = 4096;
  const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-o", "out.csv"}), options);
  EXPECT_EQ(ended.exit_status, 4) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("out.csv"));
  EXPECT_FALSE(Exists("out.csv"));
}

TEST_F(CliFiles, AClosedPipeEndsQuietly) {
  CallOptions options;
  options.stdout_closed_at_once = true;
  for (const Words& words : {Words{"list", "workloads"}, Words{"--help"}}) {
    const Ended ended = Bench(words, options);
    EXPECT_EQ(ended.exit_status, 0);
    EXPECT_EQ(ended.err, "");
  }
}

// A results file that got the number of a closed stream would also get its notes.
TEST_F(CliFiles, AStreamThatIsClosedAtTheStartDoesNotSpillIntoTheResults) {
  WriteFile("small.pagetrace", kSmallTrace);
  for (const int stream : {0, 1, 2}) {
    CallOptions options;
    options.closed_stream = stream;
    const std::string out = "out" + std::to_string(stream) + ".csv";
    const Ended ended = Bench(Quick({"replay", "small.pagetrace", "-o", out, "-v"}), options);
    // Closed standard output cannot take the table: that is told, and the file is whole.
    EXPECT_EQ(ended.exit_status, stream == 1 ? 4 : 0) << stream << ended.err;
    const std::string csv = ReadFile(out);
    EXPECT_THAT(csv, StartsWith("schema,run_id,")) << stream;
    EXPECT_THAT(csv, Not(HasSubstr("small | "))) << stream;
    EXPECT_GT(RowsOf(csv).size(), 10U);
  }
  CallOptions options;
  options.closed_stream = 0;
  EXPECT_EQ(Bench({"replay", "-"}, options).exit_status, 4);
}

TEST_F(CliFiles, AnInterruptKeepsTheFinishedRepetitionsAndSaysHowMany) {
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

TEST_F(CliFiles, AChildThatDiesIsABugThatNamesTheCellAndKeepsTheRest) {
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

TEST_F(CliFiles, AnInterruptWhileATraceIsReadEndsAtOnceAndLeavesNoFile) {
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

}  // namespace
}  // namespace pagealloc::bench
