#include "harness/report/run_report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

namespace pagealloc::bench {
namespace {

using ::testing::ContainerEq;
using ::testing::MatchesRegex;

Environment SomeEnvironment() {
  Environment environment;
  environment.cpu_model = "Some CPU";
  environment.env_id = "0123456789ab";
  environment.build = {.version = "0.1.0", .commit = "abc", .build_type = "Release"};
  return environment;
}

TEST(MakeRunColumns, FollowFromEnvironmentAndStart) {
  const RunColumns run = MakeRunColumns(SomeEnvironment(), "mine", 1'714'564'800'999'999'999U);
  EXPECT_EQ(run.started_at, "2024-05-01T12:00:00Z");
  EXPECT_EQ(run.tool_version, "0.1.0");
  EXPECT_EQ(run.commit, "abc");
  EXPECT_EQ(run.build, "Release");
  EXPECT_EQ(run.env_id, "0123456789ab");
  EXPECT_EQ(run.cpu, "Some CPU");
  EXPECT_EQ(run.label, "mine");
}

TEST(MakeRunColumns, RunIdsSortByTimeAndAreUnique) {
  const RunColumns run = MakeRunColumns(SomeEnvironment(), "", 1'714'564'800'000'000'000U);
  EXPECT_THAT(run.run_id, MatchesRegex("20240501T120000Z-[0-9a-f]{8}"));
  std::set<std::string> ids;
  for (int i = 0; i < 100; ++i) ids.insert(MakeRunColumns(SomeEnvironment(), "", 0).run_id);
  EXPECT_EQ(ids.size(), 100U);
}

TEST(MakeRow, FillsUnitBetterAndStatFromTheMetric) {
  const CellColumns cell{.workload = "hot"};
  const ResultRow row = MakeRow(cell, "alloc", "batch_ns", 2.5);
  EXPECT_EQ(row.cell, cell);
  EXPECT_EQ(row.op, "alloc");
  EXPECT_EQ(row.metric, "batch_ns");
  EXPECT_EQ(row.unit, "ns");
  EXPECT_EQ(row.better, "lower");
  EXPECT_EQ(row.stat, "median");
  EXPECT_EQ(row.value, 2.5);
  EXPECT_EQ(row.status, RowStatus::kOk);
  EXPECT_EQ(MakeRow(cell, "all", "metadata_bytes", 1).unit, "bytes");
  EXPECT_EQ(MakeRow(cell, "all", "metadata_bytes", 1).better, "exact");
  EXPECT_EQ(MakeRow(cell, "all", "ops_per_s", 1).better, "higher");
  EXPECT_EQ(MakeRow(cell, "all", "null_op_ns", 1).better, "info");
}

TEST(MakeRowDeathTest, UnknownMetricBreaksTheContract) {
  EXPECT_DEATH(MakeRow({}, "all", "batch_us", 1), "contract broken: info != nullptr");
}

TEST(AllMetrics, AreTheOnesThatSchemaOneNames) {
  const std::set<std::string_view> expected{
      "batch_ns",       "service_ns",    "response_ns",    "null_op_ns",
      "instructions",   "words_scanned", "summary_visits", "summary_updates",
      "metadata_bytes", "rss_bytes",     "minor_faults",   "ops_per_s",
      "span_bytes",     "live_bytes",    "no_room",        "branches_missed"};
  std::set<std::string_view> names;
  for (const MetricInfo& metric : AllMetrics()) {
    names.insert(metric.name);
    EXPECT_TRUE(
        std::set<std::string_view>({"lower", "higher", "exact", "info"}).count(metric.better))
        << metric.name;
    EXPECT_EQ(FindMetric(metric.name), &metric);
  }
  EXPECT_THAT(names, ContainerEq(expected));
  EXPECT_EQ(FindMetric("batch"), nullptr);
}

TEST(PercentileName, HasNoSuperfluousDigits) {
  EXPECT_EQ(PercentileName(50), "p50");
  EXPECT_EQ(PercentileName(99.9), "p99.9");
  EXPECT_EQ(PercentileName(99.99), "p99.99");
}

TEST(StatusName, AreTheWordsOfSchemaOne) {
  EXPECT_EQ(StatusName(RowStatus::kOk), "ok");
  EXPECT_EQ(StatusName(RowStatus::kNoisy), "noisy");
  EXPECT_EQ(StatusName(RowStatus::kTruncated), "truncated");
  EXPECT_EQ(StatusName(RowStatus::kSkipped), "skipped");
}

}  // namespace
}  // namespace pagealloc::bench
