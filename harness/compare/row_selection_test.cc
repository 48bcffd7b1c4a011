#include "harness/compare/row_selection.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "harness/report/run_report.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

/// Two runs with a row for each of two workloads and allocators.
ResultsFile SomeFile() {
  ResultsFile file;
  for (const char* label : {"before", "after"}) {
    file.runs.emplace_back().label = label;
    for (const char* workload : {"churn", "hot"}) {
      for (const char* allocator : {"radix", "buddy"}) {
        CellColumns cell;
        cell.workload = workload;
        cell.allocator = allocator;
        file.rows.push_back({kSchema, file.runs.size() - 1, MakeRow(cell, "all", "batch_ns", 1)});
      }
    }
  }
  return file;
}

std::vector<std::string> Kept(const std::string& filter) {
  const OrProblem<RowFilter> parsed = RowFilter::Parse(filter);
  if (!parsed.ok()) return {parsed.error().sentence};
  ResultsFile file = SomeFile();
  parsed.value().Apply(file);
  std::vector<std::string> names;
  for (const ResultsFile::Row& row : file.rows) {
    names.push_back(row.result.cell.workload + ' ' + row.result.cell.allocator + ' ' +
                    file.runs[row.run].label);
  }
  return names;
}

TEST(RowFilter, KeepsRowsWhoseColumnsAllMatch) {
  EXPECT_THAT(Kept("workload=hot;label=after"), ElementsAre("hot radix after", "hot buddy after"));
  EXPECT_THAT(Kept("workload=c*,cold;allocator=bu?dy"),
              ElementsAre("churn buddy before", "churn buddy after"));
  EXPECT_THAT(Kept("metric=batch_ns").size(), 8U);
  EXPECT_THAT(Kept("rep=").size(), 8U);  // an empty cell
  EXPECT_THAT(Kept("rep=0"), ElementsAre());
}

TEST(RowFilter, SaysWhatItDoesNotUnderstand) {
  EXPECT_THAT(Kept("workload"), ElementsAre(HasSubstr("not of the form COLUMN=VALUE")));
  EXPECT_THAT(Kept(""), ElementsAre(HasSubstr("not of the form")));
  EXPECT_THAT(Kept("=hot"), ElementsAre(HasSubstr("not of the form")));
  EXPECT_THAT(Kept("alocator=radix"), ElementsAre(HasSubstr("The nearest is 'allocator'")));
}

// Runs of which nothing is left would only confuse warnings about differing environments.
TEST(RowFilter, DropsRunsWithoutRows) {
  ResultsFile file = SomeFile();
  RowFilter::Parse("label=after").value().Apply(file);
  ASSERT_EQ(file.runs.size(), 1U);
  EXPECT_EQ(file.runs[0].label, "after");
}

TEST(SplitBy, MakesPartsThatAreAboutTheSame) {
  const std::vector<FilePart> parts = SplitBy(SomeFile(), "allocator");
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[0].value, "radix");
  EXPECT_EQ(parts[1].value, "buddy");
  ASSERT_EQ(parts[1].file.rows.size(), 4U);
  EXPECT_EQ(parts[0].file.rows[0].result.cell, parts[1].file.rows[0].result.cell);
}

TEST(SplitBy, TellsRunsApart) {
  const std::vector<FilePart> parts = SplitBy(SomeFile(), "label");
  ASSERT_EQ(parts.size(), 2U);
  EXPECT_EQ(parts[1].value, "after");
  ASSERT_EQ(parts[1].file.runs.size(), 1U);
  EXPECT_EQ(parts[1].file.rows[0].run, 0U);
  EXPECT_TRUE(IsSubject("layout"));
  EXPECT_FALSE(IsSubject("label"));
}

TEST(SpreadOverLayouts, GivesRowsOfTheHostTheLayoutsOfTheSameOperations) {
  const auto row = [](const char* workload, const char* layout, const char* stream_hash) {
    CellColumns cell;
    cell.workload = workload;
    cell.layout = layout;
    cell.stream_hash = stream_hash;
    return ResultsFile::Row{kSchema, 0, MakeRow(cell, "all", "batch_ns", 1)};
  };
  ResultsFile base;
  base.rows = {row("hot", "linux-amd64", "1"), row("hot", "linux-386", "1"),
               row("huge", "linux-amd64", "2"), row("huge", "linux-386", "3")};
  ResultsFile file;
  file.rows = {row("hot", "host", "1"), row("huge", "host", "3"), row("grow", "host", "4"),
               row("hot", "wasm-1.26", "1")};
  SpreadOverLayouts(base, file);
  std::vector<std::string> names;
  for (const ResultsFile::Row& spread : file.rows) {
    names.push_back(spread.result.cell.workload + ' ' + spread.result.cell.layout);
  }
  EXPECT_THAT(names, ElementsAre("hot linux-386", "hot linux-amd64", "huge linux-386", "grow host",
                                 "hot wasm-1.26"));
}

}  // namespace
}  // namespace pagealloc::bench
