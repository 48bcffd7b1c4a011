#include "harness/report/aggregate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const CellColumns kCell{.suite = "run", .workload = "hot", .allocator = "radix"};

/// One row a repetition with these values.
std::vector<ResultRow> Repetitions(std::string_view metric, const std::vector<double>& values) {
  std::vector<ResultRow> rows;
  for (const double value : values) {
    ResultRow row = MakeRow(kCell, "all", metric, value);
    row.rep = rows.size();
    row.seq = 10 + rows.size();
    row.n = 1000;
    rows.push_back(row);
  }
  return rows;
}

ResultRow OnlyAggregate(const std::vector<ResultRow>& rows) {
  const std::vector<ResultRow> aggregates = AggregateRows(rows);
  EXPECT_THAT(aggregates, SizeIs(1));
  return aggregates.empty() ? ResultRow{} : aggregates[0];
}

TEST(AggregateRows, TimesBecomeTheFastestQuarter) {
  const ResultRow row = OnlyAggregate(Repetitions("batch_ns", {8, 2, 7, 3, 6, 9, 5, 4}));
  EXPECT_EQ(row.stat, "fastest_quarter");
  EXPECT_EQ(row.value, 2.5);
  EXPECT_EQ(row.n, 8U);
  EXPECT_EQ(row.rep, std::nullopt);
  EXPECT_EQ(row.seq, std::nullopt);
  EXPECT_EQ(row.cell, kCell);
  EXPECT_EQ(row.unit, "ns");
  EXPECT_EQ(row.better, "lower");
}

TEST(AggregateRows, TheFastestRatesAreTheHighest) {
  const ResultRow row = OnlyAggregate(Repetitions("ops_per_s", {8, 2, 7, 3, 6, 9, 5, 4}));
  EXPECT_EQ(row.stat, "fastest_quarter");
  EXPECT_EQ(row.value, 8.5);
}

TEST(AggregateRows, ExactNumbersThatAgreeKeepValueAndOperations) {
  const ResultRow row = OnlyAggregate(Repetitions("words_scanned", {42, 42, 42}));
  EXPECT_EQ(row.stat, "value");
  EXPECT_EQ(row.value, 42);
  EXPECT_EQ(row.n, 1000U);
  EXPECT_EQ(row.status, RowStatus::kOk);
}

TEST(AggregateRows, ExactNumbersThatDifferAreNoisy) {
  const ResultRow row = OnlyAggregate(Repetitions("words_scanned", {42, 43, 42}));
  EXPECT_EQ(row.stat, "max");
  EXPECT_EQ(row.value, 43);
  EXPECT_EQ(row.status, RowStatus::kNoisy);
}

TEST(AggregateRows, OtherNumbersBecomeTheMedian) {
  const ResultRow row = OnlyAggregate(Repetitions("rss_bytes", {10, 30, 20}));
  EXPECT_EQ(row.stat, "median");
  EXPECT_EQ(row.value, 20);
  std::vector<ResultRow> unknown = Repetitions("rss_bytes", {10, 30, 20});
  for (ResultRow& part : unknown) part.metric = "tlb_misses";
  EXPECT_EQ(OnlyAggregate(unknown).stat, "median");
}

TEST(AggregateRows, DistributionsAreNotAveraged) {
  EXPECT_THAT(AggregateRows(Repetitions("service_ns", {1, 2})), IsEmpty());
  EXPECT_THAT(AggregateRows(Repetitions("null_op_ns", {1, 2})), IsEmpty());
}

TEST(AggregateRows, RowsThatAreAggregatesAlreadyAreNotCountedAgain) {
  std::vector<ResultRow> rows = Repetitions("batch_ns", {1, 2});
  const std::vector<ResultRow> once = AggregateRows(rows);
  rows.insert(rows.end(), once.begin(), once.end());
  EXPECT_EQ(AggregateRows(rows), once);
}

TEST(AggregateRows, EveryCellOpAndMetricIsAGroupInOrderOfAppearance) {
  std::vector<ResultRow> rows;
  for (std::uint64_t rep = 0; rep < 2; ++rep) {
    for (const char* allocator : {"radix", "reference"}) {
      for (const char* op : {"find", "all"}) {
        CellColumns cell = kCell;
        cell.allocator = allocator;
        ResultRow row = MakeRow(cell, op, "batch_ns", 1);
        row.rep = rep;
        rows.push_back(row);
      }
    }
  }
  std::vector<std::string> order;
  for (const ResultRow& row : AggregateRows(rows)) {
    order.push_back(row.cell.allocator + " " + row.op);
    EXPECT_EQ(row.n, 2U);
  }
  EXPECT_THAT(order,
              testing::ElementsAre("radix find", "radix all", "reference find", "reference all"));
}

TEST(AggregateRows, WhatBelongsToTheValueIsSummedUp) {
  std::vector<ResultRow> rows = Repetitions("batch_ns", {1, 2, 3});
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].batch = 256;
    rows[i].overhead_ns = static_cast<double>(i * i);
    rows[i].lost_ns = static_cast<double>(100 * i);
    rows[i].nivcsw = i;
    rows[i].result_hash = "beef";
  }
  ResultRow row = OnlyAggregate(rows);
  EXPECT_EQ(row.batch, 256U);
  EXPECT_EQ(row.overhead_ns, 1);
  EXPECT_EQ(row.lost_ns, 300);
  EXPECT_EQ(row.nivcsw, 3U);
  EXPECT_EQ(row.result_hash, "beef");
  rows[1].batch = 512;
  rows[1].result_hash = "dead";
  row = OnlyAggregate(rows);
  EXPECT_EQ(row.batch, std::nullopt);
  EXPECT_EQ(row.result_hash, "");
}

TEST(AggregateRows, TheWorstStatusCounts) {
  std::vector<ResultRow> rows = Repetitions("batch_ns", {1, 2, 3});
  rows[0].status = RowStatus::kTruncated;
  rows[1].status = RowStatus::kNoisy;
  EXPECT_EQ(OnlyAggregate(rows).status, RowStatus::kTruncated);
}

TEST(AggregateRows, SkippedRowsCountForNothing) {
  std::vector<ResultRow> rows = Repetitions("batch_ns", {1, 5});
  rows[0].status = RowStatus::kSkipped;
  rows[0].value.reset();
  const ResultRow row = OnlyAggregate(rows);
  EXPECT_EQ(row.value, 5);
  EXPECT_EQ(row.n, 1U);
  EXPECT_EQ(row.status, RowStatus::kOk);
}

TEST(AggregateRows, ACellThatWasSkippedThroughoutStaysVisible) {
  std::vector<ResultRow> rows = Repetitions("batch_ns", {0, 0});
  for (ResultRow& row : rows) {
    row.status = RowStatus::kSkipped;
    row.value.reset();
  }
  const ResultRow row = OnlyAggregate(rows);
  EXPECT_EQ(row.value, std::nullopt);
  EXPECT_EQ(row.status, RowStatus::kSkipped);
  EXPECT_EQ(row.n, 0U);
}

TEST(DistributionRows, GiveEachPercentileAndTheMaximumInNanoseconds) {
  Histogram histogram;
  for (std::uint64_t value = 1; value <= 100; ++value) histogram.Record(value);
  const std::vector<double> percentiles{50, 99.9};
  const ResultRow prototype = MakeRow(kCell, "alloc", "service_ns", std::nullopt);
  const std::vector<ResultRow> rows = DistributionRows(prototype, histogram, 0.5, percentiles);
  ASSERT_THAT(rows, SizeIs(3));
  EXPECT_EQ(rows[0].stat, "p50");
  EXPECT_EQ(rows[0].value, 25);
  EXPECT_EQ(rows[1].stat, "p99.9");
  EXPECT_EQ(rows[1].value, 50);
  EXPECT_EQ(rows[2].stat, "max");
  EXPECT_EQ(rows[2].value, 50);
  for (const ResultRow& row : rows) {
    EXPECT_EQ(row.metric, "service_ns");
    EXPECT_EQ(row.unit, "ns");
    EXPECT_EQ(row.n, 100U);
    EXPECT_EQ(row.rep, std::nullopt);
  }
}

TEST(DistributionRows, NothingRecordedGivesNoRow) {
  EXPECT_THAT(DistributionRows({}, Histogram(), 1, std::vector<double>{50}), IsEmpty());
}

}  // namespace
}  // namespace pagealloc::bench
