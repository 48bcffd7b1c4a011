#include "fuzz/decode_ops.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <vector>

#include "fuzz/random_program.h"

namespace pagealloc::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(ByteReader, GivesZerosPastTheEnd) {
  const Bytes bytes{7};
  ByteReader in(bytes);
  EXPECT_EQ(in.TwoBytes(), 7);
  EXPECT_TRUE(in.empty());
  EXPECT_EQ(in.Byte(), 0);
}

TEST(DecodeOps, EveryPrefixOfAnInputIsAProgram) {
  Bytes bytes;
  for (unsigned i = 0; i < 300; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 37));
  std::size_t operations = 0;
  for (std::size_t size = 0; size <= bytes.size(); ++size) {
    const FuzzProgram program = DecodeOps({bytes.data(), size});
    EXPECT_GE(program.ops.size(), operations);
    EXPECT_LE(program.ops.size(), size);
    operations = program.ops.size();
  }
  EXPECT_GT(operations, 100U);
}

TEST(DecodeOps, AnEmptyInputChecksEachOperationAndHasNone) {
  const FuzzProgram program = DecodeOps({});
  EXPECT_EQ(program.check_every, 1U);
  EXPECT_EQ(program.first_growth, 1);
  EXPECT_TRUE(program.ops.empty());
}

TEST(DecodeOps, TheHeaderSaysHowOftenAndWhere) {
  EXPECT_EQ(DecodeOps(Bytes{200, 0, 0, 0b1'101'10'01}), (FuzzProgram{.heap_start = 200,
                                                                     .tiny_pair = 2,
                                                                     .shipped = 5,
                                                                     .first_growth = 8,
                                                                     .check_every = 4,
                                                                     .ops = {}}));
  EXPECT_EQ(DecodeOps(Bytes{0, 0, 0, 2}).check_every, 16U);
  EXPECT_EQ(DecodeOps(Bytes{0, 0, 0, 3}).check_every, 0U);
}

TEST(DecodeOps, EachKindCanBeReachedAndSwitchedOff) {
  Bytes bytes{0, 0, 0, 0};
  for (unsigned kind = 0; kind < 16; ++kind) {
    bytes.push_back(static_cast<std::uint8_t>(kind));
    bytes.insert(bytes.end(), {0, 0, 0, 0});
  }
  std::set<FuzzOpKind> seen;
  for (const FuzzOp& op : DecodeOps(bytes).ops) seen.insert(op.kind);
  EXPECT_EQ(seen.size(), kFuzzOpKinds);

  for (const FuzzOpKind off : seen) {
    const unsigned mask = 1U << static_cast<unsigned>(off);
    bytes[1] = static_cast<std::uint8_t>(mask & 255U);
    bytes[2] = static_cast<std::uint8_t>(mask >> 8U);
    std::set<FuzzOpKind> left;
    for (const FuzzOp& op : DecodeOps(bytes).ops) left.insert(op.kind);
    EXPECT_EQ(left.size(), kFuzzOpKinds - 1);
    EXPECT_FALSE(left.contains(off));
  }
}

TEST(DecodeOps, AnArgumentOfFifteenContinuesInTheNextByte) {
  const FuzzProgram program = DecodeOps(Bytes{0, 0, 0, 0, 0xe0, 0xf0, 3});
  ASSERT_EQ(program.ops.size(), 2U);
  EXPECT_EQ(program.ops[0], (FuzzOp{FuzzOpKind::kAllocate, 14, 0, 0}));
  EXPECT_EQ(program.ops[1], (FuzzOp{FuzzOpKind::kAllocate, 18, 0, 0}));
}

TEST(EncodeOps, GivesTheSameProgramAgain) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const FuzzProgram program = DecodeOps(RandomInput(seed, 200));
    EXPECT_EQ(DecodeOps(EncodeOps(program)), program) << seed;
  }
}

TEST(DecodeOps, LongInputsAreCut) {
  EXPECT_EQ(DecodeOps(Bytes(100'000, 0)).ops.size(), kMaxFuzzOps);
}

TEST(SizeOf, HasEveryBaseWithBothNeighbours) {
  std::set<std::pair<SizeBase, std::int64_t>> sizes;
  for (unsigned code = 0; code < 256; ++code) {
    const SizeRule rule = SizeOf(static_cast<std::uint8_t>(code));
    sizes.insert({rule.base, rule.add});
  }
  for (const SizeBase base :
       {SizeBase::kChunk, SizeBase::kTwoChunks, SizeBase::kBlock, SizeBase::kRoot, SizeBase::kHeap,
        SizeBase::kFree, SizeBase::kLongest}) {
    for (const std::int64_t add : {-1, 0, 1}) {
      EXPECT_TRUE(sizes.contains({base, add})) << static_cast<int>(base) << " " << add;
    }
  }
  for (const std::int64_t pages : {1, 2, 3, 4, 63, 64, 65, 127, 128, 129}) {
    EXPECT_TRUE(sizes.contains({SizeBase::kNothing, pages})) << pages;
  }
}

TEST(GapOf, HasGapsAroundABlockOfChunksAndFarBeyond) {
  std::set<std::uint64_t> gaps;
  for (unsigned code = 0; code < 8; ++code) gaps.insert(GapOf(static_cast<std::uint8_t>(code)));
  EXPECT_EQ(gaps, (std::set<std::uint64_t>{0, 1, 7, 8, 9, 600, 8192, 1U << 20}));
}

TEST(PatternOf, HasEverySinglePageAndEveryTail) {
  std::set<std::uint64_t> patterns;
  for (unsigned code = 0; code < 256; ++code) {
    patterns.insert(PatternOf(static_cast<std::uint8_t>(code)));
  }
  for (unsigned i = 0; i < 64; ++i) {
    EXPECT_TRUE(patterns.contains(std::uint64_t{1} << i)) << i;
    EXPECT_TRUE(patterns.contains(~std::uint64_t{0} << i)) << i;
  }
  EXPECT_TRUE(patterns.contains(0));
  EXPECT_GT(patterns.size(), 240U);
}

}  // namespace
}  // namespace pagealloc::fuzz
