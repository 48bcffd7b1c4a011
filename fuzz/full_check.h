/// full_check.h: holds everything inside a PageAllocator against the model, page by page.
///
/// Results alone do not see a wrong summary that no later search happens to read. So: both bitmaps
/// of every chunk; every summary of every level, computed afresh from the model; zero in every
/// entry and bitmap word outside the heap that may be read; the ranges of the heap; statistics; and
/// CheckInvariants(). Cost: some ten nanoseconds a page of heap and level of the tree.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "fuzz/finding.h"
#include "pagealloc/page_allocator.h"
#include "testing/invariants.h"
#include "testing/page_map.h"

namespace pagealloc::fuzz {

/// The statistics that the model has: "" if the allocator's are equal.
[[nodiscard]] inline std::string CompareStats(const HeapStats& got, const testing::PageMap& model) {
  const HeapStats want{model.grown(), model.in_use(), model.grown() - model.in_use(),
                       model.scavenged_free()};
  if (got == want) return {};
  return Differ("statistics (grown, in use, free, scavenged)",
                {got.grown.raw, got.in_use.raw, got.free.raw, got.scavenged.raw},
                {want.grown.raw, want.in_use.raw, want.free.raw, want.scavenged.raw});
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

/// Entries of a level that may be read: all of them, or whole pages of the operating system around
/// the entries of the heap.
template <Layout L>
std::vector<typename Geometry<L>::EntryRange> ReadableEntries(unsigned level,
                                                              std::span<const PageRange> heap,
                                                              ByteCount os_page) {
  using G = Geometry<L>;
  if (L::kSummaryMemory == SummaryMemory::kOneBlockAtStart) return {{0, G::kEntries[level]}};
  const std::uint64_t unit = os_page.raw / sizeof(std::uint64_t);
  std::vector<typename G::EntryRange> readable;
  std::uint64_t done = 0;
  for (const PageRange& range : heap) {
    const auto block = G::BlockAligned(level, G::EntriesOf(level, range));
    const std::uint64_t begin = std::max(done, block.begin / unit * unit);
    const std::uint64_t end = std::min((block.end + unit - 1) / unit * unit, G::kEntries[level]);
    if (begin < end) readable.push_back({begin, end});
    done = std::max(done, end);
  }
  return readable;
}

template <class Allocator>
[[nodiscard]] std::string CompareSummaries(Allocator& allocator, const testing::PageMap& model,
                                           std::span<const PageRange> heap, ByteCount os_page) {
  using L = typename Allocator::LayoutType;
  using G = Geometry<L>;
  for (unsigned level = 0; level < G::kLevels; ++level) {
    const PageCount span{std::uint64_t{1} << G::kSpanPageBits[level]};
    const auto* entries = testing::AllocatorAccess::level(allocator, level);
    std::size_t next = 0;  // first range of the heap that may reach into entry i
    for (const auto& readable : ReadableEntries<L>(level, heap, os_page)) {
      for (std::uint64_t i = readable.begin; i < readable.end; ++i) {
        const PageRange covered = PageRange::Of(G::LevelBegin(level, i), span);
        while (next < heap.size() && heap[next].end <= covered.begin) ++next;
        const bool in_heap = next < heap.size() && heap[next].begin < covered.end;
        const std::uint64_t want = in_heap ? SummaryWord<G>(model.RunsOf(covered)) : 0;
        if (entries[i].word() == want) continue;
        return Differ("a summary (level, entry, word)", {level, i, entries[i].word()},
                      {level, i, want});
      }
    }
  }
  return {};
}

/// "" if allocator and model agree on everything; else what differs.
///
/// @param caches   the page caches that are out
/// @param os_page  page size of the allocator's OsMemory
template <class Allocator>
[[nodiscard]] std::string FullCheck(Allocator& allocator, const testing::PageMap& model,
                                    std::span<const PageCache> caches, ByteCount os_page) {
  if (std::string text = CompareStats(allocator.stats(), model); !text.empty()) return text;
  const std::vector<PageRange> heap = model.grown_ranges();
  const auto ranges = allocator.ranges().ranges();
  if (!std::equal(heap.begin(), heap.end(), ranges.begin(), ranges.end(),
                  [](PageRange a, const AddressRanges::Range& b) {
                    return a.begin == b.begin && a.end == b.end;
                  })) {
    return Differ("ranges of the heap (number)", {ranges.size()}, {heap.size()});
  }
  for (const PageRange& range : heap) {
    if (std::string text = CompareBitmaps(allocator, model, range); !text.empty()) return text;
    // The lowest page of the heap at or above its borders.
    if (allocator.FindMapped(range.begin) != range.begin ||
        allocator.FindMapped(PageOffset{range.end.raw - 1}) != PageOffset{range.end.raw - 1}) {
      return "FindMapped() does not know range " + std::to_string(range.begin.raw);
    }
  }
  if (std::string text = CompareSummaries(allocator, model, heap, os_page); !text.empty()) {
    return text;
  }
  return testing::CheckInvariants(allocator, caches);
}

}  // namespace pagealloc::fuzz
