/// free_blocks.h: free blocks of memory, found by address, kept in the blocks' own first bytes.
///
/// A set of blocks that never touch: Add() merges with the neighbours. It needs no memory but the
/// blocks: each begins with a Node, and all bytes behind the Node are zero. The nodes form a treap:
/// a search tree by address that is a heap by rank, a number mixed from the address, so that its
/// shape depends on the addresses alone and is shallow. Each node knows the largest block at or
/// below it, so the lowest block that fits is found without looking at the others:
///
///                  [0x5000: 2, largest 9]
///                 /                      \                 sizes in operating-system pages
///   [0x1000: 1, largest 1]      [0x9000: 9, largest 9]
///
/// Cost: every operation O(log n) steps, expected; TakeAligned with an alignment above the blocks'
/// own looks at each block that is large enough, up to the one it takes. One thread at a time.
/// @see Go: memFreelist, memHdr, memHdrPtr: a linked list of {next, size} in the same place, O(n).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pagealloc/units.h"

namespace pagealloc {

namespace testing {
struct SbrkAccess;
}  // namespace testing

class FreeBlocks {
 public:
  /// What a free block begins with (Go: memHdr). 32 bytes on a 64-bit host.
  struct Node {
    Node* low = nullptr;      ///< blocks at lower addresses
    Node* high = nullptr;     ///< blocks at higher addresses
    std::size_t size = 0;     ///< bytes, this header included
    std::size_t largest = 0;  ///< greatest size here and below

    [[nodiscard]] const std::byte* begin() const {
      return reinterpret_cast<const std::byte*>(this);
    }
    [[nodiscard]] const std::byte* end() const { return begin() + size; }
  };

  FreeBlocks() = default;
  FreeBlocks(const FreeBlocks&) = delete;
  FreeBlocks& operator=(const FreeBlocks&) = delete;

  /// Whether any byte of a range is free.
  [[nodiscard]] bool Overlaps(const std::byte* begin, ByteCount size) const;
  /// Adds a range, at least a Node long, that is zero and overlaps no free block (contract).
  /// @see Go: memFree, without the zeroing.
  void Add(std::byte* begin, ByteCount size);

  /// Takes `size` bytes from the high end of the lowest block that has them; null if none has. What
  /// remains of the block must be nothing or hold a Node: use multiples of one size. All zero.
  /// @see Go: memAllocNoGrow.
  [[nodiscard]] std::byte* TakeHigh(ByteCount size);
  /// Takes `size` bytes at the lowest multiple of `align`, a power of two, in the lowest block with
  /// such a place; null if none has. Both rests stay free. All zero.
  [[nodiscard]] std::byte* TakeAligned(ByteCount size, ByteCount align);
  /// Takes the whole block that ends at `end` and returns its first byte; null if none ends there.
  [[nodiscard]] std::byte* TakeEndingAt(const std::byte* end);

  [[nodiscard]] ByteCount total() const { return total_; }
  /// Calls visit(const Node&) for every block, lowest first.
  template <class Visit>
  void ForEach(Visit&& visit) const {
    Walk(root_, visit);
  }

 private:
  friend struct testing::SbrkAccess;

  template <class Visit>
  static void Walk(const Node* at, Visit& visit) {
    if (at == nullptr) return;
    Walk(at->low, visit);
    visit(*at);
    Walk(at->high, visit);
  }
  /// Last block that begins below `at`.
  [[nodiscard]] Node* Below(const std::byte* at) const;
  /// First block that begins at or above `at`.
  [[nodiscard]] Node* AtOrAbove(const std::byte* at) const;
  void Insert(std::byte* begin, std::size_t size);
  /// Takes a node out and zeroes it.
  void Remove(Node* node);
  void Resize(Node* node, std::size_t size);

  Node* root_ = nullptr;
  ByteCount total_;
};

}  // namespace pagealloc
