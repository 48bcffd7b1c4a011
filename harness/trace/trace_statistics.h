/// trace_statistics.h: what a program does to a heap, in figures: what `trace inspect` prints.
///
/// Counted from Program::measured_from on (a trace has a set-up only if it says so): events by
/// kind, sizes and lifetimes of allocations, refills of page caches, pages in use after every
/// event; and at a number of evenly spaced moments the heap is looked at page by page for free
/// runs.
///
///   event   0 ........ 1/64 ........ 2/64 ........ ... ........ last
///   sample              x             x                          x
///
/// Recorded golden traces free by range and release no ID. So an allocation ends when the last of
/// its pages is freed, by whatever record. Standard library only.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// Classes of sizes in pages, as the project's workload tables have them.
struct SizeClass {
  std::uint64_t low;
  std::uint64_t high;  ///< included; 0: no end
};
inline constexpr std::array<SizeClass, 14> kSizeClasses{{{1, 1},
                                                         {2, 2},
                                                         {3, 3},
                                                         {4, 4},
                                                         {5, 5},
                                                         {6, 7},
                                                         {8, 8},
                                                         {9, 15},
                                                         {16, 31},
                                                         {32, 63},
                                                         {64, 127},
                                                         {128, 255},
                                                         {256, 511},
                                                         {512, 0}}};

/// How long something stayed allocated, in events from its allocation to the free of its last page.
struct LifetimeStatistics {
  std::uint64_t freed = 0;
  std::uint64_t never_freed = 0;
  std::uint64_t lower = 0, median = 0, upper = 0;  ///< quartiles of those freed; 0 if none was
  /// Of those freed: how many lived 2^i to 2^(i+1) - 1 events. As long as it has to be.
  std::vector<std::uint64_t> by_log2;
};

/// The heap at one moment.
struct HeapSample {
  std::size_t op_index;  ///< after this operation
  PageCount heap;        ///< pages of the heap
  PageCount in_use;
  PageCount below_top;        ///< pages of the heap up to the highest one in use
  std::uint64_t free_runs;    ///< runs of free pages; a hole in the heap ends a run
  std::uint64_t single_runs;  ///< those of one page
  PageCount largest_run;
};

struct TraceStatistics {
  struct Events {
    std::uint64_t count = 0;
    std::uint64_t none = 0;  ///< of these gave nothing: a, c, find
  };
  std::array<Events, 10> by_kind{};  ///< by OpKind
  std::uint64_t events = 0;
  std::uint64_t set_up_events = 0;  ///< before measured_from; not in the other counts

  // Allocations that succeeded (a).
  std::array<std::uint64_t, kSizeClasses.size()> by_size{};
  std::uint64_t allocations = 0;
  PageCount allocated_pages;
  PageCount largest_allocation;
  LifetimeStatistics lifetimes;

  // Page caches (c): blocks of up to 64 pages, of which parts are freed at different times.
  std::uint64_t refills = 0;
  PageCount refill_pages;
  std::uint64_t whole_blocks = 0;  ///< refills that took all 64 pages
  LifetimeStatistics block_lifetimes;

  PageCount peak_in_use;
  double peak_occupancy = 0;  ///< highest share of the heap's pages in use, after any event
  double mean_occupancy = 0;  ///< mean over events
  PageCount final_heap;

  std::vector<HeapSample> samples;
  // Means over the samples; 0 without samples, and of shares over those that have free pages.
  double mean_occupancy_below_top = 0;
  double free_runs_per_1000_pages = 0;
  double single_run_share = 0;   ///< of the free runs
  double largest_run_share = 0;  ///< of the free pages
};

/// @param judgement  of this program.
/// @param samples    how often the heap is looked at page by page; at most once an event.
/// @cost             time linear in events, pages allocated, and samples times pages of chunks in
/// use;
///                   four bytes for each page of a chunk that was ever used.
[[nodiscard]] TraceStatistics ComputeStatistics(const Program& program, const Judgement& judgement,
                                                std::size_t samples = 64);

/// All of it as text, in sections with a heading each, for a terminal: at most 100 columns, lines
/// end in LF.
[[nodiscard]] std::string StatisticsText(const TraceStatistics& statistics);

}  // namespace pagealloc::bench
