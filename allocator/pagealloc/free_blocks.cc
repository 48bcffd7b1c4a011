#include "pagealloc/free_blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "pagealloc/contract.h"

namespace pagealloc {
namespace {

using Node = FreeBlocks::Node;

// Blocks lie anywhere, so their addresses are compared as numbers.
std::uintptr_t Number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// Heap order of the treap: mixes the address (the finisher of splitmix64).
std::uint64_t Rank(const Node* node) {
  std::uint64_t x = Number(node);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

std::size_t Largest(const Node* node) { return node == nullptr ? 0 : node->largest; }

void Refresh(Node* node) {
  node->largest = std::max({node->size, Largest(node->low), Largest(node->high)});
}

struct Halves {
  Node* low;
  Node* high;
};

/// Cuts a treap into the blocks below and above an address at which none begins.
Halves Split(Node* at, std::uintptr_t address) {
  if (at == nullptr) return {nullptr, nullptr};
  if (Number(at) < address) {
    const auto [low, high] = Split(at->high, address);
    at->high = low;
    Refresh(at);
    return {at, high};
  }
  const auto [low, high] = Split(at->low, address);
  at->low = high;
  Refresh(at);
  return {low, at};
}

Node* Join(Node* low, Node* high) {
  if (low == nullptr) return high;
  if (high == nullptr) return low;
  if (Rank(low) > Rank(high)) {
    low->high = Join(low->high, high);
    Refresh(low);
    return low;
  }
  high->low = Join(low, high->low);
  Refresh(high);
  return high;
}

Node* InsertBelow(Node* at, Node* node) {
  if (at == nullptr || Rank(node) > Rank(at)) {
    const auto [low, high] = Split(at, Number(node));
    node->low = low;
    node->high = high;
    Refresh(node);
    return node;
  }
  Node*& side = Number(node) < Number(at) ? at->low : at->high;
  side = InsertBelow(side, node);
  Refresh(at);
  return at;
}

Node* RemoveBelow(Node* at, const Node* node) {
  if (at == node) return Join(at->low, at->high);
  Node*& side = Number(node) < Number(at) ? at->low : at->high;
  side = RemoveBelow(side, node);
  Refresh(at);
  return at;
}

void RefreshPath(Node* at, const Node* node) {
  if (at != node) RefreshPath(Number(node) < Number(at) ? at->low : at->high, node);
  Refresh(at);
}

/// Bytes from the block's begin to the lowest multiple of `align` that `size` bytes fit behind;
/// the block's size if there is none.
std::size_t SkipFor(const Node* node, std::size_t size, std::uint64_t align) {
  const std::uint64_t skip = (align - Number(node) % align) % align;
  return skip <= node->size && size <= node->size - skip ? static_cast<std::size_t>(skip)
                                                         : node->size;
}

Node* LowestFit(Node* at, std::size_t size, std::uint64_t align) {
  if (Largest(at) < size) return nullptr;
  if (Node* const low = LowestFit(at->low, size, align)) return low;
  if (SkipFor(at, size, align) < at->size) return at;
  return LowestFit(at->high, size, align);
}

}  // namespace

Node* FreeBlocks::Below(const std::byte* at) const {
  Node* best = nullptr;
  for (Node* node = root_; node != nullptr;) {
    const bool below = Number(node) < Number(at);
    if (below) best = node;
    node = below ? node->high : node->low;
  }
  return best;
}

Node* FreeBlocks::AtOrAbove(const std::byte* at) const {
  Node* best = nullptr;
  for (Node* node = root_; node != nullptr;) {
    const bool below = Number(node) < Number(at);
    if (!below) best = node;
    node = below ? node->high : node->low;
  }
  return best;
}

bool FreeBlocks::Overlaps(const std::byte* begin, ByteCount size) const {
  const Node* const below = Below(begin);
  const Node* const above = AtOrAbove(begin);
  return (below != nullptr && Number(below->end()) > Number(begin)) ||
         (above != nullptr && Number(above) - Number(begin) < size.raw);
}

void FreeBlocks::Add(std::byte* begin, ByteCount size) {
  PA_EXPECT(size.raw >= sizeof(Node) && Number(begin) % alignof(Node) == 0, Number(begin), size);
  PA_EXPECT(!Overlaps(begin, size), Number(begin), size);
  auto bytes = static_cast<std::size_t>(size.raw);
  total_ += size;
  Node* const above = AtOrAbove(begin);
  if (above != nullptr && above->begin() == begin + bytes) {
    bytes += above->size;
    Remove(above);
  }
  Node* const below = Below(begin);
  if (below != nullptr && below->end() == begin) {
    Resize(below, below->size + bytes);
  } else {
    Insert(begin, bytes);
  }
}

std::byte* FreeBlocks::TakeHigh(ByteCount size) {
  if (size.raw > Largest(root_)) return nullptr;
  const auto bytes = static_cast<std::size_t>(size.raw);
  Node* const node = LowestFit(root_, bytes, 1);
  std::byte* const begin = reinterpret_cast<std::byte*>(node);
  const std::size_t rest = node->size - bytes;
  total_ -= size;
  if (rest == 0) {
    Remove(node);
    return begin;
  }
  PA_EXPECT(rest >= sizeof(Node), rest);
  Resize(node, rest);
  return begin + rest;
}

std::byte* FreeBlocks::TakeAligned(ByteCount size, ByteCount align) {
  PA_EXPECT(size.raw >= 1 && std::has_single_bit(align.raw), size, align);
  if (size.raw > Largest(root_)) return nullptr;
  const auto bytes = static_cast<std::size_t>(size.raw);
  Node* const node = LowestFit(root_, bytes, align.raw);
  if (node == nullptr) return nullptr;
  std::byte* const begin = reinterpret_cast<std::byte*>(node);
  const std::size_t skip = SkipFor(node, bytes, align.raw);
  const std::size_t rest = node->size - skip - bytes;
  total_ -= size;
  if (skip == 0) {
    Remove(node);
  } else {
    Resize(node, skip);
  }
  if (rest > 0) Insert(begin + skip + bytes, rest);
  return begin + skip;
}

std::byte* FreeBlocks::TakeEndingAt(const std::byte* end) {
  Node* const node = Below(end);
  if (node == nullptr || node->end() != end) return nullptr;
  total_ -= ByteCount{node->size};
  Remove(node);
  return reinterpret_cast<std::byte*>(node);
}

void FreeBlocks::Insert(std::byte* begin, std::size_t size) {
  PA_EXPECT(size >= sizeof(Node), size);
  Node* const node = new (begin) Node{nullptr, nullptr, size, size};
  root_ = InsertBelow(root_, node);
}

void FreeBlocks::Remove(Node* node) {
  root_ = RemoveBelow(root_, node);
  std::memset(static_cast<void*>(node), 0, sizeof(Node));
}

void FreeBlocks::Resize(Node* node, std::size_t size) {
  node->size = size;
  RefreshPath(root_, node);
}

}  // namespace pagealloc
