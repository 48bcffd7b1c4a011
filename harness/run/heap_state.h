/// heap_state.h: which pages an ID of a program holds.
///
/// A flat array over the program's dense IDs, written by an allocation and read by its free: one
/// cache line touched an operation. Its memory exists before any clock starts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pagealloc/units.h"

namespace pagealloc::bench {

class HeapState {
 public:
  /// @param ids  IDs are 0 .. ids - 1.
  explicit HeapState(std::uint32_t ids);

  void Set(std::uint32_t id, PageRange pages) { runs_[id] = pages; }
  /// The pages that the last Set() of this ID gave; empty if there was none.
  [[nodiscard]] PageRange Get(std::uint32_t id) const {
    PageRange pages = runs_[id];
    // Two numbers in two registers: g++ 12 would fetch them as one vector and take that apart by
    // way of memory, which costs more than freeing a page does.
    __asm__("" : "+r"(pages.begin.raw), "+r"(pages.end.raw));
    return pages;
  }
  /// Asks for the line of an ID that comes soon.
  void Prefetch(std::uint32_t id) const { __builtin_prefetch(&runs_[id], 1); }
  /// Forgets everything.
  void Clear();

 private:
  std::vector<PageRange> runs_;
};

}  // namespace pagealloc::bench
