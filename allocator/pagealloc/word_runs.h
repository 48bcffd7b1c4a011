/// word_runs.h: where in a chunk free runs begin, by words of its bitmap.
///
/// Of each 64-page word of a bitmap the longest free run that BEGINS in it, counted to the end of
/// the chunk and up to kMost pages; eight of these numbers are one 64-bit word:
///
///   word          0          1          2       ...
///   bitmap   1100 0110  0000 0000  0000 1101          1 = allocated
///   number       13          0          1             the run of 13 begins in word 0
///
/// So the lowest run of N pages is found without reading the whole bitmap: it begins in the first
/// word whose number is at least N, and there either lies inside the word or leaves it at its end.
/// Allocating and freeing change one or two numbers, the bits of one word say how. Cost: 8 bytes a
/// chunk.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/page_bits.h"

namespace pagealloc {

/// The longest run of ones.
constexpr unsigned LongestOnes64(std::uint64_t bits) {
  if ((bits & bits >> 1) == 0) return bits != 0 ? 1 : 0;
  unsigned known = 0;  // a one in `bits` says that so many more than one begin there
  if (const std::uint64_t eight = RunStarts64(bits, 8); eight != 0) {
    bits = eight;
    known = 7;
  }
  while (bits != 0) {
    bits &= bits >> 1;
    ++known;
  }
  return known;
}

/// One number for each word of a chunk's bitmap. Zero bytes are "nothing is free".
class WordRuns {
 public:
  /// Longer runs are known to be at least so long.
  static constexpr unsigned kMost = 127;
  static constexpr unsigned kWords = 8;

  [[nodiscard]] PA_HOT constexpr unsigned Get(unsigned word) const {
    return static_cast<unsigned>(packed_ >> 8 * word & 0xff);
  }
  PA_HOT constexpr void Set(unsigned word, unsigned run) {
    PA_ASSERT(word < kWords, word);
    const std::uint64_t number = std::min(run, kMost);
    packed_ = (packed_ & ~(std::uint64_t{0xff} << 8 * word)) | number << 8 * word;
  }
  PA_HOT constexpr void RaiseTo(unsigned word, unsigned run) {
    Set(word, std::max(run, Get(word)));  // no branch: nobody could predict it
  }
  /// The first word whose number is at least `run`, 1 to kMost; kWords if there is none.
  [[nodiscard]] PA_HOT constexpr unsigned FirstAtLeast(unsigned run) const {
    PA_ASSERT(run >= 1 && run <= kMost, run);
    return static_cast<unsigned>(std::countr_zero(((packed_ | kTops) - run * kOnes) & kTops)) / 8;
  }
  /// The largest number.
  [[nodiscard]] PA_HOT constexpr unsigned max() const {
    return static_cast<unsigned>(Larger(Larger(Larger(packed_, 32), 16), 8) & 0xff);
  }

  friend constexpr bool operator==(WordRuns, WordRuns) = default;

 private:
  static constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  static constexpr std::uint64_t kTops = kOnes << 7;

  /// In each byte the larger one of those there and `shift` bits above.
  PA_HOT static constexpr std::uint64_t Larger(std::uint64_t bytes, unsigned shift) {
    const std::uint64_t above = bytes >> shift;
    const std::uint64_t tops = ((bytes | kTops) - above) & kTops;  // where it is not above
    const std::uint64_t mask = (tops - (tops >> 7)) | tops;
    return (bytes & mask) | (above & ~mask);
  }

  std::uint64_t packed_ = 0;
};

/// The longest run of zeros that begins in a word, counted in full.
template <unsigned kPages>
[[nodiscard]] constexpr unsigned LongestBeginning(const PageBits<kPages>& bits, unsigned word) {
  std::uint64_t free = ~bits.word(word);
  // The lowest run is not this word's if the page below it is free, too.
  if (word > 0 && bits.word(word - 1) >> 63 == 0) free &= free + 1;
  if (free >> 63 == 0) return LongestOnes64(free);
  const auto high = static_cast<unsigned>(std::countl_one(free));
  const unsigned leaving = high + bits.ZerosFrom(64 * (word + 1));
  return high == 64 ? leaving : std::max(leaving, LongestOnes64(free & (free << high >> high)));
}

/// Pages [begin, end) of a chunk are one run now, of which [limit, end) was one before.
template <unsigned kPages>
PA_HOT constexpr void JoinRuns(WordRuns& runs, const PageBits<kPages>& bits, unsigned begin,
                               unsigned limit, unsigned end) {
  const unsigned word = begin / 64;
  runs.RaiseTo(word, end - begin);
  const unsigned above = limit / 64;
  if (end > limit && above != word) runs.Set(above, LongestBeginning(bits, above));
}

/// Of the run of pages [begin, end) of a chunk only [limit, end) is left. `end` may be lower than
/// it is if WordRuns::kMost pages are left.
template <unsigned kPages>
PA_HOT constexpr void CutRun(WordRuns& runs, const PageBits<kPages>& bits, unsigned begin,
                             unsigned limit, unsigned end) {
  const unsigned word = begin / 64;
  const unsigned rest = end - limit;
  if (limit / 64 != word) {
    if (rest > 0) runs.RaiseTo(limit / 64, rest);
  } else if (end / 64 != word && rest >= begin % 64) {
    runs.Set(word, rest);  // no other run begins above it, and below there is no room for one
    return;
  }
  if (end - begin >= runs.Get(word)) runs.Set(word, LongestBeginning(bits, word));
}

/// Any of the pages [first, limit) of a chunk, at least one, changed.
template <unsigned kPages>
constexpr void CountRuns(WordRuns& runs, const PageBits<kPages>& bits, unsigned first,
                         unsigned limit) {
  // A run that begins right above them may have begun in them before, or does so now.
  const unsigned last = limit < kPages && !bits.Get(limit) ? limit : limit - 1;
  for (unsigned word = (first - bits.ZerosBelow(first)) / 64; word <= last / 64; ++word) {
    runs.Set(word, LongestBeginning(bits, word));
  }
}

/// Position of the lowest run of `count` zeros, 1 to WordRuns::kMost, of which it is known that it
/// begins in this word and that none begins below.
template <unsigned kPages>
[[nodiscard]] PA_HOT constexpr unsigned LowestBeginning(const PageBits<kPages>& bits, unsigned word,
                                                        unsigned count) {
  const std::uint64_t free = ~bits.word(word);
  const std::uint64_t starts = RunStarts64(free, count);
  return 64 * word +
         static_cast<unsigned>(starts != 0 ? std::countr_zero(starts) : 64 - std::countl_one(free));
}

}  // namespace pagealloc
