/// cell.h: what one cell of a run is, and what came of it, as plain data.
///
/// A cell is one program (trace or workload) on one allocator on one layout. It is executed once
/// checked (ExecuteChecked) and then once a repetition (ExecuteTimed), each time in a process of
/// its own unless the user asked otherwise; cell_wire.h writes these structs as text for the pipe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.h"
#include "harness/report/histogram.h"
#include "harness/run/arrivals.h"
#include "harness/run/occupancy.h"
#include "harness/run/result_check.h"
#include "harness/trace/op.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// What becomes of the heap's own pages, which the allocator never touches.
enum class HeapMemory : std::uint8_t {
  kSimulate,  ///< nothing is mapped
  kReserve,   ///< address space without access
  kCommit,    ///< grown chunks are readable and writable; growth pays for it, timed
  kTouch,     ///< as kCommit, and allocated pages are written to, untimed
};
enum class HugePageMode : std::uint8_t { kInherit, kNever, kAlways };

/// The rows' `op`: kinds of operations as users know them. kAll stands for the whole replay.
enum class RowOp : std::uint8_t {
  kFind,
  kAllocateRange,
  kAllocate,
  kFree,
  kGrow,
  kCache,
  kScavenge,
  kAll,
};
inline constexpr std::size_t kRowOps = 8;
/// "find", "allocRange", ...: a contract of the results file.
std::string_view RowOpName(RowOp op);
RowOp RowOpOf(OpKind kind);

inline constexpr unsigned kMostSlowdownPercent = 1000;

/// How to execute a cell.
struct CellOptions {
  std::string allocator;
  std::string layout;
  unsigned caches = 0;   ///< page caches, by processor; 0: every request goes to the allocator
  unsigned threads = 1;  ///< each runs a program; above 1 for `heap` only
  HeapMemory memory = HeapMemory::kCommit;
  bool place_exact = false;  ///< map the heap at the layout's own addresses
  bool prefault = false;     ///< write to the whole heap before the clock starts
  HugePageMode huge_pages = HugePageMode::kNever;
  std::optional<unsigned> cpu;  ///< pin to it
  bool time_batches = false;
  bool time_ops = false;
  std::optional<OpenLoop> open_loop;  ///< time responses, and nothing else
  std::uint64_t batch = 1;            ///< ops in a timed batch
  bool batches_by_kind = false;       ///< cut batches where the kind changes, and report each kind
  /// For tests of comparisons: each batch takes so many percent longer, in an empty loop.
  unsigned slowdown_percent = 0;
  /// Extent of the heap above the heap base, all growth included. 0: not known, and no memory is
  /// mapped for it.
  PageCount heap_pages;
  ClockCalibration clock;
};

/// The work of the search index in the measured operations. What summaries were is the index now:
/// the names of the metrics stay.
struct TreeWork {
  std::uint64_t words_scanned = 0;
  std::uint64_t summary_visits = 0;   ///< lines of the index read
  std::uint64_t summary_updates = 0;  ///< entries of the index written

  friend bool operator==(const TreeWork&, const TreeWork&) = default;
};

/// What the checked, counted, untimed pass found.
struct CheckedResult {
  std::optional<std::uint64_t> result_hash;  ///< nothing where places are not deterministic
  std::optional<Mismatch> mismatch;          ///< if set, the rest says nothing
  /// Committed at the end; nothing for allocators that do not say.
  std::optional<std::uint64_t> metadata_bytes;
  std::optional<TreeWork> work;        ///< nothing for allocators without a tree
  std::optional<Occupancy> occupancy;  ///< nothing where the places are not known

  friend bool operator==(const CheckedResult&, const CheckedResult&) = default;
};

/// Times of one kind of operation, in batches.
struct BatchTimes {
  RowOp op = RowOp::kAll;
  double ns = 0;           ///< per operation, overhead subtracted: kAll the mean, others the median
  double overhead_ns = 0;  ///< per operation: what the loop without an allocator costs
  std::uint64_t ops = 0;
  std::uint64_t batch = 0;  ///< median length of the batches, in ops

  friend bool operator==(const BatchTimes&, const BatchTimes&) = default;
};

/// What happened around a timed region.
struct RegionCosts {
  std::optional<double> lost_ns;  ///< ready to run, but another process had the CPU
  std::uint64_t nivcsw = 0;       ///< involuntary context switches
  std::uint64_t minor_faults = 0;

  friend bool operator==(const RegionCosts&, const RegionCosts&) = default;
};

/// What one timed repetition measured.
struct TimedResult {
  std::optional<std::uint64_t> result_hash;  ///< nothing where places are not deterministic
  std::vector<BatchTimes> batches;           ///< empty: not timed in batches; else kAll comes first
  RegionCosts batch_costs;
  /// By how much the resident memory grew, from before the allocator was made to the end of the
  /// batch pass (or of the op pass, where that is the only one).
  std::uint64_t rss_bytes = 0;
  /// Ticks of single operations, by RowOp; empty histograms stand for kinds that did not occur.
  std::vector<Histogram> service{kRowOps};
  /// The same for response times. Of `service` and `response` one is empty: they never mix.
  std::vector<Histogram> response{kRowOps};
  /// The same as the one that is not empty, with nothing in place of the allocator.
  Histogram null_op;
  std::optional<OpenLoopTime> open_loop;
  RegionCosts op_costs;

  friend bool operator==(const TimedResult&, const TimedResult&) = default;
};

}  // namespace pagealloc::bench
