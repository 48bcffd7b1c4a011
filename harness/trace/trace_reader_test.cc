#include "harness/trace/trace_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <utility>

#include "harness/trace/judge.h"
#include "harness/trace/random_program.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

/// A trace that is accepted.
Program Parsed(const std::string& text) {
  ParsedTrace trace = ParseTrace("t", text);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  return std::move(trace.program);
}

// The messages themselves stand in corpora/bad, one file each (bad_corpus_test).

TEST(ParseTrace, FillsAllFieldsOfEachRecord) {
  const Program program = Parsed(
      "pagetrace 1\n"
      "g 512 1024\n"
      "a x 7 @3 = 12\n"
      "a y 8 = none\n"
      "a z 9\n"
      "f x\n"
      "r 1 2\n"
      "u 3 4\n"
      "c = 64 0xF0\n"
      "c = none\n"
      "c\n"
      "k 128 0xff 0x0f\n"
      "k 128 0x0\n"
      "s 5 bg = 6\n"
      "s 7\n"
      "n\n");
  Op x = Op::Allocate(0, PageCount{7}, 3);
  x.expect = Expect::kResult;
  x.at = TraceOffset{12};
  Op y = Op::Allocate(1, PageCount{8});
  y.expect = Expect::kNone;
  Op cache = Op::TakeCache();
  cache.expect = Expect::kResult;
  cache.at = TraceOffset{64};
  cache.mask = 0xf0;
  Op no_cache = Op::TakeCache();
  no_cache.expect = Expect::kNone;
  Op scavenge = Op::Scavenge(PageCount{5}, true);
  scavenge.expect = Expect::kResult;
  scavenge.mask = 6;
  std::vector<Op> expected = {Op::Grow(TraceOffset{512}, PageCount{1024}),
                              x,
                              y,
                              Op::Allocate(2, PageCount{9}),
                              Op::Free(0),
                              Op::AllocateRange(TraceOffset{1}, PageCount{2}),
                              Op::FreeRange(TraceOffset{3}, PageCount{4}),
                              cache,
                              no_cache,
                              Op::TakeCache(),
                              Op::ReturnCache(TraceOffset{128}, 0xff, 0x0f),
                              Op::ReturnCache(TraceOffset{128}, 0),
                              scavenge,
                              Op::Scavenge(PageCount{7}),
                              Op::NextGeneration()};
  std::uint32_t line = 2;
  for (Op& op : expected) op.line = line++;
  ASSERT_EQ(program.ops.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(program.ops[i], expected[i]) << DescribeOp(program.ops[i]);
  }
  EXPECT_EQ(program.id_count, 3U);
  EXPECT_EQ(program.name, "t");
  EXPECT_EQ(program.measured_from, 0U);
}

TEST(ParseTrace, KeepsNotesInOrderAndTakesOutWhatItUnderstands) {
  const Program program = Parsed(
      "pagetrace 1\n"
      "meta source a program of ours\n"
      "meta chunk-pages 64\n"
      "meta growth explicit\n"
      "meta page-size 8192\n"
      "meta source twice\n");
  EXPECT_THAT(program.meta, ElementsAre(Pair("source", "a program of ours"),
                                        Pair("page-size", "8192"), Pair("source", "twice")));
  EXPECT_EQ(program.chunk_pages, PageCount{64});
  EXPECT_TRUE(program.explicit_growth);
}

TEST(ParseTrace, DefaultsAreChunksOf512AndGrowthOnDemand) {
  const Program program = Parsed("pagetrace 1\na x 1\n");
  EXPECT_EQ(program.chunk_pages, PageCount{512});
  EXPECT_FALSE(program.explicit_growth);
  EXPECT_TRUE(Parsed("pagetrace 1\na x 1\ng 0 512\n").explicit_growth);
}

TEST(ParseTrace, CountsSkippedLines) {
  const Program program = Parsed("#\n\npagetrace 1\r\n\r\n# a\na x 1\r\n#\nf x\n");
  ASSERT_EQ(program.ops.size(), 2U);
  EXPECT_EQ(program.ops[0].line, 6U);
  EXPECT_EQ(program.ops[1].line, 8U);
}

TEST(ParseTrace, ComparesIdsAsText) {
  const Program program = Parsed("pagetrace 1\na 1 1\na 01 1\na A 1\na a 1\nf 01\n");
  EXPECT_EQ(program.id_count, 4U);
  EXPECT_EQ(program.ops[4].id, 1U);
}

TEST(ParseTrace, GivesTheRecordsBeforeAMistake) {
  const ParsedTrace trace = ParseTrace("t", "pagetrace 1\na x 1\nf x\nf\ng 0 512\n");
  ASSERT_TRUE(trace.error.has_value());
  EXPECT_EQ(trace.error->where, (SourcePosition{"t", 4, "f"}));
  EXPECT_EQ(trace.program.ops.size(), 2U);
  EXPECT_TRUE(trace.program.explicit_growth) << "a later g says how the heap grows";
}

TEST(ParseTrace, HoldsTheWholeTextForMessages) {
  const std::string text = "pagetrace 1\na x 1\n";
  EXPECT_EQ(Parsed(text).text, text);
}

/// Reads and judges any bytes; what comes of it must be a program or one clean message.
void CheckAnyBytes(const std::string& bytes) {
  const ParsedTrace trace = ParseTrace("bytes", bytes);
  if (trace.error) {
    EXPECT_FALSE(trace.error->reason.empty());
    EXPECT_TRUE(trace.error->advice.ends_with('.')) << trace.error->advice;
    EXPECT_GE(trace.error->where.line, 1U);
  }
  // Small heaps only: a mutated number is not to cost gigabytes.
  const Result<Judgement, TraceError> judged = Judge(trace, PageCount{1 << 16});
  if (trace.error) {
    ASSERT_FALSE(judged.ok());
    EXPECT_LE(judged.error().where.line, trace.error->where.line);
  }
  if (!judged.ok()) {
    const std::string message = judged.error().Message();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(ParseTrace, ATraceCutAnywhereIsReadOrRefused) {
  const std::string whole = WriteTrace(RandomProgram(7)) + "# end\r\nmeta late\n";
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    const std::string cut = whole.substr(0, size);
    CheckAnyBytes(cut);
    EXPECT_TRUE(size == whole.size() || cut.ends_with('\n') ||
                ParseTrace("cut", cut).error.has_value());
  }
}

TEST(ParseTrace, RandomDamageIsReadOrRefused) {
  std::mt19937 random(1);
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    std::string bytes = WriteTrace(RandomProgram(seed % 50));
    for (std::uint64_t i = 0; i <= random() % 4; ++i) {
      const std::size_t at = random() % bytes.size();
      // Characters of the format find more than arbitrary ones.
      static constexpr std::string_view kLikely = "0123456789 \n\r=@#xagfrucksn";
      const bool likely = random() % 4 != 0;
      bytes[at] = likely ? kLikely[random() % kLikely.size()] : static_cast<char>(random() % 256);
    }
    CheckAnyBytes(bytes);
  }
}

TEST(ParseTrace, OneLongLineIsRefusedQuickly) {
  CheckAnyBytes(std::string(1 << 20, ' '));
  CheckAnyBytes("pagetrace 1\na " + std::string(1 << 20, '1') + '\n');
  CheckAnyBytes("pagetrace 1\nmeta k " + std::string(1 << 20, 'v') + '\n');
  CheckAnyBytes("pagetrace 1\nk 0 0x" + std::string(1 << 20, 'f') + '\n');
}

TEST(TraceReader, ANoteSaysWhereTheSetUpEnds) {
  const auto border = [](const std::string& notes) {
    const ParsedTrace trace = ParseTrace("t", "pagetrace 1\n" + notes + "a x 1\nf x\n");
    EXPECT_FALSE(trace.error.has_value());
    return std::pair(trace.program.measured_from, trace.program.meta.size());
  };
  using Border = std::pair<std::size_t, std::size_t>;
  EXPECT_EQ(border("meta measured-from 1\n"), Border(1, 0));
  EXPECT_EQ(border("meta measured-from 2\n"), Border(2, 0));
  EXPECT_EQ(border("meta measured-from 1\nmeta measured-from 2\n"), Border(2, 1));
  for (const char* value : {"3", "0", "01", "one", "1 2", "-1", "99999999999999999999"}) {
    EXPECT_EQ(border("meta measured-from " + std::string(value) + "\n"), Border(0, 1)) << value;
  }
}

}  // namespace
}  // namespace pagealloc::bench
