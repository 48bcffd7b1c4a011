#include "harness/run/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;

// "a0 b0 | ..." without the bars: cell letter and repetition, "-" for a warm-up.
std::string Text(const std::vector<PlannedRun>& plan) {
  std::string text;
  for (const PlannedRun& run : plan) {
    if (!text.empty()) text += ' ';
    text += static_cast<char>('a' + run.cell);
    text += run.rep ? std::to_string(*run.rep) : "-";
  }
  return text;
}

TEST(Plan, AbbaTurnsTheOrderRoundEachRoundWarmUpsIncluded) {
  EXPECT_EQ(Text(MakePlan({.cells = 3, .reps = 3, .warmups = 1})),
            "a- b- c- c0 b0 a0 a1 b1 c1 c2 b2 a2");
}

TEST(Plan, NoneFinishesOneCellBeforeTheNext) {
  EXPECT_EQ(Text(MakePlan({.cells = 2, .reps = 2, .warmups = 1, .interleave = Interleave::kNone})),
            "a- a0 a1 b- b0 b1");
}

TEST(Plan, RandomHasEveryCellInEveryRoundAndFollowsTheSeed) {
  const PlanOptions options{.cells = 7, .reps = 20, .interleave = Interleave::kRandom, .seed = 3};
  const std::vector<PlannedRun> plan = MakePlan(options);
  ASSERT_EQ(plan.size(), 140U);
  bool turned = false;
  for (std::size_t round = 0; round < 20; ++round) {
    std::vector<std::size_t> cells;
    for (std::size_t i = 0; i < 7; ++i) {
      EXPECT_EQ(plan[round * 7 + i].rep, round);
      cells.push_back(plan[round * 7 + i].cell);
    }
    turned = turned || !std::is_sorted(cells.begin(), cells.end());
    std::sort(cells.begin(), cells.end());
    EXPECT_THAT(cells, ElementsAre(0, 1, 2, 3, 4, 5, 6));
  }
  EXPECT_TRUE(turned);
  EXPECT_EQ(plan, MakePlan(options));
  PlanOptions other = options;
  other.seed = 4;
  EXPECT_NE(plan, MakePlan(other));
}

TEST(Plan, SeqCountsRepetitionsInTheOrderTheyRun) {
  std::uint64_t next = 0;
  for (const PlannedRun& run : MakePlan({.cells = 4, .reps = 5, .warmups = 2})) {
    if (run.rep) {
      EXPECT_EQ(run.seq, next++);
    }
  }
  EXPECT_EQ(next, 20U);
}

TEST(Plan, NoRepetitionsIsAnEmptyPlanButForWarmUps) {
  EXPECT_EQ(Text(MakePlan({.cells = 2, .reps = 0, .warmups = 1})), "a- b-");
  EXPECT_TRUE(MakePlan({.cells = 0, .reps = 5, .warmups = 1}).empty());
}

}  // namespace
}  // namespace pagealloc::bench
