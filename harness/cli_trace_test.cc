// `trace convert`, `trace generate` and `trace minimize` through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliTrace : public ProgramTest {
 protected:
  /// What `arguments` do where a result cannot be written, for a command that takes -o.
  void ExpectFilesAreKept(const Words& arguments) {
    const auto with = [&arguments](const Words& more) {
      Words words = arguments;
      words.insert(words.end(), more.begin(), more.end());
      return words;
    };
    const std::string name = arguments[1];
    WriteFile("mine.csv", "mine");
    WriteFile("mine.pagetrace", "mine");
    const std::string mine = name == "convert" ? "mine.csv" : "mine.pagetrace";
    const Ended refused = Bench(with({"-o", mine}));
    EXPECT_EQ(refused.exit_status, 4) << name;
    EXPECT_THAT(refused.err, AllOf(HasSubstr(mine), HasSubstr("--force")));
    EXPECT_EQ(ReadFile(mine), "mine");
    EXPECT_EQ(Bench(with({"-o", mine, "--force"})).exit_status, 0) << name;
    EXPECT_NE(ReadFile(mine), "mine");
    const Ended nowhere = Bench(with({"-o", "absent/" + mine}));
    EXPECT_EQ(nowhere.exit_status, 4) << name;
    EXPECT_THAT(nowhere.err, HasSubstr("absent/" + mine));
    CallOptions full;
    full.stdout_path = "/dev/full";
    EXPECT_EQ(Bench(arguments, full).exit_status, 4) << name;
    CallOptions limited;
    limited.file_size_limit = 16;
    const Ended small = Bench(with({"-o", "new-" + mine}), limited);
    EXPECT_EQ(small.exit_status, 4) << small.err;
    CallOptions closed;
    closed.stdout_closed_at_once = true;
    EXPECT_EQ(Bench(arguments, closed).exit_status, 0) << name;
  }
};

// ---- convert

TEST_F(CliTrace, ConvertWritesCsvAndTheSameTraceAgain) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended to = Bench({"trace", "convert", "small.pagetrace", "-o", "small.csv"});
  ASSERT_EQ(to.exit_status, 0) << to.err;
  EXPECT_THAT(to.out + to.err, "");
  EXPECT_THAT(
      ReadFile("small.csv"),
      StartsWith("kind,id,offset,pages,cpu,mask,scavenged,mode,expect,expect_mask,key,value\n"
                 "grow,,0,512,,,,,,,,\nalloc,1,,3,,,,,0,,,\n"));
  ASSERT_EQ(Bench({"trace", "convert", "small.csv", "-o", "again.pagetrace.zst"}).exit_status, 0);
  const Ended back = Bench({"trace", "convert", "again.pagetrace.zst", "--from", "pagetrace"});
  EXPECT_EQ(back.out, ReadFile("small.csv"));
  CallOptions input;
  input.standard_input = ReadFile("small.csv");
  EXPECT_EQ(Bench({"trace", "convert", "-", "--from", "csv"}, input).out, kSmallTrace);
}

TEST_F(CliTrace, ConvertTellsWhereInputIsWrongAndWritesNothing) {
  WriteFile("bad.csv", "kind,id,pages\nalloc,x,3\nfree,y,\n");
  const Ended illegal = Bench({"trace", "convert", "bad.csv", "-o", "out.pagetrace"});
  EXPECT_EQ(illegal.exit_status, 2);
  EXPECT_THAT(illegal.err, StartsWith("bad.csv:3: f y: the ID is not in use"));
  WriteFile("worse.csv", "kind,id,pages\nallok,x,3\n");
  EXPECT_THAT(Bench({"trace", "convert", "worse.csv"}).err,
              StartsWith("worse.csv:2: allok,x,3: unknown kind 'allok'. The nearest is 'alloc'"));
  WriteFile("bad.pagetrace", "pagetrace 1\na x\n");
  EXPECT_THAT(Bench({"trace", "convert", "bad.pagetrace"}).err,
              StartsWith("bad.pagetrace:2: a x: "));
  EXPECT_EQ(Bench({"trace", "convert", "absent.pagetrace"}).exit_status, 4);
  EXPECT_EQ(Bench({"trace", "convert", "absent.csv"}).exit_status, 4);
  EXPECT_EQ(Bench({"trace", "convert"}).exit_status, 2);
  EXPECT_THAT(Bench({"trace", "convert", "-"}).err, StartsWith("-:1: "));
  // The two ends of a conversion are not the same.
  EXPECT_THAT(Bench({"trace", "convert", "bad.csv", "-o", "x.csv"}).err, HasSubstr(".csv"));
  EXPECT_THAT(Bench({"trace", "convert", "bad.pagetrace", "-o", "x.pagetrace"}).err,
              HasSubstr("--from csv"));
  EXPECT_THAT(Files(), ElementsAre("bad.csv", "bad.pagetrace", "worse.csv"));
}

TEST_F(CliTrace, ConvertKeepsFiles) {
  WriteFile("small.pagetrace", kSmallTrace);
  ExpectFilesAreKept({"trace", "convert", "small.pagetrace"});
}

// ---- generate

TEST_F(CliTrace, GenerateWritesWhatTheWorkloadDoes) {
  const Words words{"trace", "generate", "churn", "--ops", "50", "--heap", "16MiB", "--seed", "3"};
  const Ended ended = Bench(words);
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.out, AllOf(StartsWith("pagetrace 1\n"), HasSubstr("\nmeta measured-from ")));
  EXPECT_EQ(ended.err, "");
  const Words run{"run",    "-w", "churn",    "--ops", "50",       "--heap",        "16MiB",
                  "--seed", "3",  "--timing", "none",  "--record", "run.pagetrace", "-q"};
  ASSERT_EQ(Bench(run).exit_status, 0);
  EXPECT_EQ(ended.out, ReadFile("run.pagetrace"));
}

TEST_F(CliTrace, GenerateRefusesWhatIsNoTraceOfOneWorkload) {
  EXPECT_EQ(Bench({"trace", "generate"}).exit_status, 2);
  EXPECT_THAT(Bench({"trace", "generate", "churm"}).err, HasSubstr("nearest is 'churn'"));
  EXPECT_THAT(Bench({"trace", "generate", "@quick"}).err, HasSubstr("one workload"));
  EXPECT_THAT(Bench({"trace", "generate", "find-only", "--ops", "10"}).err,
              HasSubstr("no record for find"));
  EXPECT_THAT(Bench({"trace", "generate", "churn", "--heap", "1 parsec"}).err, HasSubstr("--heap"));
  EXPECT_EQ(Bench({"trace", "generate", "find-only", "--ops", "10"}).exit_status, 2);
}

TEST_F(CliTrace, GenerateKeepsFiles) {
  ExpectFilesAreKept({"trace", "generate", "churn", "--ops", "10", "--heap", "16MiB"});
}

// ---- minimize

TEST_F(CliTrace, MinimizeCutsAWrongExpectationDownToItsRecord) {
  WriteFile("bad.pagetrace",
            "pagetrace 1\nmeta source test\na a 3 = 0\na b 2 = 3\nf a\na c 1 = 7\nf b\nn\n");
  const Ended ended = Bench({"trace", "minimize", "bad.pagetrace", "-o", "small.pagetrace"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(ended.out, "");
  EXPECT_THAT(ended.err, AllOf(HasSubstr("bad.pagetrace: 6 operations; a result differs"),
                               HasSubstr("6 operations became 1 in ")));
  const Ended replay = Bench({"replay", "small.pagetrace", "--timing", "none"});
  EXPECT_EQ(replay.exit_status, 1) << ReadFile("small.pagetrace");
}

TEST_F(CliTrace, MinimizeAsksACommandWhatFails) {
  ASSERT_EQ(Bench({"trace", "generate", "churn", "--ops", "200", "--heap", "16MiB", "-o",
                   "churn.pagetrace"})
                .exit_status,
            0);
  // Fails where an allocation of 5 pages comes after one of 7.
  WriteFile("check", "awk '/^a .* 7$/ {seven=1} /^a .* 5$/ && seven {exit 1}' \"$1\"\n");
  const Ended ended = Bench(
      {"trace", "minimize", "churn.pagetrace", "--check", "sh " + Path("check") + " {}", "-q"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  EXPECT_THAT(ended.out, testing::EndsWith("meta growth explicit\na 0 7\na 1 5\n"));
}

TEST_F(CliTrace, MinimizeRefusesWhatDoesNotFail) {
  WriteFile("small.pagetrace", kSmallTrace);
  const Ended fine = Bench({"trace", "minimize", "small.pagetrace", "-o", "out.pagetrace"});
  EXPECT_EQ(fine.exit_status, 2);
  EXPECT_THAT(fine.err,
              AllOf(HasSubstr("it does not fail with radix on linux-amd64"), HasSubstr("--check")));
  const Ended command = Bench({"trace", "minimize", "small.pagetrace", "--check", "true {}"});
  EXPECT_EQ(command.exit_status, 2);
  EXPECT_THAT(command.err, HasSubstr("the command ends with exit status 0"));
  EXPECT_THAT(Bench({"trace", "minimize", "small.pagetrace", "--check", "absent-command {}"}).err,
              HasSubstr("the shell cannot run 'absent-command {}' (exit status 127)"));
  EXPECT_THAT(Bench({"trace", "minimize", "small.pagetrace", "--check", "false"}).err,
              HasSubstr("there is no {}"));
  EXPECT_THAT(Bench({"trace", "minimize", "small.pagetrace", "--check", "x {}", "-a", "radix"}).err,
              HasSubstr("Leave -a and -l out"));
  EXPECT_THAT(Bench({"trace", "minimize", "small.pagetrace", "-a", "radx"}).err,
              HasSubstr("nearest is 'radix'"));
  // What cannot run does not fail: neither an allocator nor a layout is a trace's fault.
  EXPECT_EQ(
      Bench({"trace", "minimize", "small.pagetrace", "-a", "go", "-l", "wasm-1.26"}).exit_status,
      2);
  EXPECT_THAT(Bench({"trace", "minimize", "small.pagetrace", "-a", "heap"}).err,
              HasSubstr("small.pagetrace:2: g 0 512"));
  EXPECT_EQ(Bench({"trace", "minimize"}).exit_status, 2);
  EXPECT_EQ(Bench({"trace", "minimize", "absent"}).exit_status, 4);
  WriteFile("bad.pagetrace", "pagetrace 1\nf x\n");
  EXPECT_THAT(Bench({"trace", "minimize", "bad.pagetrace"}).err,
              StartsWith("bad.pagetrace:2: f x:"));
  EXPECT_THAT(Files(), ElementsAre("bad.pagetrace", "small.pagetrace"));
}

TEST_F(CliTrace, MinimizeKeepsFiles) {
  WriteFile("wrong.pagetrace", "pagetrace 1\nmeta source a long enough note\na a 3 = 9\n");
  ExpectFilesAreKept({"trace", "minimize", "wrong.pagetrace"});
}

TEST_F(CliTrace, MinimizeThatIsInterruptedWritesTheShortestSoFar) {
  ASSERT_EQ(Bench({"trace", "generate", "churn", "--ops", "400", "--heap", "16MiB", "-o",
                   "churn.pagetrace"})
                .exit_status,
            0);
  CallOptions options;
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("tried");
  // Any trace of 20 operations fails; each try leaves a line, and takes a moment.
  const Ended ended = Bench(
      {"trace", "minimize", "churn.pagetrace", "--check",
       "echo >>" + Path("tried") + "; sleep 0.05; test $(wc -l <{}) -lt 20", "-o", "out.pagetrace"},
      options);
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("what was written is the shortest so far"));
  EXPECT_EQ(Bench({"trace", "validate", "out.pagetrace"}).exit_status, 0);
}

}  // namespace
}  // namespace pagealloc::bench
