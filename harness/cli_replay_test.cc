// What the real program does with traces: checks, differences, refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "harness/files/write_file.h"
#include "harness/program_under_test.h"
#include "harness/trace/trace_file.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliReplay : public ProgramTest {};

TEST_F(CliReplay, ReplayChecksTimesAndPrintsATable) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended ended = Bench(Quick({"replay", "small.pagetrace"}));
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  for (const char* part : {"small", "radix", "linux-amd64", "linux-386", "alloc", "cache", "ns"}) {
    EXPECT_THAT(ended.out, HasSubstr(part));
  }
}

TEST_F(CliReplay, ReplayReadsStandardInputAndCompressedFiles) {
  WriteFile("small.pagetrace", kSmallTrace);
  ASSERT_TRUE(WriteTextFile(Path("small.pagetrace.zst"), kSmallTrace).ok());
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

TEST_F(CliReplay, ADifferenceExitsWithOneAndNamesLineExpectationAndResult) {
  WriteFile("wrong.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = 0\na 2 2 = 9\n");
  const Ended ended = Bench(Quick({"replay", "wrong.pagetrace", "-o", "out.csv"}));
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.err, HasSubstr("wrong.pagetrace:4: a 2 2 = 9: expected = 9, but radix on "
                                   "linux-amd64 gave = 2."));
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(Files(), ElementsAre("wrong.pagetrace"));
}

TEST_F(CliReplay, ADifferenceIsFoundWithoutVerificationToo) {
  WriteFile("wrong.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = none\n");
  EXPECT_EQ(
      Bench(Quick({"replay", "wrong.pagetrace", "--no-verify", "-a", "reference"})).exit_status, 1);
}

TEST_F(CliReplay, ABadTraceIsRefusedWithPlaceAndReasonAndLeavesNoFile) {
  for (const std::string text :
       {"", "pagetrace 1\ng 0 512\na 1 2", "pagetrace 2\n", "pagetrace 1\ng 0 512\nf 9\n"}) {
    WriteFile("bad.pagetrace", text);
    const Ended ended = Bench({"replay", "bad.pagetrace", "-o", "out.csv"});
    EXPECT_EQ(ended.exit_status, 2) << text;
    EXPECT_THAT(ended.err, StartsWith("bad.pagetrace:"));
    EXPECT_THAT(Files(), ElementsAre("bad.pagetrace"));
  }
}

TEST_F(CliReplay, ATraceCutAnywhereNeverCrashesAndNeverLeavesAFile) {
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

TEST_F(CliReplay, OfSeveralTracesAllAreReadBeforeAnyRuns) {
  WriteFile("good.pagetrace", kSmallTrace);
  WriteFile("bad.pagetrace", "pagetrace 1\nx\n");
  const Ended ended = Bench(Quick({"replay", "good.pagetrace", "bad.pagetrace", "-o", "out.csv"}));
  EXPECT_EQ(ended.exit_status, 2);
  EXPECT_THAT(ended.err, HasSubstr("bad.pagetrace:2: x: "));
  EXPECT_FALSE(Exists("out.csv"));
  EXPECT_FALSE(Exists("out.csv.partial"));
}

// 256 pages are used and freed; the background leaves the dense chunk alone, force does not.
TEST_F(CliReplay, ScavengesAndChecksHowManyPagesWereReleased) {
  const auto trace = [](const char* expected) {
    return std::string("pagetrace 1\ng 0 512\na 1 512\nf 1\na 2 500\nn\ns 5 bg = 0\ns 5 = ") +
           expected + "\ns 100 = 7\na 3 12\n";
  };
  WriteFile("scavenge.pagetrace", trace("5"));
  for (const char* allocator : {"radix", "reference"}) {
    const Ended ended = Bench(Quick({"replay", "scavenge.pagetrace", "-a", allocator, "-l",
                                     "linux-amd64,linux-386", "--memory", "touch"}));
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
  }
  WriteFile("wrong.pagetrace", trace("6"));
  const Ended wrong = Bench(Quick({"replay", "wrong.pagetrace"}));
  EXPECT_EQ(wrong.exit_status, 1);
  EXPECT_THAT(
      wrong.err,
      HasSubstr("wrong.pagetrace:8: s 5 = 6: expected = 6, but radix on linux-amd64 gave = 5."));
}

TEST_F(CliReplay, ALayoutThatDoesNotFitIsRefusedIfNamedAndSkippedIfNot) {
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

TEST_F(CliReplay, AMissingTraceIsAFileError) {
  const Ended ended = Bench({"replay", "absent.pagetrace"});
  EXPECT_EQ(ended.exit_status, 4);
  EXPECT_THAT(ended.err, HasSubstr("absent.pagetrace"));
}

TEST_F(CliReplay, ATraceNamedTwiceRunsOnce) {
  WriteFile("small.pagetrace", kSmallTrace);
  ASSERT_EQ(symlink("small.pagetrace", Path("link.pagetrace").c_str()), 0);
  const Ended ended = Bench({"replay", "small.pagetrace", "./small.pagetrace", "link.pagetrace",
                             "-l", "linux-386", "--timing", "none", "--format", "csv"});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, HasSubstr("named twice"));
  const Rows rows = RowsOf(ended.out);  // rep 0 and over all
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(),
                          [](const auto& row) { return row.at("metric") == "metadata_bytes"; }),
            2);
}

TEST_F(CliReplay, AFileWithoutAnEndIsRefusedAtOnce) {
  for (const char* device : {"/dev/full", "/dev/zero"}) {
    const Ended ended = Bench({"replay", device});
    EXPECT_EQ(ended.exit_status, 4);
    EXPECT_THAT(ended.err, HasSubstr(std::string(device) + ": it is a device that may never end"));
  }
  EXPECT_EQ(Bench({"replay", "/dev/null"}).exit_status, 2);
}

TEST_F(CliReplay, AnyBatchAndAnyTraceCanBeTouched) {
  WriteFile("small.pagetrace", kSmallTrace);
  WriteFile("empty.pagetrace", "pagetrace 1\n");
  for (const char* trace : {"small.pagetrace", "empty.pagetrace"}) {
    const Ended ended =
        Bench(Quick({"replay", trace, "--memory", "touch", "--batch", "2147483648"}));
    EXPECT_EQ(ended.exit_status, 0) << trace << ended.err;
  }
}

TEST_F(CliReplay, TracesOfOneNameInTwoFoldersAreBothCheckedAndToldApart) {
  for (const char* folder : {"a", "b"}) ASSERT_EQ(mkdir(Path(folder).c_str(), 0755), 0);
  WriteFile("a/web.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = 0\n");
  WriteFile("b/web.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = 0\n");
  const Words words{"replay", "a/web.pagetrace", "b/web.pagetrace",
                    "-l",     "linux-386",       "--timing",
                    "none",   "--format",        "csv"};
  const Ended equal = Bench(words);
  ASSERT_EQ(equal.exit_status, 0) << equal.err;
  std::set<std::string> names;
  for (const auto& row : RowsOf(equal.out)) names.insert(row.at("workload"));
  EXPECT_THAT(names, ElementsAre("b/web.pagetrace", "web"));
  // The same operations, another expectation.
  WriteFile("b/web.pagetrace", "pagetrace 1\ng 0 512\na 1 2 = 7\n");
  const Ended wrong = Bench(words);
  EXPECT_EQ(wrong.exit_status, 1);
  EXPECT_THAT(wrong.err, HasSubstr("b/web.pagetrace:3: a 1 2 = 7: expected = 7"));
}

}  // namespace
}  // namespace pagealloc::bench
