/// tiny_layouts.h: layouts small enough to fill, for tests and fuzzing.
///
/// On the shipped layouts most of the search structure is out of reach: nothing small empties a
/// root entry, crosses a root border or runs into the end of the address space. These have the same
/// parts in other proportions, so that a few hundred operations come everywhere:
///
///   layout           pages  chunk  levels (entries)  what it adds
///   TinyWordChunks    4096     64  8, 16, 64         pages begin at 0; summaries in one block
///   TinyUneven       16384    512  4, 16, 32         base offset, chunk map of 4 blocks, heap base
///                                                    inside a block of every level
///   TinyOneRoot        256     64  1, 4              a single root entry; two levels
///   TinyDeep          8192     64  2, 4, 32, 64, 128 five levels, widths 1, 1, 3, 1, 1; chunk map
///                                                    of 4 tables of 2 blocks
///
/// They obey every rule of a Layout; nothing in the library knows that they are tiny.
#pragma once

#include <array>
#include <string_view>

#include "pagealloc/layout.h"

namespace pagealloc::testing {

/// Chunks of one word. Root entries of 512 pages: 2 children of 4 chunks.
struct TinyWordChunks {
  static constexpr std::string_view kName = "tiny-word-chunks";
  static constexpr unsigned kAddressBits = 25, kPointerBits = 64, kChunkPageBits = 6;
  static constexpr std::array<unsigned, 2> kFanoutBits{1, 2};
  static constexpr Address kBase{0}, kHeapBase{0};
  static constexpr unsigned kChunkMapL1Bits = 0, kBlockTableBits = 0;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kOneBlockAtStart;
};

/// Chunks of eight words. Root entries of 4096 pages: 4 children of 2 chunks. Addresses begin 2^26
/// below 0, and the heap in the second half of a pair of chunks.
struct TinyUneven {
  static constexpr std::string_view kName = "tiny-uneven";
  static constexpr unsigned kAddressBits = 27, kPointerBits = 64, kChunkPageBits = 9;
  static constexpr std::array<unsigned, 2> kFanoutBits{2, 1};
  static constexpr Address kBase{0xfffffffffc000000}, kHeapBase{0xfffffffffcc00000};
  static constexpr unsigned kChunkMapL1Bits = 2, kBlockTableBits = 2;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kPerLevelAsTheHeapGrows;
};

/// Four chunks of one word below a single root entry, as on mips.
struct TinyOneRoot {
  static constexpr std::string_view kName = "tiny-one-root";
  static constexpr unsigned kAddressBits = 21, kPointerBits = 32, kChunkPageBits = 6;
  static constexpr std::array<unsigned, 1> kFanoutBits{2};
  static constexpr Address kBase{0}, kHeapBase{0};
  static constexpr unsigned kChunkMapL1Bits = 0, kBlockTableBits = 0;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kPerLevelAsTheHeapGrows;
};

/// Five levels of different widths. Pointers are as wide as addresses, so the last chunk cannot be
/// used.
struct TinyDeep {
  static constexpr std::string_view kName = "tiny-deep";
  static constexpr unsigned kAddressBits = 26, kPointerBits = 26, kChunkPageBits = 6;
  static constexpr std::array<unsigned, 4> kFanoutBits{1, 3, 1, 1};
  static constexpr Address kBase{0}, kHeapBase{0x280000};
  static constexpr unsigned kChunkMapL1Bits = 3, kBlockTableBits = 1;
  static constexpr SummaryMemory kSummaryMemory = SummaryMemory::kPerLevelAsTheHeapGrows;
};

/// Calls `visit.template operator()<L>()` for each tiny layout.
template <class Visitor>
constexpr void ForEachTinyLayout(Visitor&& visit) {
  visit.template operator()<TinyWordChunks>();
  visit.template operator()<TinyUneven>();
  visit.template operator()<TinyOneRoot>();
  visit.template operator()<TinyDeep>();
}

}  // namespace pagealloc::testing
