#include "harness/run/live_runs.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace pagealloc::bench {
namespace {

PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(PageOffset{first}, PageCount{count});
}

TEST(LiveRuns, ARunThatOverlapsAnotherIsRefusedWhereverItDoes) {
  LiveRuns runs;
  ASSERT_TRUE(runs.Add(Pages(10, 10)));
  for (const PageRange overlap :
       {Pages(10, 10), Pages(5, 6), Pages(19, 5), Pages(12, 2), Pages(5, 30), Pages(10, 1)}) {
    EXPECT_FALSE(runs.Add(overlap)) << overlap.begin.raw;
  }
  EXPECT_EQ(runs.pages(), PageCount{10});
}

TEST(LiveRuns, NeighboursAndFreedPagesAreFine) {
  LiveRuns runs;
  EXPECT_TRUE(runs.Add(Pages(10, 10)));
  EXPECT_TRUE(runs.Add(Pages(20, 1)));
  EXPECT_TRUE(runs.Add(Pages(0, 10)));
  runs.Remove(Pages(10, 10));
  EXPECT_TRUE(runs.Add(Pages(12, 8)));
  EXPECT_EQ(runs.pages(), PageCount{19});
}

TEST(LiveRuns, ThreadsThatHoldDifferentPagesDoNotMeet) {
  LiveRuns runs;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 3; ++t) {
    threads.emplace_back([&runs, t] {
      for (std::uint64_t i = 0; i < 1000; ++i) EXPECT_TRUE(runs.Add(Pages(3 * i + t, 1)));
      for (std::uint64_t i = 1; i < 1000; ++i) runs.Remove(Pages(3 * i + t, 1));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(runs.pages(), PageCount{3});
}

TEST(LiveRunsDeathTest, FreeingWhatNobodyHoldsBreaksTheContract) {
  LiveRuns runs;
  ASSERT_TRUE(runs.Add(Pages(10, 10)));
  EXPECT_DEATH(runs.Remove(Pages(10, 9)), "contract broken");
}

}  // namespace
}  // namespace pagealloc::bench
