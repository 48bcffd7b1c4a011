#include "harness/report/results_csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <random>

#include "harness/report/run_report.h"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

/// The contract with other programs, written out a second time on purpose.
constexpr char kHeader[] =
    "schema,run_id,started_at,tool_version,commit,build,env_id,cpu,label,suite,workload,params,"
    "stream_hash,allocator,layout,heap_bytes,seed,rep,seq,op,metric,stat,unit,better,value,n,batch,"
    "overhead_ns,lost_ns,nivcsw,status,result_hash\n";

RunColumns SomeRun() {
  return {.run_id = "r1",
          .started_at = "2024-05-01T12:00:00Z",
          .tool_version = "0.1.0",
          .commit = "abc",
          .build = "Release",
          .env_id = "e1",
          .cpu = "Some CPU, 3 GHz",
          .label = "a \"label\""};
}

ResultRow FullRow() {
  ResultRow row = MakeRow({.suite = "run",
                           .workload = "churn",
                           .params = "occupancy=90;sizes=1-16",
                           .stream_hash = "00ff",
                           .allocator = "radix",
                           .layout = "linux-amd64",
                           .heap_bytes = 1U << 30,
                           .seed = 1},
                          "all", "batch_ns", 2.25);
  row.rep = 3;
  row.seq = 17;
  row.n = 1000;
  row.batch = 256;
  row.overhead_ns = 0.1;
  row.lost_ns = 1e9;
  row.nivcsw = 2;
  row.status = RowStatus::kNoisy;
  row.result_hash = "beef";
  return row;
}

std::string TextOf(const RunColumns& run, const std::vector<ResultRow>& rows) {
  std::string text = ResultsHeader();
  for (const ResultRow& row : rows) text += ResultsLine(run, row);
  return text;
}

ResultsFile MustParse(std::string_view text) {
  auto parsed = ParseResults(text);
  if (const auto* error = std::get_if<CsvError>(&parsed)) {
    ADD_FAILURE() << "line " << error->line << ": " << error->reason;
    return {};
  }
  return std::get<ResultsFile>(std::move(parsed));
}

CsvError MustFail(std::string_view text) {
  auto parsed = ParseResults(text);
  if (const auto* error = std::get_if<CsvError>(&parsed)) return *error;
  ADD_FAILURE() << "was read: " << text;
  return {};
}

TEST(ResultsHeader, IsSchemaOne) { EXPECT_EQ(ResultsHeader(), kHeader); }

TEST(ResultsLine, HasEveryColumnInItsPlace) {
  EXPECT_EQ(
      ResultsLine(SomeRun(), FullRow()),
      "1,r1,2024-05-01T12:00:00Z,0.1.0,abc,Release,e1,\"Some CPU, 3 GHz\",\"a \"\"label\"\"\","
      "run,churn,occupancy=90;sizes=1-16,00ff,radix,linux-amd64,1073741824,1,3,17,all,"
      "batch_ns,median,ns,lower,2.25,1000,256,0.1,1000000000,2,noisy,beef\n");
}

TEST(ResultsLine, LeavesUnknownCellsEmpty) {
  EXPECT_EQ(ResultsLine({}, {}), "1,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,ok,\n");
}

TEST(ParseResults, ReadsBackWhatWasWritten) {
  const std::vector<ResultRow> rows{FullRow(), ResultRow{}, FullRow()};
  const ResultsFile file = MustParse(TextOf(SomeRun(), rows));
  ASSERT_THAT(file.rows, SizeIs(3));
  ASSERT_THAT(file.runs, SizeIs(1));
  EXPECT_EQ(file.runs[0], SomeRun());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    EXPECT_EQ(file.rows[i].result, rows[i]) << i;
    EXPECT_EQ(file.rows[i].run, 0U);
    EXPECT_EQ(file.rows[i].schema, 1U);
  }
}

TEST(ParseResults, TellsRunsInOneFileApart) {
  RunColumns second = SomeRun();
  second.run_id = "r2";
  const ResultsFile file =
      MustParse(TextOf(SomeRun(), {FullRow()}) + ResultsLine(second, FullRow()) +
                ResultsLine(SomeRun(), FullRow()));
  ASSERT_THAT(file.runs, SizeIs(2));
  EXPECT_EQ(file.runs[1].run_id, "r2");
  EXPECT_EQ(file.rows[1].run, 1U);
  EXPECT_EQ(file.rows[2].run, 0U);
}

TEST(ParseResults, AHeaderAloneIsAnEmptyFile) { EXPECT_THAT(MustParse(kHeader).rows, SizeIs(0)); }

// A later schema: other order, a column more.
TEST(ParseResults, GoesByColumnNameAndPassesOverNewColumns) {
  std::string text;
  const std::string copy = TextOf(SomeRun(), {FullRow()});
  CsvReader records(copy);
  bool header = true;
  while (auto cells = records.Next()) {
    std::reverse(cells->begin(), cells->end());
    cells->insert(cells->begin() + 5, header ? "new_column" : "what ever");
    if (!header) cells->back() = "2";
    text += CsvRecord(*cells);
    header = false;
  }
  const ResultsFile file = MustParse(text);
  ASSERT_THAT(file.rows, SizeIs(1));
  EXPECT_EQ(file.rows[0].schema, 2U);
  EXPECT_EQ(file.rows[0].result, FullRow());
}

// A message ends up in a terminal.
TEST(ParseResults, AReasonShowsNoControlCharacters) {
  std::string text = TextOf(SomeRun(), {FullRow()});
  text.replace(text.rfind("noisy"), 5, "\x1b[2J");
  EXPECT_THAT(MustFail(text).reason, HasSubstr("cannot be '\\x1b[2J'"));
}

TEST(ParseResults, RefusesOtherHeaders) {
  EXPECT_THAT(MustFail("").reason, HasSubstr("the file is empty"));
  EXPECT_THAT(MustFail("a,b\n1,2\n").reason, HasSubstr("no column 'schema'"));
  std::string without = kHeader;
  without.replace(without.find("nivcsw"), 6, "switch");
  EXPECT_THAT(MustFail(without).reason, HasSubstr("no column 'nivcsw'"));
  EXPECT_THAT(MustFail("op," + std::string(kHeader)).reason, HasSubstr("column 'op' twice"));
}

TEST(ParseResults, RefusesCellsThatAreNoValueOfTheirColumn) {
  const std::vector<std::string> good = ResultCells(SomeRun(), FullRow());
  const auto with = [&](std::string_view name, std::string_view cell) {
    std::vector<std::string> cells = good;
    for (std::size_t i = 0; i < cells.size(); ++i) {
      if (ResultColumns()[i].name == name) cells[i] = cell;
    }
    return kHeader + CsvRecord(good) + CsvRecord(cells);
  };
  for (const auto& [name, cell] :
       std::vector<std::pair<std::string, std::string>>{{"schema", ""},
                                                        {"schema", "0"},
                                                        {"schema", "one"},
                                                        {"rep", "-1"},
                                                        {"rep", "1.5"},
                                                        {"seq", "18446744073709551616"},
                                                        {"value", "fast"},
                                                        {"value", "nan"},
                                                        {"value", "inf"},
                                                        {"value", "1,5"},
                                                        {"value", " 1"},
                                                        {"value", "1e999"},
                                                        {"n", "0x10"},
                                                        {"overhead_ns", "1ns"},
                                                        {"status", ""},
                                                        {"status", "fine"}}) {
    const CsvError error = MustFail(with(name, cell));
    EXPECT_EQ(error.line, 3U) << name << " " << cell;
    EXPECT_THAT(error.reason,
                AllOf(HasSubstr("column '" + name + "'"), HasSubstr("cannot be '" + cell + "'")));
  }
}

TEST(ParseResults, RefusesARecordOfAnotherLength) {
  const CsvError error = MustFail(kHeader + std::string("1,2,3\n"));
  EXPECT_EQ(error.line, 2U);
  EXPECT_THAT(error.reason, HasSubstr("has 3 cells, the header 32"));
}

TEST(ParseResults, AFileCutAnywhereIsRefusedOrEndsWithAWholeRow) {
  const std::string text = TextOf(SomeRun(), {FullRow(), FullRow()});
  std::size_t whole = 0;
  for (std::size_t length = 0; length <= text.size(); ++length) {
    const auto parsed = ParseResults(std::string_view(text).substr(0, length));
    if (std::holds_alternative<CsvError>(parsed)) continue;
    EXPECT_EQ(text[length - 1], '\n');
    ++whole;
  }
  EXPECT_EQ(whole, 3U);
}

TEST(ShortestNumber, IsPlainForCommonSizes) {
  EXPECT_EQ(ShortestNumber(0), "0");
  EXPECT_EQ(ShortestNumber(2.2), "2.2");
  EXPECT_EQ(ShortestNumber(100'000), "100000");
  EXPECT_EQ(ShortestNumber(1ULL << 40), "1099511627776");
  EXPECT_EQ(ShortestNumber(0.0001), "0.0001");
  EXPECT_EQ(ShortestNumber(-1.5), "-1.5");
  EXPECT_EQ(ShortestNumber(1.0 / 3), "0.3333333333333333");
  EXPECT_EQ(ShortestNumber(1e300), "1e+300");
}

TEST(ShortestNumber, ReadsBackAsTheSameNumber) {
  std::mt19937_64 random(3);
  std::vector<double> values{
      5e-324, std::numeric_limits<double>::max(), 1e-6, 9007199254740991, 9007199254740992, -0.0};
  while (values.size() < 20'000) {
    const auto value = std::bit_cast<double>(random());
    if (std::isfinite(value)) values.push_back(value);
    values.push_back(
        std::ldexp(static_cast<double>(random()), -40 - static_cast<int>(random() % 40)));
  }
  for (const double value : values) {
    const std::string text = ShortestNumber(value);
    double read = 0;
    const auto result = std::from_chars(text.data(), text.data() + text.size(), read);
    ASSERT_EQ(result.ptr, text.data() + text.size()) << text;
    ASSERT_EQ(std::bit_cast<std::uint64_t>(read), std::bit_cast<std::uint64_t>(value)) << text;
  }
}

TEST(ShortestNumberDeathTest, NotANumberBreaksTheContract) {
  EXPECT_DEATH(ShortestNumber(std::nan("")), "contract broken: std::isfinite\\(value\\)");
}

}  // namespace
}  // namespace pagealloc::bench
