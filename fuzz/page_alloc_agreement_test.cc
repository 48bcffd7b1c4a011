/// Random legal programs on every layout: allocator and model agree on every result, every
/// statistic and everything inside. The number of operations is part of the promise, so it is
/// printed and asserted.

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <optional>

#include "fuzz/finding.h"
#include "fuzz/page_alloc_program.h"
#include "fuzz/random_program.h"
#include "pagealloc/layout.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

constexpr std::uint64_t kPerLayout = 80'000;
constexpr std::uint64_t kAtLeast = 1'000'000;

/// What ran on one layout.
struct Tally {
  std::uint64_t operations = 0;
  std::uint64_t programs = 0;
  std::uint64_t full_checks = 0;
  std::uint64_t refused_growths = 0;
  std::array<std::uint64_t, 10> kinds{};  // by bench::OpKind
  std::uint64_t failed_allocations = 0;
};

template <Layout L>
void Agree(std::uint64_t seed, Tally& tally) {
  const std::vector<std::uint8_t> input = RandomInput(seed, 600);
  FuzzProgram program = DecodeOps(input);
  // Each check looks at a whole heap, and these programs are long.
  program.check_every = kIsTiny<L> ? 16 : 64;
  ProgramMemory<L> memory;
  const Arena arena = ArenaOf<L>(program.heap_start);
  TraceRecorder trace(L::kName, Geometry<L>::kChunkPages, arena.begin);
  ProgramRun<L> run(memory.os, arena, trace);
  const std::optional<Finding> finding = run.Run(program);
  ASSERT_FALSE(finding) << Report("page_alloc", input, trace, *finding) << "seed " << seed;
  tally.operations += trace.size();
  tally.full_checks += run.full_checks();
  tally.refused_growths += run.refused_growths();
  ++tally.programs;
  for (const bench::Op& op : trace.ops()) {
    ++tally.kinds[static_cast<std::size_t>(op.kind)];
    const bool allocates = op.kind == bench::OpKind::kAllocate;
    if (allocates && op.expect == bench::Expect::kNone) ++tally.failed_allocations;
  }
}

struct AgreeOnLayout {
  std::uint64_t& sum;

  template <Layout L>
  void operator()() {
    SCOPED_TRACE(L::kName);
    Tally tally;
    while (tally.operations < kPerLayout && !::testing::Test::HasFatalFailure()) {
      Agree<L>(sum + tally.programs, tally);
    }
    const auto count = [&tally](bench::OpKind kind) {
      return static_cast<unsigned long long>(tally.kinds[static_cast<std::size_t>(kind)]);
    };
    using enum bench::OpKind;
    std::printf(
        "%-17s %7llu operations in %4llu programs, %5llu full checks: g %llu (refused %llu), a "
        "%llu "
        "(none %llu), f %llu, r %llu, u %llu, c %llu, k %llu, find %llu\n",
        L::kName.data(), static_cast<unsigned long long>(tally.operations),
        static_cast<unsigned long long>(tally.programs),
        static_cast<unsigned long long>(tally.full_checks), count(kGrow),
        static_cast<unsigned long long>(tally.refused_growths), count(kAllocate),
        static_cast<unsigned long long>(tally.failed_allocations), count(kFree),
        count(kAllocateRange), count(kFreeRange), count(kTakeCache), count(kReturnCache),
        count(kFind));
    for (const bench::OpKind kind :
         {kGrow, kAllocate, kFree, kAllocateRange, kFreeRange, kTakeCache, kReturnCache, kFind}) {
      EXPECT_GT(count(kind), 100U) << static_cast<int>(kind);
    }
    EXPECT_GT(tally.failed_allocations, 200U);
    EXPECT_GT(tally.full_checks, 200U);
    // Where there is one block of everything, growth asks the operating system for nothing.
    if (L::kChunkMapL1Bits > 0) {
      EXPECT_GT(tally.refused_growths, 4U);
    }
    sum += tally.operations;
  }
};

TEST(RandomPrograms, AllocatorAndModelAgreeOnEveryLayout) {
  std::uint64_t operations = 0;
  ForEachLayout(AgreeOnLayout{operations});
  testing::ForEachTinyLayout(AgreeOnLayout{operations});
  std::printf("%llu operations in all\n", static_cast<unsigned long long>(operations));
  EXPECT_GE(operations, kAtLeast);
}

}  // namespace
}  // namespace pagealloc::fuzz
