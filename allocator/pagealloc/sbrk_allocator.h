/// sbrk_allocator.h: memory from one growing break, for systems that have nothing else.
///
/// Two supplies: blocks that were freed (free_blocks.h), and the tail between bloc, where our
/// memory ends, and bloc_max, the highest break obtained from the source. bloc moves up and down,
/// bloc_max only up.
///
///   first                                  bloc          bloc_max
///   | live | free | live | hole | live | live |  tail, zero |  <-- BreakSource::Extend
///
/// The lowest free block that fits is taken, and its high end; only then the tail. So repeated
/// small requests walk down inside a block. Every block that is handed out is zero, aligned to a
/// page and a multiple of the page in size: sizes are rounded up, when freed too. What touches bloc
/// when it becomes free is given to the tail, a free block below it included. When somebody else
/// moved the break (ProcessBreak) what he took is a hole: neither live nor free, never touched.
///
/// Threads: one at a time; SbrkMemory adds the lock. Errors: a refusal of the source is an OsStatus
/// and changes nothing. Cost: O(log n) in free blocks, and the zeroing. Behaviour of Go 1.26
/// (mem_sbrk.go) except: a tree instead of a list; AllocateAligned also takes a block in which the
/// place just fits, and its size is rounded; the free block below a freed tail joins the tail;
/// sizes that wrap are refused; freeing what is free already is found, in every build.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pagealloc/break_source.h"
#include "pagealloc/free_blocks.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// Where the bytes between first() and bloc_max() are. bloc - first = live + free + holes.
struct SbrkStats {
  ByteCount live;   ///< handed out, rounded up
  ByteCount free;   ///< in free blocks
  ByteCount holes;  ///< taken by others who moved the break
  ByteCount tail;   ///< from bloc to bloc_max

  friend constexpr bool operator==(SbrkStats, SbrkStats) = default;
};

class SbrkAllocator {
 public:
  using Reservation = OsMemory::Reservation;

  /// @param source  initialised; outlives the allocator, and feeds only this one. @see Go: initBloc
  explicit SbrkAllocator(BreakSource& source);
  SbrkAllocator(const SbrkAllocator&) = delete;
  SbrkAllocator& operator=(const SbrkAllocator&) = delete;

  /// Sizes are at least 1 byte (contract) and rounded up to this. The bytes behind `begin` are
  /// zero.
  [[nodiscard]] ByteCount page_size() const { return page_; }
  /// From the free blocks, else from the tail. @see Go: memAlloc, sysAllocOS.
  [[nodiscard]] Reservation Allocate(ByteCount size);
  /// From the free blocks only; null if none fits. @see Go: memAllocNoGrow.
  [[nodiscard]] std::byte* AllocateNoGrow(ByteCount size);
  /// At a multiple of `align`, a power of two: the lowest such place in the free blocks, else in
  /// the tail; what is skipped there becomes a free block. @see Go: sysReserveAlignedSbrk.
  [[nodiscard]] Reservation AllocateAligned(ByteCount size, ByteCount align);
  /// From the tail only: moves bloc up. @see Go: sbrk.
  [[nodiscard]] Reservation Extend(ByteCount size);

  /// Gives a block, or whole pages of it, back: zeroes it. Null is ignored. It must lie below bloc
  /// and be free nowhere (contract: a double free stops the program). @see Go: sysFreeOS, memFree.
  void Free(std::byte* begin, ByteCount size);

  [[nodiscard]] std::byte* first() const { return first_; }
  [[nodiscard]] std::byte* bloc() const { return bloc_; }          ///< Go: bloc
  [[nodiscard]] std::byte* bloc_max() const { return bloc_max_; }  ///< Go: blocMax
  [[nodiscard]] SbrkStats stats() const;
  [[nodiscard]] const FreeBlocks& free_blocks() const { return free_; }  ///< Go: memFreelist

 private:
  friend struct testing::SbrkAccess;

  /// `size` in whole pages (Go: memRound); 0 if no number is large enough.
  [[nodiscard]] ByteCount Round(ByteCount size) const;
  [[nodiscard]] Reservation FromTail(ByteCount size, ByteCount align);

  BreakSource& source_;
  ByteCount page_;
  std::byte* first_;
  std::byte* bloc_;
  std::byte* bloc_max_;
  FreeBlocks free_;
  ByteCount live_;
  ByteCount holes_;
};

}  // namespace pagealloc
