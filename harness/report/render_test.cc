#include "harness/report/render.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "harness/report/results_csv.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

CellColumns Cell(std::string allocator, std::string params = "") {
  return {.suite = "run",
          .workload = "churn",
          .params = std::move(params),
          .allocator = std::move(allocator),
          .layout = "linux-amd64"};
}

RunReport ReportWithStep(double step_ns) {
  RunReport report;
  report.environment.clock.step_ns = step_ns;
  return report;
}

void AddTime(RunReport& report, const CellColumns& cell, const char* op, double ns) {
  ResultRow row = MakeRow(cell, op, "batch_ns", ns);
  row.stat = "fastest_quarter";
  report.rows.push_back(row);
}

void AddPercentiles(RunReport& report, const CellColumns& cell, const char* op, const char* metric,
                    const std::vector<std::pair<const char*, double>>& percentiles) {
  for (const auto& [stat, ns] : percentiles) {
    ResultRow row = MakeRow(cell, op, metric, ns);
    row.stat = stat;
    report.rows.push_back(row);
  }
}

/// Two allocators, one with parameters of its own, an operation that was skipped.
RunReport FullReport() {
  RunReport report = ReportWithStep(10);
  const CellColumns radix = Cell("radix", "occupancy=90");
  ResultRow repetition = MakeRow(radix, "all", "batch_ns", 99);
  repetition.rep = 0;
  report.rows.push_back(repetition);  // no line of the table: the aggregate follows
  AddTime(report, radix, "all", 2.2);
  AddPercentiles(report, radix, "all", "null_op_ns", {{"p50", 20}, {"p99", 30}});
  AddPercentiles(report, radix, "alloc", "service_ns", {{"p50", 39}, {"p99", 1234}, {"max", 9e6}});
  AddPercentiles(report, radix, "free", "service_ns", {{"p50", 8}, {"p99", 61}});
  AddTime(report, Cell("reference"), "all", 123'456);
  report.rows.back().status = RowStatus::kNoisy;
  AddTime(report, Cell("reference"), "find", 0);
  report.rows.back().value.reset();
  report.rows.back().status = RowStatus::kSkipped;
  return report;
}

TEST(RenderTable, AlignsCellsAndExplainsMarks) {
  EXPECT_EQ(
      Render(FullReport(), Format::kTable),
      R"(workload  params        allocator  layout       op       ns/op      p50      p99  Mops/s  status
churn     occupancy=90  radix      linux-amd64  all    2.20 ns                       455  ok
churn     occupancy=90  radix      linux-amd64  alloc            ~39 ns  1234 ns          ok
churn     occupancy=90  radix      linux-amd64  free            ~<10 ns    61 ns          ok
churn                   reference  linux-amd64  all     123 us                      0.01  noisy
churn                   reference  linux-amd64  find                                      skipped

ns/op: mean of the fastest quarter of the repetitions, timed in batches. p50 ...: operations timed one by one.
~ an empty operation reaches half of this value: it is the machine's more than the allocator's.
< below the clock's step of 10 ns.
)");
}

TEST(RenderMarkdown, IsATableWithTheSameCells) {
  EXPECT_EQ(Render(FullReport(), Format::kMarkdown),
            R"(| workload | params | allocator | layout | op | ns/op | p50 | p99 | Mops/s | status |
| --- | --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |
| churn | occupancy=90 | radix | linux-amd64 | all | 2.20 ns |  |  | 455 | ok |
| churn | occupancy=90 | radix | linux-amd64 | alloc |  | \~39 ns | 1234 ns |  | ok |
| churn | occupancy=90 | radix | linux-amd64 | free |  | \~\<10 ns | 61 ns |  | ok |
| churn |  | reference | linux-amd64 | all | 123 us |  |  | 0.01 | noisy |
| churn |  | reference | linux-amd64 | find |  |  |  |  | skipped |

- ns/op: mean of the fastest quarter of the repetitions, timed in batches. p50 ...: operations timed one by one.
- \~ an empty operation reaches half of this value: it is the machine's more than the allocator's.
- \< below the clock's step of 10 ns.
)");
}

TEST(RenderMarkdown, EscapesWhatWouldBreakTheTable) {
  RunReport report = ReportWithStep(1);
  AddTime(report, Cell("radix", "sizes=1|2"), "all", 50);
  EXPECT_THAT(Render(report, Format::kMarkdown), HasSubstr("| sizes=1\\|2 |"));
}

// An allocator that has no layout is compared with the first one of the base.
TEST(RenderTable, ComparesAllocatorsWithTheFirstOneOnTheSameLayout) {
  RunReport report = ReportWithStep(10);
  const auto on = [](const char* allocator, const char* layout) {
    CellColumns cell = Cell(allocator);
    cell.layout = layout;
    return cell;
  };
  AddTime(report, on("radix", "linux-amd64"), "all", 20);
  AddTime(report, on("go", "linux-amd64"), "all", 250);
  AddTime(report, on("radix", "linux-386"), "all", 10);
  AddTime(report, on("go", "linux-386"), "all", 5);
  AddTime(report, on("go", "linux-386"), "find", 5);
  AddTime(report, on("mmap", "host"), "all", 3000);
  EXPECT_EQ(Render(report, Format::kTable),
            R"(workload  allocator  layout       op      ns/op  vs radix  Mops/s  status
churn     radix      linux-amd64  all   20.0 ns              50.0  ok
churn     go         linux-amd64  all    250 ns     12.5x    4.00  ok
churn     radix      linux-386    all   10.0 ns               100  ok
churn     go         linux-386    all   5.00 ns     0.50x     200  ok
churn     go         linux-386    find  5.00 ns               200  ok
churn     mmap       host         all   3000 ns      150x    0.33  ok

ns/op: mean of the fastest quarter of the repetitions, timed in batches. p50 ...: operations timed one by one.
vs radix: how many times as long as radix takes for the same on the same layout (host: on its first one).
)");
}

// With several threads it is not one over the time.
TEST(RenderTable, ShowsTheRateOfTheReplayWhereThereIsOne) {
  RunReport report = ReportWithStep(10);
  AddTime(report, Cell("heap", "threads=4"), "all", 500);
  ResultRow rate = MakeRow(Cell("heap", "threads=4"), "all", "ops_per_s", 8e6);
  rate.stat = "fastest_quarter";
  report.rows.push_back(rate);
  EXPECT_THAT(Render(report, Format::kTable), HasSubstr("500 ns    8.00  ok"));
}

TEST(RenderTable, LeavesOutColumnsAndLegendsThatNothingNeeds) {
  RunReport report = ReportWithStep(10);
  AddTime(report, Cell("radix"), "all", 5);
  EXPECT_EQ(Render(report, Format::kTable),
            "workload  allocator  layout       op     ns/op  Mops/s  status\n"
            "churn     radix      linux-amd64  all  5.00 ns     200  ok\n"
            "\n"
            "ns/op: mean of the fastest quarter of the repetitions, timed in batches. p50 ...: "
            "operations timed one by one.\n");
}

TEST(RenderTable, WithoutTimesShowsTheExactMetrics) {
  RunReport report = ReportWithStep(10);
  for (const auto& [metric, value] : std::vector<std::pair<const char*, double>>{
           {"words_scanned", 2500}, {"summary_visits", 12'345}, {"metadata_bytes", 65'536}}) {
    ResultRow row = MakeRow(Cell("radix"), "all", metric, value);
    row.n = 1000;
    report.rows.push_back(row);
  }
  EXPECT_EQ(Render(report, Format::kTable),
            "workload  allocator  layout       op   words/op  visits/op  metadata  status\n"
            "churn     radix      linux-amd64  all      2.50       12.3    64 KiB  ok\n"
            "\n");
}

TEST(RenderTable, AMarkNeedsAnEmptyOperationThatReachesHalf) {
  const auto rendered = [](double service_ns, double null_ns) {
    RunReport report = ReportWithStep(10);
    AddPercentiles(report, Cell("radix"), "alloc", "service_ns", {{"p50", service_ns}});
    AddPercentiles(report, Cell("radix"), "all", "null_op_ns", {{"p50", null_ns}});
    return Render(report, Format::kTable);
  };
  EXPECT_THAT(rendered(40, 20), HasSubstr("~40 ns"));
  EXPECT_THAT(rendered(41, 20), Not(HasSubstr("~")));
  EXPECT_THAT(rendered(9.9, 0), HasSubstr(" <10 ns"));
  EXPECT_THAT(rendered(10, 0), Not(HasSubstr("<")));
}

TEST(RenderTable, AnOpsOwnEmptyOperationComesBeforeTheCells) {
  RunReport report = ReportWithStep(1);
  AddPercentiles(report, Cell("radix"), "alloc", "service_ns", {{"p50", 40}});
  AddPercentiles(report, Cell("radix"), "all", "null_op_ns", {{"p50", 30}});
  AddPercentiles(report, Cell("radix"), "alloc", "null_op_ns", {{"p50", 5}});
  AddPercentiles(report, Cell("other"), "all", "null_op_ns", {{"p50", 39}});
  EXPECT_THAT(Render(report, Format::kTable), Not(HasSubstr("~")));
}

TEST(RenderTable, AnotherCellsEmptyOperationDoesNotCount) {
  RunReport report = ReportWithStep(1);
  AddPercentiles(report, Cell("other"), "all", "null_op_ns", {{"p50", 39}});
  AddPercentiles(report, Cell("radix"), "alloc", "service_ns", {{"p50", 40}});
  EXPECT_THAT(Render(report, Format::kTable), Not(HasSubstr("~")));
}

TEST(RenderTable, PrintsTheRealStepOfTheClock) {
  for (const auto& [step_ns, text] : std::vector<std::pair<double, const char*>>{
           {0.8695, "<0.87 ns"}, {1, "<1 ns"}, {10, "<10 ns"}, {41.67, "<42 ns"}}) {
    RunReport report = ReportWithStep(step_ns);
    AddPercentiles(report, Cell("radix"), "alloc", "service_ns", {{"p50", 0.4}});
    EXPECT_THAT(Render(report, Format::kTable), HasSubstr(text));
  }
}

TEST(RenderTable, ChoosesUnitsForLongTimes) {
  for (const auto& [ns, text] : std::vector<std::pair<double, const char*>>{{9.994, " 9.99 ns"},
                                                                            {9.996, " 10.0 ns"},
                                                                            {99.96, " 100 ns"},
                                                                            {99'999, " 99999 ns"},
                                                                            {99'999.6, " 100 us"},
                                                                            {99'999'600, " 100 ms"},
                                                                            {5e9, " 5000 ms"}}) {
    RunReport report = ReportWithStep(1);
    AddTime(report, Cell("radix"), "all", ns);
    EXPECT_THAT(Render(report, Format::kTable), HasSubstr(text));
  }
}

TEST(RenderTable, ShowsResponseTimesApartFromServiceTimes) {
  RunReport report = ReportWithStep(1);
  AddPercentiles(report, Cell("radix"), "all", "service_ns", {{"p50", 30}});
  AddPercentiles(report, Cell("radix"), "all", "response_ns", {{"p50", 500}});
  EXPECT_THAT(Render(report, Format::kTable),
              HasSubstr("op     p50  response p50  status\n"
                        "churn     radix      linux-amd64  all  30 ns        500 ns  ok\n"));
}

TEST(RenderTable, ColoursOnlyIfAskedAndOnlyTheStatus) {
  EXPECT_THAT(Render(FullReport(), Format::kTable), Not(HasSubstr("\033")));
  const std::string colored = Render(FullReport(), Format::kTable, true);
  EXPECT_THAT(colored, HasSubstr("455  \033[32mok\033[0m\n"));
  EXPECT_THAT(colored, HasSubstr("\033[33mnoisy\033[0m\n"));
  EXPECT_THAT(colored, HasSubstr("\033[2mskipped\033[0m\n"));
}

TEST(RenderTable, AlignsTextThatIsNotAscii) {
  RunReport report = ReportWithStep(1);
  CellColumns cell = Cell("radix");
  cell.workload = "größe.pagetrace";
  AddTime(report, cell, "all", 5);
  EXPECT_THAT(Render(report, Format::kTable),
              HasSubstr("workload         allocator  layout       op     ns/op  Mops/s  status\n"
                        "größe.pagetrace  radix      linux-amd64  all  5.00 ns     200  ok\n"));
}

TEST(RenderTable, SaysThatThereIsNothing) {
  EXPECT_EQ(Render({}, Format::kTable), "No results.\n");
  EXPECT_EQ(Render({}, Format::kMarkdown), "- No results.\n");
}

TEST(RenderCsv, IsTheResultsFile) {
  const RunReport report = FullReport();
  std::string expected = ResultsHeader();
  for (const ResultRow& row : report.rows) expected += ResultsLine(report.run, row);
  EXPECT_EQ(Render(report, Format::kCsv), expected);
}

TEST(RenderJson, HoldsRunEnvironmentAndEveryRow) {
  RunReport report = ReportWithStep(10);
  report.run.run_id = "r1";
  AddTime(report, Cell("radix"), "all", 2.25);
  report.rows[0].n = 20;
  const auto json = nlohmann::json::parse(Render(report, Format::kJson));
  EXPECT_EQ(json["run"], nlohmann::json::parse(R"({"schema": 1, "run_id": "r1", "started_at": "",
    "tool_version": "", "commit": "", "build": "", "env_id": "", "cpu": "", "label": ""})"));
  EXPECT_EQ(json["environment"]["clock"]["step_ns"], 10);
  EXPECT_EQ(json["rows"], nlohmann::json::parse(R"([{"suite": "run", "workload": "churn",
    "params": "", "stream_hash": "", "allocator": "radix", "layout": "linux-amd64",
    "heap_bytes": null, "seed": null, "rep": null, "seq": null, "op": "all",
    "metric": "batch_ns", "stat": "fastest_quarter", "unit": "ns", "better": "lower",
    "value": 2.25, "n": 20, "batch": null, "overhead_ns": null, "lost_ns": null, "nivcsw": null,
    "status": "ok", "result_hash": ""}])"));
}

TEST(FormatFromName, KnowsTheFourFormats) {
  EXPECT_EQ(FormatFromName("table"), Format::kTable);
  EXPECT_EQ(FormatFromName("csv"), Format::kCsv);
  EXPECT_EQ(FormatFromName("json"), Format::kJson);
  EXPECT_EQ(FormatFromName("markdown"), Format::kMarkdown);
  EXPECT_EQ(FormatFromName("xml"), std::nullopt);
}

}  // namespace
}  // namespace pagealloc::bench
