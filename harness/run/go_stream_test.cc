#include "harness/run/go_stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

std::string Words(const std::vector<std::uint64_t>& words) {
  return {reinterpret_cast<const char*>(words.data()), words.size() * sizeof(words[0])};
}

constexpr std::uint64_t kAnswer = 0x736e'612d'6567'6170;
constexpr std::uint64_t kNotKnown = ~std::uint64_t{0};

/// Three operations, the first of which is set-up.
Program Three() {
  Program program;
  program.ops = {Op::Grow(TraceOffset{0}, PageCount{512}), Op::Allocate(0, PageCount{7}),
                 Op::ReturnCache(TraceOffset{64}, 0xf0, 0x10)};
  program.measured_from = 1;
  program.explicit_growth = true;
  program.id_count = 1;
  return program;
}

TEST(EncodeGoRequest, WritesWordAfterWord) {
  const Program program = Three();
  const std::vector<Batch> batches{{2, 0}, {3, 0}};
  const GoRequest request{.program = program,
                          .heap_base = Address{0x10000000},
                          .heap_pages = PageCount{1024},
                          .batches = batches,
                          .check = true,
                          .time_ops = true,
                          .clock = ClockSource::kTsc};
  const std::uint64_t allocate_0 = 1;  // kind 1, ID 0
  const std::uint64_t return_cache = 6;
  EXPECT_EQ(EncodeGoRequest(request), Words({0x7165'722d'6567'6170,
                                             kGoStreamVersion,
                                             0x10000000,
                                             1024,
                                             512,
                                             1,
                                             1,
                                             3,
                                             1,
                                             2,
                                             1 + 4,
                                             1,  //
                                             0,
                                             0,
                                             512,
                                             0,  //
                                             allocate_0,
                                             0,
                                             7,
                                             0,  //
                                             return_cache,
                                             64,
                                             0x10,
                                             0xf0,  //
                                             2,
                                             3}));
}

TEST(DecodeGoAnswer, ReadsThePassesThatWereAskedFor) {
  const Program program = Three();
  const std::vector<Batch> batches{{3, 0}};
  const GoRequest request{.program = program,
                          .batches = batches,
                          .check = true,
                          .time_batches = true,
                          .time_ops = true};
  const std::uint64_t two_and_three = std::uint64_t{3} << 32 | 2;
  const std::uint64_t five_and_six = std::uint64_t{6} << 32 | 5;
  const std::string text = Words({kAnswer,     kGoStreamVersion,  //
                                  0xabc,       4096,              //
                                  0,           0,
                                  0,           8,
                                  7,           0,
                                  64,          1,
                                  0xf0,  //
                                  0xdef,       1000,
                                  2,           3,
                                  8192,        500,
                                  20,  //
                                  0xdef,       kNotKnown,
                                  4,           5,
                                  0,           two_and_three,
                                  five_and_six});
  const absl::StatusOr<GoAnswer> answer = DecodeGoAnswer(request, text);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->checked_hash, 0xabcU);
  EXPECT_EQ(answer->metadata_bytes, 4096U);
  EXPECT_EQ(answer->outcomes, (std::vector<Outcome>{{0, 0, 0}, {8, 7, 0}, {64, 1, 0xf0}}));
  EXPECT_EQ(answer->batches.result_hash, 0xdefU);
  EXPECT_EQ(answer->batches.costs, (RegionCosts{1000, 2, 3}));
  EXPECT_EQ(answer->batches.rss_bytes, 8192U);
  EXPECT_EQ(answer->batch_ticks, std::vector<std::uint64_t>{500});
  EXPECT_EQ(answer->idle_batch_ticks, std::vector<std::uint64_t>{20});
  EXPECT_EQ(answer->ops.costs, (RegionCosts{std::nullopt, 4, 5}));
  EXPECT_EQ(answer->op_ticks, (std::vector<std::uint32_t>{2, 3}));
  EXPECT_EQ(answer->idle_op_ticks, (std::vector<std::uint32_t>{5, 6}));
}

TEST(DecodeGoAnswer, RefusesWhatIsNoWholeAnswer) {
  const Program program = Three();
  const GoRequest request{.program = program, .check = true};
  const std::vector<std::uint64_t> whole{kAnswer, kGoStreamVersion, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0,
                                         0};
  ASSERT_TRUE(DecodeGoAnswer(request, Words(whole)).ok());
  for (std::size_t size = 0; size < whole.size() * 8; ++size) {
    EXPECT_FALSE(DecodeGoAnswer(request, Words(whole).substr(0, size)).ok()) << size;
  }
  EXPECT_FALSE(DecodeGoAnswer(request, Words(whole) + "x").ok());
  std::vector<std::uint64_t> other = whole;
  other[1] = kGoStreamVersion + 1;
  EXPECT_FALSE(DecodeGoAnswer(request, Words(other)).ok());
  other = whole;
  other[0] ^= 1;
  EXPECT_FALSE(DecodeGoAnswer(request, Words(other)).ok());
}

}  // namespace
}  // namespace pagealloc::bench
