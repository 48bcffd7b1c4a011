#include "pagealloc/contract.h"

#include <gtest/gtest.h>

#include <cstdint>

#include "pagealloc/units.h"

namespace pagealloc {
namespace {

// What is printed must be enough to understand a crash report without a debugger.
TEST(ExpectDeathTest, PrintsRuleNamesValuesAndPlace) {
  const PageCount want{7};
  const std::uint64_t room = 5;
  EXPECT_DEATH(PA_EXPECT(want.raw <= room, want, room),
               "pagealloc: contract broken: want\\.raw <= room \\[want, room = 7, 5\\] at "
               ".*contract_test\\.cc:[0-9]+\n");
}

TEST(ExpectDeathTest, NeedsNoValues) {
  EXPECT_DEATH(PA_EXPECT(1 > 2), "contract broken: 1 > 2 at .*contract_test\\.cc:[0-9]+\n");
}

TEST(ExpectDeathTest, PrintsLargestValueInFull) {
  const ByteCount all{~std::uint64_t{0}};
  EXPECT_DEATH(PA_EXPECT(all.raw == 0, all), "\\[all = 18446744073709551615\\]");
}

TEST(Expect, RuleThatHoldsEvaluatesItOnceAndTheValuesNever) {
  int rules = 0;
  int values = 0;
  PA_EXPECT(++rules == 1, ++values);
  EXPECT_EQ(rules, 1);
  EXPECT_EQ(values, 0);
}

TEST(Expect, ServesInConstantExpressions) {
  constexpr auto kHalf = [](std::uint64_t n) {
    PA_EXPECT(n % 2 == 0, n);
    return n / 2;
  };
  static_assert(kHalf(6) == 3);
}

#if PAGEALLOC_CHECKED
TEST(AssertDeathTest, CheckedBuildStopsAtBrokenInvariant) {
  const ChunkIndex chunk{3};
  EXPECT_DEATH(PA_ASSERT(chunk.raw == 4, chunk),
               "pagealloc: invariant broken: chunk\\.raw == 4 \\[chunk = 3\\] at .*contract_test");
}
#else
TEST(Assert, UncheckedBuildDoesNotEvaluateTheRule) {
  [[maybe_unused]] int rules = 0;
  PA_ASSERT(++rules == 2, rules);
  EXPECT_EQ(rules, 0);
}
#endif

}  // namespace
}  // namespace pagealloc
