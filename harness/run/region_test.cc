#include "harness/run/region.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/run/region_meter.h"
#include "harness/trace/op.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;

// 'a' and 'f' stand for an allocation and a free, '|' for the end of the set-up.
Program Made(const std::string& kinds) {
  Program program;
  for (const char c : kinds) {
    if (c == '|') {
      program.measured_from = program.ops.size();
    } else {
      program.ops.push_back(c == 'a' ? Op::Allocate(0, PageCount{1}) : Op::Free(0));
    }
  }
  return program;
}

std::vector<std::uint64_t> Ends(const std::vector<Batch>& batches) {
  std::vector<std::uint64_t> ends;
  for (const Batch& batch : batches) ends.push_back(batch.end);
  return ends;
}

TEST(CutBatches, CutsWhatIsMeasuredAndKeepsTheRest) {
  EXPECT_THAT(Ends(CutBatches(Made("aa|aaaaaaa"), 3, false)), ElementsAre(5, 8, 9));
  EXPECT_THAT(Ends(CutBatches(Made("|aaa"), 3, false)), ElementsAre(3));
  EXPECT_TRUE(CutBatches(Made("aaa|"), 3, false).empty());
}

TEST(CutBatches, ByKindCutsWhereTheKindChangesToo) {
  EXPECT_THAT(Ends(CutBatches(Made("f|aaaffa"), 2, true)), ElementsAre(3, 4, 6, 7));
  EXPECT_THAT(Ends(CutBatches(Made("f|aaaffa"), 2, false)), ElementsAre(3, 5, 7));
}

// A clock whose ticks are nanoseconds.
const Clock& Nanoseconds() {
  static const Clock clock{ClockCalibration{}};
  return clock;
}

TEST(SumUpBatches, AllIsTheTimeOfTheRegionMinusThatOfTheEmptyLoop) {
  const Program program = Made("a|afafa");
  const std::vector<Batch> timed{{3, 100}, {5, 300}, {6, 200}};
  const std::vector<Batch> empty{{3, 10}, {5, 10}, {6, 5}};
  EXPECT_THAT(SumUpBatches(program, Nanoseconds(), timed, empty, std::nullopt, false),
              ElementsAre(BatchTimes{RowOp::kAll, 115, 5, 5, 2}));
}

TEST(SumUpBatches, WhatOtherProcessesTookIsNoneOfItsTime) {
  const Program program = Made("|afafaf");
  const std::vector<Batch> timed{{2, 20}, {4, 1'020}, {6, 20}};
  const std::vector<Batch> empty{{2, 0}, {4, 0}, {6, 0}};
  const auto per_op = [&](std::optional<double> lost_ns) {
    return SumUpBatches(program, Nanoseconds(), timed, empty, lost_ns, false).front().ns;
  };
  EXPECT_DOUBLE_EQ(per_op(std::nullopt), 1'060 / 6.0);
  EXPECT_DOUBLE_EQ(per_op(700), 360 / 6.0);
  // The rest of it was before the first batch, behind the last, or between two.
  EXPECT_DOUBLE_EQ(per_op(5'000), 60 / 6.0);
}

TEST(SumUpBatches, OrdinaryBatchesLoseNothing) {
  const Program program = Made("|afafaf");
  const std::vector<Batch> timed{{2, 20}, {4, 200}, {6, 20}};
  const std::vector<Batch> empty{{2, 0}, {4, 0}, {6, 0}};
  EXPECT_DOUBLE_EQ(SumUpBatches(program, Nanoseconds(), timed, empty, 150, false).front().ns, 40);
}

TEST(SumUpBatches, AKindIsTheMedianOfItsBatchesWithoutShortRemainders) {
  const Program program = Made("|aaaaaaaaaffff");
  // The last batch of `a` has one op of four and takes long for it.
  const std::vector<Batch> timed{{4, 44}, {8, 84}, {9, 1000}, {13, 12}};
  const std::vector<Batch> empty{{4, 4}, {8, 4}, {9, 3}, {13, 4}};
  const std::vector<BatchTimes> times =
      SumUpBatches(program, Nanoseconds(), timed, empty, std::nullopt, true);
  ASSERT_EQ(times.size(), 3U);
  EXPECT_EQ(times[1], (BatchTimes{RowOp::kAllocate, 15, 1, 9, 4}));
  EXPECT_EQ(times[2], (BatchTimes{RowOp::kFree, 2, 1, 4, 4}));
}

TEST(SumUpBatches, IsNeverBelowZeroAndEmptyWithoutOperations) {
  const std::vector<Batch> timed{{1, 5}};
  const std::vector<Batch> empty{{1, 9}};
  EXPECT_EQ(SumUpBatches(Made("|a"), Nanoseconds(), timed, empty, std::nullopt, false).front().ns,
            0);
  EXPECT_TRUE(SumUpBatches(Made("a|"), Nanoseconds(), {}, {}, std::nullopt, true).empty());
}

TEST(RegionMeter, CountsThePageFaultsInsideTheRegion) {
  constexpr std::size_t kSize = 64UL * 4096;
  void* const memory =
      mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(memory, MAP_FAILED);
  madvise(memory, kSize, MADV_NOHUGEPAGE);
  auto* const bytes = static_cast<volatile char*>(memory);
  RegionMeter meter;
  for (std::size_t at = 0; at < kSize / 2; at += 4096) bytes[at] = 1;
  const RegionCosts costs = meter.Stop();
  EXPECT_GE(costs.minor_faults, 32U);
  EXPECT_LT(costs.minor_faults, 1'000U);
  // In a pause nothing counts.
  RegionMeter paused;
  paused.Pause();
  for (std::size_t at = kSize / 2; at < kSize; at += 4096) bytes[at] = 1;
  paused.Resume();
  EXPECT_LT(paused.Stop().minor_faults, 32U);
  munmap(memory, kSize);
}

TEST(ResidentBytes, GrowsWithMemoryThatIsWrittenTo) {
  const std::uint64_t before = ResidentBytes();
  const std::vector<char> memory(32U << 20, 'x');
  EXPECT_GE(ResidentBytes(), before + memory.size() / 2);
}

}  // namespace
}  // namespace pagealloc::bench
