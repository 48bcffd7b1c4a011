/// chunk_map.h: from a chunk's index to what is known of it, sparsely (Go: pageAlloc.chunks).
///
///   table of tables --> table of blocks --> block of chunks: bitmaps, reach, scavenge words
///    (57 bits only)     (48 bits: in the object)
///
/// Blocks are taken from the operating system when the heap first grows into them, and so are
/// tables where there are several. They start as zero (free, not scavenged, not in the heap), never
/// move and never go away. Beside the pointers are maxima of the reach index (reach_index.h says
/// what that is): of each block, of each table. 32-bit layouts have one block for everything. With
/// 48 bits: 8192 pointers, and blocks of 8192 chunks (32 GiB of heap), 1 MiB and 148 KiB each. With
/// 57 bits: 2048 tables of 2048 such blocks, 24 KiB each.
///
/// Threads: one caller at a time, but for chunks whose block exists: to find them is to read what
/// no longer changes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pagealloc/chunk.h"
#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/layout.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/word_runs.h"

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

template <Layout L>
class ChunkMap {
  using G = Geometry<L>;

 public:
  using Entry = Chunk<static_cast<unsigned>(G::kChunkPages.raw)>;
  static constexpr std::uint64_t kBlocks = std::uint64_t{1} << G::kChunkMapL1Bits;
  static constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << G::kChunkMapL2Bits;
  static constexpr std::uint64_t kTableBlocks = std::uint64_t{1} << L::kBlockTableBits;
  static constexpr std::uint64_t kTables = kBlocks / kTableBlocks;
  static_assert(L::kBlockTableBits <= G::kChunkMapL1Bits);
  static_assert(G::kChunkPages.raw <= 64 * WordRuns::kWords, "a number for each word of a bitmap");

  /// A bit for each chunk of a block.
  struct ChunkBits {
    std::array<std::uint64_t, (kBlockChunks + 63) / 64> words;

    [[nodiscard]] PA_HOT bool Get(std::size_t i) const {
      return (words[i / 64] >> i % 64 & 1) != 0;
    }
    PA_HOT void Set(std::size_t i) { words[i / 64] |= std::uint64_t{1} << i % 64; }
    PA_HOT void Clear(std::size_t i) { words[i / 64] &= ~(std::uint64_t{1} << i % 64); }
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
    /// What else an operation needs of a chunk, side by side.
    struct Words {
      std::uint64_t scavenge;  ///< of the scavenge index (scavenge_index.h)
      WordRuns runs;           ///< what begins in each word of its bitmap (word_runs.h)
    };
    std::array<Words, kBlockChunks> words;
  };
  /// Levels of maxima above a block's: those of its table, and of all tables; of which there are
  /// several.
  static constexpr unsigned kLevelsAbove =
      (kBlocks > 1 ? MaxLanes<kTableBlocks>::kShape.levels : 0) +
      (kTables > 1 ? MaxLanes<kTables>::kShape.levels : 0);

  ChunkMap() = default;
  ChunkMap(const ChunkMap&) = delete;
  ChunkMap& operator=(const ChunkMap&) = delete;
  ~ChunkMap() {
    // Nothing can be done about a refusal here; the address space stays reserved.
    ForTables([this](Table& table) {
      for (Block* block : table.blocks) {
        if (block != nullptr) static_cast<void>(os_->Unreserve(Bytes(block), SizeOf<Block>()));
      }
      if constexpr (kTables > 1) {
        static_cast<void>(os_->Unreserve(Bytes(&table), SizeOf<Table>()));
      }
    });
  }

  void Init(OsMemory& os) { os_ = &os; }

  /// Takes the missing blocks for chunks [begin, end). On a refusal the blocks taken so far stay:
  /// they are counted, zero, and used by a retry.
  OsStatus MakeBlocks(ChunkIndex begin, ChunkIndex end) {
    PA_EXPECT(begin < end && end.raw <= G::kChunks.raw, begin, end);
    const std::size_t last = BlockOf(ChunkIndex{end.raw - 1});
    for (std::size_t i = BlockOf(begin); i <= last; ++i) {
      if constexpr (kTables > 1) {
        if (tables_[i / kTableBlocks] == nullptr) {
          if (const OsStatus status = Take(tables_[i / kTableBlocks]); !status.ok()) return status;
        }
      }
      Block*& block = TableOf(i)->blocks[i % kTableBlocks];
      if (block != nullptr) continue;
      if (const OsStatus status = Take(block); !status.ok()) return status;
      // A mere hint: without it the block is as good.
      if (huge_pages_) static_cast<void>(HintHugePages(block));
    }
    return OsStatus::Ok();
  }

  /// Asks for huge pages behind all blocks, those there are and those to come. Again: no effect.
  /// On a refusal the other blocks have the hint all the same; the first refusal is returned.
  OsStatus PreferHugePages() {
    if (huge_pages_) return OsStatus::Ok();
    huge_pages_ = true;
    OsStatus first_refusal;
    ForTables([this, &first_refusal](Table& table) {
      for (Block* block : table.blocks) {
        if (block == nullptr) continue;
        const OsStatus status = HintHugePages(block);
        if (first_refusal.ok()) first_refusal = status;
      }
    });
    return first_refusal;
  }

  /// Bitmaps of a chunk whose block exists (Go: chunkOf).
  [[nodiscard]] PA_HOT Entry& operator[](ChunkIndex chunk) {
    return BlockAt(chunk).chunks[IndexInBlock(chunk)];
  }
  [[nodiscard]] PA_HOT const Entry& operator[](ChunkIndex chunk) const {
    return BlockAt(chunk).chunks[IndexInBlock(chunk)];
  }
  /// Null if the block does not exist. Not null does not mean that the chunk is in the heap
  /// (Go: tryChunkOf).
  [[nodiscard]] const Entry* Lookup(ChunkIndex chunk) const {
    const Block* block = LookupBlock(chunk);
    return block == nullptr ? nullptr : &block->chunks[IndexInBlock(chunk)];
  }

  /// The block of a chunk whose block exists.
  [[nodiscard]] PA_HOT Block& BlockAt(ChunkIndex chunk) { return *BlockPointer(BlockOf(chunk)); }
  [[nodiscard]] PA_HOT const Block& BlockAt(ChunkIndex chunk) const {
    return *BlockPointer(BlockOf(chunk));
  }
  /// The same, or null.
  [[nodiscard]] const Block* LookupBlock(ChunkIndex chunk) const {
    if constexpr (kTables > 1) {
      if (TableOf(BlockOf(chunk)) == nullptr) return nullptr;
    }
    return BlockPointer(BlockOf(chunk));
  }
  /// Asks for the lines that a change of a page, whose block exists, needs of memory: on a large
  /// heap they come from far, and all at once while something else is done.
  PA_HOT void Prefetch(PageOffset page) {
    const ChunkIndex chunk = G::ChunkOf(page);
    Block& block = BlockAt(chunk);
    const std::size_t i = IndexInBlock(chunk);
    __builtin_prefetch(&block.chunks[i].allocated, 1);
    __builtin_prefetch(&block.words[i], 1);
    block.reach.Prefetch(i);
  }
  /// Where in its block a chunk is.
  [[nodiscard]] PA_HOT static constexpr std::size_t IndexInBlock(ChunkIndex chunk) {
    return static_cast<std::size_t>(G::ChunkMapL2(chunk));
  }
  /// Which block a chunk is in.
  [[nodiscard]] PA_HOT static constexpr std::size_t BlockOf(ChunkIndex chunk) {
    return static_cast<std::size_t>(G::ChunkMapL1(chunk));
  }

  /// The largest reach of the chunk's block is another one. Returns how many maxima changed.
  unsigned MaxChanged(ChunkIndex chunk) {
    if constexpr (kBlocks > 1) {
      const std::size_t i = BlockOf(chunk);
      Table& table = *TableOf(i);
      const std::size_t in_table = i % kTableBlocks;
      unsigned changed = table.reach.Set(in_table, table.blocks[in_table]->reach.max());
      if constexpr (kTables > 1) {
        if (changed == MaxLanes<kTableBlocks>::kShape.levels) {
          changed += maxima_.Set(i / kTableBlocks, table.reach.max());
        }
      }
      return changed;
    }
    return 0;
  }
  /// The first block with a reach of at least `reach`; kBlocks if there is none. `lines_read` grows
  /// by the lines of maxima visited.
  [[nodiscard]] std::uint64_t FirstBlock(unsigned reach, std::uint64_t& lines_read) const {
    std::uint64_t table = 0;
    if constexpr (kTables > 1) {
      if (reach > maxima_.max()) return kBlocks;
      lines_read += maxima_.kShape.levels - 1;
      table = maxima_.First(reach);
    }
    const MaxLanes<kTableBlocks>& reaches = TableOf(table * kTableBlocks)->reach;
    if (reach > reaches.max()) return kBlocks;
    lines_read += reaches.kShape.levels - 1;
    return table * kTableBlocks + reaches.First(reach);
  }
  /// The first block at or after `block` (a number up to kBlocks) with a reach of at least `reach`;
  /// kBlocks if there is none. `lines_read` grows by the lines of maxima visited.
  [[nodiscard]] std::uint64_t FirstBlockAtLeast(std::uint64_t block, unsigned reach,
                                                std::uint64_t& lines_read) const {
    if (block >= kBlocks) return kBlocks;
    std::uint64_t table = block / kTableBlocks;
    std::uint64_t i = kTableBlocks;
    if (const Table* first = TableOf(block); first != nullptr) {
      i = first->reach.FirstAtLeast(block % kTableBlocks, reach, lines_read);
    }
    if constexpr (kTables > 1) {
      if (i == kTableBlocks) {
        table = maxima_.FirstAtLeast(table + 1, reach, lines_read);
        if (table == kTables) return kBlocks;
        i = TableOf(table * kTableBlocks)->reach.FirstAtLeast(0, reach, lines_read);
      }
    }
    return i == kTableBlocks ? kBlocks : table * kTableBlocks + i;
  }

  /// Blocks for which the operating system took the hint.
  [[nodiscard]] std::uint64_t hinted_blocks() const { return hinted_; }
  [[nodiscard]] MetadataStats metadata() const { return {taken_, taken_}; }

 private:
  friend struct testing::AllocatorAccess;

  struct Table {
    std::array<Block*, kTableBlocks> blocks;
    MaxLanes<kTableBlocks> reach;  // the largest of each block
  };

  [[nodiscard]] PA_HOT Table* TableOf(std::uint64_t block) {
    if constexpr (kTables == 1)
      return tables_.data();
    else
      return tables_[static_cast<std::size_t>(block / kTableBlocks)];
  }
  [[nodiscard]] const Table* TableOf(std::uint64_t block) const {
    return const_cast<ChunkMap*>(this)->TableOf(block);
  }
  [[nodiscard]] PA_HOT Block* BlockPointer(std::size_t block) const {
    return TableOf(block)->blocks[block % kTableBlocks];
  }
  template <class Visit>
  void ForTables(Visit&& visit) {
    for (std::uint64_t i = 0; i < kBlocks; i += kTableBlocks) {
      if (Table* table = TableOf(i); table != nullptr) visit(*table);
    }
  }

  template <class T>
  static std::byte* Bytes(T* object) {
    return reinterpret_cast<std::byte*>(object);
  }
  template <class T>
  [[nodiscard]] ByteCount SizeOf() const {
    return os_->RoundUp(ByteCount{sizeof(T)});
  }
  /// Memory for a T, which zero bytes are; `object` is null before, and on a refusal.
  template <class T>
  OsStatus Take(T*& object) {
    const OsMemory::Reservation got = os_->Reserve(SizeOf<T>());
    if (!got.status.ok()) return got.status;
    if (const OsStatus status = os_->Commit(got.begin, SizeOf<T>()); !status.ok()) {
      static_cast<void>(os_->Unreserve(got.begin, SizeOf<T>()));
      return status;
    }
    object = reinterpret_cast<T*>(got.begin);  // page aligned
    taken_ += SizeOf<T>();
    return OsStatus::Ok();
  }

  OsStatus HintHugePages(Block* block) {
    const OsStatus status = os_->HintHugePages(Bytes(block), SizeOf<Block>(), HugePages::kPrefer);
    if (status.ok()) ++hinted_;
    return status;
  }

  OsMemory* os_ = nullptr;
  ByteCount taken_;
  bool huge_pages_ = false;
  std::uint64_t hinted_ = 0;
  std::conditional_t<kTables == 1, std::array<Table, 1>, std::array<Table*, kTables>> tables_{};
  MaxLanes<kTables> maxima_;  // the largest reach of each table; used if there are several
};

}  // namespace pagealloc
