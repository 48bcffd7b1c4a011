/// first_fit.h: where address-ordered first fit places a run, fast enough for generators.
///
/// A generator must not free what was never allocated, so it has to know which of its allocations
/// fail. The model of the tests (page_map.h) knows, but reads pages one by one: at 99 % of a large
/// heap that is millions of them for one allocation. This is a bitmap under a binary tree whose
/// nodes say how many pages are free at the start, at most in one run, and at the end of their
/// span: O(log pages) for everything. It shares no code with the allocator and is tested against
/// the model.
///
///   node 1            [start, longest, end] of all words
///   nodes 2, 3        of its halves
///   ...
///   nodes w .. 2w-1   of one 64-page word each; words past the heap's end count as taken
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "pagealloc/units.h"

namespace pagealloc::bench {

class FirstFit {
 public:
  /// The pages 0 to `pages` - 1, all free. At least one and below 2^31 (contract).
  explicit FirstFit(PageCount pages);

  /// Lowest run of `want` free pages, at least 1 (contract); takes it. nullopt: none, nothing
  /// changed.
  std::optional<PageOffset> Allocate(PageCount want);
  /// All free pages of the 64-page block with the lowest free page, as a page cache takes them.
  struct Block {
    PageOffset first;     ///< a multiple of 64
    std::uint64_t pages;  ///< bit i: page first + i
  };
  std::optional<Block> TakeBlock();
  /// Frees a block's pages; all must be taken (contract).
  void ReturnBlock(const Block& block);
  /// Takes exactly these pages; all must be free (contract).
  void Take(PageRange pages);
  /// Frees exactly these pages; all must be taken (contract).
  void Free(PageRange pages);

  [[nodiscard]] bool taken(PageOffset page) const;
  [[nodiscard]] PageCount pages() const { return pages_; }
  [[nodiscard]] PageCount in_use() const { return in_use_; }

 private:
  struct Node {
    std::uint32_t start, longest, end;  // free pages
  };

  enum class Mark : bool { kFree, kTaken };
  void Set(PageRange pages, Mark mark);
  void SetBlock(const Block& block, Mark mark);
  [[nodiscard]] std::optional<PageOffset> Find(std::uint64_t want) const;

  PageCount pages_;
  PageCount in_use_{0};
  std::vector<std::uint64_t> free_;  // bit i of word w: page 64 w + i is free
  std::size_t leaves_;               // a power of two
  std::vector<Node> nodes_;
};

}  // namespace pagealloc::bench
