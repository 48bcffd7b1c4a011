/// address_ranges.h: a sorted set of ranges that never touch (Go: addrRanges).
///
/// Add() merges with the neighbours, so the set is always coalesced: sorted, disjoint, no two
/// ranges touching, none empty. The first ranges lie inside the object; more move into memory of
/// the operating system, which doubles. Two steps keep growth free of half-done states:
/// PrepareAdd() may fail and changes nothing that can be seen, Add() after it cannot fail. One
/// thread at a time. Cost: look-ups O(log n), Add O(n) in ranges, which are few.
///
/// RangeSet<Position> works for any unit with a raw number; AddressRanges counts pages.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "pagealloc/contract.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

template <class Position>
class RangeSet {
 public:
  /// [begin, end) (Go: addrRange).
  struct Range {
    Position begin;
    Position end;
    friend constexpr bool operator==(Range, Range) = default;
  };
  static constexpr std::size_t kInline = 16;

  RangeSet() = default;
  RangeSet(const RangeSet&) = delete;
  RangeSet& operator=(const RangeSet&) = delete;
  ~RangeSet() {
    // Nothing can be done about a refusal here; the address space stays reserved.
    if (os_ != nullptr) static_cast<void>(os_->Unreserve(storage(), BytesFor(capacity_)));
  }

  [[nodiscard]] std::span<const Range> ranges() const { return {data(), size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  /// Sum of the ranges' lengths, in the position's unit (Go: totalBytes).
  [[nodiscard]] std::uint64_t total() const { return total_; }
  [[nodiscard]] MetadataStats metadata() const {
    if (os_ == nullptr) return {};
    return {BytesFor(capacity_), BytesFor(capacity_)};
  }

  /// How many ranges begin at or below `at` = index of the first that begins above (Go: findSucc).
  [[nodiscard]] std::size_t Successor(Position at) const {
    const Range* first = data();
    const Range* found = std::upper_bound(
        first, first + size_, at, [](Position p, const Range& range) { return p < range.begin; });
    return static_cast<std::size_t>(found - first);
  }
  [[nodiscard]] bool Contains(Position at) const {
    const std::size_t next = Successor(at);
    return next > 0 && at < data()[next - 1].end;
  }
  /// All of a non-empty range.
  [[nodiscard]] bool ContainsAll(Range range) const {
    PA_EXPECT(range.begin < range.end, range.begin, range.end);
    const std::size_t next = Successor(range.begin);
    return next > 0 && range.end <= data()[next - 1].end;
  }
  /// Any part of a non-empty range.
  [[nodiscard]] bool Overlaps(Range range) const {
    PA_EXPECT(range.begin < range.end, range.begin, range.end);
    const std::size_t next = Successor(range.begin);
    if (next > 0 && range.begin < data()[next - 1].end) return true;
    return next < size_ && data()[next].begin < range.end;
  }
  /// Smallest contained position that is at or above `at` (Go: findAddrGreaterEqual).
  [[nodiscard]] std::optional<Position> AtOrAbove(Position at) const {
    const std::size_t next = Successor(at);
    if (next > 0 && at < data()[next - 1].end) return at;
    if (next < size_) return data()[next].begin;
    return std::nullopt;
  }

  /// The same for `range` only: one that touches a neighbour needs no room.
  OsStatus PrepareAdd(OsMemory& os, Range range) {
    const std::size_t next = Successor(range.begin);
    if (next > 0 && data()[next - 1].end == range.begin) return OsStatus::Ok();
    if (next < size_ && range.end == data()[next].begin) return OsStatus::Ok();
    return PrepareAdd(os);
  }
  /// Makes room for any one range more. On a refusal nothing changed.
  OsStatus PrepareAdd(OsMemory& os) {
    if (size_ < capacity_) return OsStatus::Ok();
    const std::size_t wanted = std::max<std::size_t>(
        capacity_ * 2, static_cast<std::size_t>(os.page_size().raw) / sizeof(Range));
    const OsMemory::Reservation fresh = os.Reserve(BytesFor(wanted, os));
    if (!fresh.status.ok()) return fresh.status;
    const OsStatus committed = os.Commit(fresh.begin, BytesFor(wanted, os));
    if (!committed.ok()) {
      static_cast<void>(os.Unreserve(fresh.begin, BytesFor(wanted, os)));
      return committed;
    }
    Range* target = reinterpret_cast<Range*>(fresh.begin);  // page aligned
    std::copy_n(data(), size_, target);
    if (os_ != nullptr) static_cast<void>(os.Unreserve(storage(), BytesFor(capacity_)));
    os_ = &os;
    heap_ = target;
    capacity_ = static_cast<std::size_t>(BytesFor(wanted, os).raw) / sizeof(Range);
    return OsStatus::Ok();
  }

  /// Adds a range that overlaps none (contract), merging it with neighbours that it touches.
  /// PrepareAdd() comes first whenever the set may be full (contract).
  void Add(Range range) {
    PA_EXPECT(range.begin < range.end && !Overlaps(range), range.begin, range.end);
    total_ += range.end.raw - range.begin.raw;
    Range* const first = data();
    const std::size_t next = Successor(range.begin);
    const bool joins_below = next > 0 && first[next - 1].end == range.begin;
    const bool joins_above = next < size_ && first[next].begin == range.end;
    if (joins_below && joins_above) {
      first[next - 1].end = first[next].end;
      std::copy(first + next + 1, first + size_, first + next);
      --size_;
    } else if (joins_below) {
      first[next - 1].end = range.end;
    } else if (joins_above) {
      first[next].begin = range.begin;
    } else {
      PA_EXPECT(size_ < capacity_, size_, capacity_);
      std::copy_backward(first + next, first + size_, first + size_ + 1);
      first[next] = range;
      ++size_;
    }
  }

 private:
  [[nodiscard]] static ByteCount BytesFor(std::size_t ranges, const OsMemory& os) {
    return os.RoundUp(ByteCount{ranges * sizeof(Range)});
  }
  [[nodiscard]] ByteCount BytesFor(std::size_t ranges) const { return BytesFor(ranges, *os_); }
  [[nodiscard]] std::byte* storage() { return reinterpret_cast<std::byte*>(heap_); }
  [[nodiscard]] const Range* data() const { return heap_ != nullptr ? heap_ : inline_.data(); }
  [[nodiscard]] Range* data() { return heap_ != nullptr ? heap_ : inline_.data(); }

  std::array<Range, kInline> inline_{};
  Range* heap_ = nullptr;
  OsMemory* os_ = nullptr;  // null while the ranges lie inside the object
  std::size_t size_ = 0;
  std::size_t capacity_ = kInline;
  std::uint64_t total_ = 0;
};

/// The pages that joined a heap (Go: inUse).
using AddressRanges = RangeSet<PageOffset>;

}  // namespace pagealloc
