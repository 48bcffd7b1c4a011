#include "pagealloc/layout.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

using Row = std::vector<std::uint64_t>;

template <class T, std::size_t kSize>
Row RowOf(const std::array<T, kSize>& table) {
  return {table.begin(), table.end()};
}

constexpr std::uint64_t Power(unsigned exponent) { return std::uint64_t{1} << exponent; }

/// Not shipped: iOS up to Go 1.17. Its row stands in Go's sources beside the others.
struct OldIos : Linux386 {
  static constexpr std::string_view kName = "ios-arm64 before 1.18";
  static constexpr unsigned kAddressBits = 33, kPointerBits = 64;
};

struct TreeTables {
  Row index_bits, span_bits, span_page_bits, entries;
  std::uint64_t summary_bytes;
  unsigned map_l1_bits, map_l2_bits;
};

template <class L>
void ExpectTables(const TreeTables& expected) {
  using G = Geometry<L>;
  SCOPED_TRACE(L::kName);
  EXPECT_EQ(G::kLevels, expected.entries.size());
  EXPECT_EQ(RowOf(G::kIndexBits), expected.index_bits);
  EXPECT_EQ(RowOf(G::kSpanBits), expected.span_bits);
  EXPECT_EQ(RowOf(G::kSpanPageBits), expected.span_page_bits);
  EXPECT_EQ(RowOf(G::kEntries), expected.entries);
  EXPECT_EQ(G::kRootBits, expected.index_bits[0]);
  EXPECT_EQ(G::kFieldBits, expected.span_page_bits[0]);
  EXPECT_EQ(G::kChunks.raw, expected.entries.back());
  std::uint64_t bytes = 0;
  for (const std::uint64_t entries : G::kEntries) bytes += 8 * entries;
  EXPECT_EQ(bytes, expected.summary_bytes);
  EXPECT_EQ(G::kChunkMapL1Bits, expected.map_l1_bits);
  EXPECT_EQ(G::kChunkMapL2Bits, expected.map_l2_bits);

  // The index bits of all levels are the address without a chunk's own bits (Go's comment adds
  // them, wrongly).
  std::uint64_t index_bits = 0;
  for (const unsigned bits : G::kIndexBits) index_bits += bits;
  EXPECT_EQ(index_bits + G::kChunkBits, L::kAddressBits);
  EXPECT_EQ(G::kChunkMapL1Bits + G::kChunkMapL2Bits + G::kChunkBits, L::kAddressBits);
}

const TreeTables k48Bits{{14, 3, 3, 3, 3},
                         {34, 31, 28, 25, 22},
                         {21, 18, 15, 12, 9},
                         {Power(14), Power(17), Power(20), Power(23), Power(26)},
                         613'548'032,
                         13,
                         13};
/// As if the whole root were stored; nothing does.
const TreeTables k57Bits{{23, 3, 3, 3, 3},
                         {34, 31, 28, 25, 22},
                         {21, 18, 15, 12, 9},
                         {Power(23), Power(26), Power(29), Power(32), Power(35)},
                         613'548'032 * Power(9),
                         22,
                         13};
/// But for the blocks of the chunk map, which are ours.
const TreeTables kIos{{6, 3, 3, 3, 3},
                      {34, 31, 28, 25, 22},
                      {21, 18, 15, 12, 9},
                      {64, 512, 4096, Power(15), Power(18)},
                      2'396'672,
                      10,  // Go has 13
                      8};  // and 5
const TreeTables kOldIos{
    {2, 3, 3, 3}, {31, 28, 25, 22}, {18, 15, 12, 9}, {4, 32, 256, 2048}, 18'720, 0, 11};
const TreeTables k32Bits{
    {1, 3, 3, 3}, {31, 28, 25, 22}, {18, 15, 12, 9}, {2, 16, 128, 1024}, 9'360, 0, 10};
const TreeTables kMips{
    {0, 3, 3, 3}, {31, 28, 25, 22}, {18, 15, 12, 9}, {1, 8, 64, 512}, 4'680, 0, 9};
const TreeTables kWasm126{
    {4, 3, 3, 3}, {28, 25, 22, 19}, {15, 12, 9, 6}, {16, 128, 1024, 8192}, 74'880, 0, 13};

TEST(Geometry, TablesAreThoseOfTheGoRuntime) {
  ExpectTables<LinuxAmd64>(k48Bits);
  ExpectTables<LinuxArm64>(k48Bits);
  ExpectTables<AixPpc64>(k48Bits);
  ExpectTables<IosArm64>(kIos);
  ExpectTables<OldIos>(kOldIos);
  ExpectTables<Linux386>(k32Bits);
  ExpectTables<LinuxArm>(k32Bits);
  ExpectTables<LinuxMips>(kMips);
  ExpectTables<Wasm125>(k32Bits);
  ExpectTables<Wasm126>(kWasm126);
  ExpectTables<LinuxAmd64La57>(k57Bits);
}

TEST(Geometry, SummaryBytesInWholePagesOfTheOs) {
  const auto rounded = [](const auto& entries, std::uint64_t page, bool per_level) {
    std::uint64_t sum = 0;
    std::uint64_t block = 0;
    for (const std::uint64_t n : entries) {
      block += 8 * n;
      if (!per_level) continue;
      sum += (block + page - 1) / page * page;
      block = 0;
    }
    return sum + (block + page - 1) / page * page;
  };
  EXPECT_EQ(rounded(Geometry<IosArm64>::kEntries, 16384, true), 2'424'832u);
  EXPECT_EQ(rounded(Geometry<Linux386>::kEntries, 4096, false), 12'288u);
  EXPECT_EQ(rounded(Geometry<LinuxMips>::kEntries, 4096, false), 8'192u);
  EXPECT_EQ(rounded(Geometry<LinuxMips>::kEntries, 65536, false), 65'536u);
  EXPECT_EQ(rounded(Geometry<Wasm125>::kEntries, 65536, false), 65'536u);
  EXPECT_EQ(rounded(Geometry<Wasm126>::kEntries, 65536, false), 131'072u);
}

struct Golden {
  std::uint64_t address, chunk, l1, l2;
  unsigned page;
  Row levels;
};

template <class L>
void ExpectGolden(const std::vector<Golden>& rows) {
  using G = Geometry<L>;
  for (const Golden& row : rows) {
    SCOPED_TRACE(::testing::Message() << L::kName << " 0x" << std::hex << row.address);
    const PageOffset page = G::PageOf(Address{row.address});
    const ChunkIndex chunk = G::ChunkOf(page);
    EXPECT_EQ(chunk.raw, row.chunk);
    EXPECT_EQ(G::ChunkMapL1(chunk), row.l1);
    EXPECT_EQ(G::ChunkMapL2(chunk), row.l2);
    EXPECT_EQ(G::PageInChunk(page), row.page);
    for (unsigned level = 0; level < G::kLevels; ++level) {
      EXPECT_EQ(G::LevelIndex(level, page), row.levels[level]) << "level " << level;
    }
  }
}

TEST(Geometry, IndicesOfKnownAddresses) {
  ExpectGolden<LinuxAmd64>({
      {0xffff800000000000, 0, 0, 0, 0, {0, 0, 0, 0, 0}},
      {0, 0x2000000, 4096, 0, 0, {8192, 65536, 524288, 4194304, 33554432}},
      {0x300000e000, 0x200c000, 4102, 0, 7, {8204, 65632, 525056, 4200448, 33603584}},
      {0x7fffffffffff, 0x3ffffff, 8191, 8191, 511, {16383, 131071, 1048575, 8388607, 67108863}},
      {0xc000000000, 0x2030000, 4120, 0, 0, {8240, 65920, 527360, 4218880, 33751040}},
  });
  ExpectGolden<Linux386>({
      {0x4000e000, 256, 0, 256, 7, {0, 4, 32, 256}},
      {0xffffffff, 1023, 0, 1023, 511, {1, 15, 127, 1023}},
  });
}

TEST(Geometry, FiftySevenBitsContinueFortyEight) {
  // What a 48-bit program knows as its addresses has the same chunks 2^56 - 2^47 further up.
  using Wide = Geometry<LinuxAmd64La57>;
  using Narrow = Geometry<LinuxAmd64>;
  for (const std::uint64_t raw :
       {0xffff800000000000ULL, 0ULL, 0xc000000000ULL, 0x7fffffffffffULL}) {
    const Address at{raw};
    EXPECT_EQ(Wide::PageOf(at).raw - Narrow::PageOf(at).raw, (Power(56) - Power(47)) >> kPageBits);
  }
  EXPECT_EQ(Wide::PageOf(Address{0x800000000000}).raw, (Power(56) + Power(47)) >> kPageBits);
}

TEST(Geometry, EntriesOfNineChunksAndTheirBlocks) {
  using G = Geometry<Linux386>;
  using Entries = G::EntryRange;
  const PageRange pages{G::ChunkBegin(ChunkIndex{256}), G::ChunkBegin(ChunkIndex{265})};
  const std::array<Entries, 4> entries{{{0, 1}, {4, 5}, {32, 34}, {256, 265}}};
  const std::array<Entries, 4> blocks{{{0, 2}, {0, 8}, {32, 40}, {256, 272}}};
  for (unsigned level = 0; level < G::kLevels; ++level) {
    EXPECT_EQ(G::EntriesOf(level, pages), entries[level]) << level;
    EXPECT_EQ(G::BlockAligned(level, entries[level]), blocks[level]) << level;
  }
}

// A limit on an entry's border must not pull in the next entry: it may be beyond the level's end.
TEST(Geometry, RangeThatEndsOnABorderStaysBelowIt) {
  using G = Geometry<LinuxMips>;
  const PageRange all{PageOffset{0}, G::kHeapEnd};
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const G::EntryRange whole{0, G::kEntries[level]};
    EXPECT_EQ(G::EntriesOf(level, all), whole) << level;
    EXPECT_EQ(G::BlockAligned(level, whole), whole) << level;
  }
}

TEST(GeometryDeathTest, EmptyRangeHasNoEntries) {
  using G = Geometry<LinuxAmd64>;
  EXPECT_DEATH(G::EntriesOf(0, {PageOffset{512}, PageOffset{512}}),
               "contract broken: pages\\.begin < pages\\.end");
}

struct HeapFacts {
  std::uint64_t base, heap_base, max_address, pages_above_heap_base;
};

template <class L>
void ExpectHeap(const HeapFacts& expected) {
  using G = Geometry<L>;
  SCOPED_TRACE(L::kName);
  EXPECT_EQ(L::kBase, Address{expected.base});
  EXPECT_EQ(L::kHeapBase, Address{expected.heap_base});
  EXPECT_EQ(G::MaxAddress(), Address{expected.max_address});
  EXPECT_EQ(G::kHeapBasePage, G::PageOf(L::kHeapBase));
  EXPECT_EQ(G::AddressOf(G::kHeapBasePage), L::kHeapBase);
  EXPECT_EQ((G::kHeapEnd - G::kHeapBasePage).raw, expected.pages_above_heap_base);
}

TEST(Geometry, HeapBasesHighestAddressesAndRoom) {
  ExpectHeap<LinuxAmd64>({0xffff800000000000, 0xc000000000, 0x7fffffffffff, 17'079'205'888});
  ExpectHeap<LinuxArm64>({0, 0x4000000000, 0xffffffffffff, 34'326'183'936});
  ExpectHeap<AixPpc64>(
      {0x0a00000000000000, 0x0a00010000000000, 0x0a00ffffffffffff, 34'225'520'640});
  ExpectHeap<IosArm64>({0, 0x130000000, 0xffffffffff, 133'595'136});
  ExpectHeap<Linux386>({0, 0x10000000, 0xffffffff, 491'008});
  ExpectHeap<LinuxArm>({0, 0x10000000, 0xffffffff, 491'008});
  ExpectHeap<LinuxMips>({0, 0x10000000, 0x7fffffff, 229'376});
  ExpectHeap<Wasm125>({0, 0x10000000, 0xffffffff, 491'520});
  ExpectHeap<Wasm126>({0, 0x10000000, 0xffffffff, 491'520});
  ExpectHeap<LinuxAmd64La57>(
      {0xff00000000000000, 0xc000000000, 0xffffffffffffff, 8'795'992'358'912});
}

/// Calls `visit.operator()<L>()` for the shipped layouts and the tiny ones.
template <class Visitor>
void ForAll(Visitor&& visit) {
  ForEachLayout(visit);
  testing::ForEachTinyLayout(visit);
}

TEST(Geometry, PagesAndAddressesRoundTripAtEveryBorder) {
  ForAll([]<class L>() {
    using G = Geometry<L>;
    SCOPED_TRACE(L::kName);
    const std::uint64_t chunk = G::kChunkPages.raw;
    std::set<std::uint64_t> pages{0, 1, chunk - 1, chunk, chunk + 1};
    for (const unsigned span : G::kSpanPageBits) {
      pages.insert({Power(span) - 1, Power(span) % G::kAddressPages.raw});
    }
    for (const std::uint64_t border :
         {G::kHeapBasePage.raw, G::kHeapEnd.raw, G::kAddressPages.raw, G::kAddressPages.raw / 2}) {
      if (border > 0) pages.insert(border - 1);
      if (border < G::kAddressPages.raw) pages.insert(border);
    }
    for (const std::uint64_t raw : pages) {
      const PageOffset page{raw};
      const Address first = G::AddressOf(page);
      const Address last{first.raw + kPageBytes.raw - 1};
      EXPECT_EQ(G::PageOf(first), page) << raw;
      EXPECT_EQ(G::PageOf(last), page) << raw;
      EXPECT_EQ(G::OffsetOf(first).raw, raw * kPageBytes.raw) << raw;
      // The page in its chunk can be had from the raw address: kBase is a multiple of a chunk.
      EXPECT_EQ(G::PageInChunk(page), first.raw % G::kChunkBytes.raw / kPageBytes.raw) << raw;

      const ChunkIndex holder = G::ChunkOf(page);
      EXPECT_EQ(G::ChunkOf(G::ChunkBegin(holder)), holder) << raw;
      EXPECT_EQ(G::ChunkBegin(holder) + PageCount{G::PageInChunk(page)}, page) << raw;
      for (unsigned level = 0; level < G::kLevels; ++level) {
        const std::uint64_t entry = G::LevelIndex(level, page);
        EXPECT_LT(entry, G::kEntries[level]);
        const PageRange span =
            PageRange::Of(G::LevelBegin(level, entry), PageCount{Power(G::kSpanPageBits[level])});
        EXPECT_TRUE(span.Contains(page)) << raw << " level " << level;
      }
      EXPECT_EQ(G::LevelIndex(G::kLevels - 1, page), holder.raw) << raw;
      const std::uint64_t back =
          (G::ChunkMapL1(holder) << G::kChunkMapL2Bits) | G::ChunkMapL2(holder);
      EXPECT_EQ(back, holder.raw) << raw;
      EXPECT_LT(G::ChunkMapL1(holder), Power(G::kChunkMapL1Bits)) << raw;
      EXPECT_LT(G::ChunkMapL2(holder), Power(G::kChunkMapL2Bits)) << raw;
    }
    EXPECT_EQ(G::PageOf(G::MaxAddress()).raw, G::kAddressPages.raw - 1);
  });
}

TEST(Geometry, OnePastTheLastPageWrapsWherePointersEnd) {
  EXPECT_EQ(Geometry<Linux386>::AddressOf(Geometry<Linux386>::ChunkBegin(ChunkIndex{1024})),
            Address{0});
  EXPECT_EQ(Geometry<Wasm125>::AddressOf(PageOffset{Power(19)}), Address{Power(32)});
  EXPECT_EQ(Geometry<LinuxAmd64>::AddressOf(PageOffset{Power(35)}), Address{Power(47)});
}

// The limit of the last chunk would be address 0 and the range look empty.
TEST(Geometry, LastChunkIsUsableUnlessItsLimitWraps) {
  ForAll([]<class L>() {
    using G = Geometry<L>;
    const bool wraps = L::kPointerBits == L::kAddressBits;
    EXPECT_EQ(G::kHeapEnd.raw + (wraps ? G::kChunkPages.raw : 0), G::kAddressPages.raw) << L::kName;
  });
}

TEST(GeometryDeathTest, AddressesOutsideTheLayoutAreRefused) {
  EXPECT_DEATH(Geometry<LinuxAmd64>::PageOf(Address{0x800000000000}),
               "contract broken: page\\.raw < kAddressPages\\.raw");
  EXPECT_DEATH(Geometry<AixPpc64>::PageOf(Address{0}), "contract broken");
  EXPECT_DEATH(Geometry<LinuxMips>::PageOf(Address{0x80000000}), "contract broken");
  EXPECT_DEATH(Geometry<LinuxMips>::AddressOf(PageOffset{Power(18) + 1}),
               "contract broken: page\\.raw <= kAddressPages\\.raw");
}

TEST(ForEachLayout, VisitsTheTenInTheOrderOfTheDocumentation) {
  std::vector<std::string> names;
  ForEachLayout([&names]<class L>() { names.emplace_back(L::kName); });
  const std::vector<std::string> expected{
      "linux-amd64", "linux-arm64", "aix-ppc64", "ios-arm64", "linux-386",
      "linux-arm",   "linux-mips",  "wasm-1.25", "wasm-1.26", "linux-amd64-la57"};
  EXPECT_EQ(names, expected);
}

struct NoHeapBase {
  static constexpr std::string_view kName = "incomplete";
  static constexpr unsigned kAddressBits = 32, kPointerBits = 32, kChunkPageBits = 9;
};

TEST(LayoutConcept, NeedsEveryNumber) {
  static_assert(Layout<LinuxAmd64> && Layout<testing::TinyUneven>);
  static_assert(!Layout<NoHeapBase> && !Layout<int>);
}

TEST(LayoutConcept, SummariesAreReservedAsInTheGoRuntime) {
  static_assert(IosArm64::kSummaryMemory == SummaryMemory::kPerLevelAsTheHeapGrows);
  static_assert(LinuxAmd64::kSummaryMemory == SummaryMemory::kPerLevelAsTheHeapGrows);
  static_assert(Linux386::kSummaryMemory == SummaryMemory::kOneBlockAtStart);
  static_assert(Wasm126::kSummaryMemory == SummaryMemory::kOneBlockAtStart);
}

}  // namespace
}  // namespace pagealloc
