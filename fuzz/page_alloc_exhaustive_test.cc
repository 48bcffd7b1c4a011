/// The whole of a small space: every sequence of up to five operations from an alphabet chosen for
/// its borders, on two tiny layouts, with everything checked at the end of each. A shorter sequence
/// is the start of longer ones, so each state is checked after its last operation.
///
/// PAGEALLOC_EXHAUSTIVE_DEPTH=N makes it N operations: 7 at night, 4 for a mutant.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <vector>

#include "fuzz/finding.h"
#include "fuzz/page_alloc_program.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using enum FuzzOpKind;

constexpr std::uint8_t kCodeOf1 = 0;
constexpr std::uint8_t kCodeOf63 = 6;
constexpr std::uint8_t kCodeOfLongest = 14;
constexpr std::uint8_t kCodeOfChunkAnd1 = 15;
constexpr std::uint16_t kAcrossAWord = 62;
constexpr std::uint8_t kUpNoGap = 0;
constexpr std::uint8_t kDownGap1 = 2 * 8 + 3;

const std::vector<FuzzOp> kAlphabet{
    {kAllocate, kCodeOf1},
    {kAllocate, kCodeOf63},
    {kAllocate, kCodeOfChunkAnd1},
    {kAllocate, kCodeOfLongest},
    {kFree, 0, 0},
    {kFree, 0, 1},
    {kFreePart, 0, 0, 256 + 1},  // two pages from the second on
    {kAllocateRange, 2, 0, kAcrossAWord},
    {kTakeCache},
    {kCacheAllocate, 1, 0},
    {kFlushCache},
    {kGrow, 0, kUpNoGap},
    {kGrow, 0, kDownGap1},
};

template <Layout L>
class Exhaustive {
 public:
  /// Runs every sequence of exactly `depth` operations; how many there were.
  std::uint64_t Run(unsigned depth) {
    program_.heap_start = 128;
    program_.check_every = 0;
    sequences_ = 0;
    Extend(depth);
    return sequences_;
  }

 private:
  void Extend(unsigned depth) {
    if (depth == 0) return RunOne();
    for (const FuzzOp& op : kAlphabet) {
      program_.ops.push_back(op);
      Extend(depth - 1);
      program_.ops.pop_back();
      if (::testing::Test::HasFatalFailure()) return;
    }
  }

  void RunOne() {
    ++sequences_;
    ProgramMemory<L> memory;
    const Arena arena = ArenaOf<L>(program_.heap_start);
    TraceRecorder trace(L::kName, Geometry<L>::kChunkPages, arena.begin);
    ProgramRun<L> run(memory.os, arena, trace);
    const std::optional<Finding> finding = run.Run(program_);
    ASSERT_FALSE(finding) << finding->what << "\n" << trace.Text();
  }

  FuzzProgram program_;
  std::uint64_t sequences_ = 0;
};

std::uint64_t Power(std::uint64_t base, unsigned exponent) {
  std::uint64_t power = 1;
  while (exponent-- > 0) power *= base;
  return power;
}

/// How long the longest sequences are; 5 unless the environment says otherwise, from 1 to 9.
unsigned Depth() {
  const char* const asked = std::getenv("PAGEALLOC_EXHAUSTIVE_DEPTH");
  const bool digit = asked != nullptr && asked[0] >= '1' && asked[0] <= '9' && asked[1] == '\0';
  EXPECT_TRUE(asked == nullptr || digit) << "PAGEALLOC_EXHAUSTIVE_DEPTH is 1 to 9, not " << asked;
  return digit ? static_cast<unsigned>(asked[0] - '0') : 5;
}

template <Layout L>
void RunAll() {
  const unsigned most = Depth();
  std::uint64_t sum = 0;
  for (unsigned depth = 0; depth <= most && !::testing::Test::HasFatalFailure(); ++depth) {
    const std::uint64_t sequences = Exhaustive<L>().Run(depth);
    EXPECT_EQ(sequences, Power(kAlphabet.size(), depth));
    sum += sequences;
  }
  std::printf("%s: %llu sequences of up to %u operations\n", L::kName.data(),
              static_cast<unsigned long long>(sum), most);
  EXPECT_TRUE(most != 5 || sum == 402'234U) << sum;
}

TEST(ExhaustiveSmallScope, EverySequenceOfOperationsAgreesOnOneRoot) {
  RunAll<testing::TinyOneRoot>();
}

TEST(ExhaustiveSmallScope, EverySequenceOfOperationsAgreesOnFiveLevels) {
  RunAll<testing::TinyDeep>();
}

}  // namespace
}  // namespace pagealloc::fuzz
