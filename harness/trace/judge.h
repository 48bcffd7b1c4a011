/// judge.h: runs a program once on the naive model: is it legal, and what must come of it?
///
/// Judged before any clock runs, without a layout and without the allocator. An operation that is
/// not legal refuses the trace; an expectation that differs does not: the judge reports outcomes,
/// and whoever replays compares (DifferenceFromExpectation). What `s` releases depends on the
/// layout's chunk, nothing else does.
///
///   program  --ParseTrace-->  operations, perhaps a syntax error
///            --Judge------->  outcome of every operation, growth, peak
///            --FitsLayout-->  may it run there?
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.h"
#include "harness/trace/op.h"
#include "harness/trace/program.h"
#include "harness/trace/trace_reader.h"
#include "pagealloc/units.h"
#include "testing/page_map.h"

namespace pagealloc::bench {

/// What an operation gave.
struct Outcome {
  static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();

  /// Trace offset: a, find, r: first page; c: the block. kNone: nothing fits. s: how many pages
  /// were released. 0 for other kinds.
  std::uint64_t first = 0;
  /// a, r: how many of the pages were scavenged. c: which ones, as a mask. 0 for other kinds.
  std::uint64_t scavenged = 0;
  std::uint64_t mask = 0;  ///< c: the pages taken

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

/// The highest end of the heap, each time it rises.
struct Growth {
  std::size_t op_index;
  TraceOffset heap_end;
};

struct Judgement {
  std::vector<Outcome> outcomes;  ///< one for each operation; those from `judged` on say nothing
  std::size_t judged = 0;         ///< operations that the model executed: all, unless too much work
  std::vector<Growth> growth;     ///< ascending in both fields
  TraceOffset heap_end;           ///< one past the highest page ever used; the heap does not shrink
  PageCount peak_in_use;
  // At the end, or after `judged` operations:
  PageCount grown;
  PageCount in_use;
  PageCount scavenged;            ///< free pages that are scavenged
  std::uint64_t byte_visits = 0;  ///< what the model read and wrote: how much work judging was
};

/// What the model can hold at once by default: 8 TiB of heap. A program that grows further is
/// refused as too large to judge.
inline constexpr PageCount kMaxJudgedHeap{std::uint64_t{1} << 30};

/// In what pieces memory is given back, wherever a program says `s`: pages of the operating system
/// no larger than ours, huge pages of 2 MiB. The same on every machine, so that a result is, too.
inline constexpr PageCount kReleaseUnit{1};
inline constexpr PageCount kReleaseHuge{256};

/// Looks at the model after each operation, whose index it gets.
using JudgeObserver = std::function<void(std::size_t op_index, const testing::PageMap& model)>;

struct JudgeOptions {
  PageCount max_heap = kMaxJudgedHeap;
  /// Visits of bytes and operations after which the model only follows the heap's growth through
  /// the rest. For programs that are known to be legal; without effect on growth on demand, which
  /// cannot be followed.
  std::uint64_t max_visits = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t max_ops = std::numeric_limits<std::uint64_t>::max();
  /// Chunk of the layout that scavenges, for what `s` releases; it divides the program's
  /// (contract). 0: the program's own, 512 pages at most.
  PageCount scavenged_chunk{0};
  JudgeObserver observer = nullptr;
};

/// Judges a program; the error is the first operation that is not legal.
[[nodiscard]] Result<Judgement, TraceError> Judge(const Program& program,
                                                  const JudgeOptions& options = {});

/// Judges a trace as read; the error is the first in the file, of form or of legality.
[[nodiscard]] Result<Judgement, TraceError> Judge(const ParsedTrace& trace,
                                                  PageCount max_heap = kMaxJudgedHeap);

/// The operations of a program that are legal, each after those that were before it: what is left
/// of a program from which some were cut. Each that is not legal is left out, and changes nothing.
[[nodiscard]] std::vector<Op> LegalOps(const Program& program);

/// Why a program cannot run on a layout: nullopt if it can.
///
/// @param usable        pages from the layout's heap base to where its heap may end.
/// @param chunk_pages   the layout's chunk; must divide the program's.
[[nodiscard]] std::optional<TraceError> FitsLayout(const Program& program,
                                                   const Judgement& judgement,
                                                   std::string_view layout, PageCount usable,
                                                   PageCount chunk_pages);

/// An expectation and what came instead, both as a trace writes them: "= 12", "= 64 0xff",
/// "= none".
struct Difference {
  std::string expected;
  std::string got;
};

/// Compares an operation's expectation, if it has one, with what came: nullopt if they agree. Of
/// kScavenge, `outcome.first` is how many pages were released.
[[nodiscard]] std::optional<Difference> DifferenceFromExpectation(const Op& op,
                                                                  const Outcome& outcome);

}  // namespace pagealloc::bench
