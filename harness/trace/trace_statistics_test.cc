#include "harness/trace/trace_statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/trace_reader.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TraceStatistics StatisticsOf(const Program& program, std::size_t samples = 64) {
  const auto judged = Judge(program);
  EXPECT_TRUE(judged.ok()) << (judged.ok() ? "" : judged.error().Message());
  return judged.ok() ? ComputeStatistics(program, judged.value(), samples) : TraceStatistics{};
}

Program Read(std::string_view records) {
  ParsedTrace trace = ParseTrace("t", std::string("pagetrace 1\n").append(records));
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  return std::move(trace.program);
}

TraceStatistics StatisticsOf(std::string_view records, std::size_t samples = 64) {
  return StatisticsOf(Read(records), samples);
}

std::uint64_t Count(const TraceStatistics& statistics, OpKind kind) {
  return statistics.by_kind[static_cast<std::size_t>(kind)].count;
}

TEST(TraceStatistics, OfNothingAreZeroAndPrint) {
  const TraceStatistics statistics = StatisticsOf("");
  EXPECT_EQ(statistics.events, 0U);
  EXPECT_TRUE(statistics.samples.empty());
  EXPECT_THAT(StatisticsText(statistics), HasSubstr("occupancy"));
}

TEST(TraceStatistics, CountsKindsAndWhatGotNothing) {
  const TraceStatistics statistics = StatisticsOf(
      "a x 1 = none\n"
      "g 0 512\n"
      "a x 512\n"
      "a y 1\n"
      "c\n"
      "f x\n"
      "r 0 5\nu 1 2\n");
  EXPECT_EQ(statistics.events, 8U);
  EXPECT_EQ(Count(statistics, OpKind::kAllocate), 3U);
  EXPECT_EQ(statistics.by_kind[static_cast<std::size_t>(OpKind::kAllocate)].none, 2U);
  EXPECT_EQ(statistics.by_kind[static_cast<std::size_t>(OpKind::kTakeCache)].none, 1U);
  EXPECT_EQ(Count(statistics, OpKind::kGrow), 1U);
  EXPECT_EQ(Count(statistics, OpKind::kFree), 1U);
  EXPECT_EQ(Count(statistics, OpKind::kAllocateRange), 1U);
  EXPECT_EQ(Count(statistics, OpKind::kFreeRange), 1U);
  EXPECT_EQ(statistics.refills, 0U);
  EXPECT_EQ(statistics.allocations, 1U) << "only those that succeeded";
}

TEST(TraceStatistics, PutsSizesIntoTheirClasses) {
  std::string records;
  const std::vector<int> sizes{1, 2, 5, 6, 7, 8, 9, 15, 16, 255, 256, 511, 512, 5000};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    records += "a i" + std::to_string(i) + " " + std::to_string(sizes[i]) + "\n";
  }
  const TraceStatistics statistics = StatisticsOf(records);
  EXPECT_THAT(statistics.by_size, ElementsAre(1, 1, 0, 0, 1, 2, 1, 2, 1, 0, 0, 1, 2, 2));
  EXPECT_EQ(statistics.largest_allocation, PageCount{5000});
  EXPECT_EQ(statistics.allocated_pages, PageCount{6603});
}

TEST(TraceStatistics, LifetimeIsTheDistanceFromAllocationToFree) {
  // Lifetimes 1, 3, 4, 8 in events; one is never freed.
  const TraceStatistics statistics = StatisticsOf(
      "a d 1\n"  // 0
      "a a 1\n"  // 1
      "f a\n"    // 2: lived 1
      "a b 1\n"  // 3
      "a c 1\n"  // 4
      "a e 1\n"  // 5
      "f b\n"    // 6: lived 3
      "s 1\n"    // 7
      "f d\n"    // 8: lived 8
      "f c\n");  // 9: lived 5
  EXPECT_EQ(statistics.lifetimes.freed, 4U);
  EXPECT_EQ(statistics.lifetimes.never_freed, 1U);
  EXPECT_EQ(statistics.lifetimes.lower, 1U);
  EXPECT_EQ(statistics.lifetimes.median, 3U);
  EXPECT_EQ(statistics.lifetimes.upper, 5U);
  EXPECT_THAT(statistics.lifetimes.by_log2, ElementsAre(1, 1, 1, 1));
}

// Golden traces free by range, in parts or several neighbours at once.
TEST(TraceStatistics, AnAllocationEndsWithItsLastPage) {
  const TraceStatistics statistics = StatisticsOf(
      "a x 4\n"   // 0: pages 0-3
      "a y 4\n"   // 1: pages 4-7
      "u 0 2\n"   // 2
      "u 3 3\n"   // 3: the end of x, the start of y
      "r 0 2\n"   // 4: somebody else
      "u 0 2\n"   // 5: not x's any more
      "u 2 1\n"   // 6: x lived 6
      "u 6 2\n"   // 7: y lived 6
      "a x2 1\n"  // 8
      "u 0 1\n"   // 9: lived 1
  );
  EXPECT_EQ(statistics.lifetimes.freed, 3U);
  EXPECT_EQ(statistics.lifetimes.never_freed, 0U);
  EXPECT_THAT(statistics.lifetimes.by_log2, ElementsAre(1, 0, 2));
}

TEST(TraceStatistics, PageCacheBlocksAreCountedOfTheirOwn) {
  const TraceStatistics statistics = StatisticsOf(
      "g 0 512\n"
      "r 2 1\nr 60 4\n"
      "c\n"               // 3: pages 0, 1, 3-59
      "c\n"               // 4: the whole block 64
      "u 3 57\n"          // 5
      "k 0 0x3\n"         // 6: the first one's last pages: lived 3
      "k 64 0x1 0x1\n");  // 7: a part
  EXPECT_EQ(statistics.refills, 2U);
  EXPECT_EQ(statistics.refill_pages, PageCount{59 + 64});
  EXPECT_EQ(statistics.whole_blocks, 1U);
  EXPECT_EQ(statistics.block_lifetimes.freed, 1U);
  EXPECT_EQ(statistics.block_lifetimes.median, 3U);
  EXPECT_EQ(statistics.block_lifetimes.never_freed, 1U);
  EXPECT_EQ(statistics.allocations, 0U);
  EXPECT_EQ(statistics.peak_in_use, PageCount{5 + 59 + 64});
}

TEST(TraceStatistics, SeesTheHeapPageByPageAtItsSamples) {
  const TraceStatistics statistics = StatisticsOf(
      "g 0 512\n"
      "r 0 512\n"
      "u 1 1\nu 3 1\nu 10 5\nu 500 12\n",
      1);
  ASSERT_EQ(statistics.samples.size(), 1U);
  const HeapSample& last = statistics.samples[0];
  EXPECT_EQ(last.op_index, 5U);
  EXPECT_EQ(last.heap, PageCount{512});
  EXPECT_EQ(last.in_use, PageCount{512 - 19});
  EXPECT_EQ(last.below_top, PageCount{500});
  EXPECT_EQ(last.free_runs, 4U);
  EXPECT_EQ(last.single_runs, 2U);
  EXPECT_EQ(last.largest_run, PageCount{12});
  EXPECT_DOUBLE_EQ(statistics.single_run_share, 0.5);
  EXPECT_DOUBLE_EQ(statistics.largest_run_share, 12.0 / 19);
  EXPECT_DOUBLE_EQ(statistics.free_runs_per_1000_pages, 1000.0 * 4 / 512);
  EXPECT_DOUBLE_EQ(statistics.mean_occupancy_below_top, 493.0 / 500);
  EXPECT_DOUBLE_EQ(statistics.peak_occupancy, 1.0);
}

TEST(TraceStatistics, AHoleInTheHeapEndsARun) {
  const TraceStatistics statistics = StatisticsOf("g 512 512\ng 2048 512\ng 0 512\nr 2050 1\n", 1);
  const HeapSample& last = statistics.samples[0];
  EXPECT_EQ(last.heap, PageCount{1536});
  EXPECT_EQ(last.free_runs, 3U) << "[0, 1024), [2048, 2050) and the rest of the far chunk";
  EXPECT_EQ(last.largest_run, PageCount{1024});
  EXPECT_EQ(last.below_top, PageCount{1027}) << "pages that are in the heap, not addresses";
}

TEST(TraceStatistics, KnowsAHeapThatGrowsOnDemand) {
  const TraceStatistics statistics = StatisticsOf("a x 100\na y 600\nf x\n", 3);
  ASSERT_EQ(statistics.samples.size(), 3U);
  EXPECT_EQ(statistics.samples[0].heap, PageCount{512});
  EXPECT_EQ(statistics.samples[1].heap, PageCount{512 + 1024});
  EXPECT_EQ(statistics.final_heap, PageCount{1536});
  EXPECT_EQ(statistics.peak_in_use, PageCount{700});
  EXPECT_DOUBLE_EQ(statistics.mean_occupancy, (100.0 / 512 + 700.0 / 1536 + 600.0 / 1536) / 3);
}

TEST(TraceStatistics, SamplesAreEvenlySpacedAndEndWithTheLastEvent) {
  std::string records = "g 0 512\n";
  for (int i = 0; i < 99; ++i) records += "a i" + std::to_string(i) + " 1\n";
  const TraceStatistics statistics = StatisticsOf(records, 4);
  std::vector<std::size_t> at;
  for (const HeapSample& sample : statistics.samples) at.push_back(sample.op_index);
  EXPECT_THAT(at, ElementsAre(24, 49, 74, 99));
  EXPECT_EQ(StatisticsOf(records, 1000).samples.size(), 100U) << "at most one an event";
}

TEST(TraceStatistics, LeaveTheSetUpOut) {
  Program program = Read("g 0 512\na x 1\na y 2\nf x\na z 4\nf y\nf z\n");
  program.measured_from = 4;
  const TraceStatistics statistics = StatisticsOf(program);
  EXPECT_EQ(statistics.set_up_events, 4U);
  EXPECT_EQ(statistics.events, 3U);
  EXPECT_EQ(statistics.allocations, 1U);
  EXPECT_EQ(statistics.lifetimes.freed, 1U) << "y was born in the set-up";
  EXPECT_EQ(statistics.lifetimes.median, 2U);
  EXPECT_EQ(statistics.peak_in_use, PageCount{6});
  EXPECT_THAT(StatisticsText(statistics), HasSubstr("events (after 4 of set-up)"));
}

TEST(StatisticsText, ShowsWhatThereIsAndNothingElse) {
  const std::string text = StatisticsText(StatisticsOf("a x 1\na y 3\nf x\nf y\n"));
  EXPECT_EQ(text,
            "events\n"
            "  a allocate                       2\n"
            "  f free                           2\n"
            "  all                              4\n"
            "\n"
            "allocations by pages\n"
            "  1                          1   50.0 %  ####################\n"
            "  3                          1   50.0 %  ####################\n"
            "  mean, largest                               2.00, 3\n"
            "\n"
            "lifetimes of allocations, in events until the last page is freed\n"
            "  never freed                                 0 (0.0 %)\n"
            "  of the others 25 %, 50 %, 75 % live at most 2, 2, 2\n"
            "  from 2^1                   2  100.0 %  ########################################\n"
            "\n"
            "occupancy\n"
            "  pages of the heap at the end                512\n"
            "  pages in use, at most                       4\n"
            "  share of the heap in use, mean and highest  0.4 %, 0.8 %\n"
            "  share in use below the highest used page    91.7 %\n"
            "\n"
            "fragmentation (mean of 4 samples)\n"
            "  free runs per 1000 pages                    2.4\n"
            "  free runs of a single page                  12.5 %\n"
            "  share of the largest run in the free pages  100.0 %\n");
}

TEST(StatisticsText, NamesEveryKindOfEvent) {
  Program program = Read("g 0 512\nr 0 1\nu 0 1\nc\nk 0 0x1\ns 1\nn\na x 1\nf x\n");
  program.ops.push_back(Op::Find(PageCount{600}));
  const std::string text = StatisticsText(StatisticsOf(program));
  for (std::string_view row :
       {"g grow", "r allocRange", "u free a range", "c take a page cache", "k return a page cache",
        "s scavenge", "n new generation", "a allocate", "f free", "- find"}) {
    EXPECT_THAT(text, HasSubstr(row));
  }
  EXPECT_THAT(text, HasSubstr("- find                           1, 1 of them got nothing"));
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos;
       begin = end + 1) {
    EXPECT_LE(end - begin, 100U);
    EXPECT_TRUE(end == begin || text[end - 1] != ' ');
  }
}

// The workload promises the sizes and lifetimes of the recorded programs: measure it like them.
TEST(GoSpans, HasTheSizesAndLifetimesOfItsTables) {
  struct Quartiles {
    std::string name;
    double lower, median, upper;
  };
  for (const Quartiles& table :
       {Quartiles{"http", 1636, 2528, 4021}, Quartiles{"gofmt", 659, 1379, 4130},
        Quartiles{"compiler", 22304, 34123, 59605}, Quartiles{"json", 11832, 25637, 65058},
        Quartiles{"map-cache", 21474, 40680, 76597}}) {
    SCOPED_TRACE(table.name);
    const auto program = MakeWorkload({.name = "go-spans",
                                       .params = {{"lifetimes", table.name}},
                                       .heap = ByteCount{std::uint64_t{4} << 30},
                                       .ops = table.upper < 5000 ? 100'000U : 400'000U});
    ASSERT_TRUE(program.ok());
    const TraceStatistics statistics = StatisticsOf(program.value(), 1);
    // What is born near the end and lives long is not seen to be freed: some bias is natural.
    EXPECT_NEAR(static_cast<double>(statistics.lifetimes.lower) / table.lower, 1, 0.25);
    EXPECT_NEAR(static_cast<double>(statistics.lifetimes.median) / table.median, 1, 0.15);
    EXPECT_NEAR(static_cast<double>(statistics.lifetimes.upper) / table.upper, 1, 0.15);
    const double n = static_cast<double>(statistics.allocations);
    EXPECT_NEAR(static_cast<double>(statistics.by_size[0]) / n, 0.859, 0.01);
    EXPECT_NEAR(static_cast<double>(statistics.by_size[3]) / n, 0.036, 0.004);
    EXPECT_NEAR(static_cast<double>(statistics.by_size[8]) / n, 0.008, 0.002);
    EXPECT_GT(statistics.by_size[13], 0U);
  }
}

TEST(GoSpans, FreesInBursts) {
  const auto made = MakeWorkload({.name = "go-spans", .ops = 50'000});
  ASSERT_TRUE(made.ok());
  const Program& program = made.value();
  std::uint64_t frees = 0, in_bursts = 0, run = 0;
  for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
    if (program.ops[i].kind == OpKind::kFree) {
      ++run;
      continue;
    }
    frees += run;
    if (run >= 100) in_bursts += run;
    run = 0;
  }
  EXPECT_GT(frees, 20'000U);
  EXPECT_GT(in_bursts, frees * 9 / 10);
}

}  // namespace
}  // namespace pagealloc::bench
