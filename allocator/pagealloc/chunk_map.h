/// chunk_map.h: from a chunk's index to what is known of it, sparsely (Go: pageAlloc.chunks).
///
/// Two levels: an array of pointers inside the object, and blocks of chunks that are taken from the
/// operating system when the heap first grows into them. A block has the bitmaps of its chunks and
/// its part of the reach index (reach_index.h says what that means). Blocks start as zero (free,
/// not scavenged, not in the heap), never move and never go away. 32-bit layouts have one block for
/// everything. With 48 bits: 8192 pointers, and blocks of 8192 chunks (32 GiB of heap), 1 MiB and
/// 18 KiB each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pagealloc/chunk.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/os_memory.h"

namespace pagealloc {

template <Layout L>
class ChunkMap {
  using G = Geometry<L>;

 public:
  using Entry = Chunk<static_cast<unsigned>(G::kChunkPages.raw)>;
  static constexpr std::uint64_t kBlocks = std::uint64_t{1} << G::kChunkMapL1Bits;
  static constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << G::kChunkMapL2Bits;

  /// A bit for each chunk of a block.
  struct ChunkBits {
    std::array<std::uint64_t, (kBlockChunks + 63) / 64> words;

    [[nodiscard]] bool Get(std::size_t i) const { return (words[i / 64] >> i % 64 & 1) != 0; }
    void Set(std::size_t i) { words[i / 64] |= std::uint64_t{1} << i % 64; }
    void Clear(std::size_t i) { words[i / 64] &= ~(std::uint64_t{1} << i % 64); }
  };

  /// What is known of kBlockChunks consecutive chunks.
  struct Block {
    alignas(64) std::array<Entry, kBlockChunks> chunks;
    /// Of each chunk: the longest free run that begins in it.
    MaxLanes<kBlockChunks> reach;
    /// A bit a chunk: 1 = it is in the heap, and free as a whole.
    ChunkBits whole;
    /// While a batch of frees is under way, else zero: chunks with a run of it, with several.
    ChunkBits freed_once;
    ChunkBits freed_again;
  };

  ChunkMap() = default;
  ChunkMap(const ChunkMap&) = delete;
  ChunkMap& operator=(const ChunkMap&) = delete;
  ~ChunkMap() {
    for (Block* block : blocks_) {
      // Nothing can be done about a refusal here; the address space stays reserved.
      if (block != nullptr) {
        static_cast<void>(os_->Unreserve(reinterpret_cast<std::byte*>(block), BlockBytes()));
      }
    }
  }

  void Init(OsMemory& os) { os_ = &os; }

  /// Takes the missing blocks for chunks [begin, end). On a refusal the blocks taken so far stay:
  /// they are counted, zero, and used by a retry.
  OsStatus MakeBlocks(ChunkIndex begin, ChunkIndex end) {
    PA_EXPECT(begin < end && end.raw <= G::kChunks.raw, begin, end);
    const std::size_t last = BlockOf(ChunkIndex{end.raw - 1});
    for (std::size_t i = BlockOf(begin); i <= last; ++i) {
      if (blocks_[i] != nullptr) continue;
      const OsMemory::Reservation got = os_->Reserve(BlockBytes());
      if (!got.status.ok()) return got.status;
      if (const OsStatus status = os_->Commit(got.begin, BlockBytes()); !status.ok()) {
        static_cast<void>(os_->Unreserve(got.begin, BlockBytes()));
        return status;
      }
      blocks_[i] = reinterpret_cast<Block*>(got.begin);  // page aligned, zero bytes are a Block
      ++taken_;
      // A mere hint: without it the block is as good.
      if (huge_pages_) static_cast<void>(HintHugePages(got.begin));
    }
    return OsStatus::Ok();
  }

  /// Asks for huge pages behind all blocks, those there are and those to come. Again: no effect.
  /// On a refusal the other blocks have the hint all the same; the first refusal is returned.
  OsStatus PreferHugePages() {
    if (huge_pages_) return OsStatus::Ok();
    huge_pages_ = true;
    OsStatus first_refusal;
    for (Block* block : blocks_) {
      if (block == nullptr) continue;
      const OsStatus status = HintHugePages(reinterpret_cast<std::byte*>(block));
      if (first_refusal.ok()) first_refusal = status;
    }
    return first_refusal;
  }

  /// Bitmaps of a chunk whose block exists (Go: chunkOf).
  [[nodiscard]] Entry& operator[](ChunkIndex chunk) {
    return blocks_[BlockOf(chunk)]->chunks[IndexInBlock(chunk)];
  }
  [[nodiscard]] const Entry& operator[](ChunkIndex chunk) const {
    return blocks_[BlockOf(chunk)]->chunks[IndexInBlock(chunk)];
  }
  /// Null if the block does not exist. Not null does not mean that the chunk is in the heap
  /// (Go: tryChunkOf).
  [[nodiscard]] const Entry* Lookup(ChunkIndex chunk) const {
    const Block* block = LookupBlock(chunk);
    return block == nullptr ? nullptr : &block->chunks[IndexInBlock(chunk)];
  }

  /// The block of a chunk whose block exists.
  [[nodiscard]] Block& BlockAt(ChunkIndex chunk) { return *blocks_[BlockOf(chunk)]; }
  [[nodiscard]] const Block& BlockAt(ChunkIndex chunk) const { return *blocks_[BlockOf(chunk)]; }
  /// The same, or null.
  [[nodiscard]] const Block* LookupBlock(ChunkIndex chunk) const { return blocks_[BlockOf(chunk)]; }
  /// Where in its block a chunk is.
  [[nodiscard]] static constexpr std::size_t IndexInBlock(ChunkIndex chunk) {
    return static_cast<std::size_t>(G::ChunkMapL2(chunk));
  }
  /// Which block a chunk is in.
  [[nodiscard]] static constexpr std::size_t BlockOf(ChunkIndex chunk) {
    return static_cast<std::size_t>(G::ChunkMapL1(chunk));
  }

  /// Blocks for which the operating system took the hint.
  [[nodiscard]] std::uint64_t hinted_blocks() const { return hinted_; }
  [[nodiscard]] MetadataStats metadata() const {
    if (os_ == nullptr) return {};
    const ByteCount bytes{taken_ * BlockBytes().raw};
    return {bytes, bytes};
  }

 private:
  [[nodiscard]] ByteCount BlockBytes() const { return os_->RoundUp(ByteCount{sizeof(Block)}); }

  OsStatus HintHugePages(std::byte* block) {
    const OsStatus status = os_->HintHugePages(block, BlockBytes(), HugePages::kPrefer);
    if (status.ok()) ++hinted_;
    return status;
  }

  OsMemory* os_ = nullptr;
  std::uint64_t taken_ = 0;
  bool huge_pages_ = false;
  std::uint64_t hinted_ = 0;
  std::array<Block*, kBlocks> blocks_{};
};

}  // namespace pagealloc
