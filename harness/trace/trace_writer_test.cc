#include "harness/trace/trace_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <string>

#include "harness/trace/judge.h"
#include "harness/trace/random_program.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

TEST(TraceWriter, WritesEveryRecordAsTheFormatHasIt) {
  Op allocate = Op::Allocate(7, PageCount{3}, 2);
  EXPECT_EQ(DescribeOp(allocate), "a 7 3 @2");
  allocate.expect = Expect::kResult;
  allocate.at = TraceOffset{512};
  EXPECT_EQ(DescribeOp(allocate), "a 7 3 @2 = 512");
  allocate.cpu = kNoCpu;
  allocate.expect = Expect::kNone;
  EXPECT_EQ(DescribeOp(allocate), "a 7 3 = none");

  Op cache = Op::TakeCache();
  EXPECT_EQ(DescribeOp(cache), "c");
  cache.expect = Expect::kResult;
  cache.at = TraceOffset{64};
  cache.mask = ~std::uint64_t{0};
  EXPECT_EQ(DescribeOp(cache), "c = 64 0xffffffffffffffff");
  cache.expect = Expect::kNone;
  EXPECT_EQ(DescribeOp(cache), "c = none");

  Op scavenge = Op::Scavenge(PageCount{10});
  EXPECT_EQ(DescribeOp(scavenge), "s 10");
  scavenge.background = true;
  scavenge.expect = Expect::kResult;
  scavenge.mask = 4;
  EXPECT_EQ(DescribeOp(scavenge), "s 10 bg = 4");

  EXPECT_EQ(DescribeOp(Op::Grow(TraceOffset{1024}, PageCount{512})), "g 1024 512");
  EXPECT_EQ(DescribeOp(Op::Free(0)), "f 0");
  EXPECT_EQ(DescribeOp(Op::AllocateRange(TraceOffset{1}, PageCount{2})), "r 1 2");
  EXPECT_EQ(DescribeOp(Op::FreeRange(TraceOffset{~std::uint64_t{0}}, PageCount{2})),
            "u 18446744073709551615 2");
  EXPECT_EQ(DescribeOp(Op::ReturnCache(TraceOffset{64}, 0)), "k 64 0x0");
  EXPECT_EQ(DescribeOp(Op::ReturnCache(TraceOffset{64}, 0xf0, 0x10)), "k 64 0xf0 0x10");
  EXPECT_EQ(DescribeOp(Op::NextGeneration()), "n");
  EXPECT_EQ(DescribeOp(Op::Find(PageCount{5})), "find 5");
}

TEST(TraceWriter, HeaderSaysWhatIsNotTheDefault) {
  Program program;
  EXPECT_EQ(WriteTrace(program), "pagetrace 1\n");
  program.meta = {{"source", "two words"}, {"page-size", "8192"}};
  program.chunk_pages = PageCount{64};
  program.explicit_growth = true;
  EXPECT_EQ(WriteTrace(program),
            "pagetrace 1\nmeta source two words\nmeta page-size 8192\nmeta chunk-pages 64\n"
            "meta growth explicit\n");
  program.ops = {Op::Grow(TraceOffset{0}, PageCount{64})};
  EXPECT_EQ(WriteTrace(program),
            "pagetrace 1\nmeta source two words\nmeta page-size 8192\nmeta chunk-pages 64\n"
            "g 0 64\n");
}

TEST(TraceWriterDeathTest, RefusesWhatNoTraceCanSay) {
  Program program;
  program.ops = {Op::Find(PageCount{1})};
  EXPECT_DEATH((void)WriteTrace(program), "contract broken: op.kind != OpKind::kFind");
  program.ops = {Op::Grow(TraceOffset{0}, PageCount{512})};
  EXPECT_DEATH((void)WriteTrace(program), "contract broken: program.explicit_growth");
  for (const char* value : {"", " x", "x ", "x  y", "x\ny", "x\r"}) {
    program.meta = {{"key", value}};
    program.explicit_growth = true;
    EXPECT_DEATH((void)WriteTrace(program), "contract broken") << value;
  }
  program.meta = {{"growth", "explicit"}};
  EXPECT_DEATH((void)WriteTrace(program), "contract broken");
}

TEST(TraceWriter, ReadingGivesTheProgramBackThatWasWritten) {
  std::set<OpKind> kinds;
  for (std::uint32_t seed = 0; seed < 400; ++seed) {
    SCOPED_TRACE(seed);
    Program program = RandomProgram(seed);
    const std::string text = WriteTrace(program);
    const ParsedTrace read = ParseTrace(program.name, text);
    ASSERT_FALSE(read.error.has_value()) << read.error->Message();
    EXPECT_EQ(read.program.meta, program.meta);
    EXPECT_EQ(read.program.chunk_pages, program.chunk_pages);
    EXPECT_EQ(read.program.explicit_growth, program.explicit_growth);
    EXPECT_EQ(read.program.id_count, program.id_count);
    EXPECT_EQ(read.program.stream_hash(), program.stream_hash());
    ASSERT_EQ(read.program.ops.size(), program.ops.size());
    for (std::size_t i = 0; i < program.ops.size(); ++i) {
      Op op = read.program.ops[i];
      EXPECT_GT(op.line, i);
      op.line = 0;
      ASSERT_EQ(op, program.ops[i]) << DescribeOp(op) << " for " << DescribeOp(program.ops[i]);
      kinds.insert(op.kind);
    }
    EXPECT_EQ(WriteTrace(read.program), text);
    const Result<Judgement, TraceError> judged = Judge(read);
    ASSERT_TRUE(judged.ok()) << judged.error().Message();
    for (std::size_t i = 0; i < program.ops.size(); ++i) {
      if (program.ops[i].kind == OpKind::kScavenge) continue;
      EXPECT_FALSE(DifferenceFromExpectation(program.ops[i], judged.value().outcomes[i])) << i;
    }
  }
  EXPECT_EQ(kinds.size(), 9U) << "some kind of record was never written";
}

}  // namespace
}  // namespace pagealloc::bench
