/// summary_view.h: what a radix tree of packed summaries would say of a heap.
///
/// Go's page allocator keeps a summary of every chunk, of every eight chunks, and so on up to a
/// root entry (summary.h says what is in one). Here nothing keeps them: placements come from the
/// reach index. They are still the most compact answer to "what does this part of the heap look
/// like", so inspection and tests compute them from the bitmaps. Entries without a page of the heap
/// are 0. Cost: the bitmaps of all chunks of the heap below the entry.
///
/// Go 1.26, mpagealloc.go: pageAlloc.summary.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "pagealloc/address_ranges.h"
#include "pagealloc/chunk_map.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/summary.h"

namespace pagealloc {

/// The summary of an entry of a level, root first; both must exist in the layout (contract).
template <Layout L>
[[nodiscard]] Summary<L> SummaryAt(const ChunkMap<L>& chunks, const AddressRanges& in_heap,
                                   unsigned level, std::uint64_t entry) {
  using G = Geometry<L>;
  PA_EXPECT(level < G::kLevels && entry < G::kEntries[level], level, entry);
  const PageOffset begin = G::LevelBegin(level, entry);
  const PageCount span{std::uint64_t{1} << G::kSpanPageBits[level]};
  if (!in_heap.Overlaps({begin, begin + span})) return {};
  if (level + 1 == G::kLevels) {
    return Summary<L>::Pack(chunks[ChunkIndex{entry}].allocated.Summarize());
  }
  constexpr std::size_t kWidest =
      std::size_t{1} << *std::max_element(L::kFanoutBits.begin(), L::kFanoutBits.end());
  std::array<Summary<L>, kWidest> children;
  const std::uint64_t count = std::uint64_t{1} << G::kIndexBits[level + 1];
  for (std::uint64_t i = 0; i < count; ++i) {
    children[static_cast<std::size_t>(i)] =
        SummaryAt(chunks, in_heap, level + 1, entry * count + i);
  }
  return Summary<L>::Merge(children.data(), count, G::kSpanPageBits[level + 1]);
}

}  // namespace pagealloc
