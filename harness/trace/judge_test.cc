#include "harness/trace/judge.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kNone = Outcome::kNone;

Judgement Judged(const std::string& records) {
  Result<Judgement, TraceError> judged = Judge(ParseTrace("t", "pagetrace 1\n" + records));
  if (!judged.ok()) {
    ADD_FAILURE() << judged.error().Message();
    return {};
  }
  return std::move(judged).value();
}

/// What is refused says corpora/bad, one file a rule (bad_corpus_test); here is what is accepted.
std::string ErrorOf(const std::string& records, PageCount max_heap = kMaxJudgedHeap) {
  const Result<Judgement, TraceError> judged =
      Judge(ParseTrace("t", "pagetrace 1\n" + records), max_heap);
  return judged.ok() ? "" : judged.error().Message();
}

std::vector<std::uint64_t> FirstPages(const Judgement& judgement) {
  std::vector<std::uint64_t> first;
  for (const Outcome& outcome : judgement.outcomes) first.push_back(outcome.first);
  return first;
}

std::vector<std::pair<std::size_t, std::uint64_t>> GrowthOf(const Judgement& judgement) {
  std::vector<std::pair<std::size_t, std::uint64_t>> growth;
  for (const Growth& g : judgement.growth) growth.emplace_back(g.op_index, g.heap_end.raw);
  return growth;
}

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(JudgeOutcomes, SayWhatEachOperationGives) {
  const Judgement judgement = Judged(
      "g 0 512\n"
      "a x 3\n"
      "r 100 4\n"
      "a y 600\n"
      "u 101 1\n"
      "f x\n"
      "c\n"
      "k 0 0xf 0x2\n"
      "a z 4\n");
  const std::vector<Outcome>& outcomes = judgement.outcomes;
  EXPECT_EQ(outcomes[0], (Outcome{0, 0, 0}));
  EXPECT_EQ(outcomes[1], (Outcome{0, 3, 0}));
  EXPECT_EQ(outcomes[2], (Outcome{100, 4, 0}));
  EXPECT_EQ(outcomes[3], (Outcome{kNone, 0, 0}));
  // Pages 0 to 2 were in use: they came back without their mark.
  EXPECT_EQ(outcomes[6], (Outcome{0, ~std::uint64_t{7}, ~std::uint64_t{0}}));
  EXPECT_EQ(outcomes[8], (Outcome{0, 1, 0}));
  EXPECT_EQ(judgement.grown, PageCount{512});
  EXPECT_EQ(judgement.in_use, PageCount{64 + 3});
  EXPECT_EQ(judgement.peak_in_use, PageCount{64 + 3});
  EXPECT_EQ(judgement.scavenged, PageCount{512 - 64 - 4});
  EXPECT_GT(judgement.byte_visits, 0U);
}

TEST(JudgeOutcomes, PeakIsNotTheEnd) {
  const Judgement judgement = Judged("a x 100\na y 20\nf x\nf y\na z 1\n");
  EXPECT_EQ(judgement.peak_in_use, PageCount{120});
  EXPECT_EQ(judgement.in_use, PageCount{1});
}

TEST(JudgeGrowth, OnDemandExtendsTheEndByWholeChunks) {
  const Judgement judgement = Judged(
      "a x 1\n"
      "a y 511\n"
      "a z 513\n"
      "c\n"
      "a w 448\n"
      "c\n");
  EXPECT_THAT(FirstPages(judgement), ElementsAre(0, 1, 512, 1024, 1088, 1536));
  EXPECT_EQ(judgement.outcomes[3].mask, ~std::uint64_t{1}) << "z ends at page 1024";
  EXPECT_THAT(GrowthOf(judgement), ElementsAre(Pair(0, 512), Pair(2, 1536), Pair(5, 2048)));
  EXPECT_EQ(judgement.heap_end, TraceOffset{2048});
}

// The heap's free end counts for the search, not for how much is added.
TEST(JudgeGrowth, OnDemandAddsAllOfNEvenWhereTheEndIsFree) {
  const Judgement judgement = Judged("a x 1\na y 1000\n");
  EXPECT_THAT(FirstPages(judgement), ElementsAre(0, 1));
  EXPECT_EQ(judgement.heap_end, TraceOffset{512 + 1024});
}

TEST(JudgeGrowth, OnDemandFollowsTheTracesChunk) {
  EXPECT_EQ(Judged("meta chunk-pages 64\na x 65\n").heap_end, TraceOffset{128});
  EXPECT_EQ(Judged("meta chunk-pages 192\na x 1\n").heap_end, TraceOffset{192});
  EXPECT_EQ(Judged("meta chunk-pages 1024\na x 1\n").heap_end, TraceOffset{1024});
}

TEST(JudgeGrowth, IsExplicitWithAGrowRecordOrWithTheNote) {
  EXPECT_THAT(FirstPages(Judged("a x 1\nc\ng 0 512\na x 1\n")), ElementsAre(kNone, kNone, 0, 0));
  EXPECT_THAT(FirstPages(Judged("meta growth explicit\na x 1\n")), ElementsAre(kNone));
}

TEST(JudgeGrowth, GapsAndDownwardGrowthRaiseTheEndOnlyOnce) {
  const Judgement judgement = Judged("g 1024 512\ng 0 512\na x 512\na y 512\na z 1\n");
  EXPECT_THAT(FirstPages(judgement), ElementsAre(0, 0, 0, 1024, kNone));
  EXPECT_THAT(GrowthOf(judgement), ElementsAre(Pair(0, 1536)));
  EXPECT_EQ(judgement.heap_end, TraceOffset{1536});
}

TEST(JudgeLegality, AFailedAllocationLeavesTheIdUnused) {
  EXPECT_EQ(ErrorOf("meta growth explicit\na x 1\na x 1\n"), "");
}

TEST(JudgeLegality, CachesAreFreedByWhoeverHasTheirPages) {
  EXPECT_EQ(ErrorOf("c\nu 0 10\nk 0 0xfffffffffffffc00\n"), "");
  EXPECT_EQ(ErrorOf("a x 64\nk 0 0xff\n"), "") << "no earlier c of the block is needed";
}

TEST(JudgeLegality, PagesThatAnIdLostBeforeItGotThemDoNotMatter) {
  EXPECT_EQ(ErrorOf("a x 4\nu 0 4\na y 4\nf y\na z 4\nf z\n"), "");
}

TEST(JudgeLegality, ExpectationsThatDifferAreNotIllegal) {
  EXPECT_EQ(ErrorOf("a x 1 = 7\nc = none\n"), "");
}

TEST(JudgeLegality, AGeneratedProgramIsNamedByOperation) {
  Program program;
  program.name = "churn";
  program.id_count = 1;
  program.ops = {Op::Allocate(0, PageCount{1}), Op::Allocate(0, PageCount{2})};
  const Result<Judgement, TraceError> judged = Judge(program);
  ASSERT_FALSE(judged.ok());
  EXPECT_EQ(judged.error().Message(),
            "churn:2: a 0 2: the ID is in use: operation 1 allocated it. "
            "Free it before, or use another ID.");
  program.ops = {Op::Find(PageCount{0})};
  EXPECT_FALSE(Judge(program).ok());
}

TEST(JudgeOutcomes, FindChangesNothingAndDoesNotGrow) {
  Program program;
  program.id_count = 2;
  program.ops = {Op::Find(PageCount{1}), Op::Allocate(0, PageCount{5}), Op::Find(PageCount{507}),
                 Op::Find(PageCount{508}), Op::Allocate(1, PageCount{1})};
  const Result<Judgement, TraceError> judged = Judge(program);
  ASSERT_TRUE(judged.ok());
  EXPECT_THAT(FirstPages(judged.value()), ElementsAre(kNone, 0, 5, kNone, 5));
  EXPECT_EQ(judged.value().heap_end, TraceOffset{512});
}

TEST(JudgeLimits, AHeapUpToTheLimitIsJudged) {
  EXPECT_EQ(ErrorOf("g 0 512\ng 8192 512\n", PageCount{1024}), "");
  EXPECT_EQ(ErrorOf("g 0 512\ng 8192 512\n", PageCount{1023}),
            "t:3: g 8192 512: the heap would have 512 + 512 pages, and at most 1023 can be judged. "
            "Look whether its numbers are wrong, or make the trace's heap smaller.");
}

// A gigabyte of pages costs a record each way, not a byte a page: chunks that are all alike have
// no bytes.
TEST(JudgeLimits, AGreatHeapIsCheapWhileItsChunksAreAlike) {
  const Judgement judgement = Judged("a x 536870912\nu 0 536870912\n");
  EXPECT_EQ(judgement.peak_in_use, PageCount{536'870'912});
}

TEST(JudgeFirstMistake, TheEarlierLineWinsWhoeverFindsIt) {
  EXPECT_THAT(ErrorOf("f x\nnonsense\n"), ::testing::StartsWith("t:2: f x: "));
  EXPECT_THAT(ErrorOf("nonsense\nf x\n"), ::testing::StartsWith("t:2: nonsense: "));
  EXPECT_THAT(ErrorOf("a x 1\nnonsense\nf y\n"), ::testing::StartsWith("t:3: nonsense: "));
}

TEST(FitsLayout, TheFirstOperationThatEndsTooHighIsNamed) {
  const ParsedTrace trace = ParseTrace("t", "pagetrace 1\na x 512\na y 1024\na z 512\n");
  const Result<Judgement, TraceError> judged = Judge(trace);
  ASSERT_TRUE(judged.ok());
  const auto fits = [&](std::uint64_t usable, std::uint64_t chunk) {
    return FitsLayout(trace.program, judged.value(), "tiny", PageCount{usable}, PageCount{chunk});
  };
  EXPECT_FALSE(fits(2048, 512).has_value());
  EXPECT_FALSE(fits(2048, 64).has_value());
  ASSERT_TRUE(fits(2047, 512).has_value());
  EXPECT_EQ(fits(2047, 512)->where.line, 4U);
  ASSERT_TRUE(fits(1535, 512).has_value());
  EXPECT_EQ(fits(1535, 512)->where.line, 3U);
  ASSERT_TRUE(fits(0, 512).has_value());
  EXPECT_EQ(fits(0, 512)->where.line, 2U);
  ASSERT_TRUE(fits(2048, 1024).has_value());
  EXPECT_EQ(fits(2048, 1024)->where.line, 1U) << "chunk-pages is the default here";
}

Op ExpectedAt(Op op, std::uint64_t first, std::uint64_t mask = 0) {
  op.expect = Expect::kResult;
  op.at = TraceOffset{first};
  op.mask = mask;
  return op;
}

Op ExpectedNone(Op op) {
  op.expect = Expect::kNone;
  return op;
}

TEST(Difference, ComparesWhatTheTraceExpects) {
  const Op allocate = Op::Allocate(0, PageCount{2});
  EXPECT_FALSE(DifferenceFromExpectation(allocate, {7, 0, 0}));
  EXPECT_FALSE(DifferenceFromExpectation(ExpectedAt(allocate, 7), {7, 2, 0}));
  EXPECT_FALSE(DifferenceFromExpectation(ExpectedNone(allocate), {kNone, 0, 0}));
  const auto differs = [](const Op& op, const Outcome& outcome) {
    const std::optional<Difference> difference = DifferenceFromExpectation(op, outcome);
    return difference ? difference->expected + " | " + difference->got : "same";
  };
  EXPECT_EQ(differs(ExpectedAt(allocate, 7), {8, 0, 0}), "= 7 | = 8");
  EXPECT_EQ(differs(ExpectedAt(allocate, 0), {kNone, 0, 0}), "= 0 | = none");
  EXPECT_EQ(differs(ExpectedNone(allocate), {0, 0, 0}), "= none | = 0");

  const Op cache = Op::TakeCache();
  EXPECT_EQ(differs(ExpectedAt(cache, 64, 0xf), {64, 9, 0xf}), "same");
  EXPECT_EQ(differs(ExpectedAt(cache, 64, 0xf), {64, 0, 0x1f}), "= 64 0xf | = 64 0x1f");
  EXPECT_EQ(differs(ExpectedAt(cache, 64, 0xf), {0, 0, 0xf}), "= 64 0xf | = 0 0xf");
  EXPECT_EQ(differs(ExpectedAt(cache, 64, 0xf), {kNone, 0, 0}), "= 64 0xf | = none");
  EXPECT_EQ(differs(ExpectedNone(cache), {kNone, 0, 0}), "same");
  EXPECT_EQ(differs(ExpectedNone(cache), {64, 0, 1}), "= none | = 64 0x1");

  Op scavenge = Op::Scavenge(PageCount{9});
  EXPECT_EQ(differs(scavenge, {3, 0, 0}), "same");
  scavenge = ExpectedAt(scavenge, 0, 4);
  EXPECT_EQ(differs(scavenge, {4, 0, 0}), "same");
  EXPECT_EQ(differs(scavenge, {3, 0, 0}), "= 4 | = 3");
}

TEST(Judge, StopsWhereTheModelHasTooMuchToDoAndStillFollowsTheHeap) {
  Program program;
  program.explicit_growth = true;
  program.id_count = 1;
  program.ops = {Op::Grow(TraceOffset{0}, PageCount{512}), Op::Allocate(0, PageCount{100}),
                 Op::Free(0), Op::Grow(TraceOffset{1024}, PageCount{512}),
                 Op::Grow(TraceOffset{512}, PageCount{512})};
  const Judgement whole = Judge(program).value();
  EXPECT_EQ(whole.judged, 5U);
  const Judgement cut = Judge(program, {.max_visits = 50}).value();
  EXPECT_EQ(cut.judged, 2U) << "the allocation visits 100 bytes";
  EXPECT_EQ(cut.outcomes.size(), 5U);
  EXPECT_EQ(cut.heap_end, whole.heap_end);
  EXPECT_EQ(cut.grown, whole.grown);
  ASSERT_EQ(cut.growth.size(), 2U);
  EXPECT_EQ(cut.growth[1].op_index, 3U);
  EXPECT_EQ(Judge(program, {.max_ops = 3}).value().judged, 3U);
  // Growth on demand depends on what the model finds.
  program.ops.resize(1);
  program.ops[0] = Op::Allocate(0, PageCount{100});
  program.explicit_growth = false;
  EXPECT_EQ(Judge(program, {.max_visits = 0, .max_ops = 0}).value().judged, 1U);
}

}  // namespace
}  // namespace pagealloc::bench
