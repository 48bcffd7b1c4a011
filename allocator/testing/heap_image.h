/// heap_image.h: everything a PageAllocator knows, as numbers, to compare two of them whole.
///
/// Ranges, statistics, search position and bounds, and of every chunk of the heap both bitmaps and
/// what the reach index says of it. Two heaps with the same history have the same image, whatever
/// lies where; a refused operation changes nothing in it. Cost: all of the heap's tables, so for
/// tests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/invariants.h"

namespace pagealloc::testing {

template <Layout L, class Counters>
[[nodiscard]] std::vector<std::uint64_t> HeapImage(PageAllocator<L, Counters>& allocator) {
  using G = Geometry<L>;
  using Access = AllocatorAccess;
  const HeapStats stats = allocator.stats();
  const PageRange bounds = Access::bounds(allocator);
  std::vector<std::uint64_t> image{stats.grown.raw,
                                   stats.in_use.raw,
                                   stats.free.raw,
                                   stats.scavenged.raw,
                                   Access::search_from(allocator).raw,
                                   bounds.begin.raw,
                                   bounds.end.raw};
  for (const auto& range : allocator.ranges().ranges()) {
    image.push_back(range.begin.raw);
    image.push_back(range.end.raw);
    for (ChunkIndex at = G::ChunkOf(range.begin); at < G::ChunkOf(range.end); ++at) {
      const auto& block = Access::chunks(allocator).BlockAt(at);
      const std::size_t i = ChunkMap<L>::IndexInBlock(at);
      image.push_back(block.reach.Get(i));
      image.push_back(block.whole.Get(i));
      for (unsigned word = 0; word < G::kChunkPages.raw / 64; ++word) {
        image.push_back(block.words[i].runs.Get(word));
      }
    }
    for (PageOffset page = range.begin; page < range.end; page += PageCount{64}) {
      const auto& chunk = Access::chunks(allocator)[G::ChunkOf(page)];
      image.push_back(chunk.allocated.WordOf(G::PageInChunk(page)));
      image.push_back(chunk.scavenged.WordOf(G::PageInChunk(page)));
    }
  }
  return image;
}

}  // namespace pagealloc::testing
