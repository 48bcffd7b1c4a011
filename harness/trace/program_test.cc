#include "harness/trace/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

Program Parsed(const std::string& records) {
  ParsedTrace trace = ParseTrace("t", "pagetrace 1\n" + records);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  return std::move(trace.program);
}

TEST(ProgramPositions, OfATraceAreItsLines) {
  const Program program = Parsed("# note\nmeta seed 4\r\na x 1\r\n\nf x\n");
  EXPECT_EQ(program.PositionOf(program.ops[0]), (SourcePosition{"t", 4, "a x 1"}));
  EXPECT_EQ(program.PositionOf(program.ops[1]), (SourcePosition{"t", 6, "f x"}));
  EXPECT_EQ(program.PositionOfMeta("seed"), (SourcePosition{"t", 3, "meta seed 4"}));
  EXPECT_EQ(program.PositionOfMeta("see"), (SourcePosition{"t", 1, "pagetrace 1"}));
}

TEST(ProgramPositions, OfAGeneratedProgramAreTheNumberAndTheTraceForm) {
  Program program;
  program.name = "churn";
  program.ops = {Op::Allocate(0, PageCount{3}), Op::Find(PageCount{2}), Op::Free(0)};
  EXPECT_EQ(program.PositionOf(program.ops[0]), (SourcePosition{"churn", 1, "a 0 3"}));
  EXPECT_EQ(program.PositionOf(program.ops[1]), (SourcePosition{"churn", 2, "find 2"}));
  EXPECT_EQ(program.PositionOfMeta("seed"), (SourcePosition{"churn", 1, ""}));
}

TEST(ProgramFirstOf, FindsTheFirstOfSeveralKinds) {
  const Program program = Parsed("a x 1\nn\ns 4\nn\n");
  EXPECT_EQ(program.FirstOf({OpKind::kScavenge, OpKind::kNextGeneration}), &program.ops[1]);
  EXPECT_EQ(program.FirstOf({OpKind::kScavenge}), &program.ops[2]);
  EXPECT_EQ(program.FirstOf({OpKind::kGrow}), nullptr);
}

TEST(StreamHash, DependsOnWhatIsDone) {
  const std::set<std::uint64_t> hashes = {
      Parsed("").stream_hash(),
      Parsed("a x 1\n").stream_hash(),
      Parsed("a x 2\n").stream_hash(),
      Parsed("a x 1 @1\n").stream_hash(),
      Parsed("a x 1 @2\n").stream_hash(),
      Parsed("a x 1\na y 1\n").stream_hash(),
      Parsed("a x 1\na y 1\nf x\n").stream_hash(),
      Parsed("a x 1\na y 1\nf y\n").stream_hash(),
      Parsed("a x 1\nf x\na y 1\n").stream_hash(),
      Parsed("g 0 512\n").stream_hash(),
      Parsed("g 0 1024\n").stream_hash(),
      Parsed("g 512 512\n").stream_hash(),
      Parsed("r 0 512\n").stream_hash(),
      Parsed("u 0 512\n").stream_hash(),
      Parsed("c\n").stream_hash(),
      Parsed("n\n").stream_hash(),
      Parsed("k 0 0x1\n").stream_hash(),
      Parsed("k 0 0x3\n").stream_hash(),
      Parsed("k 64 0x1\n").stream_hash(),
      Parsed("k 0 0x1 0x1\n").stream_hash(),
      Parsed("s 1\n").stream_hash(),
      Parsed("s 2\n").stream_hash(),
      Parsed("s 1 bg\n").stream_hash(),
  };
  EXPECT_EQ(hashes.size(), 23U);
}

// Two programs of the same operations are not comparable when their heaps grow differently, or when
// one times what is set-up in the other.
TEST(StreamHash, DependsOnGrowthAndOnWhatIsMeasured) {
  const std::set<std::uint64_t> hashes = {
      Parsed("a x 1\nf x\n").stream_hash(),
      Parsed("meta chunk-pages 64\na x 1\nf x\n").stream_hash(),
      Parsed("meta growth explicit\na x 1\nf x\n").stream_hash(),
      Parsed("meta measured-from 1\na x 1\nf x\n").stream_hash(),
      Parsed("meta measured-from 2\na x 1\nf x\n").stream_hash(),
  };
  EXPECT_EQ(hashes.size(), 5U);
}

TEST(StreamHash, DoesNotDependOnNamesNotesLinesOrExpectations) {
  const std::uint64_t hash = Parsed("a x 1\na y 2\nf x\na x 1\nf x\nc\ns 1\n").stream_hash();
  EXPECT_EQ(
      Parsed(
          "meta seed 1\n# note\na 0 1 = 0\na 1 2 = 1\nf 0\n\na 2 1 = 0\nf 2\nc = none\ns 1 = 9\n")
          .stream_hash(),
      hash);
}

// Results files are compared across builds and machines by this number.
TEST(StreamHash, IsTheSameEverywhere) {
  EXPECT_EQ(Parsed("g 0 512\na x 3 @1\nc\nk 0 0xff 0x1\nf x\n").stream_hash(),
            std::uint64_t{2933066563286171431U});
}

}  // namespace
}  // namespace pagealloc::bench
