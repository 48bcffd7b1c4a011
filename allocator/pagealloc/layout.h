/// layout.h: the address-space layouts as policy structs, and the tables computed from them.
///
/// A layout is a handful of numbers; Geometry<L> computes every table from them and asserts what
/// must hold, so that no row can contradict another. No layout is chosen by #if: all of them are
/// compiled, and tested, on every machine. A layout's addresses are numbers in its own address
/// space; what is really mapped lies elsewhere, a constant slide away (heap_window.h).
///
///   address  --  kBase (modulo the pointer width)  -->  offset  --  / 8192  -->  PageOffset
///
///   PageOffset, 48 bits:  [ level 0: 14 | 3 | 3 | 3 | 3 ][ page in chunk: 9 ]
///                           root index    ...   leaf = ChunkIndex
///
/// Go's names: levelBits = kIndexBits, levelShift = kSpanBits, levelLogPages = kSpanPageBits,
/// logPallocChunkPages = kChunkPageBits, logMaxPackedValue = kFieldBits, arenaBaseOffset = kBase,
/// maxSearchAddr = MaxAddress(). Source of the numbers: Go 1.26, mpagealloc_64bit.go, _32bit.go.
#pragma once

#include <array>
#include <concepts>
#include <cstdint>
#include <string_view>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// When the tables that have an entry for every chunk of the address space get their memory: Go's
/// packed summaries, and the scavenge index.
enum class SummaryMemory {
  kPerLevelAsTheHeapGrows,  ///< one reservation a level, committed piecewise (64-bit file)
  kOneBlockAtStart,         ///< one reservation for all levels, committed at once (32-bit file)
};

/// linux, darwin, *bsd on amd64: 48 bits, canonical negative addresses come first.
struct LinuxAmd64 {
  static constexpr std::string_view kName = "linux-amd64";
  static constexpr unsigned kAddressBits = 48, kPointerBits = 64, kChunkPageBits = 9;
  static constexpr std::array<unsigned, 4> kFanoutBits{3, 3, 3, 3};  // levels below the root
  static constexpr Address kBase{0xffff800000000000}, kHeapBase{0xc000000000};
  static constexpr unsigned kChunkMapL1Bits = 13, kBlockTableBits = 13;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kPerLevelAsTheHeapGrows;
};

/// linux on amd64 with five levels of page tables: 57 bits. Not one of Go's, which leaves such
/// addresses alone. A root of 2^23 entries, if it were stored: summaries are only computed here.
struct LinuxAmd64La57 : LinuxAmd64 {
  static constexpr std::string_view kName = "linux-amd64-la57";
  static constexpr unsigned kAddressBits = 57;
  static constexpr Address kBase{0xff00000000000000};
  static constexpr unsigned kChunkMapL1Bits = 22, kBlockTableBits = 11;
};

/// linux on arm64; stands for all 48-bit layouts with base offset 0.
struct LinuxArm64 : LinuxAmd64 {
  static constexpr std::string_view kName = "linux-arm64";
  static constexpr Address kBase{0}, kHeapBase{0x4000000000};
};

/// aix on ppc64: 48 bits that begin at 0x0a00000000000000.
struct AixPpc64 : LinuxAmd64 {
  static constexpr std::string_view kName = "aix-ppc64";
  static constexpr Address kBase{0x0a00000000000000}, kHeapBase{0x0a00010000000000};
};

/// ios on arm64 since Go 1.18: 40 bits. Blocks of 256 chunks, Go has 32: with what a block holds
/// beside bitmaps, whole pages for so few would nearly double the tables.
struct IosArm64 : LinuxAmd64 {
  static constexpr std::string_view kName = "ios-arm64";
  static constexpr unsigned kAddressBits = 40;
  static constexpr Address kBase{0}, kHeapBase{0x130000000};
  static constexpr unsigned kChunkMapL1Bits = 10, kBlockTableBits = 10;
};

/// linux on 386: 32 bits, four levels, two root entries.
struct Linux386 {
  static constexpr std::string_view kName = "linux-386";
  static constexpr unsigned kAddressBits = 32, kPointerBits = 32, kChunkPageBits = 9;
  static constexpr std::array<unsigned, 3> kFanoutBits{3, 3, 3};
  static constexpr Address kBase{0}, kHeapBase{0x10000000};
  static constexpr unsigned kChunkMapL1Bits = 0, kBlockTableBits = 0;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kOneBlockAtStart;
};

/// linux on arm: as 386.
struct LinuxArm : Linux386 {
  static constexpr std::string_view kName = "linux-arm";
};

/// linux on mips: 31 bits, a single root entry.
struct LinuxMips : Linux386 {
  static constexpr std::string_view kName = "linux-mips";
  static constexpr unsigned kAddressBits = 31;
};

/// js/wasm up to Go 1.25: the 32-bit tables with 64-bit pointers.
struct Wasm125 : Linux386 {
  static constexpr std::string_view kName = "wasm-1.25";
  static constexpr unsigned kPointerBits = 64;
};

/// js/wasm since Go 1.26: chunks of 64 pages, a one-word bitmap each.
struct Wasm126 : Wasm125 {
  static constexpr std::string_view kName = "wasm-1.26";
  static constexpr unsigned kChunkPageBits = 6;
};

/// What a layout must say of itself.
template <class L>
concept Layout = requires {
  { L::kName } -> std::convertible_to<std::string_view>;
  { L::kAddressBits } -> std::convertible_to<unsigned>;
  { L::kPointerBits } -> std::convertible_to<unsigned>;
  { L::kChunkPageBits } -> std::convertible_to<unsigned>;
  { L::kFanoutBits.size() } -> std::convertible_to<std::size_t>;
  { L::kBase } -> std::convertible_to<Address>;
  { L::kHeapBase } -> std::convertible_to<Address>;
  { L::kChunkMapL1Bits } -> std::convertible_to<unsigned>;
  { L::kBlockTableBits } -> std::convertible_to<unsigned>;
  { L::kSummaryMemory } -> std::convertible_to<SummaryMemory>;
};

/// The tables and conversions of a layout.
template <Layout L>
struct Geometry {
  static constexpr unsigned kLevels = L::kFanoutBits.size() + 1;
  using LevelTable = std::array<unsigned, kLevels>;

  static constexpr unsigned kChunkPageBits = L::kChunkPageBits;
  static constexpr PageCount kChunkPages{std::uint64_t{1} << kChunkPageBits};
  static constexpr unsigned kChunkBits = kPageBits + kChunkPageBits;  ///< log2(bytes of a chunk)
  static constexpr ByteCount kChunkBytes{std::uint64_t{1} << kChunkBits};

  /// log2(pages) that one entry of a level stands for.
  static constexpr LevelTable kSpanPageBits = [] {
    LevelTable bits{};
    bits[kLevels - 1] = L::kChunkPageBits;
    for (unsigned i = kLevels - 1; i > 0; --i) bits[i - 1] = bits[i] + L::kFanoutBits[i - 1];
    return bits;
  }();
  /// log2(bytes) that one entry of a level stands for.
  static constexpr LevelTable kSpanBits = [] {
    LevelTable bits = kSpanPageBits;
    for (unsigned& b : bits) b += kPageBits;
    return bits;
  }();
  static_assert(kSpanBits[0] <= L::kAddressBits, "the root needs at least one entry");
  static_assert(kLevels >= 2, "the leaves have a root above them");
  static_assert(L::kAddressBits <= L::kPointerBits, "a pointer holds every address");
  static constexpr unsigned kRootBits = L::kAddressBits - kSpanBits[0];
  /// log2(entries of a block): the root is one block, below it a block is an entry's children.
  static constexpr LevelTable kIndexBits = [] {
    LevelTable bits{};
    bits[0] = kRootBits;
    for (unsigned i = 1; i < kLevels; ++i) bits[i] = L::kFanoutBits[i - 1];
    return bits;
  }();
  /// Entries of a level, one packed summary of 8 bytes each.
  static constexpr std::array<std::uint64_t, kLevels> kEntries = [] {
    std::array<std::uint64_t, kLevels> entries{};
    for (unsigned i = 0; i < kLevels; ++i) {
      entries[i] = std::uint64_t{1} << (L::kAddressBits - kSpanBits[i]);
    }
    return entries;
  }();

  static constexpr unsigned kFieldBits = kSpanPageBits[0];  ///< b: bits of a packed page count
  static_assert(3 * kFieldBits < 64, "three page counts and a flag fit a word");
  static_assert(kChunkPageBits >= 6, "a page cache takes 64 pages of one chunk");

  static constexpr ChunkCount kChunks{kEntries[kLevels - 1]};
  static constexpr PageCount kAddressPages{std::uint64_t{1} << (L::kAddressBits - kPageBits)};
  /// Where the heap may end. Where pointers are as wide as addresses the last chunk cannot be used:
  /// its limit would wrap to 0.
  static constexpr PageOffset kHeapEnd{kAddressPages.raw -
                                       (L::kPointerBits == L::kAddressBits ? kChunkPages.raw : 0)};

  static constexpr unsigned kChunkMapL1Bits = L::kChunkMapL1Bits;
  static_assert(kChunkMapL1Bits <= L::kAddressBits - kChunkBits, "a block holds at least a chunk");
  static constexpr unsigned kChunkMapL2Bits = L::kAddressBits - kChunkBits - kChunkMapL1Bits;

  static constexpr std::uint64_t kPointerMask =
      L::kPointerBits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << L::kPointerBits) - 1;
  static_assert(L::kBase.raw % kChunkBytes.raw == 0, "page indices of raw addresses rely on it");

  /// Offset of an address in bytes from kBase, wrapping at the pointer width (Go: offAddr).
  static constexpr ByteCount OffsetOf(Address a) {
    return ByteCount{(a.raw - L::kBase.raw) & kPointerMask};
  }
  /// Page that holds `a`. `a` must lie in the layout's address space (contract).
  static constexpr PageOffset PageOf(Address a) {
    const PageOffset page{OffsetOf(a).raw >> kPageBits};
    PA_EXPECT(page.raw < kAddressPages.raw, a, page);
    return page;
  }
  /// First address of a page; one past the last page is allowed, and may wrap.
  static constexpr Address AddressOf(PageOffset page) {
    PA_EXPECT(page.raw <= kAddressPages.raw, page);
    return Address{((page.raw << kPageBits) + L::kBase.raw) & kPointerMask};
  }
  /// Highest address in offset order (Go: maxSearchAddr). Not page aligned.
  static constexpr Address MaxAddress() {
    const std::uint64_t bytes = kAddressPages.raw << kPageBits;
    return Address{(bytes - 1 + L::kBase.raw) & kPointerMask};
  }

  PA_HOT static constexpr ChunkIndex ChunkOf(PageOffset page) {  ///< Go: chunkIndex
    return ChunkIndex{page.raw >> kChunkPageBits};
  }
  PA_HOT static constexpr PageOffset ChunkBegin(ChunkIndex chunk) {  ///< Go: chunkBase
    return PageOffset{chunk.raw << kChunkPageBits};
  }
  PA_HOT static constexpr unsigned PageInChunk(PageOffset page) {  ///< Go: chunkPageIndex
    return static_cast<unsigned>(page.raw & (kChunkPages.raw - 1));
  }
  /// Whether pages [begin, end) lie in one chunk; begin <= end.
  PA_HOT static constexpr bool InOneChunk(PageOffset begin, PageOffset end) {
    return PageInChunk(begin) + (end.raw - begin.raw) <= kChunkPages.raw;
  }
  PA_HOT static constexpr std::uint64_t ChunkMapL1(ChunkIndex chunk) {  ///< Go: chunkIdx.l1
    return kChunkMapL1Bits == 0 ? 0 : chunk.raw >> kChunkMapL2Bits;
  }
  PA_HOT static constexpr std::uint64_t ChunkMapL2(ChunkIndex chunk) {  ///< Go: chunkIdx.l2
    return kChunkMapL1Bits == 0 ? chunk.raw
                                : chunk.raw & ((std::uint64_t{1} << kChunkMapL2Bits) - 1);
  }

  /// Entry of `level` that covers `page` (Go: offAddrToLevelIndex).
  static constexpr std::uint64_t LevelIndex(unsigned level, PageOffset page) {
    return page.raw >> kSpanPageBits[level];
  }
  /// First page of an entry (Go: levelIndexToOffAddr).
  static constexpr PageOffset LevelBegin(unsigned level, std::uint64_t index) {
    return PageOffset{index << kSpanPageBits[level]};
  }

  /// Entries [begin, end) of one level.
  struct EntryRange {
    std::uint64_t begin;
    std::uint64_t end;
    friend constexpr bool operator==(EntryRange, EntryRange) = default;
  };
  /// Entries that cover a non-empty range (Go: addrsToSummaryRange).
  static constexpr EntryRange EntriesOf(unsigned level, PageRange pages) {
    PA_EXPECT(pages.begin < pages.end, pages.begin, pages.end);
    return {LevelIndex(level, pages.begin), LevelIndex(level, PageOffset{pages.end.raw - 1}) + 1};
  }
  /// The same, widened to whole blocks (Go: blockAlignSummaryRange).
  static constexpr EntryRange BlockAligned(unsigned level, EntryRange entries) {
    const std::uint64_t mask = (std::uint64_t{1} << kIndexBits[level]) - 1;
    return {entries.begin & ~mask, (entries.end + mask) & ~mask};
  }

  /// First page of the heap base: where offset 0 of a trace lies.
  static constexpr PageOffset kHeapBasePage{((L::kHeapBase.raw - L::kBase.raw) & kPointerMask) >>
                                            kPageBits};
  static_assert(kHeapBasePage < kHeapEnd);
  static_assert(kHeapBasePage.raw % kChunkPages.raw == 0);
};

/// Calls `visit.template operator()<L>()` for each shipped layout, in the order of the
/// documentation.
template <class Visitor>
constexpr void ForEachLayout(Visitor&& visit) {
  visit.template operator()<LinuxAmd64>();
  visit.template operator()<LinuxArm64>();
  visit.template operator()<AixPpc64>();
  visit.template operator()<IosArm64>();
  visit.template operator()<Linux386>();
  visit.template operator()<LinuxArm>();
  visit.template operator()<LinuxMips>();
  visit.template operator()<Wasm125>();
  visit.template operator()<Wasm126>();
  visit.template operator()<LinuxAmd64La57>();
}

}  // namespace pagealloc
