#include "harness/run/cell_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::array<double, 2> kPercentiles{50, 99};

// "op metric stat", for each row.
std::vector<std::string> Names(const std::vector<ResultRow>& rows) {
  std::vector<std::string> names;
  for (const ResultRow& row : rows) names.push_back(row.op + ' ' + row.metric + ' ' + row.stat);
  return names;
}

CellOptions SomeOptions() {
  CellOptions options;
  options.batch = 512;  // longer than what could be timed
  options.clock.ns_per_tick = 0.5;
  return options;
}

TimedResult SomeResult() {
  TimedResult result;
  result.result_hash = 0xabc;
  result.batches = {{RowOp::kAll, 90, 10, 1'000, 256}, {RowOp::kFind, 80, 11, 1'000, 256}};
  result.batch_costs = {1'000.0, 2, 3};
  result.rss_bytes = 4096;
  for (int i = 0; i < 10; ++i) result.service[0].Record(200);
  for (int i = 0; i < 10; ++i) result.null_op.Record(40);
  return result;
}

TEST(CellRows, ARepetitionHasOneRowANumber) {
  const std::vector<ResultRow> rows =
      TimedRows({}, {3, 17}, SomeResult(), SomeOptions(), kPercentiles);
  EXPECT_THAT(Names(rows),
              ElementsAre("all batch_ns mean", "find batch_ns median", "all ops_per_s value",
                          "find service_ns p50", "find service_ns p99", "find service_ns max",
                          "all null_op_ns p50", "all null_op_ns p99", "all null_op_ns max",
                          "all rss_bytes value", "all minor_faults value"));
  for (const ResultRow& row : rows) {
    EXPECT_EQ(row.rep, 3U);
    EXPECT_EQ(row.seq, 17U);
    EXPECT_EQ(row.result_hash, "0000000000000abc");
    EXPECT_EQ(row.status, RowStatus::kOk);
  }
  EXPECT_EQ(rows[0].value, 90);
  EXPECT_EQ(rows[0].overhead_ns, 10);
  EXPECT_EQ(rows[0].batch, 256U);
  EXPECT_EQ(rows[0].n, 1'000U);
  EXPECT_EQ(rows[2].value, 1e9 / 90);
  EXPECT_EQ(rows[3].value, 100);  // 200 ticks of half a nanosecond
  EXPECT_FALSE(rows[3].batch.has_value());
}

// Open-loop and closed-loop figures never mix.
TEST(CellRows, ARepetitionAtARateHasResponseTimesAndNoOthers) {
  TimedResult result;
  for (int i = 0; i < 10; ++i) result.response[2].Record(200);
  result.null_op.Record(40);
  result.open_loop = OpenLoopTime{10, 10'000, 20'000};
  result.op_costs.lost_ns = 1'000;
  const std::vector<ResultRow> rows = TimedRows({}, {0, 0}, result, SomeOptions(), kPercentiles);
  EXPECT_THAT(Names(rows),
              ElementsAre("all ops_per_s value", "alloc response_ns p50", "alloc response_ns p99",
                          "alloc response_ns max", "all null_op_ns p50", "all null_op_ns p99",
                          "all null_op_ns max", "all rss_bytes value", "all minor_faults value"));
  EXPECT_EQ(rows[0].value, 500'000);
  EXPECT_EQ(rows[0].n, 10U);
  EXPECT_EQ(rows[1].value, 100);
  EXPECT_EQ(rows[1].status, RowStatus::kOk);  // a twentieth of 20,000 ns, waits included
  PooledTimes pooled;
  pooled.Add(result, 1);
  pooled.Add(result, 1);
  EXPECT_THAT(Names(pooled.Rows({}, 1, kPercentiles)), Contains("alloc response_ns p99"));
  EXPECT_EQ(pooled.Rows({}, 1, kPercentiles)[0].n, 20U);
}

TEST(CellRows, ARepetitionThatWaitedForItsCpuIsNoisy) {
  TimedResult result = SomeResult();
  result.batch_costs.lost_ns = 5'001;  // of 100,000
  EXPECT_EQ(TimedRows({}, {0, 0}, result, SomeOptions(), kPercentiles)[0].status,
            RowStatus::kNoisy);
  result.batch_costs.lost_ns = 5'000;
  EXPECT_EQ(TimedRows({}, {0, 0}, result, SomeOptions(), kPercentiles)[0].status, RowStatus::kOk);
}

TEST(CellRows, WorkCountersAreLeftOutWhereThereIsNoTree) {
  CheckedResult checked;
  EXPECT_THAT(CheckedRows({}, {0, 0}, checked, 5), IsEmpty());  // a malloc says nothing
  checked.metadata_bytes = 100;
  EXPECT_THAT(Names(CheckedRows({}, {0, 0}, checked, 5)), ElementsAre("all metadata_bytes value"));
  checked.work = TreeWork{1, 2, 3};
  EXPECT_THAT(Names(CheckedRows({}, {0, 0}, checked, 5)),
              ElementsAre("all metadata_bytes value", "all words_scanned value",
                          "all summary_visits value", "all summary_updates value"));
}

TEST(CellRows, OccupancyIsThreeNumbersForInformation) {
  CheckedResult checked;
  checked.occupancy = Occupancy{ByteCount{16'384}, ByteCount{8'192}, 3};
  const std::vector<ResultRow> rows = CheckedRows({}, {0, 0}, checked, 5);
  ASSERT_THAT(Names(rows),
              ElementsAre("all span_bytes value", "all live_bytes value", "all no_room value"));
  EXPECT_EQ(rows[0].value, 16'384);
  EXPECT_EQ(rows[1].value, 8'192);
  EXPECT_EQ(rows[2].value, 3);
  for (const ResultRow& row : rows) EXPECT_EQ(row.better, "info");
}

TEST(CellRows, PooledPercentilesAreThoseOfAllRepetitionsTogether) {
  TimedResult slow = SomeResult();
  for (int i = 0; i < 90; ++i) slow.service[0].Record(1'000);
  PooledTimes pooled;
  pooled.Add(SomeResult(), 1);
  pooled.Add(slow, 1);
  const std::vector<ResultRow> rows = pooled.Rows({}, 1, kPercentiles);
  EXPECT_THAT(Names(rows), Contains("find service_ns p99"));
  EXPECT_EQ(rows[0].n, 110U);
  EXPECT_FALSE(rows[0].rep.has_value());
  EXPECT_NEAR(*rows[0].value, 1'000, 4);
}

TEST(CellRows, PooledRowsHaveTheWorstStatusOfTheRepetitions) {
  TimedResult noisy = SomeResult();
  noisy.op_costs.lost_ns = 101;  // of 2,000 ticks
  PooledTimes pooled;
  pooled.Add(SomeResult(), 1);
  EXPECT_EQ(pooled.Rows({}, 1, kPercentiles)[0].status, RowStatus::kOk);
  pooled.Add(noisy, 1);
  pooled.Add(SomeResult(), 1);
  for (const ResultRow& row : pooled.Rows({}, 1, kPercentiles)) {
    EXPECT_EQ(row.status, RowStatus::kNoisy) << row.metric;
  }
}

}  // namespace
}  // namespace pagealloc::bench
