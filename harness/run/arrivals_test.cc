#include "harness/run/arrivals.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/run/null_subject.h"
#include "harness/run/runner.h"
#include "harness/trace/trace_reader.h"
#include "pagealloc/layout.h"

namespace pagealloc::bench {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

TEST(PlanArrivals, FixedGapsDoNotDriftFromTheRate) {
  // A gap of 333.33 ticks.
  const auto starts = PlanArrivals(3'000'000, {3e6, Arrival::kFixed}, 1);
  EXPECT_EQ(starts[0], 333U);
  EXPECT_EQ(starts[2], 1000U);
  EXPECT_EQ(starts.back(), 1'000'000'000U);
  EXPECT_EQ(PlanArrivals(4, {1e6, Arrival::kFixed}, 0.5)[3], 8000U);
}

TEST(PlanArrivals, PoissonGapsAreExponentialAndOfTheRate) {
  constexpr std::size_t kCount = 100'000;
  const auto starts = PlanArrivals(kCount, {1e6, Arrival::kPoisson, 1}, 1);
  ASSERT_EQ(starts.size(), kCount);
  std::size_t below_mean = 0;
  std::size_t above_three = 0;
  std::uint64_t previous = 0;
  for (const std::uint64_t start : starts) {
    ASSERT_GE(start, previous);
    below_mean += start - previous < 1000 ? 1 : 0;
    above_three += start - previous > 3000 ? 1 : 0;
    previous = start;
  }
  // 1 - 1/e and e^-3 of all; five standard deviations of each.
  EXPECT_NEAR(static_cast<double>(below_mean), 0.632 * kCount, 800);
  EXPECT_NEAR(static_cast<double>(above_three), 0.0498 * kCount, 350);
  EXPECT_NEAR(static_cast<double>(starts.back()), 1000.0 * kCount, 5 * 1000 * 317);
}

TEST(PlanArrivals, TheSeedDecidesThePlan) {
  const auto plan = [](std::uint64_t seed) {
    return PlanArrivals(100, {1e6, Arrival::kPoisson, seed}, 1);
  };
  EXPECT_EQ(plan(1), plan(1));
  EXPECT_NE(plan(1), plan(2));
}

TEST(OpenLoopTime, KeepingUpMeansEndingLittleAfterTheLastPlannedStart) {
  OpenLoopTime time{.ops = 1000, .planned_ns = 1e6, .elapsed_ns = 1.05e6};
  EXPECT_TRUE(time.kept_up());
  time.elapsed_ns = 1.06e6;
  EXPECT_FALSE(time.kept_up());
  time.elapsed_ns = 4e6;
  EXPECT_DOUBLE_EQ(time.achieved_ops_per_s(), 250'000);
}

/// A clock that moves by a tick when a region begins, and when a subject works.
struct FakeClock {
  std::uint64_t* now;

  [[nodiscard]] std::uint64_t Begin() const { return ++*now; }
  [[nodiscard]] std::uint64_t End() const { return *now; }
};

/// Takes the ticks that it is told to for each allocation.
class SlowSubject : public NullSubject {
 public:
  SlowSubject(std::uint64_t* now, std::vector<std::uint64_t> work)
      : now_(now), work_(std::move(work)) {}

  std::optional<Allocation> Allocate(PageCount want) {
    *now_ += work_[calls_++ % work_.size()];
    return NullSubject::Allocate(want);
  }

 private:
  std::uint64_t* now_;
  std::vector<std::uint64_t> work_;
  std::size_t calls_ = 0;
};

struct Responses {
  std::vector<std::uint64_t> ticks;
  std::uint64_t elapsed = 0;
};

Responses Respond(std::vector<std::uint64_t> starts, std::vector<std::uint64_t> work) {
  std::string records = "pagetrace 1\ng 0 1024\n";
  for (std::size_t i = 0; i < starts.size(); ++i) records += "a " + std::to_string(i) + " 1\n";
  ParsedTrace trace = ParseTrace("test", records);
  EXPECT_FALSE(trace.error.has_value());
  trace.program.measured_from = 1;
  std::uint64_t now = 1'000'000;
  SlowSubject subject(&now, std::move(work));
  HeapState runs(trace.program.id_count);
  Runner<LinuxAmd64, SlowSubject> runner(subject, trace.program, runs, nullptr, false, 0);
  EXPECT_TRUE(runner.SetUp());
  Responses responses{std::move(starts)};
  EXPECT_TRUE(runner.TimeResponses(FakeClock{&now}, responses.ticks, responses.elapsed));
  return responses;
}

TEST(TimeResponses, WhatKeepsUpAnswersInItsOwnTime) {
  const Responses responses = Respond({100, 200, 300, 400}, {30});
  EXPECT_THAT(responses.ticks, Each(30U));
  EXPECT_EQ(responses.elapsed, 430U);
}

// The third starts 250 - 80 ticks late, because the second took so long: that counts for it and
// for the fourth too, though each took only 20. A closed loop would have read 20, 250, 20, 20.
TEST(TimeResponses, TimeInTheQueueCounts) {
  const Responses responses = Respond({100, 180, 260, 340}, {20, 250, 20, 20});
  EXPECT_THAT(responses.ticks, ElementsAre(20U, 250U, 191U, 132U));
  EXPECT_EQ(responses.elapsed, 472U);
}

// An operation of 150 ticks at a gap of 100 is 50 ticks later each time, and the clock takes one.
TEST(TimeResponses, AQueueThatCannotBeServedGrows) {
  std::vector<std::uint64_t> starts;
  for (std::uint64_t i = 1; i <= 1000; ++i) starts.push_back(100 * i);
  const Responses responses = Respond(starts, {150});
  EXPECT_EQ(responses.ticks[0], 150U);
  EXPECT_EQ(responses.ticks[1], 201U);
  EXPECT_EQ(responses.ticks[999], 150U + 51 * 999);
  EXPECT_EQ(responses.elapsed, 100U + 150 * 1000 + 999);
}

}  // namespace
}  // namespace pagealloc::bench
