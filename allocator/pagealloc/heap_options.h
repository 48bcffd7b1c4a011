/// heap_options.h: what a Heap is told, and what it says: options, results, statistics.
///
/// Three outcomes of a request are kept apart: memory; no room (the heap's own limit, or the end of
/// its layout: wait for frees, or raise the limit); a refusal of the operating system (OsStatus).
#pragma once

#include <cstddef>
#include <cstdint>

#include "pagealloc/heap_huge_pages.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/units.h"

namespace pagealloc {

struct HeapOptions {
  static constexpr unsigned kOnePerProcessor = ~0u;

  /// The most that may join the heap, rounded down to whole chunks. Tables are not counted. A
  /// request that finds no run makes as many chunks join as it needs by itself, so it may find no
  /// room although the last free run and what the limit leaves would be enough together.
  ByteCount max_bytes{~std::uint64_t{0}};
  /// Page caches. 0: every request takes the heap's lock, and gets the lowest run that fits.
  unsigned caches = kOnePerProcessor;
  /// Not 0: where the heap begins is drawn from it: the arena, the chunk in it, and up to 511 pages
  /// that are never used (Go 1.26: on by default). Take it from a source of true randomness to make
  /// addresses hard to guess; with a constant, a run can be repeated.
  std::uint64_t random_seed = 0;
  /// Huge pages behind the heap's memory, where the operating system has them.
  HugePageUse huge_pages = HugePageUse::kSystem;
  /// And behind the bitmaps, which get them from 1 TiB on in any case. @see Go:
  /// enableChunkHugePages.
  bool metadata_huge_pages = false;
};

/// A run of pages as callers hold it.
struct HeapRun {
  void* memory = nullptr;
  PageCount pages;
};

struct [[nodiscard]] HeapAllocation {
  OsStatus status;              ///< not ok: the operating system refused, nothing was allocated
  std::byte* memory = nullptr;  ///< null although the status is ok: no room
  PageCount pages{};            ///< as many as were asked for
  bool zeroed = false;          ///< every byte is zero; otherwise contents are anything

  [[nodiscard]] constexpr bool ok() const { return memory != nullptr; }
  [[nodiscard]] constexpr bool no_room() const { return memory == nullptr && status.ok(); }
};

/// One moment of a heap. grown = in_use + cached + held + padding + free.
struct HeapStatistics {
  PageCount grown;      ///< pages that ever joined the heap
  PageCount in_use;     ///< pages that callers hold
  PageCount cached;     ///< free pages that page caches hold
  PageCount held;       ///< free pages whose memory is being given back at this moment
  PageCount padding;    ///< never used: random start of the heap
  PageCount free;       ///< all other free pages
  PageCount scavenged;  ///< of `free`: without memory behind them
  ByteCount reserved;   ///< address space for the heap; tables have their own
  MetadataStats metadata;

  std::uint64_t growths = 0;        ///< how often the heap grew
  std::uint64_t heap_locks = 0;     ///< how often the heap's lock was taken
  std::uint64_t cache_hits = 0;     ///< requests that took a cache's lock only
  std::uint64_t cache_refills = 0;  ///< requests that a cache could not serve

  HugePageCounts huge_pages;
  std::uint64_t metadata_huge_page_hints = 0;  ///< blocks of bitmaps
};

}  // namespace pagealloc
