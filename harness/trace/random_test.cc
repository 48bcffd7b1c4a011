#include "harness/trace/random.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

namespace pagealloc::bench {
namespace {

// Published first outputs of splitmix64 for seed 1234567.
TEST(Random, IsSplitmix64) {
  Random random(1234567);
  EXPECT_EQ(random.Next(), 6457827717110365317U);
  EXPECT_EQ(random.Next(), 3203168211198807973U);
  EXPECT_EQ(random.Next(), 9817491932198370423U);
}

TEST(Random, BelowIsTheUpperHalfOfA128BitProduct) {
  // The same product, from a compiler's own 128-bit type.
  __extension__ using Wide = unsigned __int128;
  Random words(7), numbers(7);
  for (std::uint64_t bound : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{1000},
                              std::uint64_t{0xffffffff}, ~std::uint64_t{0}}) {
    for (int i = 0; i < 100; ++i) {
      const Wide product = Wide{words.Next()} * bound;
      EXPECT_EQ(numbers.Below(bound), static_cast<std::uint64_t>(product >> 64));
    }
  }
}

TEST(Random, BetweenReachesBothEndsAndIsEven) {
  Random random(1);
  std::array<int, 4> seen{};
  for (int i = 0; i < 40'000; ++i) ++seen[static_cast<std::size_t>(random.Between(3, 6) - 3)];
  for (int count : seen) EXPECT_NEAR(count, 10'000, 400);
  EXPECT_EQ(random.Between(5, 5), 5U);
}

TEST(Random, ShuffleKeepsEveryItemAndReachesEveryOrder) {
  std::set<std::vector<int>> orders;
  Random random(3);
  for (int i = 0; i < 200; ++i) {
    std::vector<int> items{1, 2, 3};
    random.Shuffle(items);
    EXPECT_EQ(std::set<int>(items.begin(), items.end()).size(), 3U);
    orders.insert(items);
  }
  EXPECT_EQ(orders.size(), 6U);
}

TEST(SubSeed, DiffersByPurposeAndBySeed) {
  EXPECT_NE(SubSeed(1, "hot"), SubSeed(1, "churn"));
  EXPECT_NE(SubSeed(1, "hot"), SubSeed(2, "hot"));
  EXPECT_NE(SubSeed(1, "ab"), SubSeed(1, "ba"));
  EXPECT_EQ(SubSeed(1, "hot"), SubSeed(1, "hot"));
}

}  // namespace
}  // namespace pagealloc::bench
