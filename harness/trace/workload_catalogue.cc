// What workloads there are, with their parameters; and choosing among them.
#include <algorithm>
#include <array>
#include <utility>

#include "harness/base/glob.h"
#include "harness/base/nearest_name.h"
#include "harness/trace/workload.h"
#include "harness/trace/workload_generators.h"

namespace pagealloc::bench {
namespace {

constexpr std::array<std::string_view, 3> kOrders{"address", "reverse", "random"};

constexpr ParamInfo Occupancy(std::string_view fallback, std::string_view full) {
  return {.name = "occupancy",
          .kind = ParamKind::kNumber,
          .min = 1,
          .max = 99,
          .fallback = fallback,
          .full = full,
          .sentence = "percent of the heap that is in use"};
}

constexpr ParamInfo PageSizes(std::string_view name, std::uint64_t max, std::string_view fallback,
                              std::string_view full, std::string_view sentence) {
  return {.name = name,
          .kind = ParamKind::kSizes,
          .min = 1,
          .max = max,
          .fallback = fallback,
          .full = full,
          .sentence = sentence};
}

constexpr std::array kHotParams{Occupancy("50", "50,90")};

constexpr std::array kSequentialParams{ParamInfo{.name = "order",
                                                 .kind = ParamKind::kWord,
                                                 .words = kOrders,
                                                 .fallback = "address",
                                                 .full = "address,reverse,random",
                                                 .sentence = "in which the pages are freed"}};

constexpr std::array kChurnParams{
    Occupancy("90", "50,90,99"),
    PageSizes("sizes", 4096, "1-16", "1,1-16,1-256", "pages of an allocation, all equally likely")};

constexpr std::array kSawtoothParams{
    ParamInfo{.name = "low",
              .max = 99,
              .fallback = "10",
              .full = "10",
              .sentence = "percent of the heap at which frees stop"},
    ParamInfo{.name = "high",
              .min = 1,
              .max = 100,
              .fallback = "90",
              .full = "90",
              .sentence = "percent of the heap at which allocations stop"},
    PageSizes("sizes", 4096, "1-16", "1,1-16", "pages of an allocation, all equally likely")};

constexpr std::array kSwissCheeseParams{
    PageSizes("sizes", 256, "2-8", "2-8", "pages of the runs that no hole holds")};

constexpr std::array kLargeParams{
    Occupancy("50", "50,90"),
    PageSizes("sizes", 65536, "64-1024", "64,64-1024", "pages of a run, all equally likely")};

constexpr std::array kGoSpansParams{ParamInfo{.name = "lifetimes",
                                              .kind = ParamKind::kWord,
                                              .words = kGoSpanLifetimes,
                                              .fallback = "http",
                                              .full = "http,gofmt,compiler,json,map-cache",
                                              .sentence = "the program whose lifetimes spans have"},
                                    ParamInfo{.name = "mix",
                                              .kind = ParamKind::kWord,
                                              .words = kGoSpanMixes,
                                              .fallback = "tools",
                                              .full = "tools,all,http",
                                              .sentence = "the programs whose sizes spans have"}};

constexpr std::array kFindOnlyParams{
    Occupancy("90", "50,90"),
    PageSizes("pages", 65536, "16", "1,16,64,512", "length of the run to find")};

constexpr std::array kAllocRangeOnlyParams{
    Occupancy("50", "50,90"),
    PageSizes("pages", 2048, "1-16", "1,1-16,64", "length of a place, all equally likely")};

constexpr std::array kLifoParams{
    Occupancy("50", "50,90"),
    ParamInfo{.name = "depth",
              .min = 1,
              .max = 65536,
              .fallback = "64",
              .full = "64,1024",
              .sentence = "objects at most, before the last one is freed first"},
    PageSizes("sizes", 4096, "1-16", "1,1-16", "pages of an allocation, all equally likely")};

constexpr std::array kFifoParams{
    Occupancy("50", "50,90"),
    PageSizes("sizes", 4096, "1-16", "1,1-16", "pages of an allocation, all equally likely")};

constexpr std::array kPhasesParams{
    Occupancy("50", "50,90"), ParamInfo{.name = "phases",
                                        .min = 1,
                                        .max = 1000,
                                        .fallback = "8",
                                        .full = "8",
                                        .sentence = "how often the sizes change, in turn 1-16, "
                                                    "64-256, 2-4 and 1 pages"}};

constexpr std::array kHugeParams{
    PageSizes("share", 100, "26-60", "26-60", "percent of the heap that a run takes")};

constexpr std::array<std::string_view, 4> kGrowOrders{"up", "down", "gaps", "random"};

constexpr std::array kGrowParams{
    ParamInfo{.name = "order",
              .kind = ParamKind::kWord,
              .words = kGrowOrders,
              .fallback = "up",
              .full = "up,down,gaps,random",
              .sentence = "of the chunks that join the heap"},
    PageSizes("sizes", 4096, "16-64", "16-64", "pages of an allocation, all equally likely")};

constexpr std::array kCacheParams{Occupancy("50", "50,90"),
                                  ParamInfo{.name = "caches",
                                            .min = 1,
                                            .max = 1024,
                                            .fallback = "16",
                                            .full = "1,16,256",
                                            .sentence = "page caches that are out at a time"}};

constexpr std::array kAdversaryParams{
    ParamInfo{.name = "live",
              .min = 1,
              .max = 99,
              .fallback = "20",
              .full = "20",
              .sentence = "percent of the heap in use at most"},
    ParamInfo{.name = "steps",
              .min = 1,
              .max = 10,
              .fallback = "6",
              .full = "6,10",
              .sentence = "how often the size doubles before all is freed"}};

constexpr std::array kNoRoomParams{
    Occupancy("90", "50,90"),
    PageSizes("pages", 4096, "64", "16,64,512", "pages of a request, all equally likely")};

constexpr std::array<std::string_view, 2> kScavengeModes{"background", "forced"};

constexpr std::array kScavengeParams{
    ParamInfo{.name = "every",
              .min = 1,
              .max = 1'000'000,
              .fallback = "100",
              .full = "100",
              .sentence = "operations from one scavenging to the next"},
    ParamInfo{.name = "mode",
              .kind = ParamKind::kWord,
              .words = kScavengeModes,
              .fallback = "background",
              .full = "background,forced",
              .sentence = "what is scavenged: background leaves dense chunks alone"},
    Occupancy("50", "50,90"),
    ParamInfo{.name = "pages",
              .min = 1,
              .max = 1'000'000,
              .fallback = "8",
              .full = "8,512",
              .sentence = "pages to release each time"},
    PageSizes("sizes", 4096, "1-16", "1-16", "pages of an allocation, all equally likely")};

struct Entry {
  WorkloadInfo info;
  Generator generator;
};

constexpr std::array kEntries{
    Entry{{.name = "hot",
           .sentence = "allocates one page of a fragmented heap and frees it, again and again",
           .params = kHotParams},
          MakeHot},
    Entry{{.name = "sequential",
           .sentence = "fills an empty heap with single pages, then frees all of them in order",
           .params = kSequentialParams},
          MakeSequential},
    Entry{{.name = "churn",
           .sentence = "frees random objects and allocates new ones at a fixed occupancy",
           .params = kChurnParams},
          MakeChurn},
    Entry{{.name = "sawtooth",
           .sentence = "allocates up to a high occupancy, frees random objects down to a low one",
           .params = kSawtoothParams},
          MakeSawtooth},
    Entry{{.name = "swiss-cheese",
           .sentence = "every other page is free: fills holes, then places runs no hole can hold",
           .params = kSwissCheeseParams},
          MakeSwissCheese},
    Entry{{.name = "large",
           .sentence = "churn with runs of 64 to 1024 pages",
           .params = kLargeParams},
          MakeChurn},
    Entry{{.name = "go-spans",
           .sentence = "sizes and lifetimes as recorded from Go programs, frees in bursts (sweeps)",
           .params = kGoSpansParams},
          MakeGoSpans},
    Entry{{.name = "find-only",
           .sentence = "searches a fragmented heap of fixed shape, and takes nothing",
           .params = kFindOnlyParams,
           .has_trace_form = false},
          MakeFindOnly},
    Entry{{.name = "alloc-range-only",
           .sentence = "allocRange at free places of a fragmented heap and free, in blocks",
           .params = kAllocRangeOnlyParams},
          MakeAllocRangeOnly},
    Entry{{.name = "lifo",
           .sentence = "a stack of objects that fills and empties at the end of a fragmented heap",
           .params = kLifoParams},
          MakeLifo},
    Entry{{.name = "fifo",
           .sentence = "a queue: frees the oldest object and allocates a new one",
           .params = kFifoParams},
          MakeFifo},
    Entry{{.name = "phases",
           .sentence = "a queue whose sizes change from phase to phase",
           .params = kPhasesParams,
           .quick = false},
          MakePhases},
    Entry{
        {.name = "huge",
         .sentence = "runs above a root entry: 16 GiB on 48 bits, 2 GiB on 32 (--heap 3GiB there)",
         .params = kHugeParams,
         .quick = false,
         .heap = ByteCount{std::uint64_t{64} << 30},
         .ops = 500},
        MakeHuge},
    Entry{{.name = "grow",
           .sentence = "a heap that grows by a chunk whenever an allocation fails",
           .params = kGrowParams,
           .heap = ByteCount{std::uint64_t{2000} << 20},
           .ops = 6000},
          MakeGrow},
    Entry{{.name = "cache",
           .sentence = "takes page caches from a fragmented heap and brings them back",
           .params = kCacheParams},
          MakeCache},
    Entry{{.name = "scavenge",
           .sentence = "churn beside a scavenger that gives memory back",
           .params = kScavengeParams},
          MakeScavenge},
    Entry{
        {.name = "adversary",
         .sentence = "first fit's worst case: sizes double, and what stays leaves no hole for them",
         .params = kAdversaryParams,
         .quick = false},
        MakeAdversary},
    Entry{{.name = "no-room",
           .sentence = "requests for more pages than any hole of a fragmented heap has",
           .params = kNoRoomParams,
           .quick = false},
          MakeNoRoom},
};

constexpr std::string_view kHowToList = "see pagealloc-bench list workloads";

bool InSet(std::string_view pattern, const WorkloadInfo& workload) {
  return pattern == "@full" || (pattern == "@quick" && workload.quick);
}

std::vector<std::string> SplitAtCommas(std::string_view text) {
  std::vector<std::string> parts;
  for (std::size_t comma = text.find(','); comma != std::string_view::npos;
       comma = text.find(',')) {
    parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(comma + 1);
  }
  parts.emplace_back(text);
  return parts;
}

}  // namespace

std::span<const WorkloadInfo> Workloads() {
  static constexpr auto kInfos = [] {
    std::array<WorkloadInfo, kEntries.size()> infos{};
    for (std::size_t i = 0; i < infos.size(); ++i) infos[i] = kEntries[i].info;
    return infos;
  }();
  return kInfos;
}

const WorkloadInfo* FindWorkload(std::string_view name) {
  for (const WorkloadInfo& workload : Workloads()) {
    if (workload.name == name) return &workload;
  }
  return nullptr;
}

Generator GeneratorOf(const WorkloadInfo& workload) {
  for (const Entry& entry : kEntries) {
    if (entry.info.name == workload.name) return entry.generator;
  }
  PA_EXPECT(false);
  return nullptr;
}

Problem UnknownWorkload(std::string_view name) {
  std::vector<std::string_view> names;
  for (const WorkloadInfo& workload : Workloads()) names.push_back(workload.name);
  if (name.starts_with("@")) names = {"@quick", "@full"};
  return {UnknownName("workload", names, name, kHowToList)};
}

OrProblem<std::vector<WorkloadSelection>> SelectWorkloads(std::span<const std::string> patterns,
                                                          std::span<const std::string> exclude) {
  std::vector<WorkloadSelection> chosen;
  std::vector<bool> matched(patterns.size() + exclude.size(), false);
  for (const WorkloadInfo& workload : Workloads()) {
    bool wanted = false, full = false;
    std::size_t index = 0;
    for (const std::string& pattern : patterns) {
      const bool matches = InSet(pattern, workload) || MatchesGlob(pattern, workload.name);
      matched[index] = matched[index] || matches;
      wanted = wanted || matches;
      full = full || (matches && pattern == "@full");
      ++index;
    }
    for (const std::string& pattern : exclude) {
      const bool matches = InSet(pattern, workload) || MatchesGlob(pattern, workload.name);
      matched[index] = matched[index] || matches;
      wanted = wanted && !matches;
      ++index;
    }
    if (wanted) chosen.push_back({&workload, full});
  }
  for (std::size_t i = 0; i < matched.size(); ++i) {
    if (matched[i]) continue;
    return UnknownWorkload(i < patterns.size() ? patterns[i] : exclude[i - patterns.size()]);
  }
  if (chosen.empty()) {
    return Problem{
        "no workload is left: the excluded ones are all that were chosen. Choose more with "
        "--workload, or exclude fewer."};
  }
  return chosen;
}

OrProblem<std::vector<ParamSet>> ExpandParams(const WorkloadSelection& selection,
                                              const ParamGrid& given) {
  std::vector<ParamSet> sets{ParamSet{}};
  // All that is given is looked at, whether the workload has such a parameter or not.
  for (const auto& [key, values] : given) {
    const auto checked = CheckParam(*selection.workload, key, values.empty() ? "" : values.front());
    if (!checked.ok()) return checked.error();
  }
  std::map<std::string_view, const ParamInfo*> in_order;
  for (const ParamInfo& param : selection.workload->params) in_order[param.name] = &param;
  for (const auto& [name, param] : in_order) {
    const auto named = given.find(std::string(name));
    const std::vector<std::string> values =
        named != given.end() ? named->second
                             : SplitAtCommas(selection.full ? param->full : param->fallback);
    std::vector<std::string> distinct;
    for (const std::string& value : values) {
      auto checked = CheckParam(*selection.workload, name, value);
      if (!checked.ok()) return checked.error();
      const std::string shortest = std::move(checked).value();
      if (std::find(distinct.begin(), distinct.end(), shortest) == distinct.end()) {
        distinct.push_back(shortest);
      }
    }
    std::vector<ParamSet> longer;
    for (const ParamSet& set : sets) {
      for (const std::string& value : distinct) {
        longer.push_back(set);
        longer.back()[std::string(name)] = value;
      }
    }
    sets = std::move(longer);
  }
  return sets;
}

}  // namespace pagealloc::bench
