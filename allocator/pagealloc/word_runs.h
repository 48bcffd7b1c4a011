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
#include <type_traits>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/page_bits.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace pagealloc {

/// The longest run of ones. By halves: where 8 of them begin, and so on, then how many more.
PA_HOT constexpr unsigned LongestOnes64(std::uint64_t bits) {
  const std::uint64_t two = bits & bits >> 1;
  const std::uint64_t four = two & two >> 2;
  const std::uint64_t eight = four & four >> 4;
  const std::uint64_t sixteen = eight & eight >> 8;
  std::uint64_t starts = bits;  // where runs of `known` ones begin (all that matter if that is 0)
  unsigned known = 0;
  if (sixteen != 0) {
    starts = sixteen;
    for (known = 16; (starts & sixteen >> known) != 0; known += 16) {
      starts &= sixteen >> known;
      if (known == 48) return 64;
    }
  }
  // Without branches, nobody could predict them.
  const auto more = [&starts, &known](std::uint64_t runs, unsigned length) {
    const std::uint64_t longer = starts & runs >> known;
    const std::uint64_t all = std::uint64_t{0} - static_cast<std::uint64_t>(longer != 0);
    starts = longer | (starts & ~all);
    known += length & static_cast<unsigned>(all);
  };
  more(eight, 8);
  more(four, 4);
  more(two, 2);
  more(bits, 1);
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
  [[nodiscard]] PA_HOT constexpr unsigned max() const { return LargestByte(packed_); }
  /// The largest but for that of `word`.
  [[nodiscard]] PA_HOT constexpr unsigned MaxBut(unsigned word) const {
    return LargestByte(packed_ & ~(std::uint64_t{0xff} << 8 * word));
  }

  friend constexpr bool operator==(WordRuns, WordRuns) = default;

 private:
  static constexpr std::uint64_t kOnes = 0x0101'0101'0101'0101;
  static constexpr std::uint64_t kTops = kOnes << 7;

  PA_HOT static constexpr unsigned LargestByte(std::uint64_t bytes) {
#if defined(__SSE2__)
    if (!std::is_constant_evaluated()) {
      __m128i largest = _mm_set_epi64x(0, static_cast<std::int64_t>(bytes));
      largest = _mm_max_epu8(largest, _mm_srli_epi64(largest, 32));
      largest = _mm_max_epu8(largest, _mm_srli_epi64(largest, 16));
      largest = _mm_max_epu8(largest, _mm_srli_epi64(largest, 8));
      return static_cast<unsigned>(_mm_cvtsi128_si32(largest)) & 0xff;
    }
#endif
    return static_cast<unsigned>(Larger(Larger(Larger(bytes, 32), 16), 8) & 0xff);
  }

  /// In each byte the larger one of those there and `shift` bits above.
  PA_HOT static constexpr std::uint64_t Larger(std::uint64_t bytes, unsigned shift) {
    const std::uint64_t above = bytes >> shift;
    const std::uint64_t tops = ((bytes | kTops) - above) & kTops;  // where it is not above
    const std::uint64_t mask = (tops - (tops >> 7)) | tops;
    return (bytes & mask) | (above & ~mask);
  }

  std::uint64_t packed_ = 0;
};

/// The longest run of zeros that begins in a word, counted in full. `from_below`: whether the page
/// below the word is free.
template <unsigned kPages>
[[nodiscard]] constexpr unsigned LongestBeginning(const PageBits<kPages>& bits, unsigned word,
                                                  bool from_below) {
  std::uint64_t free = ~bits.word(word);
  free &= free + (from_below ? 1 : 0);  // then the lowest run is not this word's: a carry
  const unsigned inside = LongestOnes64(free);
  if (free >> 63 == 0) return inside;
  const auto high = static_cast<unsigned>(std::countl_one(free));
  return std::max(inside, high + bits.ZerosFrom(64 * (word + 1)));
}

/// The same for what is known of the chunk alone: below word 0 nothing is free.
template <unsigned kPages>
[[nodiscard]] constexpr unsigned LongestBeginning(const PageBits<kPages>& bits, unsigned word) {
  return LongestBeginning(bits, word, word > 0 && bits.word(word - 1) >> 63 == 0);
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

/// Of the run of a chunk's pages that begins at `begin` only what is below its part up to `limit`
/// is left, and `rest` pages behind, of which WordRuns::kMost are enough. Returns the largest
/// number.
template <unsigned kPages>
PA_HOT constexpr unsigned CutRun(WordRuns& runs, const PageBits<kPages>& bits, unsigned begin,
                                 unsigned limit, unsigned rest) {
  // No branches: where a run ends, and whether it was the longest, nobody could predict. Behind the
  // last word nothing is left.
  runs.RaiseTo(std::min(limit / 64, kPages / 64 - 1), rest);
  const unsigned others = runs.MaxBut(begin / 64);
  const unsigned longest = LongestBeginning(bits, begin / 64);
  runs.Set(begin / 64, longest);
  return std::min(std::max(others, longest), WordRuns::kMost);
}

/// What CountRuns() counted.
struct CountedRuns {
  unsigned lowest;  ///< the lowest word with another number
  /// The longest runs that began and begin in the words counted, up to WordRuns::kMost.
  unsigned before;
  unsigned now;
};

/// The bits of one word of a chunk changed; they were `before`. Its number may be another one, that
/// of the word in which a run begins that goes on in it, and that of the next word.
template <unsigned kPages>
PA_HOT constexpr CountedRuns CountRuns(WordRuns& runs, const PageBits<kPages>& bits, unsigned word,
                                       std::uint64_t before) {
  const std::uint64_t now = bits.word(word);
  CountedRuns counted{word, 0, 0};
  const auto count = [&](unsigned at) {
    counted.before = std::max(counted.before, runs.Get(at));
    runs.Set(at, LongestBeginning(bits, at));
    counted.now = std::max(counted.now, runs.Get(at));
  };
  count(word);
  if (word > 0 && bits.word(word - 1) >> 63 == 0 &&
      std::countr_zero(now) != std::countr_zero(before)) {  // a run that comes from below
    counted.lowest = (64 * word - 1 - bits.ZerosBelow(64 * word - 1)) / 64;
    count(counted.lowest);
  }
  // The run above may have begun in this word before, or does so now.
  if (word + 1 < kPages / 64 && (now ^ before) >> 63 != 0) count(word + 1);
  return counted;
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
