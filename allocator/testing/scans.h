/// scans.h: the loops over an allocator's memory in which the checks spend most of their time.
///
/// A fuzz target asks for millions of them, so they are functions of their own, which
/// fuzz/CMakeLists.txt compiles without sanitizers: they read whole arrays that are known to be
/// there, and nothing of what they do is looked at. Each is a plain loop, and shares nothing with
/// the library.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace pagealloc::testing {

/// Whether all bytes are zero.
[[nodiscard]] bool AllZero(std::span<const std::byte> bytes);

/// Whether one of the bits [first, first + count) is set; bit i is bit i % 64 of word i / 64.
[[nodiscard]] bool AnyBit(std::span<const std::uint64_t> words, std::size_t first,
                          std::size_t count);

/// An entry that is not the largest of its numbers.
struct WrongMaximum {
  std::size_t entry;
  std::int16_t expected;
};
/// The first entry of `above` that is not the largest of its `group` numbers of `below` (the last
/// group may be shorter, and no number is negative).
[[nodiscard]] std::optional<WrongMaximum> FindWrongMaximum(std::span<const std::int16_t> above,
                                                           std::span<const std::int16_t> below,
                                                           std::size_t group);

/// Of each word of a chunk's bitmap (1 = allocated, at most 8 words) the longest run of zeros that
/// begins in it, counted to the end of the bitmap, and `most` where it is longer.
[[nodiscard]] std::array<unsigned, 8> RunsByWord(std::span<const std::uint64_t> allocated,
                                                 unsigned most);

}  // namespace pagealloc::testing
