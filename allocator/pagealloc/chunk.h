/// chunk.h: the two bitmaps of a chunk, side by side (Go: pallocData).
///
/// `allocated`: 1 = allocated. `scavenged`: 1 = the operating system has the page's memory (given
/// back, or never touched). Allocating clears scavenged bits, freeing leaves them as they are, so a
/// freed page is "not scavenged" because its bit was cleared when it was allocated. 128 bytes with
/// 512 pages: two neighbouring cache lines.
#pragma once

#include "pagealloc/page_bits.h"

namespace pagealloc {

template <unsigned kPages>
struct Chunk {
  PageBits<kPages> allocated;
  PageBits<kPages> scavenged;

  /// Marks pages allocated and not scavenged; returns how many were scavenged (Go: allocRange).
  constexpr unsigned Allocate(unsigned first, unsigned count) {
    if (count == 1) {  // the most frequent size by far
      const unsigned was_scavenged = scavenged.Get(first) ? 1 : 0;
      allocated.Set(first);
      scavenged.Clear(first);
      return was_scavenged;
    }
    const unsigned was_scavenged = scavenged.CountRange(first, count);
    allocated.SetRange(first, count);
    if (was_scavenged != 0) scavenged.ClearRange(first, count);
    return was_scavenged;
  }

  /// Marks pages free; scavenged bits stay (Go: free, free1, freeAll).
  constexpr void Free(unsigned first, unsigned count) {
    if (count == 1) {
      allocated.Clear(first);
    } else {
      allocated.ClearRange(first, count);
    }
  }

  friend constexpr bool operator==(const Chunk&, const Chunk&) = default;
};

}  // namespace pagealloc
