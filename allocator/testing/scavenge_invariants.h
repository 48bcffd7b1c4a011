/// scavenge_invariants.h: what the scavenge index says against what the bitmaps say.
///
/// A part of CheckInvariants(), in a file of its own: INV-15 (counts), INV-16 (a chunk that claims
/// to have nothing has nothing), INV-17 (no search begins below what it could find), and the pages
/// that are held, for INV-10.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>
#include <string>

#include "testing/allocator_access.h"

namespace pagealloc::testing::internal {

/// Whether some unit of the chunk is free as a whole and not scavenged. A unit is part of a word.
template <unsigned kPages>
bool HasReleasableUnit(const Chunk<kPages>& chunk, std::uint64_t unit) {
  const std::uint64_t whole = ~std::uint64_t{0} >> (64 - unit);
  for (unsigned w = 0; w < kPages / 64; ++w) {
    const std::uint64_t usable = ~(chunk.allocated.word(w) | chunk.scavenged.word(w));
    for (std::uint64_t i = 0; usable != 0 && i < 64; i += unit) {
      if ((usable >> i & whole) == whole) return true;
    }
  }
  return false;
}

/// @param held  all pages between BeginScavenge() and FinishScavenge()
template <Layout L, class Counters>
std::string CheckScavengeInvariants(PageAllocator<L, Counters>& allocator,
                                    std::span<const PageRange> held) {
  using G = Geometry<L>;
  using Access = AllocatorAccess;
  const ScavengeIndex<L>& index = allocator.scavenge_index();
  const auto& heap = Access::ranges(allocator);

  std::uint64_t all_held = 0;
  for (const PageRange& pages : held) all_held += pages.size().raw;
  if (all_held != allocator.stats().held.raw) {
    return Violation(10, "statistics: held", {allocator.stats().held.raw, all_held});
  }

  const PageOffset forced_end = index.cursor_end(ScavengeMode::kForced);
  const PageOffset background_end =
      std::max(index.cursor_end(ScavengeMode::kBackground), index.freed_end());
  for (const PageOffset end : {forced_end, background_end}) {
    if (end != PageOffset{0} && !heap.Contains(PageOffset{end.raw - 1})) {
      return Violation(17, "a search would begin outside the heap", {end.raw});
    }
  }

  for (const auto& range : heap.ranges()) {
    for (ChunkIndex c = G::ChunkOf(range.begin); c < G::ChunkOf(range.end); ++c) {
      const auto& chunk = Access::chunks(allocator)[c];
      const auto entry = index.Load(c);
      const PageOffset begin = G::ChunkBegin(c);
      std::uint64_t in_use = 0;
      for (unsigned w = 0; w < G::kChunkPages.raw / 64; ++w) {
        in_use += static_cast<unsigned>(std::popcount(chunk.allocated.word(w)));
      }
      for (const PageRange& pages : held) {
        if (PageRange::Of(begin, G::kChunkPages).Contains(pages.begin)) in_use -= pages.size().raw;
      }
      if (entry.in_use != in_use) {
        return Violation(15, "pages in use: chunk, index, bitmap", {c.raw, entry.in_use, in_use});
      }
      if (entry.generation > index.generation()) {
        return Violation(15, "generation of a chunk", {c.raw, entry.generation});
      }
      if (entry.generation == index.generation() && entry.peak < entry.in_use) {
        return Violation(15, "more in use than the peak", {c.raw, entry.in_use, entry.peak});
      }
      if (entry.peak > G::kChunkPages.raw) return Violation(15, "peak", {c.raw, entry.peak});
      if (entry.in_use == G::kChunkPages.raw && entry.has_free) {
        return Violation(15, "a full chunk claims free pages", {c.raw});
      }
      const std::uint64_t unit = allocator.release_units().page.raw;
      if (!HasReleasableUnit(chunk, unit)) continue;
      if (!entry.has_free) return Violation(16, "pages that no search would find", {c.raw});
      if (forced_end <= begin) {
        return Violation(17, "pages above the forced cursor", {c.raw, forced_end.raw});
      }
      if (entry.Eligible(ScavengeMode::kBackground, index.generation()) &&
          background_end <= begin) {
        return Violation(17, "pages above the background cursor", {c.raw, background_end.raw});
      }
    }
  }
  return {};
}

}  // namespace pagealloc::testing::internal
