#include "harness/trace/workload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/played_workload.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;

/// Every workload with every parameter at its ends, its fallback and the values of @full.
std::vector<WorkloadRequest> AllRequests() {
  std::vector<WorkloadRequest> requests;
  for (const WorkloadInfo& workload : Workloads()) {
    const auto full = ExpandParams({&workload, true}, {});
    EXPECT_TRUE(full.ok());
    for (const ParamSet& params : full.value()) {
      requests.push_back({.name = std::string(workload.name), .params = params});
    }
    for (const ParamInfo& param : workload.params) {
      std::vector<std::string> ends;
      for (std::string_view word : param.words) ends.emplace_back(word);
      if (param.kind != ParamKind::kWord) {
        ends = {std::to_string(param.min), std::to_string(param.max)};
      }
      if (param.kind == ParamKind::kSizes) ends.push_back(ends[0] + "-" + ends[1]);
      for (const std::string& end : ends) {
        requests.push_back(
            {.name = std::string(workload.name), .params = {{std::string(param.name), end}}});
      }
    }
  }
  return requests;
}

TEST(MakeWorkload, IsLegalAtEveryEndOfEveryParameter) {
  int refused = 0, made = 0;
  for (WorkloadRequest request : AllRequests()) {
    for (ByteCount heap : {MiB(16), MiB(65)}) {  // 65 MiB: not whole chunks
      request.heap = heap;
      request.ops = 3001;
      SCOPED_TRACE(request.name + " " + ParamText(request.params));
      const auto program = MakeWorkload(request);
      if (!program.ok()) {
        EXPECT_THAT(program.error().sentence, HasSubstr("Take a larger --heap"));
        ++refused;
        continue;
      }
      ++made;
      const auto judged = Judge(program.value());
      EXPECT_TRUE(judged.ok()) << (judged.ok() ? "" : judged.error().Message());
      EXPECT_EQ(program.value().ops.size() - program.value().measured_from, 3001U);
      EXPECT_TRUE(program.value().explicit_growth);
      if (request.name == "grow") continue;  // does so bit by bit
      EXPECT_EQ(program.value().ops[0].count.raw, heap.raw / 8192 / 512 * 512);
    }
  }
  EXPECT_GT(made, 120);
  EXPECT_LT(refused, 40) << "only sizes that such small heaps cannot hold";
}

TEST(MakeWorkload, SmokeIsTinyAndEveryWorkloadHasIt) {
  for (const WorkloadInfo& workload : Workloads()) {
    const Program program = Make({.name = std::string(workload.name), .smoke = true});
    EXPECT_EQ(program.ops.size() - program.measured_from,
              std::min<std::uint64_t>(2000, workload.ops))
        << workload.name;
    if (workload.name != "grow") {
      EXPECT_EQ(program.ops[0].count, PageCount{8192}) << workload.name;
    }
    EXPECT_LT(program.ops.size(), 20'000U) << workload.name;
  }
}

// What a results file calls stream_hash must never change by itself: these are the values of the
// first release. A change here makes old and new results incomparable, and has to be meant.
TEST(MakeWorkload, GivesTheSameOperationsOnEveryMachine) {
  std::vector<std::pair<std::string, std::uint64_t>> hashes;
  for (const WorkloadInfo& workload : Workloads()) {
    hashes.emplace_back(workload.name,
                        Make({.name = std::string(workload.name), .smoke = true}).stream_hash());
  }
  hashes.emplace_back("churn of ranges", Make({.name = "churn",
                                               .params = {{"occupancy", "99"}, {"sizes", "1"}},
                                               .heap = ByteCount{std::uint64_t{20} << 30},
                                               .ops = 1000})
                                             .stream_hash());
  const std::vector<std::pair<std::string, std::uint64_t>> expected{
      {"hot", 16124907588757098390U},
      {"sequential", 7944906389168694467U},
      {"churn", 11776575707377164651U},
      {"sawtooth", 9389898275976647874U},
      {"swiss-cheese", 80924434756293871U},
      {"large", 6837327635376800921U},
      {"go-spans", 17004885974646505544U},
      {"find-only", 7926109911825646178U},
      {"alloc-range-only", 17622110399218257424U},
      {"lifo", 15523087255976902634U},
      {"fifo", 1324671505147329365U},
      {"phases", 11561341975412444455U},
      {"huge", 15845167044081646730U},
      {"grow", 11470779770147625885U},
      {"cache", 9852410158690749649U},
      {"scavenge", 14746704439635694952U},
      {"adversary", 3197334150875072156U},
      {"no-room", 8540242037903243836U},
      {"churn of ranges", 15197375878910627643U},
  };
  EXPECT_EQ(hashes, expected);
}

TEST(MakeWorkload, DependsOnSeedParametersHeapAndNothingElse) {
  const WorkloadRequest request{.name = "churn", .heap = MiB(16), .ops = 500};
  const std::uint64_t hash = Make(request).stream_hash();
  EXPECT_EQ(Make(request).stream_hash(), hash);

  WorkloadRequest written_out = request;
  written_out.params = {{"occupancy", "090"}, {"sizes", "1-16"}};
  EXPECT_EQ(Make(written_out).stream_hash(), hash) << "fallbacks, written in another form";

  WorkloadRequest other = request;
  other.seed = 2;
  EXPECT_NE(Make(other).stream_hash(), hash);
  other = request;
  other.params = {{"sizes", "1-15"}};
  EXPECT_NE(Make(other).stream_hash(), hash);
  other = request;
  other.heap = MiB(32);
  EXPECT_NE(Make(other).stream_hash(), hash);
}

TEST(MakeWorkload, NotesWhereItComesFrom) {
  const Program program =
      Make({.name = "churn", .params = {{"sizes", "4-4"}}, .seed = 9, .smoke = true});
  const std::vector<std::pair<std::string, std::string>> expected{
      {"source", "pagealloc-bench workload churn"},
      {"params", "occupancy=90;sizes=4"},
      {"seed", "9"}};
  EXPECT_EQ(program.meta, expected);
  EXPECT_EQ(program.name, "churn");
}

TEST(MakeWorkload, HasATraceFormThatReadsBackUnlessItSaysNot) {
  for (const WorkloadInfo& workload : Workloads()) {
    const Program program = Make({.name = std::string(workload.name), .smoke = true});
    EXPECT_EQ(program.FirstOf({OpKind::kFind}) == nullptr, workload.has_trace_form);
    if (!workload.has_trace_form) continue;
    const ParsedTrace read = ParseTrace("t", WriteTrace(program));
    ASSERT_FALSE(read.error.has_value()) << read.error->Message();
    EXPECT_EQ(read.program.stream_hash(), program.stream_hash()) << workload.name;
    EXPECT_EQ(read.program.id_count, program.id_count) << "ids are dense from the first use on";
    EXPECT_EQ(read.program.meta, program.meta);
    EXPECT_EQ(read.program.measured_from, program.measured_from) << workload.name;
  }
  EXPECT_FALSE(FindWorkload("find-only")->has_trace_form);
}

TEST(MakeWorkload, BlocksAreOfOneKindWhereItSaysSo) {
  int with_blocks = 0;
  for (const WorkloadInfo& workload : Workloads()) {
    const Program program = Make({.name = std::string(workload.name), .smoke = true});
    if (program.kind_block == 0) continue;
    ++with_blocks;
    for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
      const std::size_t block_begin = i - (i - program.measured_from) % program.kind_block;
      ASSERT_EQ(program.ops[i].kind, program.ops[block_begin].kind) << workload.name << " " << i;
    }
  }
  EXPECT_EQ(with_blocks, 5) << "sequential, swiss-cheese, find-only, alloc-range-only, no-room";
}

TEST(MakeWorkload, RefusesWhatItCannotMakeAndSaysWhatItCan) {
  const auto error = [](const WorkloadRequest& request) {
    const auto program = MakeWorkload(request);
    return program.ok() ? "no error" : program.error().sentence;
  };
  EXPECT_EQ(
      error({.name = "chrun"}),
      "unknown workload 'chrun'. The nearest is 'churn'; see pagealloc-bench list workloads.");
  EXPECT_EQ(error({.name = "churn", .params = {{"size", "1"}}}),
            "unknown parameter of workload churn 'size'. The nearest is 'sizes'; see "
            "pagealloc-bench list workloads.");
  EXPECT_EQ(error({.name = "churn", .params = {{"occupancy", "100"}}}),
            "'100' is no value of churn's parameter occupancy, percent of the heap that is in use. "
            "Give a number from 1 to 99.");
  for (std::string bad : {"", "0", "16-1", "1-", "-1", "1-16-", "1-4097", "1,2", "x"}) {
    EXPECT_EQ(
        error({.name = "churn", .params = {{"sizes", bad}}}),
        "'" + bad +
            "' is no value of churn's parameter sizes, pages of an allocation, all "
            "equally likely. Give pages from 1 to 4096, as one number (16) or a range (1-16).");
  }
  EXPECT_EQ(error({.name = "sequential", .params = {{"order", "adress"}}}),
            "'adress' is no value of sequential's parameter order, in which the pages are freed. "
            "Give one of address, reverse, random; the nearest is 'address'.");
  EXPECT_THAT(error({.name = "hot", .heap = MiB(8)}), HasSubstr("Give --heap from 16MiB to 8TiB"));
  EXPECT_THAT(error({.name = "hot", .heap = ByteCount{~std::uint64_t{0}}}), HasSubstr("too large"));
  EXPECT_THAT(error({.name = "hot", .ops = ~std::uint64_t{0}}), HasSubstr("Give --ops up to"));
  EXPECT_EQ(error({.name = "sawtooth", .params = {{"low", "60"}, {"high", "40"}}}),
            "workload sawtooth (high=40;low=60;sizes=1-16): one allocation between low and high "
            "needs 16 pages, and this heap has 0 for it. Take a larger --heap, or smaller sizes.");
}

TEST(Churn, KeepsTheOccupancyWithinTheLargestSizes) {
  for (std::string occupancy : {"50", "90", "99"}) {
    for (std::uint64_t largest : {std::uint64_t{1}, std::uint64_t{16}, std::uint64_t{256}}) {
      const std::string sizes = largest == 1 ? "1" : "1-" + std::to_string(largest);
      SCOPED_TRACE(std::string(occupancy).append(" % ").append(sizes));
      const Played played = Play({.name = "churn",
                                  .params = {{"occupancy", occupancy}, {"sizes", sizes}},
                                  .heap = MiB(128),
                                  .ops = 20'000});
      const double slack = 100.0 * 2.0 * static_cast<double>(largest) / 16384.0;
      EXPECT_LE(played.highest_percent, std::stod(occupancy));
      EXPECT_GE(played.lowest_percent, std::stod(occupancy) - slack - 0.01);
    }
  }
}

TEST(Churn, MeetsFailuresInAHeapThatIsNearlyFull) {
  const Played played =
      Play({.name = "churn", .params = {{"occupancy", "99"}}, .heap = MiB(128), .ops = 20'000});
  std::uint64_t failed = 0, asked = 0, live = 0, most_live = 0;
  for (std::size_t i = 0; i < played.program.ops.size(); ++i) {
    if (played.program.ops[i].kind == OpKind::kFree) --live;
    if (played.program.ops[i].kind != OpKind::kAllocate) continue;
    const bool none = played.judgement.outcomes[i].first == Outcome::kNone;
    if (!none) most_live = std::max(most_live, ++live);
    if (i < played.program.measured_from) continue;
    ++asked;
    failed += none ? 1U : 0U;
  }
  EXPECT_GT(failed, asked / 4);
  EXPECT_LT(failed, asked);
  EXPECT_LE(played.program.id_count, most_live + 1) << "ids of failed allocations are used again";
}

TEST(Churn, FillsAHeapOfMillionsOfObjectsWithFewOperations) {
  // At 50 % more than 2^20 of 2.6 million pages have to be freed: two neighbours at a time.
  for (const auto& [occupancy, most_set_up] : {std::pair{90, 300'000U}, std::pair{50, 900'000U}}) {
    SCOPED_TRACE(occupancy);
    const Played played =
        Play({.name = "churn",
              .params = {{"occupancy", std::to_string(occupancy)}, {"sizes", "1"}},
              .heap = ByteCount{std::uint64_t{20} << 30},
              .ops = 20'000});
    EXPECT_LT(played.program.measured_from, most_set_up);
    EXPECT_LE(played.highest_percent, occupancy);
    EXPECT_GE(played.lowest_percent, occupancy - 0.01);
    EXPECT_NE(played.program.FirstOf({OpKind::kFreeRange}), nullptr);
  }
}

TEST(Hot, AllocatesAndFreesOnePageInAHeapOfTheAskedOccupancy) {
  const Played played =
      Play({.name = "hot", .params = {{"occupancy", "90"}}, .heap = MiB(64), .ops = 1000});
  for (std::size_t i = 0; i < 1000; ++i) {
    const Op& op = played.program.ops[played.program.measured_from + i];
    EXPECT_EQ(op.kind, i % 2 == 0 ? OpKind::kAllocate : OpKind::kFree);
  }
  EXPECT_GE(played.lowest_percent, 89.98);
  EXPECT_LE(played.highest_percent, 90.02);
}

TEST(Sequential, FillsFromTheStartAndEmptiesTheHeap) {
  for (std::string order : {"address", "reverse", "random"}) {
    const Played played =
        Play({.name = "sequential", .params = {{"order", order}}, .heap = MiB(16), .ops = 10'000});
    EXPECT_EQ(played.program.kind_block, 2048U);
    EXPECT_EQ(played.highest_percent, 100.0);
    EXPECT_EQ(played.in_use[4095], 0U);
    const auto& ops = played.program.ops;
    const std::size_t first_free = played.program.measured_from + 2048;
    if (order != "random") {
      const std::size_t first_freed = order == "address" ? first_free - 2048 : first_free - 1;
      EXPECT_EQ(ops[first_free].id, ops[first_freed].id);
    }
  }
}

TEST(Sawtooth, SwingsBetweenLowAndHigh) {
  const Played played = Play({.name = "sawtooth", .heap = MiB(64), .ops = 20'000});
  EXPECT_GT(played.highest_percent, 89.5);
  EXPECT_LE(played.highest_percent, 90.0);
  EXPECT_LE(played.lowest_percent, 10.0);
  EXPECT_GT(played.lowest_percent, 9.5);
}

TEST(SwissCheese, SinglePagesFillHolesAndRunsMustGoAboveThem) {
  const Played played = Play({.name = "swiss-cheese", .heap = MiB(64), .ops = 20'000});
  const std::uint64_t cheese = 8192 * 3 / 4;
  std::uint64_t singles = 0, runs = 0;
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    const Op& op = played.program.ops[i];
    if (op.kind != OpKind::kAllocate) continue;
    const std::uint64_t first = played.judgement.outcomes[i].first;
    if (op.count.raw == 1) {
      ++singles;
      EXPECT_LT(first, cheese);
      EXPECT_EQ(first % 2, 1U);
    } else {
      ++runs;
      EXPECT_GE(first, cheese - 1);
    }
  }
  EXPECT_GT(singles, 4000U);
  EXPECT_GT(runs, 4000U);
}

TEST(FindOnly, SearchesTheSameHeapWhateverTheLength) {
  const auto set_up = [](std::string pages) {
    Program program =
        Make({.name = "find-only", .params = {{"pages", std::move(pages)}}, .smoke = true});
    program.ops.resize(program.measured_from);
    return program.stream_hash();
  };
  EXPECT_EQ(set_up("1"), set_up("64"));
  const Played played = Play({.name = "find-only", .params = {{"pages", "64"}}, .smoke = true});
  EXPECT_EQ(played.lowest_percent, played.highest_percent);
  EXPECT_NE(played.judgement.outcomes.back().first, Outcome::kNone);
}

TEST(AllocRangeOnly, StaysNearTheOccupancyAndVisitsTheWholeHeap) {
  const Played played = Play({.name = "alloc-range-only", .heap = MiB(64), .ops = 4000});
  EXPECT_GE(played.lowest_percent, 49.98);
  EXPECT_LE(played.highest_percent, 57.0);
  std::uint64_t lowest = 8192, highest = 0, upwards = 0;
  for (std::size_t i = played.program.measured_from; i < played.program.ops.size(); ++i) {
    upwards += played.program.ops[i - 1].at < played.program.ops[i].at ? 1U : 0U;
    lowest = std::min(lowest, played.program.ops[i].at.raw);
    highest = std::max(highest, played.program.ops[i].at.raw);
  }
  EXPECT_LT(lowest, 1000U);
  EXPECT_GT(highest, 7000U);
  EXPECT_NEAR(static_cast<double>(upwards), 2000, 200) << "in random order";
}

}  // namespace
}  // namespace pagealloc::bench
