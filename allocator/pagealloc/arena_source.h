/// arena_source.h: where on the host a heap's arenas lie.
///
/// Address space is taken in whole arenas, not at once, so that a limit on address space
/// (RLIMIT_AS) costs a heap no more than it uses. A list of wanted places (hints) keeps arenas
/// together: the next arena is tried at the end of the last one.
///
///   hints  [0x00c000000000 ->]  [0x01c000000000 ->] ...    -> grows upwards,  <- downwards
///   taken? dropped, the next one;  all gone: any aligned place, and two hints around it:
///                              [<- begin][end ->]
///
/// A layout narrower than the host's addresses has a window: only places inside it are of use. One
/// thread at a time. Errors: the operating system's refusals are values and drop no hint.
/// Go: mheap.sysAlloc and its arena hints.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "pagealloc/address_ranges.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// An address of this process, as a number; not a layout's address (Address).
using HostAddress = Strong<struct HostAddressTag>;

/// Host memory [begin, end).
struct HostRange {
  HostAddress begin;
  HostAddress end;

  [[nodiscard]] constexpr ByteCount size() const { return ByteCount{end.raw - begin.raw}; }
  [[nodiscard]] constexpr bool empty() const { return begin == end; }
  friend constexpr bool operator==(HostRange, HostRange) = default;
};

class ArenaSource {
 public:
  static constexpr std::size_t kMaxHints = 64;

  struct Options {
    ByteCount arena;  ///< a power of two, a multiple of the operating system's page (contract)
    /// Places to begin at, the best one first; at most kMaxHints (contract).
    std::span<const HostAddress> hints;
    /// Sizes of a first, larger reservation, to be tried in this order; arenas are cut from it.
    std::span<const ByteCount> first_reservations;
  };

  struct [[nodiscard]] Result {
    OsStatus status;
    HostRange arena;  ///< empty although the status is fine: no room inside the window
  };

  ArenaSource() = default;
  ArenaSource(const ArenaSource&) = delete;
  ArenaSource& operator=(const ArenaSource&) = delete;
  /// Returns all address space.
  ~ArenaSource();

  /// Comes first, once (contract). `os` must outlive the source.
  void Init(OsMemory& os, const Options& options);
  /// From now on only places inside [begin, begin + size) are of use. `begin` may lie below 0: the
  /// sum wraps.
  void SetWindow(HostAddress begin, ByteCount size);

  /// Reserves address space, without access: `size` bytes, whole arenas (contract), aligned to an
  /// arena.
  Result Reserve(ByteCount size);

  /// Address space held; memory for the list of it.
  [[nodiscard]] ByteCount reserved() const { return ByteCount{held_.total()}; }
  [[nodiscard]] MetadataStats metadata() const { return held_.metadata(); }

 private:
  struct Hint {
    HostAddress at;
    bool downwards;
  };

  [[nodiscard]] bool InWindow(HostAddress begin, ByteCount size) const;
  Result Place(ByteCount size);
  Result PlaceAnywhere(ByteCount size);
  void Push(Hint hint);
  void Drop(std::size_t index);
  [[nodiscard]] static HostAddress PlaceOf(const Hint& hint, ByteCount size);

  OsMemory* os_ = nullptr;
  ByteCount arena_;
  HostAddress window_begin_;
  std::optional<ByteCount> window_size_;
  std::array<Hint, kMaxHints> hints_{};  // the last one is tried first
  std::size_t hint_count_ = 0;
  std::array<ByteCount, 3> first_reservations_{};
  bool first_ = true;
  HostRange linear_;  // what is left of the first reservation
  RangeSet<HostAddress> held_;
};

}  // namespace pagealloc
