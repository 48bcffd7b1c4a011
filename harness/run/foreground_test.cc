#include "harness/run/foreground.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<ProgramEnd> Shell(const std::string& script) {
  ForegroundProgram program;
  program.words = {"sh", "-c", script};
  program.environment = {"PAGEALLOC_TEST=yes"};
  program.silent = true;
  return RunInForeground(program);
}

TEST(Foreground, TellsHowTheProgramEnded) {
  EXPECT_FALSE(Shell("exit 0")->failed());
  EXPECT_EQ(Shell("exit 3")->exit_status, 3);
  EXPECT_EQ(Shell("exit 3")->Text(), "ended with exit status 3");
  const ProgramEnd killed = *Shell("kill -9 $$");
  EXPECT_EQ(killed.signal, 9);
  EXPECT_TRUE(killed.failed());
  EXPECT_THAT(killed.Text(), HasSubstr("was ended by signal 9 ("));
}

TEST(Foreground, AddsToOurEnvironmentAndReplacesInIt) {
  EXPECT_FALSE(Shell("test \"$PAGEALLOC_TEST\" = yes -a -n \"$PATH\"")->failed());
  ASSERT_EQ(setenv("PAGEALLOC_TEST", "no", 1), 0);
  EXPECT_FALSE(Shell("test \"$PAGEALLOC_TEST\" = yes")->failed());
  ASSERT_EQ(unsetenv("PAGEALLOC_TEST"), 0);
}

// A shell that sees SIGPIPE ignored cannot reset it: its pipelines would not end.
TEST(Foreground, SignalsThatWeIgnoreAreNotIgnoredThere) {
  const auto before = std::signal(SIGPIPE, SIG_IGN);
  EXPECT_EQ(Shell("kill -PIPE $$")->signal, SIGPIPE);
  std::signal(SIGPIPE, before);
}

TEST(Foreground, AProgramThatIsNotThereIsAUsageError) {
  ForegroundProgram program;
  program.words = {"/absent/program"};
  const auto end = RunInForeground(program);
  ASSERT_FALSE(end.ok());
  EXPECT_EQ(end.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(end.status().message()),
              HasSubstr("cannot start /absent/program: No such file"));
}

}  // namespace
}  // namespace pagealloc::bench
