#include "harness/run/runner.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/clock.h"
#include "harness/run/null_subject.h"
#include "harness/run/reference_allocator.h"
#include "harness/run/region.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/workload.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"

namespace pagealloc::bench {
namespace {

Program Parsed(const std::string& records) {
  ParsedTrace trace = ParseTrace("test", "pagetrace 1\n" + records);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  return std::move(trace.program);
}

Judgement Judged(const Program& program, PageCount scavenged_chunk = PageCount{0}) {
  Result<Judgement, TraceError> judgement = Judge(program, {.scavenged_chunk = scavenged_chunk});
  EXPECT_TRUE(judgement.ok()) << judgement.error().Message();
  return std::move(judgement).value();
}

// Every kind of record, growth by record with a gap, caches, partial frees, an allocation that
// fails, an ID used again.
constexpr const char* kEveryKind =
    "g 0 512\n"
    "a 1 3 = 0\n"
    "a 2 600 = none\n"
    "g 1024 1024\n"
    "a 2 600 = 1024\n"
    "c = 0 0xfffffffffffffff8\n"
    "u 10 4\n"
    "a 3 2 = 10\n"
    "k 0 0xffffffffffff0000 0xff0000\n"
    "r 128 64\n"
    "f 1\n"
    "f 2\n"
    "a 1 1 = 0\n"
    "c = 0 0xffffffffffff3006\n"
    "a 4 2000 = none\n";

constexpr const char* kOnDemand =
    "a big 600 = 0\n"
    "a next 1 = 600\n"
    "c = 576 0xfffffffffe000000\n"
    "f next\n"
    "a wide 1000 = 640\n";

// In the background dense chunks are left alone, what was freed in this generation too; forced,
// not.
constexpr const char* kScavenging =
    "g 0 1024\n"
    "a 1 1024 = 0\n"
    "u 0 20\n"
    "u 600 300\n"
    "s 4 bg\n"
    "n\n"
    "s 4 bg\n"
    "c = 0 0xfffff\n"
    "k 0 0xfffff 0xf\n"
    "s 30\n"
    "a 2 250 = 600\n"
    "s 1000\n"
    "a 3 40 = 850\n"
    "a 4 3 = 0\n";

template <class L>
class RunnerOn : public ::testing::Test {};
using SomeLayouts = ::testing::Types<LinuxAmd64, Linux386, LinuxMips, Wasm126, AixPpc64>;

struct LayoutName {
  template <class L>
  static std::string GetName(int /*index*/) {
    return std::string(L::kName);
  }
};
TYPED_TEST_SUITE(RunnerOn, SomeLayouts, LayoutName);

template <class L, class S>
std::optional<Mismatch> CheckWhole(const Program& program, const Judgement& judgement) {
  MmapMemory os;
  const auto subject = std::make_unique<S>();
  EXPECT_TRUE(subject->Init(os).ok());
  ReleaseAsJudged(*subject, os);
  HeapState runs(program.id_count);
  Runner<L, S> runner(*subject, program, runs, nullptr, false, 0);
  std::optional<Mismatch> mismatch;
  EXPECT_TRUE(runner.Check(0, program.ops.size(), &judgement, mismatch));
  if (mismatch) return mismatch;
  return CheckStatistics(program.ops.size(), subject->stats(), judgement);
}

TYPED_TEST(RunnerOn, EveryKindOfRecordGivesWhatTheTraceExpects) {
  for (const char* text : {kEveryKind, kOnDemand, kScavenging}) {
    const Program program = Parsed(text);
    const Judgement judgement = Judged(program, Geometry<TypeParam>::kChunkPages);
    const auto radix = CheckWhole<TypeParam, PageAllocator<TypeParam>>(program, judgement);
    EXPECT_FALSE(radix.has_value()) << radix->op << ": " << radix->expected << ", " << radix->got;
    const auto reference = CheckWhole<TypeParam, ReferenceAllocator<TypeParam>>(program, judgement);
    EXPECT_FALSE(reference.has_value()) << reference->op << ": " << reference->got;
  }
}

TEST(Runner, GrowthOnDemandExtendsTheEndByWholeChunksOfTheTrace) {
  const Program program = Parsed("meta chunk-pages 1024\na 1 600\na 2 600\n");
  MmapMemory os;
  const auto subject = std::make_unique<PageAllocator<Linux386>>();
  ASSERT_TRUE(subject->Init(os).ok());
  HeapState runs(program.id_count);
  Runner<Linux386, PageAllocator<Linux386>> runner(*subject, program, runs, nullptr, false, 0);
  std::optional<Mismatch> mismatch;
  ASSERT_TRUE(runner.Check(0, program.ops.size(), nullptr, mismatch));
  EXPECT_EQ(subject->stats().grown, PageCount{2048});
}

TEST(Runner, GrowthOnDemandStopsWhereTheLayoutEnds) {
  // 491,008 pages lie above the heap base of linux-386.
  const Program program = Parsed("a 1 490000\na 2 2000\n");
  ReferenceAllocator<Linux386> subject;
  HeapState runs(program.id_count);
  Runner<Linux386, ReferenceAllocator<Linux386>> runner(subject, program, runs, nullptr, false, 0);
  std::optional<Mismatch> mismatch;
  EXPECT_TRUE(runner.Check(0, program.ops.size(), nullptr, mismatch));
  EXPECT_EQ(subject.stats().in_use, PageCount{490'000});
}

TEST(Runner, AnExpectationThatDiffersIsReportedWithBothSides) {
  const Program program = Parsed("g 0 512\na 1 2 = 0\na 2 2 = 7\na 3 2 = 1\n");
  ReferenceAllocator<LinuxAmd64> subject;
  HeapState runs(program.id_count);
  Runner<LinuxAmd64, ReferenceAllocator<LinuxAmd64>> runner(subject, program, runs, nullptr, false,
                                                            0);
  std::optional<Mismatch> mismatch;
  ASSERT_TRUE(runner.Check(0, program.ops.size(), nullptr, mismatch));
  EXPECT_EQ(mismatch, (Mismatch{2, "= 7", "= 2"}));
}

// Places each run one page higher than first fit would, wherever there is room.
class OnePageOff : public ReferenceAllocator<LinuxAmd64> {
 public:
  std::optional<Allocation> Allocate(PageCount want) {
    const std::optional<Found> found = Find(want + PageCount{1});
    if (!found) return ReferenceAllocator::Allocate(want);
    const PageOffset first = found->first + PageCount{1};
    return Allocation{first, AllocateRange(PageRange::Of(first, want))};
  }
};

TEST(Runner, AWrongPlaceIsFoundByTheModelWhereTheTraceExpectsNothing) {
  const Program program = Parsed("g 0 512\na 1 2\n");
  const auto mismatch = CheckWhole<LinuxAmd64, OnePageOff>(program, Judged(program));
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->op, 1U);
  EXPECT_EQ(mismatch->expected, "offset 0, 2 pages scavenged (the reference model)");
  EXPECT_EQ(mismatch->got, "offset 1, 2 pages scavenged");
}

// Places as first fit does, but loses a page from its statistics.
class ForgetsAPage : public ReferenceAllocator<LinuxAmd64> {
 public:
  [[nodiscard]] HeapStats stats() const {
    HeapStats stats = ReferenceAllocator::stats();
    stats.free -= PageCount{1};
    return stats;
  }
};

TEST(Runner, WhatTheModelDidNotJudgeIsComparedWithTheTraceOnly) {
  const Program program = Parsed("g 0 512\na 1 3\na 2 3 = 9\n");
  Judgement judgement = Judged(program);
  judgement.outcomes[1].first = 5;  // not what comes
  judgement.judged = 1;
  ReferenceAllocator<LinuxAmd64> subject;
  HeapState runs(program.id_count);
  Runner<LinuxAmd64, ReferenceAllocator<LinuxAmd64>> runner(subject, program, runs, nullptr, false,
                                                            0);
  std::optional<Mismatch> mismatch;
  ASSERT_TRUE(runner.Check(0, program.ops.size(), &judgement, mismatch));
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->op, 2U);
}

TEST(Runner, StatisticsThatDifferAtTheEndAreFound) {
  const Program program = Parsed("g 0 512\na 1 2\n");
  const auto mismatch = CheckWhole<LinuxAmd64, ForgetsAPage>(program, Judged(program));
  ASSERT_TRUE(mismatch.has_value());
  EXPECT_EQ(mismatch->op, program.ops.size());
  EXPECT_EQ(mismatch->got, "512 pages grown, 2 in use, 509 free, 510 of them scavenged");
}

TEST(Runner, TimedPassesPlaceAsTheCheckedPassWhateverTheBatch) {
  WorkloadRequest request;
  request.name = "churn";
  request.smoke = true;
  OrProblem<Program> made = MakeWorkload(request);
  ASSERT_TRUE(made.ok());
  const Program program = std::move(made).value();
  using Subject = PageAllocator<LinuxAmd64>;
  const auto run = [&program](auto&& how) {
    MmapMemory os;
    const auto subject = std::make_unique<Subject>();
    EXPECT_TRUE(subject->Init(os).ok());
    HeapState runs(program.id_count);
    Runner<LinuxAmd64, Subject> runner(*subject, program, runs, nullptr, false, 0);
    how(runner);
    return runner.result_hash();
  };
  const std::uint64_t checked = run([&program](auto& runner) {
    std::optional<Mismatch> mismatch;
    EXPECT_TRUE(runner.Check(0, program.ops.size(), nullptr, mismatch));
  });
  const Clock clock = Clock::Calibrate(ClockSource::kClockGettime);
  for (const unsigned batch : {1U, 7U, 1'000'000U}) {
    EXPECT_EQ(checked, run([&](auto& runner) {
                std::vector<Batch> batches = CutBatches(program, batch, false);
                EXPECT_TRUE(runner.SetUp());
                EXPECT_TRUE(runner.TimeBatches(clock, batches));
                EXPECT_GT(TotalTicks(batches), 0U);
              }));
  }
  EXPECT_EQ(checked, run([&](auto& runner) {
              std::vector<std::uint32_t> ticks(program.ops.size() - program.measured_from);
              EXPECT_TRUE(runner.SetUp());
              EXPECT_TRUE(runner.TimeOps(clock, ticks));
            }));
}

TEST(Runner, HashDiffersWhenAPlaceDiffers) {
  const Program program = Parsed("g 0 512\na 1 2\n");
  const auto hash_of = [&program](auto subject) {
    HeapState runs(program.id_count);
    Runner<LinuxAmd64, decltype(subject)> runner(subject, program, runs, nullptr, false, 0);
    std::optional<Mismatch> mismatch;
    EXPECT_TRUE(runner.Check(0, program.ops.size(), nullptr, mismatch));
    return runner.result_hash();
  };
  EXPECT_NE(hash_of(ReferenceAllocator<LinuxAmd64>{}), hash_of(OnePageOff{}));
}

TEST(Runner, TheEmptyLoopNeedsNoHeapAndDecodesEveryKind) {
  const Program program = Parsed(kEveryKind);
  NullSubject nothing;
  HeapState runs(program.id_count);
  Runner<LinuxAmd64, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
  std::vector<Batch> batches = CutBatches(program, 4, false);
  EXPECT_TRUE(runner.TimeBatches(Clock::Calibrate(ClockSource::kClockGettime), batches));
}

// A heap of two chunks behind a window, on memory that watches.
class WithWindow : public ::testing::Test {
 protected:
  using Subject = ReferenceAllocator<Linux386>;

  void SetUp() override {
    ASSERT_TRUE(
        window_.Reserve(os_, Linux386::kHeapBase, BytesOf(PageCount{1024}), Placement::kAnywhere)
            .ok());
  }
  // First byte of a page of the trace.
  std::byte At(std::uint64_t page) {
    return *window_.Host(Address{Linux386::kHeapBase.raw + (page << kPageBits)});
  }

  pagealloc::testing::FakeMemory os_;
  HeapWindow window_;
  Subject subject_;
};

TEST_F(WithWindow, GrowthCommitsExactlyWhatJoinsTheHeap) {
  const Program program = Parsed("g 512 512\n");
  HeapState runs(0);
  Runner<Linux386, Subject> runner(subject_, program, runs, &window_, false, 0);
  std::vector<Batch> batches = CutBatches(program, 1, false);
  ASSERT_TRUE(runner.TimeBatches(Clock::Calibrate(ClockSource::kClockGettime), batches));
  EXPECT_EQ(os_.committed(), BytesOf(PageCount{512}));
  EXPECT_EQ(At(512), std::byte{0});
}

TEST_F(WithWindow, TouchWritesToAllocatedPagesOnly) {
  const Program program = Parsed("g 0 512\na 1 2\nc\nr 70 2\na 2 1\n");
  HeapState runs(program.id_count);
  const Clock clock = Clock::Calibrate(ClockSource::kClockGettime);
  for (const unsigned batch : {1U, 100U}) {
    Subject subject;
    pagealloc::testing::FakeMemory os;
    HeapWindow window;
    ASSERT_TRUE(
        window.Reserve(os, Linux386::kHeapBase, BytesOf(PageCount{512}), Placement::kAnywhere)
            .ok());
    Runner<Linux386, Subject> runner(subject, program, runs, &window, true, batch);
    std::vector<Batch> batches = CutBatches(program, batch, false);
    ASSERT_TRUE(runner.TimeBatches(clock, batches));
    for (std::uint64_t page = 0; page < 80; ++page) {
      const bool allocated = page <= 64 || page == 70 || page == 71;
      EXPECT_EQ(*window.Host(Address{Linux386::kHeapBase.raw + (page << kPageBits)}),
                std::byte{allocated})
          << page;
    }
  }
}

TEST_F(WithWindow, TouchInASetUpToo) {
  Program program = Parsed("g 0 512\na 1 2\na 2 1\n");
  program.measured_from = 2;
  HeapState runs(program.id_count);
  Runner<Linux386, Subject> runner(subject_, program, runs, &window_, true, 1);
  ASSERT_TRUE(runner.SetUp());
  EXPECT_EQ(At(1), std::byte{1});
  EXPECT_EQ(At(2), std::byte{0});
}

TEST_F(WithWindow, ARefusalOfTheSystemStopsTheReplayAndIsReported) {
  const Program program = Parsed("g 0 512\ng 512 512\na 1 1\n");
  os_.FailAfter(1);
  HeapState runs(program.id_count);
  Runner<Linux386, Subject> runner(subject_, program, runs, &window_, false, 0);
  std::vector<Batch> batches = CutBatches(program, 2, false);
  EXPECT_FALSE(runner.TimeBatches(Clock::Calibrate(ClockSource::kClockGettime), batches));
  EXPECT_EQ(runner.failure().call, OsCall::kCommit);
  EXPECT_EQ(runner.failure().bytes, BytesOf(PageCount{512}));
  EXPECT_EQ(subject_.stats().grown, PageCount{512});
}

}  // namespace
}  // namespace pagealloc::bench
