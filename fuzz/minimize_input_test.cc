#include "fuzz/minimize_input.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "fuzz/random_program.h"

namespace pagealloc::fuzz {
namespace {

using Bytes = std::vector<std::uint8_t>;

TEST(Minimize, OfAProgramTheOperationsThatMatterAreLeft) {
  // Fails with a growth, and a flush after it.
  const auto fails = [](const Bytes& bytes) {
    const auto ops = DecodeOps(bytes).ops;
    const auto grow = std::find_if(ops.begin(), ops.end(),
                                   [](const FuzzOp& op) { return op.kind == FuzzOpKind::kGrow; });
    return std::any_of(grow, ops.end(),
                       [](const FuzzOp& op) { return op.kind == FuzzOpKind::kFlushCache; });
  };
  const Bytes input = RandomInput(1, 300);
  ASSERT_TRUE(fails(input));
  const FuzzProgram program = DecodeOps(Minimize(input, fails));
  ASSERT_EQ(program.ops.size(), 2U);
  EXPECT_EQ(program.ops[0].kind, FuzzOpKind::kGrow);
  EXPECT_EQ(program.ops[1].kind, FuzzOpKind::kFlushCache);
  EXPECT_EQ(program.heap_start, DecodeOps(input).heap_start);
}

TEST(Minimize, OneOperationIsPutForManyAndSmallNumbersForLargeOnes) {
  // Fails when at least 3 allocations of the third size come before anything is freed.
  const auto fails = [](const Bytes& bytes) {
    unsigned allocations = 0;
    for (const FuzzOp& op : DecodeOps(bytes).ops) {
      const bool right = op.size >= 2 && op.kind != FuzzOpKind::kGrow;
      if (right && op.kind == FuzzOpKind::kAllocate) ++allocations;
      if (right && op.kind == FuzzOpKind::kAllocateMany) allocations += op.index % 64U + 1;
      const bool frees = op.kind == FuzzOpKind::kFree || op.kind == FuzzOpKind::kFreeMany;
      if (frees) return allocations >= 3;
    }
    return false;
  };
  const FuzzProgram many{.ops = {{FuzzOpKind::kFind, 5},
                                 {FuzzOpKind::kAllocateMany, 9, 60},
                                 {FuzzOpKind::kFreeMany, 0, 3}}};
  ASSERT_TRUE(fails(EncodeOps(many)));
  EXPECT_EQ(DecodeOps(Minimize(EncodeOps(many), fails)).ops,
            (std::vector<FuzzOp>{{FuzzOpKind::kAllocateMany, 2, 2}, {FuzzOpKind::kFree}}));
  const FuzzProgram single{.ops = {{FuzzOpKind::kAllocate, 9},
                                   {FuzzOpKind::kAllocate, 8},
                                   {FuzzOpKind::kAllocateMany, 7, 200},
                                   {FuzzOpKind::kFree, 0, 99}}};
  ASSERT_TRUE(fails(EncodeOps(single)));
  // The large one alone is enough, and then it need not be so large.
  EXPECT_EQ(DecodeOps(Minimize(EncodeOps(single), fails)).ops,
            (std::vector<FuzzOp>{{FuzzOpKind::kAllocateMany, 2, 2}, {FuzzOpKind::kFree}}));
}

TEST(Minimize, OfOtherInputsTheBytesThatMatterAreLeft) {
  // As a program, written again, the second byte is 0: nothing is switched off any more.
  const auto fails = [](const Bytes& bytes) {
    return bytes.size() > 1 && bytes[1] == 1 && std::count(bytes.begin(), bytes.end(), 1) > 1;
  };
  const Bytes input(60, 1);
  ASSERT_TRUE(fails(input));
  EXPECT_EQ(Minimize(input, fails), (Bytes{1, 1}));
}

}  // namespace
}  // namespace pagealloc::fuzz
