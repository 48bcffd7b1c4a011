/// buddy.h: the binary buddy system, as a peer to measure against: fast, and generous with pages.
///
/// Free blocks are powers of two in length and aligned to it. A request takes the shortest block
/// that holds it, halved until no half would do; a freed block joins its other half, its buddy, for
/// as long as that is free too. All of a block is taken, however little of it was asked for.
///
///   16 pages free   [................]
///   take 3          [####|....|........]     4 taken (3 asked for), free: 4 and 8
///   take 2          [####|##|..|........]
///   free the 3      [....|##|..|........]    its buddy is not free: they stay apart
///
/// A list of free blocks for each length, linked through a table with an entry a page, and a word
/// that says which lists hold something: each operation costs at most a step a length. Blocks that
/// were freed last are taken first. Idea: Knowlton 1965; Knuth, The Art of Computer
/// Programming 2.5.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pagealloc/contract.h"
#include "pagealloc/units.h"

namespace pagealloc::peers {

class Buddy {
 public:
  /// @param origin  lowest page that there can be; blocks are aligned as seen from it.
  explicit Buddy(PageOffset origin = PageOffset{0}) : origin_(origin.raw) { heads_.fill(kNone); }

  /// Adds free pages, none of which were added before (contract).
  void Grow(PageRange pages) {
    PA_EXPECT(pages.begin.raw >= origin_ && pages.end.raw - origin_ <= kMostPages);
    std::uint64_t begin = pages.begin.raw - origin_;
    const std::uint64_t end = pages.end.raw - origin_;
    table_.resize(std::max<std::size_t>(table_.size(), (end + kPiecePages - 1) / kPiecePages));
    while (begin < end) {
      const auto longest = static_cast<unsigned>(std::bit_width(end - begin)) - 1;
      const auto aligned = begin == 0 ? longest : static_cast<unsigned>(std::countr_zero(begin));
      const unsigned order = std::min(aligned, longest);
      Join(begin, order);
      begin += std::uint64_t{1} << order;
    }
  }

  /// Takes a block for `want` pages, at least 1 (contract); nullopt if no block is long enough.
  std::optional<PageOffset> Allocate(PageCount want) {
    const unsigned order = OrderOf(want);
    if (order >= kOrders) return std::nullopt;
    const std::uint64_t able = lists_ >> order << order;
    if (able == 0) return std::nullopt;
    auto found = static_cast<unsigned>(std::countr_zero(able));
    const std::uint64_t block = heads_[found];
    Unlink(block, found);
    while (found > order) {
      --found;
      Link(block + (std::uint64_t{1} << found), found);
    }
    return PageOffset{origin_ + block};
  }

  /// Gives back what Allocate gave for pages.size() (contract).
  void Free(PageRange pages) { Join(pages.begin.raw - origin_, OrderOf(pages.size())); }

  /// By how much a heap that ends at `end` must grow there so that `want` pages find room.
  [[nodiscard]] PageCount GrowthFor(PageOffset end, PageCount want) const {
    const std::uint64_t block = std::bit_ceil(want.raw);
    const std::uint64_t at = end.raw - origin_;
    return PageCount{(at + block - 1) / block * block + block - at};
  }

  /// Bytes of the table and its directory.
  [[nodiscard]] ByteCount metadata() const {
    const auto pieces = static_cast<std::uint64_t>(std::count_if(
        table_.begin(), table_.end(), [](const auto& piece) { return piece != nullptr; }));
    return ByteCount{pieces * sizeof(Piece) + table_.capacity() * sizeof(table_.front())};
  }

 private:
  static constexpr unsigned kOrders = 32;
  static constexpr std::uint64_t kMostPages = (std::uint64_t{1} << kOrders) - 1;
  static constexpr std::uint32_t kNone = ~std::uint32_t{0};
  static constexpr std::uint8_t kNotFree = 0xff;
  static constexpr std::uint64_t kPiecePages = 512;

  /// Of a page where a free block begins.
  struct Entry {
    std::uint32_t next = kNone, previous = kNone;
    std::uint8_t order = kNotFree;
  };
  /// Entries of neighbouring pages; it exists once one of them was the start of a block.
  using Piece = std::array<Entry, kPiecePages>;

  static unsigned OrderOf(PageCount pages) {
    PA_EXPECT(pages > PageCount{0});
    return static_cast<unsigned>(std::bit_width(pages.raw - 1));
  }

  Entry& At(std::uint64_t page) {
    std::unique_ptr<Piece>& piece = table_[page / kPiecePages];
    if (piece == nullptr) piece = std::make_unique<Piece>();
    return (*piece)[page % kPiecePages];
  }

  /// Whether a free block of this order begins at a page, which may lie outside the heap.
  [[nodiscard]] bool IsFree(std::uint64_t page, unsigned order) const {
    const std::uint64_t piece = page / kPiecePages;
    if (piece >= table_.size() || table_[piece] == nullptr) return false;
    return (*table_[piece])[page % kPiecePages].order == order;
  }

  void Join(std::uint64_t block, unsigned order) {
    while (order + 1 < kOrders) {
      const std::uint64_t buddy = block ^ std::uint64_t{1} << order;
      if (!IsFree(buddy, order)) break;
      Unlink(buddy, order);
      block = std::min(block, buddy);
      ++order;
    }
    Link(block, order);
  }

  void Link(std::uint64_t block, unsigned order) {
    const auto first = static_cast<std::uint32_t>(block);
    const std::uint32_t next = heads_[order];
    if (next != kNone) At(next).previous = first;
    At(block) = {next, kNone, static_cast<std::uint8_t>(order)};
    heads_[order] = first;
    lists_ |= std::uint64_t{1} << order;
  }

  void Unlink(std::uint64_t block, unsigned order) {
    Entry& entry = At(block);
    if (entry.next != kNone) At(entry.next).previous = entry.previous;
    if (entry.previous != kNone) {
      At(entry.previous).next = entry.next;
    } else {
      heads_[order] = entry.next;
      if (entry.next == kNone) lists_ &= ~(std::uint64_t{1} << order);
    }
    entry.order = kNotFree;
  }

  const std::uint64_t origin_;
  std::uint64_t lists_ = 0;  ///< bit i: heads_[i] leads to a block
  std::array<std::uint32_t, kOrders> heads_{};
  std::vector<std::unique_ptr<Piece>> table_;  ///< by page, counted from the origin
};

}  // namespace pagealloc::peers
