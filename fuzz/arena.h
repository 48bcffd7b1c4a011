/// arena.h: the part of a layout's address space that a program works in, and its memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"
#include "testing/fake_memory.h"

namespace pagealloc::fuzz {

/// Where in a layout a program may work.
struct Arena {
  PageOffset begin;  ///< also offset 0 of the trace
  PageOffset end;
  PageOffset start;     ///< the first growth begins here
  PageCount max_grown;  ///< the heap stays at most this large, so that a full check stays cheap
  std::uint64_t growth_chunks = 1;  ///< growth codes count so many chunks
  unsigned first_ranges = 1;  ///< pieces of the first growth, each with a gap as large behind it
};

/// True for layouts that are checked from end to end.
template <Layout L>
inline constexpr bool kIsTiny = Geometry<L>::kAddressPages <= PageCount{std::uint64_t{1} << 16};

/// The memory of a program. A tiny layout's is watched by the test double, and returned without a
/// system call; its pages are of 8 entries, so that small tables have holes, too. The real one lets
/// an access to what was never committed fault.
template <Layout L>
struct ProgramMemory {
  MmapMemory os;
};
template <Layout L>
requires kIsTiny<L>
struct ProgramMemory<L> {
  testing::FakeMemory os{ByteCount{64}};
};

/// Arenas for page_alloc_large, where heaps are large and in many pieces. In `heap_start`, bit 0:
/// growth counts 64 chunks, which is more than the index can tell in one number (of 512 pages); bit
/// 1: the first growth is in 20 pieces, more than lie inside an AddressRanges; bits 2-3: where; the
/// others: how many chunks below that.
template <Layout L>
[[nodiscard]] Arena LargeArenaOf(std::uint8_t heap_start) {
  using G = Geometry<L>;
  const std::uint64_t chunk = G::kChunkPages.raw;
  Arena arena{G::kHeapBasePage, G::kHeapEnd, G::kHeapBasePage, PageCount{200'000}};
  if ((heap_start & 1U) != 0) arena.growth_chunks = 64;
  if ((heap_start & 2U) != 0) arena.first_ranges = 20;
  const std::uint64_t below = (heap_start / 16U + 1) * chunk;
  const auto border_above = [&](std::uint64_t pages) {
    return (arena.begin.raw / pages + 1) * pages;
  };
  switch (heap_start / 4U % 4U) {
    case 0:  // the first pages that a layout has; a trace then counts from there
      arena.begin = PageOffset{0};
      arena.start = PageOffset{below - chunk};
      break;
    case 1:  // over a border of the chunk map's blocks
      arena.start = PageOffset{border_above(chunk << G::kChunkMapL2Bits)};
      break;
    case 2:  // over a border of root entries
      arena.start = PageOffset{border_above(std::uint64_t{1} << G::kSpanPageBits[0])};
      break;
    default:
      arena.start = arena.end;
      break;
  }
  if (arena.begin < arena.start) {
    // A layout of one block or one root entry has no border inside: its end is one.
    const std::uint64_t start = std::min(arena.start.raw, arena.end.raw);
    if (heap_start / 4U % 4U != 0) arena.start = PageOffset{start - below};
  }
  return arena;
}

/// A tiny layout is used from its first page to its last. A shipped one from its heap base, so that
/// the trace replays with the same addresses: at the base, around a border of root entries, or at
/// the end of the address space.
template <Layout L>
[[nodiscard]] Arena ArenaOf(std::uint8_t heap_start) {
  using G = Geometry<L>;
  Arena arena{PageOffset{0}, G::kHeapEnd, PageOffset{0}, G::kAddressPages};
  const std::uint64_t chunk = G::kChunkPages.raw;
  if constexpr (kIsTiny<L>) {
    arena.start = PageOffset{heap_start * (G::kHeapEnd.raw / chunk) / 256 * chunk};
  } else {
    arena.begin = G::kHeapBasePage;
    arena.max_grown = PageCount{32768};
    const std::uint64_t root = std::uint64_t{1} << G::kSpanPageBits[0];
    if (heap_start < 128) {
      arena.start = PageOffset{arena.begin.raw + heap_start * chunk};
    } else if (heap_start < 192 && (arena.begin.raw / root + 1) * root < arena.end.raw) {
      arena.start =
          PageOffset{(arena.begin.raw / root + 1) * root + heap_start % 64 * chunk - 32 * chunk};
    } else {
      arena.start = PageOffset{arena.end.raw - (heap_start % 64 + 1) * chunk};
    }
  }
  return arena;
}

}  // namespace pagealloc::fuzz
