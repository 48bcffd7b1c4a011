// `compare` through the real program: verdicts, exit statuses, formats, bad files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "harness/program_under_test.h"
#include "harness/report/results_csv.h"
#include "harness/report/rows_for_tests.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A results file of two cells, each with ten repetitions of a time and one work counter.
class ResultsText {
 public:
  ResultsText() {
    run_.run_id = "20240501T120000Z-00000001";
    run_.commit = "0123456789ab";
    run_.build = "Release";
    run_.label = "before";
    for (const char* workload : {"churn", "hot"}) {
      for (std::uint64_t rep = 0; rep < 10; ++rep) {
        const double ns = 100 * (1 + 0.0001 * static_cast<double>(rep * 7 % 10));
        Add(workload, "batch_ns", ns, rep);
      }
      Add(workload, "words_scanned", 1000, 0);
    }
  }

  /// Changes the rows that the function is interested in.
  ResultsText& Change(const std::function<void(ResultRow&)>& change) {
    for (ResultRow& row : rows_) change(row);
    return *this;
  }
  ResultsText& Remove(const std::string& metric, const std::string& workload) {
    std::erase_if(rows_, [&](const ResultRow& row) {
      return row.metric == metric && row.cell.workload == workload;
    });
    return *this;
  }
  ResultsText& Label(std::string label) {
    run_.label = std::move(label);
    return *this;
  }
  [[nodiscard]] std::string Rows() const {
    std::string text;
    for (const ResultRow& row : rows_) text += ResultsLine(run_, row);
    return text;
  }
  [[nodiscard]] std::string Text() const { return ResultsHeader() + Rows(); }

 private:
  void Add(const std::string& workload, const std::string& metric, double value,
           std::uint64_t rep) {
    rows_.push_back(RowForTest(workload, metric, value, rep));
  }

  RunColumns run_;
  std::vector<ResultRow> rows_;
};

std::function<void(ResultRow&)> Times(const std::string& metric, double factor) {
  return [=](ResultRow& row) {
    if (row.metric == metric && row.cell.workload == "churn") *row.value *= factor;
  };
}

class CompareTest : public ProgramTest {
 protected:
  void SetUp() override {
    ProgramTest::SetUp();
    WriteFile("base.csv", ResultsText().Text());
    WriteFile("same.csv", ResultsText().Text());
    WriteFile("slower.csv", ResultsText().Change(Times("batch_ns", 1.1)).Text());
    WriteFile("more-work.csv", ResultsText().Change(Times("words_scanned", 1.001)).Text());
    WriteFile("less-work.csv", ResultsText().Change(Times("words_scanned", 0.9)).Text());
    WriteFile("row-missing.csv", ResultsText().Remove("words_scanned", "hot").Text());
    WriteFile("left.csv.partial", ResultsText().Text());
    WriteFile("other-operations.csv",
              ResultsText().Change([](ResultRow& row) { row.cell.stream_hash = "0ther"; }).Text());
    WriteFile("other-workloads.csv",
              ResultsText().Change([](ResultRow& row) { row.cell.workload += "2"; }).Text());
    WriteFile("other-places.csv",
              ResultsText().Change([](ResultRow& row) { row.result_hash = "beef"; }).Text());
    WriteFile("few.csv", ResultsText()
                             .Change([](ResultRow& row) {
                               if (row.rep > 3) row.status = RowStatus::kSkipped;
                             })
                             .Text());
    std::string schema_2 = ResultsText().Text();
    for (std::size_t at = 0; (at = schema_2.find("\n1,", at)) != std::string::npos; ++at) {
      schema_2[at + 1] = '2';
    }
    WriteFile("schema-2.csv", schema_2);
    WriteFile("notes.txt", "these are no results\n");
    WriteFile("cut.csv", ResultsText().Text().substr(0, 2000));
    WriteFile("damaged.csv.zst", "this is not zstd");
    WriteFile("header-only.csv", ResultsHeader());
  }
};

struct Line {
  std::vector<std::string> arguments;
  int exit_status;
  const char* says;  ///< on stderr
};

TEST_F(CompareTest, EndsWithTheStatusThatIsDocumented) {
  for (const Line& line : std::vector<Line>{
           {{"base.csv", "same.csv"}, 0, ""},
           {{"base.csv", "less-work.csv"}, 0, ""},
           {{"base.csv", "slower.csv"}, 0, ""},  // recorded apart: times are advisory
           // 1: a gated row regressed or is missing.
           {{"base.csv", "more-work.csv"}, 1, "the gate failed: base.csv and more-work.csv: 1 reg"},
           {{"base.csv", "row-missing.csv"}, 1, "1 missing of the gated rows"},
           {{"base.csv", "slower.csv", "--gate", "batch_ns"}, 1, "1 regressed"},
           {{"base.csv", "same.csv", "more-work.csv"}, 1, "base.csv and more-work.csv"},
           {{"base.csv", "less-work.csv", "--fail-on", "improved"}, 1, "1 improved"},
           // ... but not if it is told so.
           {{"base.csv", "more-work.csv", "--threshold", "words_scanned=1"}, 0, ""},
           {{"base.csv", "more-work.csv", "--gate", "none"}, 0, ""},
           {{"base.csv", "more-work.csv", "--fail-on", "missing"}, 0, ""},
           {{"base.csv", "row-missing.csv", "--fail-on", "regressed"}, 0, ""},
           {{"base.csv", "more-work.csv", "--filter", "workload=hot"}, 0, ""},
           {{"base.csv", "slower.csv", "--gate", "batch_ns", "--threshold", "batch_ns=15%"}, 0, ""},
           // 2: bad usage.
           {{}, 2, "FILE is required"},
           {{"base.csv"}, 2, "two files or more"},
           {{"base.csv", ""}, 2, "the value is empty"},
           {{"base.csv", "same.csv", "--threshold", "batch=3"}, 2, "The nearest is 'batch_ns'"},
           {{"base.csv", "same.csv", "--threshold", "batch_ns"}, 2, "METRIC=PERCENT"},
           {{"base.csv", "same.csv", "--threshold", "batch_ns=-1"}, 2, "no percentage"},
           {{"base.csv", "same.csv", "--threshold", "batch_ns=nan"}, 2, "no percentage"},
           {{"base.csv", "same.csv", "--gate", "instruction"}, 2, "'instructions'"},
           {{"base.csv", "same.csv", "--fail-on", "regression"}, 2, "'regressed'"},
           {{"base.csv", "same.csv", "--filter", "workloads=hot"}, 2, "'workload'"},
           {{"base.csv", "same.csv", "--filter", "hot"}, 2, "COLUMN=VALUE"},
           {{"base.csv", "same.csv", "--format", "html"}, 2, "--format"},
           {{"base.csv", "same.csv", "--by", "label"}, 2, "inside one file"},
           {{"base.csv", "--by", "labels"}, 2, "The nearest is 'label'"},
           {{"base.csv", "same.csv", "--base", "before"}, 2, "--by"},
           {{"base.csv", "same.csv", "--gates", "none"}, 2, "The nearest is '--gate'"},
           // 3: cannot be compared.
           {{"base.csv", "absent.csv"}, 3, "absent.csv"},
           {{"base.csv", "."}, 3, "cannot read results"},
           {{"base.csv", "/dev/zero"}, 3, "never end"},
           {{"base.csv", "notes.txt"}, 3, "notes.txt:1: the header has no column 'schema'"},
           {{"base.csv", "cut.csv"}, 3, "cut.csv:"},
           {{"base.csv", "damaged.csv.zst"}, 3, "does not decompress"},
           {{"base.csv", "schema-2.csv"}, 3, "it is of schema 2"},
           {{"base.csv", "left.csv.partial"}, 3, "--allow-partial"},
           {{"base.csv", "left.csv.partial", "--allow-partial"}, 0, ""},
           {{"base.csv", "other-workloads.csv"}, 3, "no row of one is about the same"},
           {{"base.csv", "other-operations.csv"}, 3, "no row of one is about the same"},
           {{"base.csv", "header-only.csv"}, 3, "no row of one is about the same"},
           {{"base.csv", "same.csv", "--filter", "workload=cold"}, 3, "no row of one"},
           {{"base.csv", "other-places.csv"}, 3, "--allow-behaviour-change"},
           {{"base.csv", "other-places.csv", "--allow-behaviour-change"}, 0, ""},
           {{"base.csv", "--by", "label"}, 3, "all rows have the value 'before'"},
           {{"base.csv", "more-work.csv", "other-places.csv"}, 3, "other-places.csv"},
           // 4: cannot be written.
           {{"base.csv", "same.csv", "-o", "base.csv"}, 4, "it exists"},
           {{"base.csv", "same.csv", "-o", "absent/out.txt"}, 4, "absent/out.txt"},
           {{"base.csv", "same.csv", "-o", "/dev/full"}, 4, "no plain file"},
           // 5: unclear, and that counts.
           {{"base.csv", "few.csv", "--gate", "batch_ns"}, 0, ""},
           {{"base.csv", "few.csv", "--gate", "batch_ns", "--fail-on", "unclear"}, 5, "2 unclear"},
       }) {
    std::vector<std::string> arguments{"compare"};
    arguments.insert(arguments.end(), line.arguments.begin(), line.arguments.end());
    const std::string shown = ::testing::PrintToString(line.arguments);
    const Ended ended = Bench(arguments);
    EXPECT_EQ(ended.exit_status, line.exit_status) << shown << ended.err;
    EXPECT_THAT(ended.err, HasSubstr(line.says)) << shown;
    if (line.exit_status == 0) {
      arguments.emplace_back("-q");
      EXPECT_THAT(Bench(arguments).err, IsEmpty()) << shown;
    }
    if (line.exit_status == 2 || line.exit_status == 4) {
      EXPECT_THAT(ended.out, IsEmpty()) << shown;
    }
  }
}

TEST_F(CompareTest, ShowsTheWorstRowsFirst) {
  const Ended ended = Bench({"compare", "base.csv", "slower.csv"});
  EXPECT_THAT(ended.out, AllOf(HasSubstr("base.csv -> slower.csv"), HasSubstr("+10.00 %"),
                               HasSubstr("4 rows: 1 regressed, 3 same"),
                               HasSubstr("Times are advisory"), HasSubstr("gate: passed")));
  EXPECT_LT(ended.out.find("regressed\n"), ended.out.find("same\n"));
  EXPECT_THAT(ended.out, Not(HasSubstr("words_scanned")));  // the same, and no time
  EXPECT_THAT(Bench({"compare", "base.csv", "slower.csv", "--all-rows"}).out,
              HasSubstr("words_scanned"));
}

TEST_F(CompareTest, WritesMarkdownForAPullRequest) {
  const Ended ended =
      Bench({"compare", "base.csv", "more-work.csv", "--format", "markdown", "-o", "comment.md"});
  EXPECT_EQ(ended.exit_status, 1);
  EXPECT_THAT(ended.out, IsEmpty());
  const std::string comment = ReadFile("comment.md");
  EXPECT_THAT(comment, HasSubstr("### pagealloc-bench: failed\n"));
  EXPECT_THAT(comment, HasSubstr("| churn | radix | linux-amd64 | all | words\\_scanned | 1000 | "
                                 "1001 | +0.10 % |"));
  EXPECT_THAT(comment, HasSubstr("| gated | regressed |\n"));
}

TEST_F(CompareTest, WritesEveryRowAsCsvAndJson) {
  const Ended csv = Bench({"compare", "base.csv", "slower.csv", "same.csv", "--format", "csv"});
  const Rows rows = RowsOf(csv.out);
  ASSERT_EQ(rows.size(), 8U);
  EXPECT_EQ(rows[0].at("verdict"), "regressed");
  EXPECT_EQ(rows[0].at("new"), "slower.csv");
  EXPECT_EQ(rows[0].at("gated"), "no");
  EXPECT_NEAR(std::stod(rows[0].at("ratio")), 1.1, 1e-9);
  EXPECT_EQ(rows[7].at("verdict"), "same");
  const auto json = nlohmann::json::parse(
      Bench({"compare", "base.csv", "slower.csv", "same.csv", "--format", "json"}).out);
  EXPECT_EQ(json["gate"], "passed");
  EXPECT_EQ(json["comparisons"][0]["verdicts"]["regressed"], 1);
  EXPECT_EQ(json["comparisons"][0]["rows"][0]["base_n"], 10);
  EXPECT_EQ(json["comparisons"][1]["new"], "same.csv");
}

TEST_F(CompareTest, ComparesLabelsInsideOneFile) {
  WriteFile("both.csv", ResultsText().Text() +
                            ResultsText().Label("after").Change(Times("words_scanned", 2)).Rows());
  const Ended ended = Bench({"compare", "both.csv", "--by", "label"});
  EXPECT_EQ(ended.exit_status, 1) << ended.err;
  EXPECT_THAT(ended.out, HasSubstr("before -> after"));
  const Ended back = Bench({"compare", "both.csv", "--by", "label", "--base", "after"});
  EXPECT_EQ(back.exit_status, 0) << back.err;
  EXPECT_THAT(back.out, HasSubstr("after -> before"));
  const Ended unknown = Bench({"compare", "both.csv", "--by", "label", "--base", "befor"});
  EXPECT_EQ(unknown.exit_status, 2);
  EXPECT_THAT(unknown.err, HasSubstr("The nearest is 'before'"));
}

// Another allocator is meant to differ: nothing is gated, and other placements are no surprise.
TEST_F(CompareTest, ComparesAllocatorsInsideOneFile) {
  const auto other = [](ResultRow& row) {
    row.cell.allocator = "buddy";
    row.result_hash = "beef";
    *row.value *= 2;
  };
  WriteFile("both.csv", ResultsText().Text() + ResultsText().Change(other).Rows());
  const Ended ended = Bench({"compare", "both.csv", "--by", "allocator"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("radix -> buddy"), HasSubstr("4 regressed")));
}

TEST_F(CompareTest, ReadsWhatRunWrote) {
  for (const char* out : {"a.csv", "b.csv.zst"}) {
    ASSERT_EQ(
        Bench({"run", "--smoke", "-w", "hot", "--timing", "none", "-q", "-o", out}).exit_status, 0);
  }
  const Ended ended = Bench({"compare", "a.csv", "b.csv.zst", "--all-rows"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(HasSubstr("words_scanned"), HasSubstr("8 rows: 8 same")));
}

TEST_F(CompareTest, WarnsWhenTheBuildsDiffer) {
  std::string other = ResultsText().Text();
  for (std::size_t at = 0; (at = other.find("Release", at)) != std::string::npos; ++at) {
    other.replace(at, 7, "Debug");
  }
  WriteFile("other.csv", other);
  EXPECT_THAT(Bench({"compare", "base.csv", "other.csv"}).err,
              HasSubstr("warning: the build differs: Release in base.csv, Debug in other.csv"));
}

TEST_F(CompareTest, KeepsTheOlderFileOnAFullDisk) {
  WriteFile("out.csv", "an older file\n");
  const Ended ended =
      Bench({"compare", "base.csv", "same.csv", "--format", "csv", "-o", "out.csv", "--force"},
            {.file_size_limit = 100});
  EXPECT_EQ(ended.exit_status, 4);
  EXPECT_THAT(ended.err, HasSubstr("cannot write out.csv: File too large"));
  EXPECT_EQ(ReadFile("out.csv"), "an older file\n");
  EXPECT_FALSE(Exists("out.csv.partial"));
  EXPECT_EQ(Bench({"compare", "base.csv", "same.csv"}, {.stdout_path = "/dev/full"}).exit_status,
            4);
}

TEST_F(CompareTest, HelpBeginsWithThePurposeAndFourExamples) {
  const std::string help = Bench({"compare", "--help"}).out;
  EXPECT_THAT(help, HasSubstr("Compares results files: a verdict for each row"));
  std::size_t examples = 0;
  for (std::size_t at = 0;
       (at = help.find("\n  pagealloc-bench compare ", at)) != std::string::npos; ++at) {
    ++examples;
  }
  EXPECT_EQ(examples, 4U);
}

}  // namespace
}  // namespace pagealloc::bench
