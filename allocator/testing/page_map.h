/// page_map.h: the model: what a page allocator must do, written so that it is plainly right.
///
/// One byte a page says allocated, free, or free and scavenged. A search reads the bytes from the
/// lowest free page upwards and takes the first run that is long enough. It shares no code with the
/// allocator and no idea but "lowest address first"; tests, fuzz targets and replays compare the
/// two. Two liberties keep it from being hopeless: chunks exist only where the heap grew, with a
/// count of their free pages, so that full and empty ones are not read byte by byte; and a cursor
/// remembers below which page nothing is free.
///
///   chunk 0     chunk 1     (no chunk 2)   chunk 3
///   ####.#..    ........                   ##s#....     # allocated  . free  s free and scavenged
///       ^cursor
///
/// It counts pages from wherever its user does: the start of a layout's address space, or a trace's
/// heap base. One thread at a time. Errors are broken contracts; ask InHeap(), AllFree() ... first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pagealloc/units.h"

namespace pagealloc::testing {

class PageMap {
 public:
  /// @param chunk_pages  the unit of growth; a multiple of 64.
  explicit PageMap(PageCount chunk_pages);

  /// True if `range` is whole chunks, at least one, and none of it is in the heap yet.
  [[nodiscard]] bool CanGrow(PageRange range) const;
  /// Adds pages, free and scavenged. Contract: CanGrow(range).
  void Grow(PageRange range);

  /// First page of the lowest run of `want` free pages; nullopt if there is none. Contract: want
  /// is at least 1. Changes nothing but the work counter.
  [[nodiscard]] std::optional<PageOffset> Find(PageCount want) const;
  /// Takes what Find() finds. Its pages are no longer scavenged.
  [[nodiscard]] std::optional<Allocation> Allocate(PageCount want);
  /// Takes exactly these pages; how many of them were scavenged. Contract: AllFree(range).
  PageCount AllocateRange(PageRange range);
  /// Gives pages back, not scavenged. Contract: AllAllocated(range).
  void Free(PageRange range);

  /// Pages of one 64-page block, a bit each: bit i is page first + i.
  struct Block {
    PageOffset first;         ///< a multiple of 64
    std::uint64_t pages;      ///< taken, or to give back
    std::uint64_t scavenged;  ///< which of them are scavenged
    friend bool operator==(const Block&, const Block&) = default;
  };
  /// Takes all free pages of the block that holds the lowest free page; nullopt if none is free.
  [[nodiscard]] std::optional<Block> TakeBlock();
  /// The block at `first` (a multiple of 64, in the heap) as it would be taken; changes nothing.
  [[nodiscard]] Block PeekBlock(PageOffset first) const;
  /// Gives pages back; those in block.scavenged come back scavenged. Contract: the block is in the
  /// heap, its pages are allocated, scavenged is a part of pages.
  void ReturnBlock(const Block& block);

  /// A new generation of scavenging: what was freed before it may now be released unforced.
  void NextGeneration();
  /// Marks free pages scavenged, highest first, until at least `target` pages are; how many. Whole
  /// aligned groups of `unit` pages of one chunk at a time, from the top of the highest run, and a
  /// whole huge page rather than a part of it (`huge` pages; 0: no such thing). Unforced: only in
  /// chunks that had under 31/32 of their pages in use all through the generation, and from the
  /// highest page down that was freed before it.
  PageCount Scavenge(PageCount target, bool forced, PageCount unit, PageCount huge);
  /// The same in two steps, for pages that somebody else chose: between them they are held, neither
  /// free nor in use. Contract: free and not scavenged, all of one chunk.
  void Hold(PageRange range);
  /// Held pages are free again, and scavenged if they were `released`.
  void EndHold(PageRange range, bool released);

  // An empty range is a broken contract for these three; a range may end anywhere.
  [[nodiscard]] bool InHeap(PageRange range) const;
  [[nodiscard]] bool AllFree(PageRange range) const;       ///< and in the heap
  [[nodiscard]] bool AllAllocated(PageRange range) const;  ///< and in the heap
  // Pages outside the heap are neither.
  [[nodiscard]] bool in_heap(PageOffset page) const;
  [[nodiscard]] bool free(PageOffset page) const;
  [[nodiscard]] bool scavenged(PageOffset page) const;  ///< free and scavenged

  /// Lengths of free runs: at the range's start, the longest inside, at its end. What a summary of
  /// these pages must say.
  struct Runs {
    PageCount start;
    PageCount max;
    PageCount end;
    friend bool operator==(const Runs&, const Runs&) = default;
  };
  /// Pages outside the heap are not free. The cost is that of the chunks inside the range.
  [[nodiscard]] Runs RunsOf(PageRange range) const;

  /// Pages of a range by state; those outside the heap are none of these.
  struct Counts {
    PageCount allocated;
    PageCount free;       ///< and not scavenged
    PageCount scavenged;  ///< free and scavenged
    friend bool operator==(const Counts&, const Counts&) = default;
  };
  /// The cost is that of the chunks inside the range.
  [[nodiscard]] Counts CountsOf(PageRange range) const;

  [[nodiscard]] PageCount grown() const { return grown_; }
  [[nodiscard]] PageCount in_use() const { return grown_ - free_ - held_; }
  [[nodiscard]] PageCount held() const { return held_; }
  /// Most pages that were in use in this generation, of the chunk around a page of the heap.
  [[nodiscard]] PageCount peak(PageOffset page) const;
  [[nodiscard]] PageCount scavenged_free() const { return scavenged_free_; }
  /// One past the highest page of the heap; 0 without a heap.
  [[nodiscard]] PageOffset heap_end() const;
  /// The heap as ranges: ascending, neighbours joined.
  [[nodiscard]] const std::vector<PageRange>& grown_ranges() const { return grown_ranges_; }
  [[nodiscard]] std::optional<PageOffset> lowest_free() const;
  /// Bytes that all calls so far read or wrote, and chunks that they passed over.
  [[nodiscard]] std::uint64_t byte_visits() const { return byte_visits_; }

 private:
  enum class Page : std::uint8_t { kAllocated, kFree, kFreeScavenged };

  struct Chunk {
    std::uint64_t index;  ///< in units of chunk_pages_
    std::uint64_t free;   ///< free pages, scavenged or not
    /// A byte a page; null while all pages are alike, namely `all`.
    std::unique_ptr<Page[]> pages;  // NOLINT(*-avoid-c-arrays)
    Page all;
    std::uint64_t peak = 0;  ///< most pages in use in this generation
    std::uint64_t held = 0;  ///< of those that are not free
  };

  [[nodiscard]] std::size_t LowerBound(std::uint64_t chunk_index) const;
  [[nodiscard]] const Chunk* ChunkOf(PageOffset page) const;
  [[nodiscard]] Page At(PageOffset page) const;
  void Fill(Chunk& chunk, std::uint64_t begin, std::uint64_t end, Page state);
  void Set(PageRange range, Page state);
  Chunk& ChunkAround(PageRange range);
  void MoveCursorUp() const;
  void AddRange(PageRange range);
  PageCount ScavengeIn(Chunk& chunk, std::uint64_t below, PageCount most, PageCount unit,
                       PageCount huge);
  template <class Wanted>
  bool AllAre(PageRange range, Wanted wanted) const;

  std::uint64_t chunk_pages_;
  std::vector<Chunk> chunks_;  // ascending by index
  std::vector<PageRange> grown_ranges_;
  PageCount grown_;
  PageCount free_;
  PageCount held_;
  PageCount scavenged_free_;
  PageOffset freed_end_;       // one past the highest page freed in this generation
  PageOffset background_end_;  // unforced scavenging begins below; 0: there is nothing left
  // Nothing below this page is free. Searching moves it up, which no caller can see.
  mutable PageOffset cursor_;
  mutable std::uint64_t byte_visits_ = 0;
};

}  // namespace pagealloc::testing
