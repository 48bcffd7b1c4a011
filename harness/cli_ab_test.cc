// `ab` through the real program: two sides in turn, verdicts, exit statuses, what is kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "harness/program_under_test.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A program that stands in for a pagealloc-bench of another commit: a script that calls the real
/// one and changes what it writes. $out is the results file of the call, $call its number from 0.
std::string Script(const std::string& change) {
  return "#!/bin/sh\n"
         "for word; do out=$word; done\n"
         "call=$(ls calls 2>/dev/null | wc -l); mkdir -p calls; : >calls/$call\n"
         "\"$PAGEALLOC_BENCH_REAL\" \"$@\" || exit $?\n" +
         change + "\n";
}

class AbTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    ASSERT_EQ(setenv("PAGEALLOC_BENCH_REAL", PathOfProgram().c_str(), 1), 0);
  }

  void WriteProgram(const std::string& name, const std::string& text) const {
    WriteFile(name, text);
    ASSERT_EQ(std::system(("chmod +x '" + Path(name) + "'").c_str()), 0);
  }

  /// ab with `flags` over a moment's work.
  Ended Ab(std::vector<std::string> flags, std::vector<std::string> run = {},
           const CallOptions& options = {}) const {
    flags.insert(flags.begin(), {"ab", "--reps", "1"});
    flags.emplace_back("--");
    if (run.empty()) run = {"-w", "hot", "-l", "linux-386"};
    flags.insert(flags.end(), run.begin(), run.end());
    for (const char* word : {"--smoke", "--ops", "500", "--cpu", "none"}) flags.emplace_back(word);
    return Bench(flags, options);
  }
};

TEST_F(AbTest, ComparesAProgramWithItself) {
  // No time is gated, so that the machine has no say in this test.
  const Ended ended = Ab({"--aa", "--rounds", "3", "--gate", "exact", "-o", "kept"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("base -> new"), HasSubstr("gate: passed"),
                               HasSubstr("noise floor after 3 rounds")));
  EXPECT_THAT(ended.out, Not(HasSubstr("advisory")));
  EXPECT_THAT(ended.err, AllOf(HasSubstr("3 rounds: "), HasSubstr("results: kept/base.csv")));
}

// Rounds go base new, new base, base new; both sides' files say so.
TEST_F(AbTest, WritesTheRowsOfBothSides) {
  ASSERT_EQ(Ab({"--aa", "--rounds", "3", "--gate", "none", "-o", "kept"}).exit_status, 0);
  const std::vector<std::pair<std::string, std::vector<std::string>>> sides{
      {"base", {"0", "3", "4", ""}}, {"new", {"1", "2", "5", ""}}};
  for (const auto& [side, seqs] : sides) {
    Rows rows = RowsOf(ReadFile("kept/" + side + ".csv"));
    Only(rows, "run_id");
    std::erase_if(rows, [](const auto& row) { return row.at("metric") != "batch_ns"; });
    ASSERT_EQ(rows.size(), 4U);  // three rounds, and the row over all
    for (std::size_t i = 0; i < rows.size(); ++i) {
      EXPECT_EQ(rows[i].at("seq"), seqs[i]) << side;
      EXPECT_EQ(rows[i].at("rep"), i < 3 ? std::to_string(i) : "") << side;
    }
    EXPECT_EQ(rows[3].at("stat"), "fastest_quarter");
    const auto environment = nlohmann::json::parse(ReadFile("kept/" + side + ".env.json"));
    EXPECT_THAT(environment["arguments"].dump(), HasSubstr("\"--reps\",\"1\""));
  }
  // They are results as any others.
  const Ended again = Bench({"compare", "kept/base.csv", "kept/new.csv"});
  EXPECT_EQ(again.exit_status, 0) << again.err;
}

TEST_F(AbTest, FindsMoreWork) {
  // Every row of words_scanned gets a digit more.
  WriteProgram("more-work", Script("sed -i '/words_scanned/s/,count,exact,/&9/' \"$out\""));
  const Ended ended = Ab({"--new", "./more-work", "--rounds", "2"});
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.out, AllOf(HasSubstr("words_scanned"), HasSubstr("gate: failed")));
  EXPECT_THAT(ended.err, HasSubstr("the gate failed: base and new: 1 regressed"));
}

TEST_F(AbTest, ConfirmsASlowerProgramWithARepeat) {
  // Times that a script makes up: 100, or in the new program 110, and hardly any noise.
  const std::string change =
      "sed -i '/,batch_ns,/s/,ns,lower,[0-9.]*,/,ns,lower,'$ns.$call',/' \"$out\"";
  WriteProgram("before", Script("ns=100; " + change));
  WriteProgram("after", Script("ns=110; " + change));
  WriteProgram("once", Script("ns=110; test $call -lt 20 || ns=100; " + change));
  const Ended ended = Ab({"--base", "./before", "--new", "./after"});
  EXPECT_EQ(ended.exit_status, 1) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("110 ns"), HasSubstr("gated  regressed")));
  EXPECT_THAT(ended.err, HasSubstr("10 rounds: "));
  EXPECT_THAT(ended.err, HasSubstr("repeating what regressed, up to round 20"));
  EXPECT_THAT(ended.err, Not(HasSubstr("going on")));
  std::system(("rm -r '" + Path("calls") + "'").c_str());
  // Slower in the first ten rounds only: twenty calls of both programs.
  const Ended gone = Ab({"--base", "./before", "--new", "./once", "--rounds", "20"});
  EXPECT_EQ(gone.exit_status, 0) << gone.err;
  EXPECT_THAT(gone.out, Not(HasSubstr("gated  regressed")));
  EXPECT_THAT(gone.err, HasSubstr("20 rounds: "));
}

TEST_F(AbTest, ComparesTwoSetsOfFlags) {
  const Ended ended = Ab({"--base-flags", "-a radix", "--new-flags", "-a 'reference'", "--rounds",
                          "2", "--gate", "none", "--format", "json"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("the sides differ in allocator radix -> reference"));
  const auto json = nlohmann::json::parse(ended.out);
  EXPECT_EQ(json["comparisons"][0]["rows"][0]["base_n"], 2);
}

TEST_F(AbTest, RefusesOtherPlacements) {
  WriteProgram("other-places", Script("sed -i '2,$s/[0-9a-f]*$/beef/' \"$out\""));
  const Ended ended = Ab({"--new", "./other-places", "--rounds", "2"});
  EXPECT_EQ(ended.exit_status, 3);
  EXPECT_THAT(ended.err, HasSubstr("--allow-behaviour-change"));
  EXPECT_THAT(ended.out, IsEmpty());
  const Ended allowed =
      Ab({"--new", "./other-places", "--rounds", "2", "--allow-behaviour-change"});
  EXPECT_EQ(allowed.exit_status, 0) << allowed.err;
}

struct Line {
  std::vector<std::string> flags;
  std::vector<std::string> run;
  int exit_status;
  const char* says;
};

TEST_F(AbTest, EndsWithTheStatusThatIsDocumented) {
  WriteFile("no-program", "text");
  WriteProgram("silent", "#!/bin/sh\nexit 0\n");
  WriteProgram("differs", "#!/bin/sh\necho 'alloc 7 differs' >&2\nexit 1\n");
  WriteProgram("crashes", "#!/bin/sh\nkill -SEGV $$\n");
  ASSERT_EQ(std::system(
                ("mkdir -p '" + Path("there") + "'; : >'" + Path("there/base.csv") + "'").c_str()),
            0);
  WriteFile("bad.pagetrace", "pagetrace 1\nf 1\n");
  WriteFile("other.pagetrace", kSmallTrace);
  for (const Line& line : std::vector<Line>{
           {{}, {}, 2, "two sides that differ"},
           {{"--aa", "--new", "x"}, {}, 2, "--aa: both sides are the same"},
           {{"--new", "absent"}, {}, 2, "--new: cannot start absent: No such file"},
           {{"--base", "./no-program"}, {}, 2, "--base: cannot start ./no-program: Permission"},
           {{"--new", "./silent"}, {}, 2, "it wrote no results"},
           {{"--aa"}, {"-w", "hott"}, 2, "The nearest is 'hot'"},
           {{"--aa"}, {"replay", "bad.pagetrace"}, 2, "bad.pagetrace:2: f 1"},
           {{"--aa"}, {"compare"}, 2, "behind -- stands run or replay, not 'compare'"},
           {{"--aa"}, {"-w", "hot", "--reps", "3"}, 2, "ab decides this itself"},
           {{"--aa"}, {"-w", "hot", "-ofile.csv"}, 2, "ab decides this itself"},
           {{"--aa"}, {"-w", "hot", "--min-time=1s"}, 2, "both sides must do the same operations"},
           {{"--aa", "--rounds", "0"}, {}, 2, "--rounds: 0 is too small"},
           {{"--aa", "--round", "3"}, {}, 2, "The nearest is '--rounds'"},
           {{"--new-flags", "-l 'linux-386"}, {}, 2, "a quote is not closed"},
           {{"--aa", "--gate", "batch"}, {}, 2, "The nearest is 'batch_ns'"},
           {{"--new", "./differs"}, {}, 1, "it ended with status 1:\nalloc 7 differs"},
           {{"--new", "./crashes"}, {}, 70, "it ended with status 139"},
           {{"--base-flags", "-w hot", "--new-flags", "-w churn"},
            {"-l", "linux-386"},
            3,
            "no row of one"},
           {{"--aa", "-o", "there"}, {}, 4, "there/base.csv: it exists"},
           {{"--aa", "-o", "/proc/absent"}, {}, 4, "cannot make the folder /proc/absent"},
           {{"--aa", "--rounds", "1", "--fail-on", "unclear"}, {}, 5, " unclear of the gated rows"},
           {{"--aa", "--rounds", "1"}, {"replay", "other.pagetrace", "-l", "linux-386"}, 0, ""},
       }) {
    const std::string shown = ::testing::PrintToString(line.flags);
    std::vector<std::string> run = line.run;
    Ended ended;
    if (!run.empty() && run.front() == "replay") {  // --ops is for workloads
      std::vector<std::string> words{"ab"};
      words.insert(words.end(), line.flags.begin(), line.flags.end());
      words.emplace_back("--");
      words.insert(words.end(), run.begin(), run.end());
      ended = Bench(words);
    } else {
      ended = Ab(line.flags, run);
    }
    EXPECT_EQ(ended.exit_status, line.exit_status) << shown << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(line.says)) << shown;
  }
}

TEST_F(AbTest, KeepsFinishedRoundsOnCtrlC) {
  const Ended ended =
      Ab({"--aa", "--rounds", "1000", "--gate", "none", "-o", "kept"}, {},
         {.interrupt_when_file = Path("kept/new.csv.partial"), .interrupt_signal = 2});
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("they are saved in kept/base.csv.partial"));
  EXPECT_THAT(RowsOf(ReadFile("kept/base.csv.partial")), Not(IsEmpty()));
  EXPECT_FALSE(Exists("kept/base.csv"));
}

TEST_F(AbTest, SaysWhenTheDiskIsFull) {
  const Ended ended = Ab({"--aa", "--rounds", "100", "--gate", "none", "-o", "kept"}, {},
                         {.file_size_limit = 12'000});
  EXPECT_EQ(ended.exit_status, 4) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("File too large"));
  EXPECT_EQ(Ab({"--aa", "--rounds", "1"}, {}, {.stdout_path = "/dev/full"}).exit_status, 4);
}

TEST_F(AbTest, EndsQuietlyWhenNobodyReads) {
  const Ended ended = Ab({"--aa", "--rounds", "1", "-q"}, {}, {.stdout_closed_at_once = true});
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_THAT(ended.err, IsEmpty());
}

TEST_F(AbTest, HelpBeginsWithThePurposeAndFourExamples) {
  const std::string help = Bench({"ab", "--help"}).out;
  EXPECT_THAT(help, HasSubstr("Alternates two builds, or two sets of flags"));
  EXPECT_THAT(help, Not(HasSubstr("slowdown")));
  std::size_t examples = 0;
  for (std::size_t at = 0; (at = help.find("\n  pagealloc-bench ab ", at)) != std::string::npos;
       ++at) {
    ++examples;
  }
  EXPECT_EQ(examples, 4U);
}

// The flag with which tests make an allocator look slower. Ten times slower is beyond any noise.
TEST_F(AbTest, SlowsDownOnRequest) {
  const std::vector<std::string> run{"run",   "-w",       "hot",    "-l",       "linux-386",
                                     "--ops", "2000",     "--heap", "16MiB",    "--reps",
                                     "5",     "--timing", "batch",  "--format", "csv"};
  std::vector<std::string> slowed = run;
  for (const char* word : {"--slowdown", "900", "--label", "try"}) slowed.emplace_back(word);
  const Ended slow = Bench(slowed);
  EXPECT_THAT(slow.err, HasSubstr("warning: --slowdown makes every batch 900 % longer"));
  const Rows fast_rows = RowsOf(Bench(run).out);
  const Rows slow_rows = RowsOf(slow.out);
  EXPECT_EQ(Only(slow_rows, "label"), "try slowdown=900%");
  const auto time_of = [](const Rows& rows) {
    for (const auto& row : rows) {
      if (row.at("metric") == "batch_ns" && row.at("rep").empty())
        return std::stod(row.at("value"));
    }
    return 0.0;
  };
  EXPECT_GT(time_of(slow_rows), 3 * time_of(fast_rows));
  for (const auto& row : slow_rows) {
    if (row.at("metric") == "batch_ns") {
      EXPECT_EQ(row.at("status"), "noisy");
    }
  }
  EXPECT_THAT(Bench({"run", "--help"}).out, Not(HasSubstr("slowdown")));
  EXPECT_EQ(Bench({"run", "-a", "heap", "--slowdown", "5"}).exit_status, 2);
}

}  // namespace
}  // namespace pagealloc::bench
