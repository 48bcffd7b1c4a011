/// op.h: one operation of a program, as workloads make it, traces hold it and replays run it.
///
/// 40 plain bytes, decoded before any clock starts. Offsets count pages from a layout's heap base,
/// so a program does not know on which layout it runs. What the shared fields mean:
///
///   kind           at               count             mask             id, cpu
///   kGrow          first page       pages
///   kAllocate      expected offset  pages                              id, cpu
///   kFree                                                              id
///   kAllocateRange first page       pages
///   kFreeRange     first page       pages
///   kTakeCache     expected block                     expected pages
///   kReturnCache   block            scavenged pages   pages
///   kScavenge                       pages             expected pages
///   kNextGeneration
///   kFind                           pages
///
/// The factories below are the readable way to make one.
#pragma once

#include <cstdint>
#include <limits>

#include "pagealloc/units.h"

namespace pagealloc::bench {

using TraceOffset = Strong<struct TraceOffsetTag>;  ///< position: pages from a layout's heap base

constexpr TraceOffset operator+(TraceOffset at, PageCount n) { return TraceOffset{at.raw + n.raw}; }
constexpr PageCount operator-(TraceOffset end, TraceOffset begin) {
  PA_EXPECT(begin <= end, begin, end);
  return PageCount{end.raw - begin.raw};
}

enum class OpKind : std::uint8_t {
  kGrow,            ///< g
  kAllocate,        ///< a
  kFree,            ///< f
  kAllocateRange,   ///< r
  kFreeRange,       ///< u
  kTakeCache,       ///< c
  kReturnCache,     ///< k
  kScavenge,        ///< s
  kNextGeneration,  ///< n
  kFind,            ///< search without taking; workloads only, has no trace form
};

/// What a trace says that an operation must give.
enum class Expect : std::uint8_t {
  kNothing,  ///< no "="
  kResult,   ///< "= OFF", "= OFF MASK", "= N"
  kNone,     ///< "= none"
};

inline constexpr std::uint32_t kNoCpu = std::numeric_limits<std::uint32_t>::max();

struct Op {
  OpKind kind = OpKind::kNextGeneration;
  Expect expect = Expect::kNothing;
  bool background = false;     ///< s: as a background scavenger does
  std::uint32_t line = 0;      ///< of the trace, from 1; 0: generated
  std::uint32_t id = 0;        ///< a, f: 0 .. Program::id_count - 1
  std::uint32_t cpu = kNoCpu;  ///< a: who asked
  TraceOffset at;
  PageCount count;
  std::uint64_t mask = 0;

  friend bool operator==(const Op&, const Op&) = default;

  static constexpr Op Grow(TraceOffset at, PageCount n) { return At(OpKind::kGrow, at, n); }
  static constexpr Op AllocateRange(TraceOffset at, PageCount n) {
    return At(OpKind::kAllocateRange, at, n);
  }
  static constexpr Op FreeRange(TraceOffset at, PageCount n) {
    return At(OpKind::kFreeRange, at, n);
  }
  static constexpr Op Allocate(std::uint32_t id, PageCount n, std::uint32_t cpu = kNoCpu) {
    Op op = At(OpKind::kAllocate, TraceOffset{}, n);
    op.id = id;
    op.cpu = cpu;
    return op;
  }
  static constexpr Op Free(std::uint32_t id) {
    Op op = At(OpKind::kFree, TraceOffset{}, PageCount{});
    op.id = id;
    return op;
  }
  static constexpr Op Find(PageCount n) { return At(OpKind::kFind, TraceOffset{}, n); }
  static constexpr Op TakeCache() { return At(OpKind::kTakeCache, TraceOffset{}, PageCount{}); }
  static constexpr Op ReturnCache(TraceOffset block, std::uint64_t pages,
                                  std::uint64_t scavenged = 0) {
    Op op = At(OpKind::kReturnCache, block, PageCount{scavenged});
    op.mask = pages;
    return op;
  }
  static constexpr Op Scavenge(PageCount n, bool background = false) {
    Op op = At(OpKind::kScavenge, TraceOffset{}, n);
    op.background = background;
    return op;
  }
  static constexpr Op NextGeneration() {
    return At(OpKind::kNextGeneration, TraceOffset{}, PageCount{});
  }

  /// k: pages of the block that are marked scavenged, a bit each.
  [[nodiscard]] constexpr std::uint64_t scavenged_mask() const {
    PA_EXPECT(kind == OpKind::kReturnCache);
    return count.raw;
  }
  /// s with Expect::kResult: how many pages must have been released.
  [[nodiscard]] constexpr PageCount expected_release() const {
    PA_EXPECT(kind == OpKind::kScavenge && expect == Expect::kResult);
    return PageCount{mask};
  }

 private:
  static constexpr Op At(OpKind kind, TraceOffset at, PageCount n) {
    Op op;
    op.kind = kind;
    op.at = at;
    op.count = n;
    return op;
  }
};
static_assert(sizeof(Op) == 40, "10^7 of them are held, beside their text, in 64 bytes each");

}  // namespace pagealloc::bench
