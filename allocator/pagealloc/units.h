/// units.h: positions and lengths that cannot be mixed up.
///
/// A position (PageOffset, ChunkIndex, Address) counts from the start of a layout's address space;
/// a length (PageCount, ByteCount) counts from anywhere. Only the sums that mean something exist:
/// position + length, position - position = length, length +- length. Position + position does not
/// compile, and neither does pages + bytes. Ranges are half-open: [begin, end).
///
/// PageOffset 0 is the lowest page of the address space, in offset order (Go: off(address) / page
/// size), so comparisons need no base offset and 0 is an ordinary page: "none" is std::nullopt.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"

namespace pagealloc {

template <class Tag>
struct Strong {
  constexpr Strong() = default;
  PA_HOT constexpr explicit Strong(std::uint64_t value) : raw(value) {}
  friend constexpr auto operator<=>(Strong, Strong) = default;
  std::uint64_t raw = 0;
};

using PageOffset =
    Strong<struct PageOffsetTag>;               ///< position: pages from the address space's start
using PageCount = Strong<struct PageCountTag>;  ///< length: pages
using ChunkIndex =
    Strong<struct ChunkIndexTag>;  ///< position: chunks from the start (Go: chunkIdx)
using ChunkCount = Strong<struct ChunkCountTag>;  ///< length: chunks
using Address = Strong<struct AddressTag>;        ///< position: a layout's address, in bytes
using ByteCount = Strong<struct ByteCountTag>;    ///< length: bytes

/// Size of an allocator page on every layout: 8192 bytes. Not the operating system's page.
inline constexpr unsigned kPageBits = 13;
inline constexpr ByteCount kPageBytes{std::uint64_t{1} << kPageBits};

PA_HOT constexpr PageOffset operator+(PageOffset at, PageCount n) {
  return PageOffset{at.raw + n.raw};
}
PA_HOT constexpr PageCount operator+(PageCount a, PageCount b) { return PageCount{a.raw + b.raw}; }
PA_HOT constexpr ByteCount operator+(ByteCount a, ByteCount b) { return ByteCount{a.raw + b.raw}; }
PA_HOT constexpr ChunkIndex operator+(ChunkIndex at, ChunkCount n) {
  return ChunkIndex{at.raw + n.raw};
}
PA_HOT constexpr ChunkCount operator+(ChunkCount a, ChunkCount b) {
  return ChunkCount{a.raw + b.raw};
}

PA_HOT constexpr PageCount operator-(PageOffset end, PageOffset begin) {
  PA_EXPECT(begin <= end, begin, end);
  return PageCount{end.raw - begin.raw};
}
PA_HOT constexpr ChunkCount operator-(ChunkIndex end, ChunkIndex begin) {
  PA_EXPECT(begin <= end, begin, end);
  return ChunkCount{end.raw - begin.raw};
}
PA_HOT constexpr PageCount operator-(PageCount a, PageCount b) {
  PA_EXPECT(b <= a, a, b);
  return PageCount{a.raw - b.raw};
}
PA_HOT constexpr ByteCount operator-(ByteCount a, ByteCount b) {
  PA_EXPECT(b <= a, a, b);
  return ByteCount{a.raw - b.raw};
}

PA_HOT constexpr PageOffset& operator+=(PageOffset& at, PageCount n) { return at = at + n; }
PA_HOT constexpr PageCount& operator+=(PageCount& a, PageCount b) { return a = a + b; }
PA_HOT constexpr PageCount& operator-=(PageCount& a, PageCount b) { return a = a - b; }
PA_HOT constexpr ByteCount& operator+=(ByteCount& a, ByteCount b) { return a = a + b; }
PA_HOT constexpr ByteCount& operator-=(ByteCount& a, ByteCount b) { return a = a - b; }
PA_HOT constexpr ChunkIndex& operator++(ChunkIndex& at) { return at = at + ChunkCount{1}; }

constexpr ByteCount BytesOf(PageCount n) { return ByteCount{n.raw << kPageBits}; }

/// A number as the host counts bytes and entries: 32 bits on some hosts, and it fits (contract).
constexpr std::size_t HostSize(std::uint64_t n) {
  PA_EXPECT(n <= SIZE_MAX, n);
  return static_cast<std::size_t>(n);
}

/// The pages [begin, end).
struct PageRange {
  PageOffset begin;
  PageOffset end;

  PA_HOT static constexpr PageRange Of(PageOffset first, PageCount n) { return {first, first + n}; }
  [[nodiscard]] PA_HOT constexpr PageCount size() const { return end - begin; }
  [[nodiscard]] constexpr bool empty() const { return begin >= end; }
  [[nodiscard]] constexpr bool Contains(PageOffset page) const {
    return begin <= page && page < end;
  }
  [[nodiscard]] constexpr bool Overlaps(PageRange other) const {
    return begin < other.end && other.begin < end;
  }
  friend constexpr bool operator==(PageRange, PageRange) = default;
};

/// A run of pages that an allocation took.
struct Allocation {
  PageOffset first;
  PageCount scavenged;  ///< how many of its pages the operating system must back again

  friend constexpr bool operator==(Allocation, Allocation) = default;
};

}  // namespace pagealloc
