/// full_check.h: holds everything inside a PageAllocator against the model, page by page.
///
/// Results alone do not see a wrong number that no later search happens to read. So: both bitmaps
/// of every chunk; the ranges of the heap; statistics; and CheckInvariants(), which judges the
/// index and reads every bitmap that exists outside the heap. Cost: some nanoseconds a page of heap
/// and a chunk of each block.
///
/// Summaries are a view of the bitmaps, so CompareSummaries() is a check of its own, for the end:
/// every entry that holds a part of the heap, computed afresh from the model. Cost: some ten
/// nanoseconds a page and level.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fuzz/finding.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/summary_view.h"
#include "testing/invariants.h"
#include "testing/page_map.h"

namespace pagealloc::fuzz {

/// The statistics that the model has: "" if the allocator's are equal.
[[nodiscard]] inline std::string CompareStats(const HeapStats& got, const testing::PageMap& model) {
  const HeapStats want{model.grown(), model.in_use(), model.grown() - model.in_use() - model.held(),
                       model.scavenged_free(), model.held()};
  if (got == want) return {};
  return Differ(
      "statistics (grown, in use, free, scavenged, held)",
      {got.grown.raw, got.in_use.raw, got.free.raw, got.scavenged.raw, got.held.raw},
      {want.grown.raw, want.in_use.raw, want.free.raw, want.scavenged.raw, want.held.raw});
}

/// Both bitmaps of every chunk of the heap.
template <class Allocator>
[[nodiscard]] std::string CompareBitmaps(Allocator& allocator, const testing::PageMap& model,
                                         PageRange range) {
  using G = Geometry<typename Allocator::LayoutType>;
  for (ChunkIndex c = G::ChunkOf(range.begin); c < G::ChunkOf(range.end); ++c) {
    const auto* chunk = testing::AllocatorAccess::chunks(allocator).Lookup(c);
    if (chunk == nullptr)
      return Differ("bitmaps of a chunk (index, present)", {c.raw, 0}, {c.raw, 1});
    for (unsigned i = 0; i < G::kChunkPages.raw; i += 64) {
      const PageOffset first = G::ChunkBegin(c) + PageCount{i};
      const testing::PageMap::Block want = model.PeekBlock(first);
      const std::uint64_t free = ~chunk->allocated.WordOf(i);
      const std::uint64_t scavenged = chunk->scavenged.WordOf(i);
      if (free == want.pages && scavenged == want.scavenged) continue;
      return Differ("64 pages (first, free, scavenged)", {first.raw, free, scavenged},
                    {first.raw, want.pages, want.scavenged});
    }
  }
  return {};
}

/// The word that a summary of these runs must be; packed here, not by the library.
template <class G>
std::uint64_t SummaryWord(testing::PageMap::Runs runs) {
  if (runs.max.raw == std::uint64_t{1} << G::kFieldBits) return std::uint64_t{1} << 63;
  return runs.start.raw | runs.max.raw << G::kFieldBits | runs.end.raw << 2 * G::kFieldBits;
}

/// "" if every summary is what the model says; else what differs.
template <class Allocator>
[[nodiscard]] std::string CompareSummaries(Allocator& allocator, const testing::PageMap& model) {
  using G = Geometry<typename Allocator::LayoutType>;
  const std::vector<PageRange>& heap = model.grown_ranges();
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const PageCount span{std::uint64_t{1} << G::kSpanPageBits[level]};
    std::uint64_t done = 0;  // an entry may hold parts of several ranges
    for (const PageRange& range : heap) {
      const auto entries = G::EntriesOf(level, range);
      for (std::uint64_t i = std::max(done, entries.begin); i < entries.end; ++i) {
        const std::uint64_t got =
            SummaryAt(testing::AllocatorAccess::chunks(allocator), allocator.ranges(), level, i)
                .word();
        const std::uint64_t want =
            SummaryWord<G>(model.RunsOf(PageRange::Of(G::LevelBegin(level, i), span)));
        if (got == want) continue;
        return Differ("a summary (level, entry, word)", {level, i, got}, {level, i, want});
      }
      done = entries.end;
    }
  }
  return {};
}

/// The lowest page of the heap at or above each border, its neighbours and the middle of each hole.
template <class Allocator>
[[nodiscard]] std::string CompareFindMapped(const Allocator& allocator,
                                            const testing::PageMap& model,
                                            std::span<const PageRange> heap) {
  const auto differs = [&](PageOffset at) -> std::string {
    std::optional<PageOffset> want;
    if (model.in_heap(at)) want = at;
    for (std::size_t i = heap.size(); !model.in_heap(at) && i-- > 0;) {
      if (at < heap[i].begin) want = heap[i].begin;
    }
    const std::optional<PageOffset> got = allocator.FindMapped(at);
    if (got == want) return {};
    return Differ("FindMapped() (of, found, page)",
                  {at.raw, got.has_value(), got.value_or(PageOffset{0}).raw},
                  {at.raw, want.has_value(), want.value_or(PageOffset{0}).raw});
  };
  PageOffset hole{0};
  for (const PageRange& range : heap) {
    for (const PageOffset at : {hole, PageOffset{hole.raw + (range.begin.raw - hole.raw) / 2},
                                PageOffset{std::max<std::uint64_t>(1, range.begin.raw) - 1},
                                range.begin, PageOffset{range.end.raw - 1}}) {
      if (std::string text = differs(at); !text.empty()) return text;
    }
    hole = range.end;
  }
  constexpr PageOffset kLast{Geometry<typename Allocator::LayoutType>::kAddressPages.raw - 1};
  if (std::string text = differs(kLast); !text.empty()) return text;
  return hole > kLast ? std::string() : differs(hole);
}

/// "" if allocator and model agree on everything; else what differs.
///
/// @param caches  the page caches that are out
/// @param held    pages that are held by a scavenging
template <class Allocator>
[[nodiscard]] std::string FullCheck(Allocator& allocator, const testing::PageMap& model,
                                    std::span<const PageCache> caches,
                                    std::span<const PageRange> held = {}) {
  if (std::string text = CompareStats(allocator.stats(), model); !text.empty()) return text;
  const std::vector<PageRange>& heap = model.grown_ranges();
  const auto ranges = allocator.ranges().ranges();
  if (!std::equal(heap.begin(), heap.end(), ranges.begin(), ranges.end(),
                  [](PageRange a, const AddressRanges::Range& b) {
                    return a.begin == b.begin && a.end == b.end;
                  })) {
    return Differ("ranges of the heap (number)", {ranges.size()}, {heap.size()});
  }
  for (const PageRange& range : heap) {
    if (std::string text = CompareBitmaps(allocator, model, range); !text.empty()) return text;
  }
  if (std::string text = CompareFindMapped(allocator, model, heap); !text.empty()) return text;
  return testing::CheckInvariants(allocator, caches, held);
}

}  // namespace pagealloc::fuzz
