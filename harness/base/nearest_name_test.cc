#include "harness/base/nearest_name.h"

#include <gtest/gtest.h>

#include <array>

namespace pagealloc::bench {
namespace {

constexpr std::array<std::string_view, 5> kNames{"hot", "churn", "swiss-cheese", "find-only",
                                                 "alloc-range-only"};

TEST(EditDistance, CountsInsertedRemovedReplacedAndSwappedLetters) {
  EXPECT_EQ(EditDistance("", ""), 0U);
  EXPECT_EQ(EditDistance("abc", ""), 3U);
  EXPECT_EQ(EditDistance("", "abc"), 3U);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3U);
  EXPECT_EQ(EditDistance("churn", "chrun"), 1U) << "a swap is one slip";
  EXPECT_EQ(EditDistance("churn", "CHURN"), 0U) << "case is no difference";
  EXPECT_EQ(EditDistance("ab", "ba"), EditDistance("ba", "ab"));
}

TEST(NearestName, FindsTheNameWithFewestSlips) {
  EXPECT_EQ(NearestName(kNames, "chrun"), "churn");
  EXPECT_EQ(NearestName(kNames, "hit"), "hot");
  EXPECT_EQ(NearestName(kNames, "findonly"), "find-only");
}

TEST(NearestName, PrefersANameThatWasCutShort) {
  // By letters alone "alloc" is nearer to "hot" and "churn" than to "alloc-range-only".
  EXPECT_EQ(NearestName(kNames, "alloc"), "alloc-range-only");
  EXPECT_EQ(NearestName(kNames, "Swiss"), "swiss-cheese");
}

TEST(NearestName, AnswersForAnythingButNoCandidates) {
  EXPECT_FALSE(NearestName(kNames, "zzzzzzzzzzzzzzzzz").empty());
  EXPECT_EQ(NearestName(kNames, ""), "hot") << "the shortest is the fewest letters away";
  EXPECT_EQ(NearestName({}, "hot"), "");
}

TEST(UnknownName, SaysWhatIsNearestAndWhereTheListIs) {
  EXPECT_EQ(
      UnknownName("workload", kNames, "chrun", "see pagealloc-bench list workloads"),
      "unknown workload 'chrun'. The nearest is 'churn'; see pagealloc-bench list workloads.");
  EXPECT_EQ(UnknownName("workload", kNames, "chrun", ""),
            "unknown workload 'chrun'. The nearest is 'churn'.");
  EXPECT_EQ(UnknownName("parameter", {}, "x", ""), "unknown parameter 'x'.");
  EXPECT_EQ(UnknownName("parameter", {}, "x", "It has none"),
            "unknown parameter 'x'. It has none.");
}

}  // namespace
}  // namespace pagealloc::bench
