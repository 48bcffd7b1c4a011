#include "testing/scans.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace pagealloc::testing {

bool AllZero(std::span<const std::byte> bytes) {
  constexpr std::size_t kStep = 64;  // bytes that are read before anything is decided
  for (; bytes.size() >= kStep; bytes = bytes.subspan(kStep)) {
    std::array<std::uint64_t, kStep / 8> words;
    std::memcpy(words.data(), bytes.data(), kStep);
    std::uint64_t any = 0;
    for (const std::uint64_t word : words) any |= word;
    if (any != 0) return false;
  }
  return std::all_of(bytes.begin(), bytes.end(), [](std::byte b) { return b == std::byte{0}; });
}

bool AnyBit(std::span<const std::uint64_t> words, std::size_t first, std::size_t count) {
  std::size_t i = first;
  const std::size_t end = first + count;
  while (i < end) {
    const bool whole_word = i % 64 == 0 && end - i >= 64;
    const std::uint64_t mask = whole_word ? ~std::uint64_t{0} : std::uint64_t{1} << i % 64;
    if ((words[i / 64] & mask) != 0) return true;
    i += whole_word ? 64 : 1;
  }
  return false;
}

std::optional<WrongMaximum> FindWrongMaximum(std::span<const std::int16_t> above,
                                             std::span<const std::int16_t> below,
                                             std::size_t group) {
  for (std::size_t i = 0; i < above.size(); ++i) {
    const std::span numbers = below.subspan(i * group);
    const std::size_t count = std::min(group, numbers.size());
    std::int16_t largest = 0;
    for (std::size_t k = 0; k < count; ++k) largest = std::max(largest, numbers[k]);
    if (above[i] != largest) return WrongMaximum{i, largest};
  }
  return std::nullopt;
}

std::array<unsigned, 8> RunsByWord(std::span<const std::uint64_t> allocated, unsigned most) {
  std::array<unsigned, 8> longest{};
  unsigned run = 0;       // pages of the run that is not over
  std::size_t begin = 0;  // the word in which it began
  const auto end_run = [&] {
    longest[begin] = std::max(longest[begin], std::min(run, most));
    run = 0;
  };
  for (std::size_t word = 0; word < allocated.size(); ++word) {
    std::uint64_t bits = allocated[word];
    for (unsigned left = 64; left > 0;) {
      const unsigned free = std::min(left, static_cast<unsigned>(std::countr_zero(bits)));
      if (run == 0) begin = word;
      run += free;
      left -= free;
      if (left == 0) break;
      end_run();
      bits >>= free;
      const auto used = static_cast<unsigned>(std::countr_one(bits));
      left -= used;
      bits = used < 64 ? bits >> used : 0;
    }
  }
  end_run();
  return longest;
}

}  // namespace pagealloc::testing
