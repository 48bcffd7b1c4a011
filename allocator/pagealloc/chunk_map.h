/// chunk_map.h: from a chunk's index to its bitmaps, sparsely (Go: pageAlloc.chunks).
///
/// Two levels: an array of pointers inside the object, and blocks of chunks that are taken from the
/// operating system when the heap first grows into them. Blocks start as zero (free, not
/// scavenged), never move and never go away. 32-bit layouts have one block for everything. With 48
/// bits: 8192 pointers, and blocks of 8192 chunks (32 GiB of heap), 1 MiB each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "pagealloc/chunk.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"

namespace pagealloc {

template <Layout L>
class ChunkMap {
  using G = Geometry<L>;

 public:
  using Entry = Chunk<static_cast<unsigned>(G::kChunkPages.raw)>;
  static constexpr std::uint64_t kBlocks = std::uint64_t{1} << G::kChunkMapL1Bits;
  static constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << G::kChunkMapL2Bits;

  ChunkMap() = default;
  ChunkMap(const ChunkMap&) = delete;
  ChunkMap& operator=(const ChunkMap&) = delete;
  ~ChunkMap() {
    for (Entry* block : blocks_) {
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
    const std::uint64_t last = G::ChunkMapL1(ChunkIndex{end.raw - 1});
    for (std::uint64_t i = G::ChunkMapL1(begin); i <= last; ++i) {
      if (blocks_[i] != nullptr) continue;
      const OsMemory::Reservation got = os_->Reserve(BlockBytes());
      if (!got.status.ok()) return got.status;
      if (const OsStatus status = os_->Commit(got.begin, BlockBytes()); !status.ok()) {
        static_cast<void>(os_->Unreserve(got.begin, BlockBytes()));
        return status;
      }
      blocks_[i] = reinterpret_cast<Entry*>(got.begin);  // page aligned, zero bytes are an Entry
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
    for (Entry* block : blocks_) {
      if (block == nullptr) continue;
      const OsStatus status = HintHugePages(reinterpret_cast<std::byte*>(block));
      if (first_refusal.ok()) first_refusal = status;
    }
    return first_refusal;
  }

  /// Bitmaps of a chunk whose block exists (Go: chunkOf).
  [[nodiscard]] Entry& operator[](ChunkIndex chunk) {
    return blocks_[G::ChunkMapL1(chunk)][G::ChunkMapL2(chunk)];
  }
  [[nodiscard]] const Entry& operator[](ChunkIndex chunk) const {
    return blocks_[G::ChunkMapL1(chunk)][G::ChunkMapL2(chunk)];
  }
  /// Null if the block does not exist. Not null does not mean that the chunk is in the heap
  /// (Go: tryChunkOf).
  [[nodiscard]] const Entry* Lookup(ChunkIndex chunk) const {
    const Entry* block = blocks_[G::ChunkMapL1(chunk)];
    return block == nullptr ? nullptr : block + G::ChunkMapL2(chunk);
  }

  /// Blocks for which the operating system took the hint.
  [[nodiscard]] std::uint64_t hinted_blocks() const { return hinted_; }
  [[nodiscard]] MetadataStats metadata() const {
    if (os_ == nullptr) return {};
    const ByteCount bytes{taken_ * BlockBytes().raw};
    return {bytes, bytes};
  }

 private:
  [[nodiscard]] ByteCount BlockBytes() const {
    return os_->RoundUp(ByteCount{kBlockChunks * sizeof(Entry)});
  }

  OsStatus HintHugePages(std::byte* block) {
    const OsStatus status = os_->HintHugePages(block, BlockBytes(), HugePages::kPrefer);
    if (status.ok()) ++hinted_;
    return status;
  }

  OsMemory* os_ = nullptr;
  std::uint64_t taken_ = 0;
  bool huge_pages_ = false;
  std::uint64_t hinted_ = 0;
  std::array<Entry*, kBlocks> blocks_{};
};

}  // namespace pagealloc
