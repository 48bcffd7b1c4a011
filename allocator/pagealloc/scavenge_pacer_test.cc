// Pacing, without time and without a heap.
#include "pagealloc/scavenge_pacer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>

namespace pagealloc {
namespace {

constexpr std::uint64_t kMillisecond = 1'000'000;

/// Pages in use, and pages that are free with their memory still here.
HeapStats Heap(std::uint64_t in_use, std::uint64_t idle) {
  return {PageCount{in_use + idle + 100}, PageCount{in_use}, PageCount{idle + 100}, PageCount{100},
          PageCount{0}};
}

TEST(ScavengePacer, PolicyWithoutWishes) {
  const ScavengePolicy policy;  // 10 %, 1 % of a CPU and 64 KiB are Go's
  EXPECT_EQ(policy.keep_percent, 110u);
  EXPECT_EQ(policy.limit, kAllMemory);
  EXPECT_EQ(policy.cpu_share, 0.01);
  EXPECT_EQ(policy.quantum, ByteCount{64u << 10});
  EXPECT_EQ(policy.idle_ns, 100 * kMillisecond);
  EXPECT_EQ(policy.generation_ns, 5000 * kMillisecond);
}

TEST(ScavengePacer, NothingIsInExcessWithinTheShareOfTheHighestUse) {
  ScavengePacer pacer({.keep_percent = 110});
  EXPECT_EQ(pacer.Next(Heap(1000, 100)).bytes, ByteCount{0});
  EXPECT_EQ(pacer.Next(Heap(1000, 101)).bytes, kPageBytes);
  EXPECT_EQ(pacer.Next(Heap(500, 600)).bytes, ByteCount{0}) << "1000 were in use before";
  EXPECT_EQ(pacer.Next(Heap(500, 603)).bytes, BytesOf(PageCount{3}));
  EXPECT_EQ(pacer.Next(Heap(500, 603)).mode, ScavengeMode::kBackground);
}

TEST(ScavengePacer, HighestUseIsForgottenAfterTwoGenerations) {
  ScavengePacer pacer({.keep_percent = 100});
  EXPECT_EQ(pacer.Next(Heap(1000, 0)).bytes, ByteCount{0});
  pacer.NextGeneration();
  EXPECT_EQ(pacer.Next(Heap(10, 990)).bytes, ByteCount{0});
  pacer.NextGeneration();
  EXPECT_EQ(pacer.Next(Heap(10, 5)).bytes, BytesOf(PageCount{5}));
}

TEST(ScavengePacer, NeverMoreThanAQuantum) {
  ScavengePacer pacer({.keep_percent = 100});
  EXPECT_EQ(pacer.Next(Heap(0, 1 << 20)).bytes, ByteCount{65536});
  ScavengePacer larger({.keep_percent = 100, .quantum = ByteCount{1 << 20}});
  EXPECT_EQ(larger.Next(Heap(0, 1 << 20)).bytes, ByteCount{1 << 20});
}

TEST(ScavengePacer, LimitComesFirstAndForces) {
  ScavengePacer pacer({.limit = BytesOf(PageCount{1000})});
  EXPECT_EQ(pacer.Next(Heap(990, 10)).bytes, ByteCount{0});
  const ScavengePacer::Plan plan = pacer.Next(Heap(990, 12));
  EXPECT_EQ(plan.bytes, BytesOf(PageCount{2}));
  EXPECT_EQ(plan.mode, ScavengeMode::kForced);
}

TEST(ScavengePacer, RestsAreInProportionToTheWork) {
  ScavengePacer one_percent({.cpu_share = 0.01});
  EXPECT_NEAR(static_cast<double>(one_percent.RestAfter(2 * kMillisecond)), 198e6, 1e3);
  ScavengePacer all({.cpu_share = 1});
  EXPECT_EQ(all.RestAfter(5 * kMillisecond), 0u);
}

TEST(ScavengePacer, LittleWorkIsRememberedUntilItIsAMillisecond) {
  ScavengePacer pacer({.cpu_share = 0.5});
  for (int i = 0; i < 9; ++i) EXPECT_EQ(pacer.RestAfter(kMillisecond / 10), 0u);
  EXPECT_EQ(pacer.RestAfter(kMillisecond / 10), kMillisecond);
  EXPECT_EQ(pacer.RestAfter(kMillisecond / 10), 0u) << "paid for";
}

// Simulated time: whatever the pieces cost, work is the share of all, to within half of it.
TEST(ScavengePacer, ShareOfTheCpuIsKeptOverAnyMixtureOfWork) {
  std::mt19937_64 random(3);
  for (const double share : {0.001, 0.01, 0.25, 0.9}) {
    ScavengePacer pacer({.cpu_share = share});
    double work = 0;
    double rest = 0;
    for (int i = 0; i < 10'000; ++i) {
      const std::uint64_t piece = random() % (std::uint64_t{1} << random() % 24);
      work += static_cast<double>(piece);
      rest += static_cast<double>(pacer.RestAfter(piece));
    }
    EXPECT_NEAR(work / (work + rest), share, share / 100);
  }
}

TEST(ScavengePacer, WildNumbersStayFinite) {
  std::mt19937_64 random(4);
  for (int i = 0; i < 10'000; ++i) {
    ScavengePacer pacer({.cpu_share = 1e-9 + static_cast<double>(random() % 1000) / 1000.0});
    for (int k = 0; k < 3; ++k) {
      EXPECT_LE(pacer.RestAfter(random() >> random() % 64), 24u * 3'600'000u * kMillisecond);
    }
    const ScavengePacer::Plan plan =
        pacer.Next(Heap(random() >> (30 + random() % 30), random() >> (30 + random() % 30)));
    EXPECT_LE(plan.bytes, ByteCount{65536});
  }
}

TEST(ScavengePacerDeathTest, ImpossiblePoliciesBreakTheContract) {
  EXPECT_DEATH(ScavengePacer({.cpu_share = 0}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.cpu_share = 1.5}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.keep_percent = 99}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.keep_percent = 1'000'001}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.quantum = ByteCount{0}}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.idle_ns = 0}), "contract broken");
  EXPECT_DEATH(ScavengePacer({.idle_ns = ~std::uint64_t{0}}), "contract broken");
}

}  // namespace
}  // namespace pagealloc
