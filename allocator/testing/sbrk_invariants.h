/// sbrk_invariants.h: what must hold of an sbrk allocator between two operations (Go: memCheck).
///
/// Check() says which invariant is broken, with its number from the table in allocator/README.md;
/// empty: all hold. It looks at every free block, the last one included, and at every byte that
/// must be zero, so its cost is the size of the memory: for tests. SbrkAccess is the one door to
/// the private parts; tests use it to break things on purpose.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "pagealloc/sbrk_allocator.h"

namespace pagealloc::testing {

struct SbrkAccess {
  static FreeBlocks& free_blocks(SbrkAllocator& a) { return a.free_; }
  static FreeBlocks::Node*& root(FreeBlocks& blocks) { return blocks.root_; }
  static const FreeBlocks::Node* root(const FreeBlocks& blocks) { return blocks.root_; }
  static ByteCount& total(FreeBlocks& blocks) { return blocks.total_; }
  static std::byte*& bloc(SbrkAllocator& a) { return a.bloc_; }
  static std::byte*& bloc_max(SbrkAllocator& a) { return a.bloc_max_; }
  static ByteCount& live(SbrkAllocator& a) { return a.live_; }
};

/// What an allocator handed out and did not get back.
struct LiveBlock {
  std::byte* begin;
  ByteCount size;  ///< as asked for; it owns whole pages
};

/// Remembers what may never fall, so use one for the whole life of an allocator.
class SbrkChecker {
 public:
  /// @param live  every live block, in any order
  [[nodiscard]] std::string Check(const SbrkAllocator& allocator, std::span<const LiveBlock> live);

 private:
  const std::byte* highest_ = nullptr;
};

/// Whether a range is zero.
[[nodiscard]] bool IsZero(const std::byte* begin, std::size_t size);

}  // namespace pagealloc::testing
