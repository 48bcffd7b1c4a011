/// allocator_access.h: the one door to the private parts of a PageAllocator, for the invariants.
///
/// Tests also use it to break things on purpose. Violation() words what the invariants find.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

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
    return a.stats_;
  }
  template <class A>
  static auto& search_from(A& a) {
    return a.search_from_;
  }
  template <class A>
  static constexpr PageOffset nothing_free() {
    return A::kNothingFree;
  }
  /// First entry of a level.
  template <class A>
  static auto* level(A& a, unsigned index) {
    return a.tree_.levels_[index];
  }
  /// Entries of a level that may be read: all of them, or whole pages of the operating system
  /// around the blocks that hold the heap; lowest first, none twice.
  template <class A>
  static auto ReadableEntries(const A& a, unsigned level) {
    using G = Geometry<typename A::LayoutType>;
    std::vector<typename G::EntryRange> readable;
    if constexpr (A::LayoutType::kSummaryMemory == SummaryMemory::kOneBlockAtStart) {
      readable.push_back({0, G::kEntries[level]});
    } else {
      const std::uint64_t unit = a.os_->page_size().raw / sizeof(std::uint64_t);
      std::uint64_t done = 0;
      for (const auto& range : a.in_heap_.ranges()) {
        const auto block = G::BlockAligned(level, G::EntriesOf(level, {range.begin, range.end}));
        const std::uint64_t begin = std::max(done, block.begin / unit * unit);
        const std::uint64_t end =
            std::min((block.end + unit - 1) / unit * unit, G::kEntries[level]);
        if (begin < end) readable.push_back({begin, end});
        done = std::max(done, end);
      }
    }
    return readable;
  }
  template <class A>
  static PageRange& bounds(A& a) {
    return a.tree_.bounds_;
  }
  /// The packed word of a chunk in the scavenge index.
  template <class A>
  static std::uint64_t& scavenge_word(A& a, ChunkIndex chunk) {
    return a.index_.words_.data()[a.index_.kSkew + chunk.raw];
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
  /// Whether entries [begin, end) of a level may be read.
  template <class A>
  static bool accessible(const A& a, unsigned index, std::uint64_t begin, std::uint64_t end) {
    if constexpr (A::LayoutType::kSummaryMemory == SummaryMemory::kOneBlockAtStart) {
      return true;
    } else {
      return a.tree_.memory_[index].accessible(begin, end);
    }
  }
};

/// "INV-n: what (a, b, …)". The numbers are raw values of units.
std::string Violation(int number, const char* what, std::initializer_list<std::uint64_t> values);

}  // namespace pagealloc::testing
