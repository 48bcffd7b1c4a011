#include "harness/base/glob.h"

#include <gtest/gtest.h>

namespace pagealloc::bench {
namespace {

TEST(MatchesGlob, TakesStarsForAnyTextAndQuestionMarksForOneCharacter) {
  EXPECT_TRUE(MatchesGlob("churn", "churn"));
  EXPECT_FALSE(MatchesGlob("churn", "churning"));
  EXPECT_TRUE(MatchesGlob("c*n", "churn"));
  EXPECT_TRUE(MatchesGlob("*a*a", "banana"));
  EXPECT_FALSE(MatchesGlob("*a*b", "banana"));
  EXPECT_TRUE(MatchesGlob("linux-?86", "linux-386"));
  EXPECT_FALSE(MatchesGlob("?", ""));
  EXPECT_TRUE(MatchesGlob("**", ""));
}

}  // namespace
}  // namespace pagealloc::bench
