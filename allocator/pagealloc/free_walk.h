/// free_walk.h: how far free pages go on, over the borders of chunks.
///
/// Inside a chunk the bitmap tells; beyond it, the bits of the chunks that are free as a whole, 64
/// chunks (256 MiB) a word. Chunks outside the heap end a run: their bitmaps are zero, but they are
/// not marked as free.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

#include "pagealloc/chunk_map.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc {

template <Layout L, class Counters>
class FreeWalk {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Block = typename Chunks::Block;
  static constexpr auto kPages = static_cast<unsigned>(G::kChunkPages.raw);

 public:
  /// Whether a page is in the heap and free; any number, also those of no page.
  [[nodiscard]] static bool IsFree(const Chunks& chunks, std::uint64_t page) {
    if (page >= G::kAddressPages.raw) return false;
    const ChunkIndex at = G::ChunkOf(PageOffset{page});
    const Block* const block = chunks.LookupBlock(at);
    if (block == nullptr) return false;
    const std::size_t i = Chunks::IndexInBlock(at);
    const auto& bits = block->chunks[i].allocated;
    if (bits.Get(G::PageInChunk(PageOffset{page}))) return false;
    // All zero and not "whole" is a chunk outside the heap.
    return block->whole.Get(i) || bits.ZerosFrom(0) < kPages;
  }

  /// Free pages from `page` upwards, over as many chunks as they go; not counted further than to
  /// the chunk in which there are `most`.
  [[nodiscard]] static std::uint64_t FreeFrom(const Chunks& chunks, PageOffset page,
                                              std::uint64_t most, Counters& counters) {
    ChunkIndex at = G::ChunkOf(page);
    std::uint64_t run = 0;
    if (const unsigned first = G::PageInChunk(page); first != 0) {
      run = chunks[at].allocated.ZerosFrom(first);
      counters.WordsScanned(1 + run / 64);
      if (first + run < kPages) return run;
      ++at;
    }
    while (run < most && at.raw < G::kChunks.raw) {
      const Block* const block = chunks.LookupBlock(at);
      if (block == nullptr) return run;
      const std::size_t i = Chunks::IndexInBlock(at);
      counters.WordsScanned(1);
      const auto whole =
          static_cast<unsigned>(std::countr_one(block->whole.words[i / 64] >> i % 64));
      if (whole == 0) {
        // All zero and not "whole" is a chunk outside the heap.
        const unsigned free = block->chunks[i].allocated.ZerosFrom(0);
        counters.WordsScanned(1 + free / 64);
        return free == kPages ? run : run + free;
      }
      run += std::uint64_t{whole} * kPages;
      at = at + ChunkCount{whole};
    }
    return run;
  }

  /// The same downwards: free pages that end below `page`.
  [[nodiscard]] static std::uint64_t FreeBelow(const Chunks& chunks, PageOffset page,
                                               std::uint64_t most, Counters& counters) {
    ChunkIndex at = G::ChunkOf(page);
    std::uint64_t run = 0;
    if (const unsigned first = G::PageInChunk(page); first != 0) {
      run = chunks[at].allocated.ZerosBelow(first);
      counters.WordsScanned(1 + run / 64);
      if (run < first) return run;
    }
    while (run < most && at.raw > 0) {
      at = ChunkIndex{at.raw - 1};
      const Block* const block = chunks.LookupBlock(at);
      if (block == nullptr) return run;
      const std::size_t i = Chunks::IndexInBlock(at);
      counters.WordsScanned(1);
      const auto whole =
          static_cast<unsigned>(std::countl_one(block->whole.words[i / 64] << (63 - i % 64)));
      if (whole == 0) {
        const unsigned free = block->chunks[i].allocated.ZerosBelow(kPages);
        counters.WordsScanned(1 + free / 64);
        return free == kPages ? run : run + free;
      }
      run += std::uint64_t{whole} * kPages;
      at = ChunkIndex{at.raw - (whole - 1)};
    }
    return run;
  }
};

}  // namespace pagealloc
