// report through the real program; page_test has what stands in a page.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

class CliReport : public ProgramTest {
 protected:
  void Measure(const std::string& out) const {
    const Ended run = Bench(
        {"run", "-w", "hot,churn", "--smoke", "-l", "linux-386", "-q", "-o", out, "--seed", "3"});
    ASSERT_EQ(run.exit_status, 0) << run.err;
  }
};

TEST_F(CliReport, MakesOnePageThatNeedsNothingElse) {
  Measure("a.csv");
  Measure("b.csv.zst");
  const Ended ended = Bench({"report", "a.csv", "b.csv.zst", "-o", "report.html"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(ended.err, "");
  const std::string page = ReadFile("report.html");
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_LE(page.size(), 500'000U);
  EXPECT_THAT(page, HasSubstr("b.csv.zst against a.csv"));
  EXPECT_THAT(page, HasSubstr("id=\"map\""));
  EXPECT_THAT(page, HasSubstr("class=\"heap-map\""));
  EXPECT_THAT(page, Not(HasSubstr("<script")));
  // The only addresses are names of namespaces.
  for (std::size_t at = page.find("http"); at != std::string::npos;
       at = page.find("http", at + 1)) {
    EXPECT_THAT(page.substr(at - 7), StartsWith("xmlns=\"http://www.w3.org/2000/svg\""));
  }
  EXPECT_THAT(page, Not(HasSubstr("url(")));
}

// The command in the page gives rows about the same program.
TEST_F(CliReport, TheCommandOfARowMeasuresItAgain) {
  Measure("a.csv");
  const std::string page = Bench({"report", "a.csv"}).out;
  const std::string begin = "<code>pagealloc-bench run -w churn ";
  const std::size_t at = page.find(begin);
  ASSERT_NE(at, std::string::npos);
  const std::string command = page.substr(at + 6, page.find("</code>", at) - at - 6);
  Words words;
  for (std::size_t from = command.find(' '); from != std::string::npos;) {
    const std::size_t to = command.find(' ', from + 1);
    words.push_back(command.substr(from + 1, to == std::string::npos ? to : to - from - 1));
    from = to;
  }
  words.insert(words.end(), {"--format", "csv", "-q"});
  const Ended again = Bench(words);
  ASSERT_EQ(again.exit_status, 0) << again.err;
  const std::string hash = Only(RowsOf(again.out), "stream_hash");
  EXPECT_NE(hash, "");
  EXPECT_THAT(ReadFile("a.csv"), HasSubstr(hash));
}

TEST_F(CliReport, ATraceHasAMapWhileItCanBeReadAndElseASentence) {
  std::filesystem::create_directory(Path("traces"));
  WriteFile("traces/small.pagetrace", kSmallTrace);
  WriteFile("c.toml", "trace = 'traces/small.pagetrace'\n");
  const Words quick = Quick({"replay", "traces/small.pagetrace", "-l", "linux-386", "-o", "t.csv"});
  ASSERT_EQ(Bench(quick).exit_status, 0);
  ASSERT_EQ(Bench(Quick({"replay", "--config", "c.toml", "-o", "u.csv"})).exit_status, 0);
  for (const char* results : {"t.csv", "u.csv"}) {
    const Ended ended = Bench({"report", results});
    EXPECT_EQ(ended.exit_status, 0) << ended.err;
    EXPECT_THAT(ended.out, HasSubstr("class=\"heap-map\""));
    EXPECT_THAT(ended.out, HasSubstr("The trace traces/small.pagetrace, read again."));
    EXPECT_THAT(ended.out, HasSubstr(">small: occupancy of the heap<"));
    EXPECT_THAT(ended.out, HasSubstr("pagealloc-bench replay traces/small.pagetrace -a radix"));
  }
  // From elsewhere the trace is found beside the results.
  EXPECT_THAT(Bench({"report", Path("t.csv")}).out, HasSubstr("class=\"heap-map\""));
  EXPECT_THAT(Call("/", {"report", Path("t.csv")}).out, HasSubstr("class=\"heap-map\""));
  WriteFile("traces/small.pagetrace", "pagetrace 1\na 1 1\n");
  Ended without = Bench({"report", "t.csv"});
  EXPECT_THAT(without.out, Not(HasSubstr("class=\"heap-map\"")));
  EXPECT_THAT(without.out, HasSubstr("traces/small.pagetrace is no longer the trace that was run"));
  std::filesystem::remove(Path("traces/small.pagetrace"));
  without = Bench({"report", "t.csv"});
  EXPECT_EQ(without.exit_status, 0) << without.err;
  EXPECT_THAT(without.out, HasSubstr("its trace is not where it was"));
  EXPECT_THAT(without.out, HasSubstr("pagealloc-bench map TRACE -o map.svg"));
  // What never ends is not read.
  std::filesystem::create_symlink("/dev/zero", Path("traces/small.pagetrace"));
  EXPECT_THAT(Bench({"report", "t.csv"}).out, HasSubstr("its trace is not where it was"));
}

// Workloads and traces of one file have a map each, the worst row's first.
TEST_F(CliReport, EachProgramHasAMapTheWorstRowsFirst) {
  WriteFile("small.pagetrace", kSmallTrace);
  for (const char* out : {"a.csv", "b.csv"}) {
    const Ended run = Bench(Quick({"run", "-w", "hot,churn", "-t", "small.pagetrace", "--smoke",
                                   "-l", "linux-386", "--timing", "none", "-o", out}));
    ASSERT_EQ(run.exit_status, 0) << run.err;
  }
  const auto maps = [](const std::string& page) {
    std::vector<std::string> titles;
    const std::string figure = "<figure class=\"wide\"><figcaption><b>";
    for (std::size_t at = page.find(figure); at != std::string::npos; at = page.find(figure, at)) {
      at += figure.size();
      titles.push_back(page.substr(at, page.find_first_of(" <", at) - at));
    }
    return titles;
  };
  EXPECT_THAT(maps(Bench({"report", "a.csv"}).out), ElementsAre("small", "hot", "churn"));
  // In the second file churn looks at twice as many words, or one where there were none.
  std::string worse;
  std::istringstream lines(ReadFile("b.csv"));
  for (std::string line; std::getline(lines, line); worse += line + '\n') {
    const std::size_t at = line.find(",words_scanned,value,");
    if (at == std::string::npos || line.find(",churn,") == std::string::npos) continue;
    const std::size_t value = line.find(',', line.find("exact", at)) + 1;
    line.insert(value, "9");
  }
  WriteFile("b.csv", worse);
  EXPECT_THAT(maps(Bench({"report", "a.csv", "b.csv"}).out), ElementsAre("churn", "small", "hot"));
}

TEST_F(CliReport, RefusesBadInputWithAReason) {
  WriteFile("text.csv", "no results\n");
  WriteFile("empty.csv", "");
  WriteFile("a.csv.partial", "");
  EXPECT_EQ(Bench({"report"}).exit_status, 2);
  EXPECT_EQ(Bench({"report", ""}).exit_status, 2);
  EXPECT_EQ(Bench({"report", "text.csv"}).exit_status, 2);
  EXPECT_EQ(Bench({"report", "empty.csv"}).exit_status, 2);
  EXPECT_EQ(Bench({"report", "a.csv.partial"}).exit_status, 2);
  EXPECT_EQ(Bench({"report", "no.csv"}).exit_status, 4);
  EXPECT_EQ(Bench({"report", "."}).exit_status, 4);
  EXPECT_EQ(Bench({"report", "a", "b", "c", "d", "e", "f"}).exit_status, 2);
  EXPECT_THAT(Bench({"report", "a.csv", "-o", "a.csv"}).err, HasSubstr("is one of the results"));
  EXPECT_THAT(Bench({"report", "text.csv"}).err, HasSubstr("text.csv"));
}

TEST_F(CliReport, AnOlderPageIsNeverLost) {
  Measure("a.csv");
  WriteFile("report.html", "old");
  const Ended refused = Bench({"report", "a.csv", "-o", "report.html"});
  EXPECT_EQ(refused.exit_status, 4);
  EXPECT_THAT(refused.err, HasSubstr("--force"));
  CallOptions small;
  small.file_size_limit = 4096;
  const Ended full = Bench({"report", "a.csv", "-o", "report.html", "--force"}, small);
  EXPECT_EQ(full.exit_status, 4);
  EXPECT_THAT(full.err, HasSubstr("cannot write report.html"));
  EXPECT_EQ(ReadFile("report.html"), "old");
  EXPECT_EQ(Bench({"report", "a.csv", "-o", "no/report.html"}).exit_status, 4);
  EXPECT_EQ(Bench({"report", "a.csv", "-o", "report.html", "--force"}).exit_status, 0);
  EXPECT_THAT(ReadFile("report.html"), StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(Files(), ElementsAre("a.csv", "a.env.json", "report.html"));
}

}  // namespace
}  // namespace pagealloc::bench
