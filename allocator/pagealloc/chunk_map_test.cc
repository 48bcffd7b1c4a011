#include "pagealloc/chunk_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>

#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"
#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using testing::TinyDeep;    // 4 tables of 2 blocks of 16 chunks
using testing::TinyUneven;  // 4 blocks of 8 chunks

template <class L>
void ExpectBlock(std::uint64_t bytes, std::uint64_t blocks, std::uint64_t chunks_a_block) {
  SCOPED_TRACE(L::kName);
  FakeMemory os;
  const auto map = std::make_unique<ChunkMap<L>>();
  map->Init(os);
  EXPECT_EQ(ChunkMap<L>::kBlocks, blocks);
  EXPECT_EQ(ChunkMap<L>::kBlockChunks, chunks_a_block);
  EXPECT_EQ(map->metadata(), MetadataStats{});
  const ChunkIndex chunk = Geometry<L>::ChunkOf(Geometry<L>::kHeapBasePage);
  ASSERT_TRUE(map->MakeBlocks(chunk, chunk + ChunkCount{1}).ok());
  EXPECT_EQ(map->metadata(), (MetadataStats{ByteCount{bytes}, ByteCount{bytes}}));
  EXPECT_EQ(os.committed(), ByteCount{bytes});
}

// As many chunks as Go's but for ios, whose blocks have the bitmaps alone: 1 MiB, 128 and 64 KiB.
TEST(ChunkMap, BlocksHaveTheChunksOfTheGoRuntimesAndSomePagesMore) {
  ExpectBlock<LinuxAmd64>((1u << 20) + (148u << 10), 8192, 8192);
  ExpectBlock<LinuxArm64>((1u << 20) + (148u << 10), 8192, 8192);
  ExpectBlock<AixPpc64>((1u << 20) + (148u << 10), 8192, 8192);
  ExpectBlock<IosArm64>(40u << 10, 1024, 256);
  ExpectBlock<Linux386>(148u << 10, 1, 1024);
  ExpectBlock<LinuxArm>(148u << 10, 1, 1024);
  ExpectBlock<LinuxMips>(76u << 10, 1, 512);
  ExpectBlock<Wasm125>(148u << 10, 1, 1024);
  constexpr std::uint64_t kTable = 2048 * sizeof(void*) + (8u << 10);  // and maxima
  ExpectBlock<LinuxAmd64La57>((1u << 20) + (148u << 10) + kTable, 1u << 22, 8192);
  ExpectBlock<Wasm126>(276u << 10, 1, 8192);
}

TEST(ChunkMap, EveryChunkOfABlockHasABitOfItsOwn) {
  using Bits = ChunkMap<LinuxMips>::ChunkBits;
  constexpr std::size_t kBits = ChunkMap<LinuxMips>::kBlockChunks;
  for (std::size_t set = 0; set < kBits; ++set) {
    Bits bits{};
    bits.Set(set);
    for (std::size_t i = 0; i < kBits; ++i) ASSERT_EQ(bits.Get(i), i == set) << i << ' ' << set;
    for (std::size_t i = 0; i < kBits; ++i) bits.Set(i);
    bits.Clear(set);
    for (std::size_t i = 0; i < kBits; ++i) ASSERT_EQ(bits.Get(i), i != set) << i << ' ' << set;
  }
}

TEST(ChunkMap, BlockIsRoundedToPagesOfTheOs) {
  FakeMemory os(ByteCount{64u << 10});
  const auto map = std::make_unique<ChunkMap<IosArm64>>();
  map->Init(os);
  ASSERT_TRUE(map->MakeBlocks(ChunkIndex{0}, ChunkIndex{1}).ok());
  EXPECT_EQ(map->metadata().committed, ByteCount{64u << 10});
}

TEST(ChunkMap, ChunksOfATakenBlockAreZeroAndKeepTheirPlace) {
  FakeMemory os;
  ChunkMap<TinyUneven> map;
  map.Init(os);
  EXPECT_EQ(map.Lookup(ChunkIndex{9}), nullptr);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{9}, ChunkIndex{10}).ok());
  const auto* const chunk = map.Lookup(ChunkIndex{9});
  ASSERT_NE(chunk, nullptr);
  EXPECT_EQ(*chunk, ChunkMap<TinyUneven>::Entry{});
  EXPECT_EQ(&map[ChunkIndex{9}], chunk);
  map[ChunkIndex{9}].allocated.Set(5);

  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{0}, ChunkIndex{32}).ok());
  EXPECT_EQ(map.Lookup(ChunkIndex{9}), chunk);
  EXPECT_TRUE(chunk->allocated.Get(5));
}

TEST(ChunkMap, TakesOnlyTheMissingBlocks) {
  FakeMemory os;
  ChunkMap<TinyUneven> map;
  map.Init(os);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{7}, ChunkIndex{8}).ok());  // ends on a border
  EXPECT_NE(map.Lookup(ChunkIndex{0}), nullptr);
  EXPECT_EQ(map.Lookup(ChunkIndex{8}), nullptr);
  const std::uint64_t before = os.calls();
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{0}, ChunkIndex{8}).ok());
  EXPECT_EQ(os.calls(), before);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{7}, ChunkIndex{9}).ok());
  EXPECT_NE(map.Lookup(ChunkIndex{15}), nullptr);
  EXPECT_EQ(map.Lookup(ChunkIndex{16}), nullptr);
  EXPECT_EQ(map.metadata().committed, ByteCount{2UL * 4096});
}

TEST(ChunkMap, ChunksOfDifferentIndexAreDifferent) {
  FakeMemory os;
  ChunkMap<TinyUneven> map;
  map.Init(os);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{0}, ChunkIndex{32}).ok());
  for (std::uint64_t c = 0; c < 32; ++c) {
    map[ChunkIndex{c}].scavenged.SetInWord(0, c + 1);
  }
  for (std::uint64_t c = 0; c < 32; ++c) {
    EXPECT_EQ(map[ChunkIndex{c}].scavenged.WordOf(0), c + 1);
  }
}

TEST(ChunkMap, RefusalKeepsEarlierBlocksAndARetryFinishes) {
  const std::uint64_t calls = testing::ForEachFault([](const testing::PlannedFault& fault) {
    FakeMemory real;
    testing::FaultyMemory os(real);
    ChunkMap<TinyUneven> map;
    map.Init(os);
    fault.Arm(os);
    const OsStatus status = map.MakeBlocks(ChunkIndex{0}, ChunkIndex{32});
    os.NeverFail();
    testing::ExpectFirstTold(status, os);
    EXPECT_EQ(os.held(), map.metadata()) << "a block leaked";
    // Each block takes two calls.
    const std::uint64_t blocks = std::min<std::uint64_t>((fault.nth - 1) / 2, 4);
    EXPECT_EQ(map.metadata().committed, ByteCount{blocks * 4096});
    EXPECT_TRUE(map.MakeBlocks(ChunkIndex{0}, ChunkIndex{32}).ok());
    EXPECT_EQ(map.metadata().committed, ByteCount{4UL * 4096});
    return !os.faults().empty();
  });
  EXPECT_EQ(calls, 8u);
}

// A map of maps: nothing is taken for the tables in between.
TEST(ChunkMap, TablesComeWithTheirFirstBlock) {
  FakeMemory os;
  ChunkMap<TinyDeep> map;
  map.Init(os);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{3}, ChunkIndex{4}).ok());
  EXPECT_EQ(map.metadata().committed, ByteCount{2UL * 4096}) << "a table, a block";
  EXPECT_NE(map.LookupBlock(ChunkIndex{0}), nullptr);
  EXPECT_EQ(map.LookupBlock(ChunkIndex{16}), nullptr) << "no block";
  EXPECT_EQ(map.LookupBlock(ChunkIndex{32}), nullptr) << "no table";
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{100}, ChunkIndex{128}).ok());
  EXPECT_EQ(map.metadata().committed, ByteCount{5UL * 4096});
  EXPECT_EQ(map.LookupBlock(ChunkIndex{64}), nullptr);
  EXPECT_EQ(os.committed(), map.metadata().committed);
}

TEST(ChunkMap, FirstBlockIsFoundOverTables) {
  FakeMemory os;
  ChunkMap<TinyDeep> map;
  map.Init(os);
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{0}, ChunkIndex{16}).ok());
  ASSERT_TRUE(map.MakeBlocks(ChunkIndex{112}, ChunkIndex{128}).ok());
  std::uint64_t lines = 0;
  EXPECT_EQ(map.FirstBlockAtLeast(0, 1, lines), 8u);
  for (const std::uint64_t chunk : {3u, 120u}) {
    map.BlockAt(ChunkIndex{chunk}).reach.Raise(chunk % 16, static_cast<unsigned>(chunk));
    EXPECT_GE(map.MaxChanged(ChunkIndex{chunk}), 2u);
  }
  EXPECT_EQ(map.FirstBlockAtLeast(0, 3, lines), 0u);
  EXPECT_EQ(map.FirstBlockAtLeast(1, 3, lines), 7u);
  EXPECT_EQ(map.FirstBlockAtLeast(0, 4, lines), 7u);
  EXPECT_EQ(map.FirstBlockAtLeast(7, 120, lines), 7u);
  EXPECT_EQ(map.FirstBlockAtLeast(0, 121, lines), 8u);
  EXPECT_EQ(map.FirstBlockAtLeast(8, 1, lines), 8u);
}

template <class L>
void ExpectLevels(unsigned levels) {
  SCOPED_TRACE(L::kName);
  FakeMemory os;
  ChunkMap<L> map;
  map.Init(os);
  const ChunkIndex chunk{0};
  ASSERT_TRUE(map.MakeBlocks(chunk, chunk + ChunkCount{1}).ok());
  map.BlockAt(chunk).reach.Raise(0, 5);
  EXPECT_EQ(map.MaxChanged(chunk), levels);
  EXPECT_EQ(ChunkMap<L>::kLevelsAbove, levels);
}

TEST(ChunkMap, MaximaAboveABlockAreThoseOfItsTableAndOfAllTables) {
  ExpectLevels<Linux386>(0);    // a single block
  ExpectLevels<TinyUneven>(2);  // 4 blocks, and the largest of them
  ExpectLevels<TinyDeep>(4);    // 2 blocks, 4 tables
}

TEST(ChunkMapDeathTest, ChunksOutsideTheAddressSpaceAreRefused) {
  FakeMemory os;
  ChunkMap<TinyUneven> map;
  map.Init(os);
  EXPECT_DEATH(static_cast<void>(map.MakeBlocks(ChunkIndex{31}, ChunkIndex{33})),
               "contract broken: begin < end && end\\.raw <= G::kChunks\\.raw");
  EXPECT_DEATH(static_cast<void>(map.MakeBlocks(ChunkIndex{3}, ChunkIndex{3})), "begin < end");
}

}  // namespace
}  // namespace pagealloc
