#include "testing/sbrk_invariants.h"

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "testing/invariants.h"

namespace pagealloc::testing {
namespace {

using Node = FreeBlocks::Node;

std::uintptr_t Number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// Whether `largest` is right here and below, and the order that of a search tree.
bool TreeHolds(const Node* at) {
  if (at == nullptr) return true;
  std::size_t largest = at->size;
  for (const Node* side : {at->low, at->high}) {
    if (side != nullptr) largest = std::max(largest, side->largest);
  }
  return at->largest == largest && TreeHolds(at->low) && TreeHolds(at->high);
}

}  // namespace

bool IsZero(const std::byte* begin, std::size_t size) {
  return size == 0 || (*begin == std::byte{0} && std::memcmp(begin, begin + 1, size - 1) == 0);
}

std::string SbrkChecker::Check(const SbrkAllocator& allocator, std::span<const LiveBlock> live) {
  const std::uintptr_t first = Number(allocator.first());
  const std::uintptr_t bloc = Number(allocator.bloc());
  const std::uintptr_t top = Number(allocator.bloc_max());
  const auto page = static_cast<std::uintptr_t>(allocator.page_size().raw);

  if (bloc < first || bloc > top)
    return Violation(25, "bloc outside its bounds", {first, bloc, top});
  if (bloc % page != 0 || top % page != 0) return Violation(25, "not page aligned", {bloc, top});
  if (Number(highest_) > top) return Violation(25, "bloc_max fell", {Number(highest_), top});
  highest_ = allocator.bloc_max();
  if (!IsZero(allocator.bloc(), top - bloc))
    return Violation(25, "the tail is not zero", {bloc, top});

  std::string broken;
  std::uintptr_t floor = first;  // the next block must begin here or above
  std::uint64_t free = 0;
  std::vector<std::pair<std::uintptr_t, std::uintptr_t>> parts;
  allocator.free_blocks().ForEach([&](const Node& block) {
    if (!broken.empty()) return;
    const std::uintptr_t at = Number(&block);
    if (at < floor) {
      broken = Violation(26, "blocks not in order, touching or overlapping", {at, floor});
    } else if (block.size == 0 || block.size % page != 0 || at % page != 0) {
      broken = Violation(26, "block is not whole pages", {at, block.size});
    } else if (at >= bloc || block.size >= bloc - at) {
      broken = Violation(26, "block reaches bloc", {at, block.size, bloc});
    }
    floor = at + block.size + 1;
    free += block.size;
    parts.emplace_back(at, at + block.size);
  });
  if (!broken.empty()) return broken;
  allocator.free_blocks().ForEach([&](const Node& block) {
    if (!IsZero(block.begin() + sizeof(Node), block.size - sizeof(Node))) {
      broken = Violation(26, "block is not zero behind its header", {Number(&block), block.size});
    }
  });
  if (!broken.empty()) return broken;
  if (!TreeHolds(SbrkAccess::root(allocator.free_blocks()))) {
    return Violation(26, "a header names a wrong largest size", {});
  }

  std::uint64_t owned = 0;
  for (const LiveBlock& block : live) {
    const std::uintptr_t begin = Number(block.begin);
    const std::uintptr_t size =
        (static_cast<std::uintptr_t>(block.size.raw) + page - 1) / page * page;
    if (begin % page != 0) return Violation(27, "live block is not page aligned", {begin});
    parts.emplace_back(begin, begin + size);
    owned += size;
  }
  std::sort(parts.begin(), parts.end());
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].first < first || parts[i].second > bloc) {
      return Violation(27, "a live block lies outside", {parts[i].first, parts[i].second});
    }
    if (i > 0 && parts[i].first < parts[i - 1].second) {
      return Violation(27, "blocks overlap", {parts[i - 1].first, parts[i].first});
    }
  }
  const SbrkStats stats = allocator.stats();
  if (stats.live.raw != owned || stats.free.raw != free ||
      bloc - first != owned + free + stats.holes.raw || stats.tail.raw != top - bloc) {
    return Violation(
        27, "sums: live, free, holes, tail",
        {stats.live.raw, stats.free.raw, stats.holes.raw, stats.tail.raw, owned, free});
  }
  return {};
}

}  // namespace pagealloc::testing
