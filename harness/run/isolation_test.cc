#include "harness/run/isolation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "harness/run/interrupts.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;

TEST(RunForked, BringsTheTextBackHoweverLong) {
  const std::string text(3'000'000, 'x');
  const absl::StatusOr<std::string> got = RunForked([&text] { return text; });
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, text);
}

TEST(RunForked, LeavesTheParentsMemoryAlone) {
  int value = 1;
  ASSERT_TRUE(RunForked([&value] {
                value = 2;
                return std::string();
              }).ok());
  EXPECT_EQ(value, 1);
}

TEST(RunForked, ACrashIsAnInternalErrorThatNamesTheSignal) {
  const absl::Status status = RunForked([]() -> std::string {
                                std::signal(SIGABRT, SIG_DFL);
                                std::abort();
                              }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("signal 6 (Aborted)"));
}

TEST(RunForked, AFailureIsAnInternalErrorThatNamesTheExitStatus) {
  const absl::Status status = RunForked([]() -> std::string { _exit(3); }).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("exit status 3"));
}

TEST(RunForked, LeavesNoChildBehind) {
  ASSERT_TRUE(RunForked([] { return std::string("x"); }).ok());
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1);
  EXPECT_EQ(errno, ECHILD);
}

TEST(RunReexecuted, RunsThisProgramWithTheArgumentsGiven) {
  const absl::StatusOr<std::string> got = RunReexecuted({"--gtest_list_tests"});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_THAT(*got, HasSubstr("RunsThisProgramWithTheArgumentsGiven"));
}

// In a process of its own: a signal that was caught stays pending for good.
TEST(RunForkedDeathTest, AnInterruptEndsTheWaitAndTheChild) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        const pid_t parent = getpid();
        const absl::Status status = RunForked([parent] {
                                      kill(parent, SIGTERM);
                                      pause();  // for good: the parent has to end it
                                      return std::string();
                                    }).status();
        const bool child_gone = waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
        const bool fine = absl::IsCancelled(status) && PendingInterrupt() == SIGTERM && child_gone;
        _exit(fine ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(RunForkedDeathTest, AnInterruptBeforehandStartsNoWait) {
  EXPECT_EXIT(
      {
        CatchInterrupts();
        std::raise(SIGINT);
        const absl::Status status = RunForked([] {
                                      pause();
                                      return std::string();
                                    }).status();
        _exit(absl::IsCancelled(status) && PendingInterrupt() == SIGINT ? 0 : 1);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(RunForeign, GivesTheInputAndBringsTheOutputBack) {
  const std::string input(3'000'000, 'y');
  const absl::StatusOr<std::string> got = RunForeign(
      {.path = "/bin/sh", .arguments = {"-c", "cat; echo $0", "name"}, .standard_input = input});
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, input + "name\n");
}

TEST(RunForeign, OneThatFailsOrIsMissingIsAnInternalError) {
  EXPECT_THAT(
      std::string(
          RunForeign({.path = "/bin/sh", .arguments = {"-c", "exit 7"}}).status().message()),
      HasSubstr("exit status 7"));
  EXPECT_EQ(RunForeign({.path = "/nowhere/at-all"}).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace pagealloc::bench
