/// arena.h: the part of a layout's address space that a program works in, and its memory.
#pragma once

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
