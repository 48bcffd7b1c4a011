/// invariants.h: every statement that must hold between two operations, checked one by one.
///
/// CheckInvariants() looks at a PageAllocator from inside and says which invariant is broken, with
/// its number from the table in allocator/README.md: "INV-1: leaf 7: ...". Empty: all hold. It
/// recomputes from the bitmaps alone and shares no code with the search structure; bits are read
/// one at a time. Cost: all pages and all accessible entries of the heap, so for tests and fuzzing.
/// What the scavenge index says is judged in scavenge_invariants.h.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/allocator_access.h"
#include "testing/scavenge_invariants.h"

namespace pagealloc::testing {

namespace internal {

/// Runs of free pages in `free`, one byte a page.
inline FreeRuns CountRuns(std::span<const std::uint8_t> free, std::uint64_t begin,
                          std::uint64_t end) {
  std::uint64_t start = 0;
  while (begin + start < end && free[HostSize(begin + start)] != 0) ++start;
  std::uint64_t longest = 0;
  std::uint64_t run = 0;
  for (std::uint64_t i = begin; i < end; ++i) {
    run = free[HostSize(i)] != 0 ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return {PageCount{start}, PageCount{longest}, PageCount{run}};
}

/// The merge of INV-2, from the definition: runs lie end to end.
inline FreeRuns Concatenate(std::span<const FreeRuns> parts, std::uint64_t part_pages) {
  FreeRuns sum = parts[0];
  std::uint64_t pages = part_pages;
  for (const FreeRuns& next : parts.subspan(1)) {
    const std::uint64_t crossing = sum.end.raw + next.start.raw;
    const bool all_free = sum.start.raw == pages;
    sum.max = std::max({sum.max, next.max, PageCount{crossing}});
    if (all_free) sum.start += next.start;
    sum.end = next.end.raw == part_pages ? PageCount{sum.end.raw + part_pages} : next.end;
    pages += part_pages;
  }
  return sum;
}

/// The counts in a word, by the documented form.
template <unsigned kBits>
FreeRuns Unpack(PackedSummary<kBits> entry) {
  constexpr std::uint64_t kWhole = std::uint64_t{1} << kBits;
  const std::uint64_t word = entry.word();
  if (word >> 63 != 0) return {PageCount{kWhole}, PageCount{kWhole}, PageCount{kWhole}};
  return {PageCount{word % kWhole}, PageCount{(word >> kBits) % kWhole},
          PageCount{(word >> 2 * kBits) % kWhole}};
}

/// A memory comparison with itself, one byte on: fast enough for a megabyte at every check.
inline bool AllZero(std::span<const std::byte> bytes) {
  return bytes.empty() || (bytes.front() == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

/// INV-4 for one word; nullptr if it is canonical.
template <unsigned kBits>
const char* WordDefect(PackedSummary<kBits> entry, unsigned level, std::uint64_t span) {
  const std::uint64_t word = entry.word();
  if (word >> 63 != 0) {
    return word == PackedSummary<kBits>::kAllFree && level == 0 ? nullptr : "bit 63 misused";
  }
  if (3 * kBits < 63 && word >> 3 * kBits != 0) return "bits above the counts";
  const FreeRuns runs = Unpack(entry);
  if (runs.start > runs.max || runs.end > runs.max || runs.max.raw > span) return "counts disagree";
  const bool any_full = runs.start.raw == span || runs.max.raw == span || runs.end.raw == span;
  if (any_full && (runs.start != runs.max || runs.end != runs.max)) return "half full";
  if (!any_full && runs.start.raw + runs.end.raw >= span) return "start and end overlap";
  if ((runs.max.raw == 0) != (word == 0)) return "empty but not zero";
  return nullptr;
}

}  // namespace internal

/// @param caches  page caches that are out, for INV-9; none if the caller does not know
/// @param held    what BeginScavenge() gave and FinishScavenge() has not had back: all of it
template <Layout L, class Counters>
[[nodiscard]] std::string CheckInvariants(PageAllocator<L, Counters>& allocator,
                                          std::span<const PageCache> caches = {},
                                          std::span<const PageRange> held = {}) {
  using G = Geometry<L>;
  using Access = AllocatorAccess;
  constexpr unsigned kLeaf = G::kLevels - 1;
  const auto& ranges = Access::ranges(allocator);
  const PageOffset search_from = Access::search_from(allocator);
  const PageOffset nothing_free = Access::template nothing_free<PageAllocator<L, Counters>>();

  // INV-11: sorted, non-empty, disjoint, never touching, whole chunks, total right.
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < ranges.ranges().size(); ++i) {
    const auto& range = ranges.ranges()[i];
    if (range.begin >= range.end) return Violation(11, "empty range", {i});
    if (i > 0 && ranges.ranges()[i - 1].end >= range.begin) {
      return Violation(11, "ranges touch, overlap or are not sorted", {i});
    }
    if (G::PageInChunk(range.begin) != 0 || G::PageInChunk(range.end) != 0) {
      return Violation(11, "range is not whole chunks", {range.begin.raw, range.end.raw});
    }
    total += range.end.raw - range.begin.raw;
  }
  if (total != ranges.total()) return Violation(11, "total of ranges", {ranges.total(), total});

  // INV-12: the search bounds are the lowest and highest grown page.
  const PageRange bounds = Access::bounds(allocator);
  if (ranges.empty() ? !bounds.empty()
                     : bounds.begin != ranges.ranges().front().begin ||
                           bounds.end != ranges.ranges().back().end) {
    return Violation(12, "search bounds", {bounds.begin.raw, bounds.end.raw});
  }

  // INV-13: what is read below can be read.
  for (unsigned level = 0; level < G::kLevels; ++level) {
    for (const auto& readable : Access::ReadableEntries(allocator, level)) {
      if (!Access::accessible(allocator, level, readable.begin, readable.end)) {
        return Violation(13, "a block of the heap is not accessible", {level, readable.begin});
      }
    }
  }

  std::uint64_t in_use = 0;
  std::uint64_t scavenged = 0;
  std::optional<PageOffset> lowest_free;
  for (const auto& range : ranges.ranges()) {
    const std::uint64_t first_chunk = G::ChunkOf(range.begin).raw;
    const std::uint64_t last_chunk = G::ChunkOf(range.end).raw;
    std::array<std::uint8_t, G::kChunkPages.raw> free{};
    for (std::uint64_t c = first_chunk; c < last_chunk; ++c) {
      const auto* chunk = Access::chunks(allocator).Lookup(ChunkIndex{c});
      if (chunk == nullptr) return Violation(14, "grown chunk without a block", {c});
      const auto allocated_pages = BytesOf(chunk->allocated);
      const auto scavenged_pages = BytesOf(chunk->scavenged);
      for (unsigned i = 0; i < G::kChunkPages.raw; ++i) {
        const bool allocated = allocated_pages[i] != 0;
        free[i] = allocated ? 0 : 1;
        in_use += allocated ? 1 : 0;
        if (scavenged_pages[i] != 0) {
          if (allocated) return Violation(8, "page is scavenged and allocated", {c, i});
          ++scavenged;
        }
        if (!allocated && !lowest_free) lowest_free = G::ChunkBegin(ChunkIndex{c}) + PageCount{i};
      }
      const FreeRuns expected = internal::CountRuns(free, 0, G::kChunkPages.raw);
      const FreeRuns leaf = internal::Unpack(Access::level(allocator, kLeaf)[c]);
      if (leaf != expected) {
        return Violation(1, "leaf is not the summary of its bitmap: chunk, start, max, end",
                         {c, leaf.start.raw, leaf.max.raw, leaf.end.raw, expected.start.raw,
                          expected.max.raw, expected.end.raw});
      }
    }
  }

  // INV-2, INV-3, INV-4 in every entry that may be read.
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const std::uint64_t span = std::uint64_t{1} << G::kSpanPageBits[level];
    std::size_t next = 0;  // first range that may reach into the entry; there are many entries
    for (const auto& readable : Access::ReadableEntries(allocator, level)) {
      for (std::uint64_t i = readable.begin; i < readable.end; ++i) {
        const auto entry = Access::level(allocator, level)[i];
        if (const char* defect = internal::WordDefect(entry, level, span)) {
          return Violation(4, defect, {level, i, entry.word()});
        }
        const PageRange covered = PageRange::Of(G::LevelBegin(level, i), PageCount{span});
        while (next < ranges.ranges().size() && ranges.ranges()[next].end <= covered.begin) ++next;
        if (next == ranges.ranges().size() || ranges.ranges()[next].begin >= covered.end) {
          if (entry.word() != 0) {
            return Violation(3, "entry outside the heap is not zero", {level, i, entry.word()});
          }
          continue;
        }
        if (level == kLeaf) continue;
        const std::uint64_t fan_out = std::uint64_t{1} << G::kIndexBits[level + 1];
        const std::uint64_t part = std::uint64_t{1} << G::kSpanPageBits[level + 1];
        std::vector<FreeRuns> children;
        for (std::uint64_t k = 0; k < fan_out; ++k) {
          children.push_back(
              internal::Unpack(Access::level(allocator, level + 1)[i * fan_out + k]));
        }
        if (internal::Unpack(entry) != internal::Concatenate(children, part)) {
          return Violation(2, "entry is not the merge of its children: level, entry, word",
                           {level, i, entry.word()});
        }
      }
    }
  }

  // INV-3, bitmaps: between the ranges of the heap, every chunk whose block exists is all zero.
  constexpr std::uint64_t kBlockChunks = std::uint64_t{1} << G::kChunkMapL2Bits;
  std::uint64_t hole = 0;
  for (std::size_t i = 0; i <= ranges.ranges().size(); ++i) {
    const bool last = i == ranges.ranges().size();
    const std::uint64_t end = last ? G::kChunks.raw : G::ChunkOf(ranges.ranges()[i].begin).raw;
    while (hole < end) {
      const std::uint64_t stop = std::min(end, (hole / kBlockChunks + 1) * kBlockChunks);
      const auto* chunk = Access::chunks(allocator).Lookup(ChunkIndex{hole});
      if (chunk != nullptr &&
          !internal::AllZero(std::as_bytes(std::span(chunk, HostSize(stop - hole))))) {
        return Violation(3, "a bitmap outside the heap is not zero: chunks", {hole, stop});
      }
      hole = stop;
    }
    if (!last) hole = G::ChunkOf(ranges.ranges()[i].end).raw;
  }

  // INV-5, INV-6, INV-7: where searches begin.
  if (lowest_free && search_from > *lowest_free) {
    return Violation(search_from == nothing_free ? 7 : 5, "a free page lies below the search",
                     {search_from.raw, lowest_free->raw});
  }
  if (search_from != nothing_free && !ranges.Contains(search_from)) {
    return Violation(6, "the search begins outside the heap", {search_from.raw});
  }

  // INV-9: caches own allocated pages, each its own.
  for (std::size_t k = 0; k < caches.size(); ++k) {
    const PageCache& cache = caches[k];
    if (cache.empty()) continue;
    if (cache.base.raw % PageCache::kPages.raw != 0 || !ranges.Contains(cache.base)) {
      return Violation(9, "cache block outside the heap or not aligned", {k, cache.base.raw});
    }
    if ((cache.scavenged & ~cache.pages) != 0) return Violation(9, "scavenged outside pages", {k});
    const auto& chunk = Access::chunks(allocator)[G::ChunkOf(cache.base)];
    const unsigned at = G::PageInChunk(cache.base);
    if ((cache.pages & ~chunk.allocated.WordOf(at)) != 0) {
      return Violation(9, "a cached page is free in the bitmap", {k, cache.base.raw});
    }
    if ((cache.pages & chunk.scavenged.WordOf(at)) != 0) {
      return Violation(9, "a cached page is scavenged in the bitmap", {k, cache.base.raw});
    }
    for (std::size_t other = 0; other < k; ++other) {
      if (caches[other].base == cache.base && (caches[other].pages & cache.pages) != 0) {
        return Violation(9, "two caches share a page", {other, k, cache.base.raw});
      }
    }
  }

  // INV-10: every page is accounted for.
  const HeapStats& stats = Access::stats(allocator);
  if (stats.grown.raw != total || stats.in_use.raw + stats.held.raw != in_use ||
      stats.free.raw != total - in_use || stats.scavenged.raw != scavenged) {
    return Violation(10, "statistics: grown, in use, free, scavenged, held",
                     {stats.grown.raw, stats.in_use.raw, stats.free.raw, stats.scavenged.raw,
                      stats.held.raw, total, in_use, total - in_use, scavenged});
  }
  return internal::CheckScavengeInvariants(allocator, held);
}

}  // namespace pagealloc::testing
