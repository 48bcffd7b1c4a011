// What the workloads of workload_generators_shapes.cc do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <string>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/played_workload.h"

namespace pagealloc::bench {
namespace {

TEST(Lifo, FreesTheLastObjectFirst) {
  const Played played =
      Play({.name = "lifo", .params = {{"depth", "10"}}, .heap = MiB(64), .ops = 1000});
  std::vector<std::uint32_t> stack;
  std::size_t deepest = 0;
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    if (op.kind == OpKind::kAllocate) {
      stack.push_back(op.id);
      EXPECT_NE(played.judgement.outcomes[i].first, Outcome::kNone);
    } else {
      ASSERT_EQ(op.kind, OpKind::kFree);
      ASSERT_EQ(op.id, stack.back());
      stack.pop_back();
    }
    deepest = std::max(deepest, stack.size());
  }
  EXPECT_EQ(deepest, 10U);
}

TEST(Fifo, FreesTheOldestObjectFirstAtTheAskedOccupancy) {
  const Played played = Play({.name = "fifo", .heap = MiB(64), .ops = 5000});
  std::vector<std::uint32_t> queue;
  std::size_t oldest = 0;
  for (std::size_t i = 0; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    if (op.kind == OpKind::kAllocate) queue.push_back(op.id);
    if (op.kind == OpKind::kFree) {
      ASSERT_EQ(op.id, queue[oldest++]);
    }
  }
  EXPECT_GT(oldest, 2000U);
  EXPECT_LE(played.highest_percent, 50.0);
  EXPECT_GE(played.lowest_percent, 49.5);
}

TEST(Phases, ChangesItsSizesWhenTheNextPhaseBegins) {
  const Played played =
      Play({.name = "phases", .params = {{"phases", "4"}}, .heap = MiB(256), .ops = 4000});
  const std::pair<std::uint64_t, std::uint64_t> sizes[]{{1, 16}, {64, 256}, {2, 4}, {1, 1}};
  std::vector<std::uint64_t> seen(4, 0);
  for (std::size_t i = 0; i < 4000; ++i) {
    const Op& op = played.program.ops[played.program.measured_from + i];
    // The last size of a phase is drawn before the frees that make room for it.
    if (op.kind != OpKind::kAllocate || i % 1000 < 300) continue;
    const auto [low, high] = sizes[i / 1000];
    EXPECT_GE(op.count.raw, low) << i;
    EXPECT_LE(op.count.raw, high) << i;
    ++seen[i / 1000];
  }
  EXPECT_THAT(seen, ::testing::Each(::testing::Ge(1U)));
}

TEST(Huge, ItsRunsAreLongerThanARootEntryOfTheLayoutsWith48Bits) {
  const Played played = Play({.name = "huge", .ops = 100});
  constexpr std::uint64_t kRootEntry = std::uint64_t{1} << 21;
  std::uint64_t placed = 0;
  for (std::size_t i = 1; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    if (op.kind != OpKind::kAllocate) continue;
    EXPECT_GT(op.count.raw, kRootEntry);
    placed += played.judgement.outcomes[i].first != Outcome::kNone ? 1U : 0U;
  }
  EXPECT_GT(placed, 25U);
  EXPECT_GT(played.highest_percent, 75.0);
}

TEST(Grow, EachGrowthFollowsASearchThatFailedAndAllChunksJoin) {
  for (const std::string order : {"up", "down", "gaps", "random"}) {
    SCOPED_TRACE(order);
    const Played played =
        Play({.name = "grow", .params = {{"order", order}}, .heap = MiB(64), .ops = 1000});
    std::vector<std::uint64_t> chunks;
    for (std::size_t i = 0; i < 1000; ++i) {
      const Op& op = played.program.ops[i];
      if (op.kind != OpKind::kGrow) continue;
      chunks.push_back(op.at.raw / 512);
      ASSERT_EQ(played.program.ops[i - 1].kind, OpKind::kAllocate);
      EXPECT_EQ(played.judgement.outcomes[i - 1].first, Outcome::kNone);
    }
    ASSERT_EQ(chunks.size(), 16U);
    EXPECT_EQ(std::is_sorted(chunks.begin(), chunks.end()), order == "up");
    EXPECT_EQ(std::is_sorted(chunks.rbegin(), chunks.rend()), order == "down");
    if (order == "gaps") {
      EXPECT_EQ(chunks[1], 2U);
      EXPECT_EQ(chunks[8], 1U);
    }
  }
}

TEST(Cache, TakesWhatTheLowestBlockHasAndBringsItBack) {
  const Played played =
      Play({.name = "cache", .params = {{"caches", "4"}}, .heap = MiB(64), .ops = 800});
  int out = 0, most = 0;
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    out += op.kind == OpKind::kTakeCache ? 1 : -1;
    most = std::max(most, out);
    if (op.kind == OpKind::kTakeCache) {
      EXPECT_NE(played.judgement.outcomes[i].mask, 0U);
    }
  }
  EXPECT_EQ(most, 4);
  EXPECT_EQ(played.in_use.back(), played.in_use[7]) << "all are back after each eight operations";
}

TEST(Scavenge, ReleasesWhatChurnHasFreed) {
  const Played played = Play({.name = "scavenge", .heap = MiB(64), .ops = 20'000});
  std::uint64_t scavengings = 0, generations = 0, released = 0;
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    generations += op.kind == OpKind::kNextGeneration ? 1U : 0U;
    if (op.kind != OpKind::kScavenge) continue;
    ++scavengings;
    EXPECT_TRUE(op.background);
    released += played.judgement.outcomes[i].first;
  }
  EXPECT_NEAR(static_cast<double>(scavengings), 20'000 / 101.0, 5);
  EXPECT_EQ(generations, (scavengings + 15) / 16);
  EXPECT_GT(released, scavengings * 4);
}

// Robson's bound for first fit with 2^10 times the smallest size is several times what lives; a
// workload without a plan (fifo) stays near it.
TEST(Adversary, SpreadsWhatLivesOverMuchMoreThanItNeeds) {
  const auto span_to_live = [](const WorkloadRequest& request) {
    const Played played = Play(request);
    std::uint64_t end = 0, live = 0;
    for (std::size_t i = 0; i < played.program.ops.size(); ++i) {
      const Op& op = played.program.ops[i];
      if (op.kind != OpKind::kAllocate || played.judgement.outcomes[i].first == Outcome::kNone) {
        continue;
      }
      end = std::max(end, played.judgement.outcomes[i].first + op.count.raw);
    }
    live = *std::max_element(played.in_use.begin(), played.in_use.end());
    return static_cast<double>(end) / static_cast<double>(live);
  };
  EXPECT_GT(span_to_live({.name = "adversary",
                          .params = {{"live", "20"}, {"steps", "10"}},
                          .heap = MiB(64),
                          .ops = 20'000}),
            3.0);
  EXPECT_LT(span_to_live(
                {.name = "fifo", .params = {{"occupancy", "20"}}, .heap = MiB(64), .ops = 20'000}),
            1.5);
}

TEST(NoRoom, EveryRequestFailsThoughPagesAreFree) {
  const Played played =
      Play({.name = "no-room", .params = {{"pages", "16-64"}}, .heap = MiB(64), .ops = 1000});
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    ASSERT_EQ(played.program.ops[i].kind, OpKind::kAllocate);
    ASSERT_GE(played.program.ops[i].count, PageCount{16});
    ASSERT_LE(played.program.ops[i].count, PageCount{64});
    ASSERT_EQ(played.judgement.outcomes[i].first, Outcome::kNone);
  }
  EXPECT_LT(played.highest_percent, 99.0);
  EXPECT_GT(played.lowest_percent, 90.0);
}

}  // namespace
}  // namespace pagealloc::bench
