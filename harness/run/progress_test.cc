#include "harness/run/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

namespace pagealloc::bench {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

TEST(ProgressBar, ShowsShareTimeLeftAndWhatRuns) {
  EXPECT_EQ(ProgressBar(10, 40, seconds{5}, "churn | radix", 80),
            "[=====>              ] 10/40, 15 s left: churn | radix");
}

TEST(ProgressBar, SaysNothingAboutTimeAtTheStartAndAtTheEnd) {
  EXPECT_EQ(ProgressBar(0, 4, seconds{0}, "a", 80), "[>                   ] 0/4: a");
  EXPECT_EQ(ProgressBar(4, 4, seconds{9}, "a", 80), "[====================] 4/4: a");
}

TEST(ProgressBar, CountsLongTimesInMinutesRoundedUp) {
  EXPECT_THAT(ProgressBar(1, 3, seconds{61}, "a", 80), HasSubstr("3 min left"));
}

TEST(ProgressBar, LeavesTheTerminalsLastColumnFree) {
  EXPECT_EQ(ProgressBar(1, 2, seconds{1}, std::string(200, 'x'), 60).size(), 59U);
}

// What a Progress writes for one cell of one repetition.
std::string Written(ProgressMode mode) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* const stream = open_memstream(&text, &size);
  {
    Progress progress(stream, mode, 1);
    progress.Begin("cell");
    progress.EndRepetition();
    progress.EndCell("cell: done");
  }
  std::fclose(stream);
  std::string written(text, size);
  std::free(text);
  return written;
}

TEST(Progress, PlainIsALineForAFinishedCell) {
  EXPECT_EQ(Written(ProgressMode::kPlain), "cell: done\n");
}

TEST(Progress, ABarIsTakenAwayAtTheEnd) {
  const std::string written = Written(ProgressMode::kAlways);
  EXPECT_THAT(written, HasSubstr("0/1: cell"));
  EXPECT_TRUE(written.ends_with("\r\033[K"));
}

TEST(Progress, NeverWritesNothing) { EXPECT_EQ(Written(ProgressMode::kNever), ""); }

TEST(Progress, AutoIsPlainWhereThereIsNoTerminal) {
  EXPECT_EQ(Written(ProgressMode::kAuto), "cell: done\n");
}

}  // namespace
}  // namespace pagealloc::bench
