#include "harness/trace/minimize.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/random_program.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

Program Read(const std::string& text) {
  ParsedTrace trace = ParseTrace("test", text);
  EXPECT_FALSE(trace.error.has_value());
  return std::move(trace.program);
}

bool IsLegal(const Program& program) { return Judge(program).ok(); }

std::size_t CountOf(const Program& program, OpKind kind) {
  return static_cast<std::size_t>(std::count_if(program.ops.begin(), program.ops.end(),
                                                [kind](const Op& op) { return op.kind == kind; }));
}

bool AllocatesPages(const Program& program, std::uint64_t pages) {
  return std::any_of(program.ops.begin(), program.ops.end(), [pages](const Op& op) {
    return op.kind == OpKind::kAllocate && op.count.raw == pages;
  });
}

TEST(Minimize, WhatDoesNotMatterIsCutAndIdsAreNumberedAnew) {
  const Program program =
      Read("pagetrace 1\na a 1 = 0\na b 2\nf a\na c 7\nn\na d 3\nf d\nf c\na e 5\ns 4\n");
  const Minimized small = Minimize(program, [](const Program& candidate) {
    return std::optional(AllocatesPages(candidate, 7));
  });
  EXPECT_TRUE(small.finished);
  EXPECT_EQ(WriteTrace(small.program), "pagetrace 1\na 0 7\n");
}

// The frees of an allocation that is cut go with it; nothing illegal is ever tried.
TEST(Minimize, EveryProgramThatIsTriedIsLegal) {
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    const Program program = RandomProgram(seed);
    const std::size_t wanted = std::min<std::size_t>(CountOf(program, OpKind::kFree), 2);
    std::size_t tried = 0;
    const Minimized small = Minimize(program, [&](const Program& candidate) {
      EXPECT_TRUE(IsLegal(candidate)) << WriteTrace(candidate);
      ++tried;
      return std::optional(CountOf(candidate, OpKind::kFree) >= wanted);
    });
    EXPECT_EQ(CountOf(small.program, OpKind::kFree), wanted) << seed;
    EXPECT_EQ(small.tried, tried);
    // 1-minimal: the frees, their allocations, and what these need.
    EXPECT_LE(small.program.ops.size(), 3 * wanted + 2) << WriteTrace(small.program);
  }
}

TEST(Minimize, ExpectationsStayWhereTheyAreWhatFails) {
  const Program program = Read("pagetrace 1\na a 1 = 0\na b 2 = 1\na c 4 = 9\nf a\n");
  const auto differs = [](const Program& candidate) {
    const auto judged = Judge(candidate);
    for (std::size_t i = 0; i < candidate.ops.size(); ++i) {
      if (DifferenceFromExpectation(candidate.ops[i], judged.value().outcomes[i])) return true;
    }
    return false;
  };
  ASSERT_TRUE(differs(program));
  const Minimized small = Minimize(
      program, [&](const Program& candidate) { return std::optional(differs(candidate)); });
  EXPECT_EQ(small.program.ops.size(), 1U) << WriteTrace(small.program);
  EXPECT_TRUE(differs(small.program));
}

TEST(Minimize, StopsWhenAskedToWithTheShortestSoFar) {
  const Program program = RandomProgram(3);
  std::size_t left = 2;
  std::size_t told = program.ops.size();
  const Minimized small = Minimize(
      program, [&](const Program&) { return left-- > 0 ? std::optional(true) : std::nullopt; },
      [&](const Minimized& best) {
        EXPECT_LE(best.program.ops.size(), told);
        told = best.program.ops.size();
      });
  EXPECT_FALSE(small.finished);
  EXPECT_LT(small.program.ops.size(), program.ops.size());
  EXPECT_EQ(small.tried, 3U);
}

TEST(LegalOps, LeavesOutWhatIsNotLegalAndNothingElse) {
  Program program;
  program.id_count = 2;
  program.ops = {Op::Free(0),
                 Op::Allocate(0, PageCount{2}),
                 Op::Allocate(0, PageCount{9}),
                 Op::Free(1),
                 Op::Free(0),
                 Op::Free(0),
                 Op::Allocate(1, PageCount{1})};
  EXPECT_EQ(LegalOps(program), (std::vector<Op>{program.ops[1], program.ops[4], program.ops[6]}));
  const Program legal = RandomProgram(1);
  EXPECT_EQ(LegalOps(legal), legal.ops);
}

}  // namespace
}  // namespace pagealloc::bench
