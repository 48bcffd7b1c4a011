/// allocator_access.h: the one door to the private parts of a PageAllocator, for the invariants.
///
/// Tests also use it to break things on purpose. Violation() words what the invariants find.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "pagealloc/page_allocator.h"

namespace pagealloc::testing {

struct AllocatorAccess {
  template <class A>
  static auto& chunks(A& a) {
    return a.chunks_;
  }
  template <class A>
  static auto& ranges(A& a) {
    return a.in_heap_;
  }
  template <class A>
  static auto& stats(A& a) {
    return a.tally_;
  }
  template <class A>
  static auto& search_from(A& a) {
    return a.search_from_;
  }
  template <class A>
  static constexpr PageOffset nothing_free() {
    return A::kNowhere;
  }
  template <class A>
  static PageRange& bounds(A& a) {
    return a.reach_.search_.bounds_;
  }
  /// Of each block of a table of the chunk map the longest run that begins in one of its chunks.
  /// Null: there is no such table.
  template <class A>
  static auto* table_reaches(A& a, std::uint64_t table) {
    auto* const found = a.chunks_.TableOf(table * a.chunks_.kTableBlocks);
    return found == nullptr ? nullptr : &found->reach;
  }
  /// The same of each table.
  template <class A>
  static auto& tables_reaches(A& a) {
    return a.chunks_.maxima_;
  }
  /// The blocks of a table that exists; null where there is none.
  template <class A>
  static auto table_blocks(A& a, std::uint64_t table) {
    return std::span(std::as_const(a.chunks_.TableOf(table * a.chunks_.kTableBlocks)->blocks));
  }
  /// The word of a bitmap whose change the index does not know yet.
  struct WaitingWord {
    std::uint64_t number;  ///< its first page / 64
    std::uint64_t before;  ///< its bits as the index knows them
  };
  template <Layout L, class Counters>
  static std::optional<WaitingWord> waiting_word(const ReachIndex<L, Counters>& index) {
    if (!index.pending_) return std::nullopt;
    return WaitingWord{index.last_word_, index.before_};
  }
  template <Layout L, class Counters>
  static std::optional<WaitingWord> waiting_word(const PageAllocator<L, Counters>& a) {
    return waiting_word(a.reach_);
  }
  /// A test spoils it in place.
  template <class A>
  static std::uint64_t& last_word(A& a) {
    return a.reach_.last_word_;
  }
  /// A number of MaxLanes, at any level.
  template <std::uint64_t kLanes>
  static std::int16_t& lane(MaxLanes<kLanes>& lanes, unsigned level, std::size_t i) {
    return lanes.lanes_[lanes.kShape.begin[level] + i];
  }
  /// All numbers of a level.
  template <std::uint64_t kLanes>
  static std::span<const std::int16_t> lanes(const MaxLanes<kLanes>& lanes, unsigned level) {
    return std::span(lanes.lanes_).subspan(lanes.kShape.begin[level], lanes.kShape.lanes[level]);
  }
  /// The packed word of a chunk in the scavenge index.
  template <class A>
  static std::uint64_t& scavenge_word(A& a, ChunkIndex chunk) {
    return a.chunks_.BlockAt(chunk).words[a.chunks_.IndexInBlock(chunk)].scavenge;
  }
  /// One past the highest page that forced scavenging looks at.
  template <class A>
  static PageOffset& forced_end(A& a) {
    return a.index_.forced_.end;
  }
  template <class A>
  static PageOffset& recently_freed_end(A& a) {
    return a.index_.recently_freed_end_;
  }
  template <class A>
  static PageOffset& background_end(A& a) {
    return a.index_.background_.end;
  }
  template <class A>
  static PageOffset& freed_end(A& a) {
    return a.index_.freed_end_;
  }
};

/// "INV-n: what (a, b, …)". The numbers are raw values of units.
std::string Violation(int number, const char* what, std::initializer_list<std::uint64_t> values);

}  // namespace pagealloc::testing
