/// max_lanes.h: an array of small numbers, and where the first one is that is large enough.
///
/// A lane is a number of up to 15 bits. 32 lanes are a line, 64 bytes. Level k + 1 has the maximum
/// of each line of level k, so that a search reads one line or two a level, up from where it begins
/// and down to the first lane that fits:
///
///   level 2   [ 9 ]                        the maximum of all
///   level 1   [ 7 | 3 | 9 | ... ]          a lane for each line below
///   level 0   [ 1 0 7 ... | 3 3 0 ... | 0 9 2 ... | ... ]
///
/// Zero bytes are an array of zeros. A line is compared as a whole: with SSE2, which every x86-64
/// has, else four lanes at a time in a 64-bit word.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace pagealloc {

namespace testing {
struct AllocatorAccess;
}  // namespace testing

/// Which of 32 numbers below 2^15 are at least `bound`: a bit each, the first one lowest. All lanes
/// are below 2^15, so in (lane + 2^15) - bound the top bit stays where lane >= bound.
inline std::uint32_t LanesAtLeastPortable(const std::int16_t* lanes, std::int16_t bound) {
  constexpr std::uint64_t kOnes = 0x0001'0001'0001'0001;
  constexpr std::uint64_t kTops = kOnes << 15;
  constexpr std::uint64_t kGather = 0x0001'0002'0004'0008;  // bits 0, 16, 32, 48 to bits 48 to 51
  const std::uint64_t bounds = static_cast<std::uint64_t>(bound) * kOnes;
  std::uint32_t fits = 0;
  for (std::size_t k = 0; k < 8; ++k) {
    std::uint64_t word;
    std::memcpy(&word, lanes + 4 * k, sizeof word);
    if constexpr (std::endian::native == std::endian::big) {
      word = word >> 48 | (word >> 16 & 0xffff'0000) | (word << 16 & 0xffff'0000'0000) | word << 48;
    }
    const std::uint64_t tops = ((word | kTops) - bounds) & kTops;
    fits |= static_cast<std::uint32_t>((tops >> 15) * kGather >> 48 & 15) << 4 * k;
  }
  return fits;
}

/// The same, as fast as it goes. The lanes are 16-byte aligned.
PA_HOT std::uint32_t LanesAtLeast(const std::int16_t* lanes, std::int16_t bound) {
#if defined(__SSE2__)
  const auto* const vectors = reinterpret_cast<const __m128i*>(lanes);
  const __m128i below = _mm_set1_epi16(static_cast<std::int16_t>(bound - 1));
  std::uint32_t fits = 0;
  for (std::size_t half = 0; half < 2; ++half) {
    const __m128i low = _mm_cmpgt_epi16(_mm_load_si128(vectors + 2 * half), below);
    const __m128i high = _mm_cmpgt_epi16(_mm_load_si128(vectors + 2 * half + 1), below);
    fits |= static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(low, high))) << 16 * half;
  }
  return fits;
#else
  return LanesAtLeastPortable(lanes, bound);
#endif
}

/// @tparam kLanes  lanes of level 0, at least 1
template <std::uint64_t kLanes>
class MaxLanes {
  static_assert(kLanes >= 1);

 public:
  using Lane = std::int16_t;  // signed: what vector instructions know the maximum of
  static constexpr unsigned kMost = (1U << 15) - 1;  ///< the largest number
  static constexpr std::size_t kLine = 32;

  /// Levels, and how many lanes each has.
  struct Shape {
    unsigned levels = 0;
    std::array<std::size_t, 8> lanes{};
    std::array<std::size_t, 8> begin{};  ///< of the level, in the array of all
    std::size_t total = 0;
  };
  static constexpr Shape kShape = [] {
    Shape shape;
    for (std::size_t count = kLanes;; count = (count + kLine - 1) / kLine) {
      shape.lanes[shape.levels] = count;
      shape.begin[shape.levels] = shape.total;
      shape.total += (count + kLine - 1) / kLine * kLine;  // whole lines
      ++shape.levels;
      if (count == 1) return shape;
    }
  }();

  [[nodiscard]] PA_HOT unsigned Get(std::uint64_t i) const { return Number(lanes_[Index(i)]); }
  PA_HOT void Prefetch(std::uint64_t i) const { __builtin_prefetch(&lanes_[Index(i)], 1); }
  /// The largest number.
  [[nodiscard]] PA_HOT unsigned max() const { return AtLevel(kShape.levels - 1, 0); }
  /// The number at level k: of a lane, or the maximum of a line of level k - 1.
  [[nodiscard]] PA_HOT unsigned AtLevel(unsigned level, std::uint64_t i) const {
    return Number(lanes_[kShape.begin[level] + Index(i)]);
  }

  /// Gives a lane a larger number. Returns how many levels it changed: all of them
  /// if max() is another one.
  unsigned Raise(std::uint64_t i, unsigned number) {
    PA_ASSERT(number > Get(i) && number <= kMost, i, number);
    const Lane lane = LaneOf(number);
    std::size_t at = Index(i);
    lanes_[at] = lane;
    for (unsigned level = 1; level < kShape.levels; ++level) {
      at /= kLine;
      Lane& above = lanes_[kShape.begin[level] + at];
      if (above >= lane) return level;
      above = lane;
    }
    return kShape.levels;
  }

  /// Gives a lane any number. Returns as Raise(); 0: the number is as before.
  unsigned Set(std::uint64_t i, unsigned number) {
    PA_ASSERT(number <= kMost, i, number);
    std::size_t at = Index(i);
    Lane now = LaneOf(number);
    if (lanes_[at] == now) return 0;
    for (unsigned level = 0; level + 1 < kShape.levels; ++level) {
      Lane* const lanes = &lanes_[kShape.begin[level]];
      // The line is read before the lane is written: a vector that is loaded from where a single
      // lane was stored a moment ago waits until the store has reached the cache.
      const Lane others = MaxOfOthers(lanes + at / kLine * kLine, at % kLine);
      lanes[at] = now;
      now = std::max(now, others);
      at /= kLine;
      if (lanes_[kShape.begin[level + 1] + at] == now) return level + 1;
    }
    lanes_[kShape.begin[kShape.levels - 1] + at] = now;
    return kShape.levels;
  }

  /// Where all numbers but 0 lie: under one line.
  struct Top {
    unsigned level = kShape.levels > 1 ? kShape.levels - 2 : 0;
    std::size_t line = 0;
  };
  /// The lowest one for lanes [first, last].
  [[nodiscard]] static constexpr Top TopOf(std::size_t first, std::size_t last) {
    Top top{0, 0};
    while (first / kLine != last / kLine) {
      first /= kLine;
      last /= kLine;
      ++top.level;
    }
    top.line = first / kLine;
    return top;
  }
  /// The first lane whose number is at least `number`, 1 to max() (contract), and none lies outside
  /// `top`. Reads a line a level.
  [[nodiscard]] PA_HOT std::uint64_t First(unsigned number, Top top = {}) const {
    PA_ASSERT(number >= 1 && number <= max(), number);
    const Lane bound = LaneOf(number);
    std::size_t at = top.line;
    // A case a level, not a loop: where each begins is known then.
    switch (top.level) {
      default:
        at = Down<2>(at, bound);
        [[fallthrough]];
      case 1:
        at = Down<1>(at, bound);
        [[fallthrough]];
      case 0:
        return Down<0>(at, bound);
    }
  }
  static_assert(kShape.levels <= 4);

  /// The first lane at or after `from` whose number is at least `number` (>= 1); kLanes if there is
  /// none. `from` may be kLanes. `lines_read` grows by the lines visited.
  [[nodiscard]] std::uint64_t FirstAtLeast(std::uint64_t from, unsigned number,
                                           std::uint64_t& lines_read) const {
    if (from >= kLanes || number > max()) return kLanes;
    const Lane bound = LaneOf(number);
    std::size_t at = Index(from);
    for (unsigned level = 0;; ++level) {
      ++lines_read;
      const std::uint32_t fits = InLine(level, at / kLine, at % kLine, bound);
      if (fits != 0) {
        at = at / kLine * kLine + FirstOf(fits);
        for (; level > 0; --level) {
          ++lines_read;
          at = at * kLine + FirstOf(InLine(level - 1, at, 0, bound));
        }
        return at;
      }
      at = at / kLine + 1;  // the entry after that of the line
      if (level + 1 == kShape.levels || at >= kShape.lanes[level + 1]) return kLanes;
    }
  }

 private:
  friend struct testing::AllocatorAccess;

  static constexpr std::size_t Index(std::uint64_t i) { return static_cast<std::size_t>(i); }
  static constexpr unsigned Number(Lane lane) { return static_cast<unsigned>(lane); }
  static constexpr Lane LaneOf(unsigned number) { return static_cast<Lane>(number); }

  /// The first lane >= bound of a line that has one.
  template <unsigned kLevel>
  [[nodiscard]] PA_HOT std::size_t Down(std::size_t line, Lane bound) const {
    if constexpr (kLevel + 1 < kShape.levels) {
      return line * kLine + FirstOf(InLine(kLevel, line, 0, bound));
    }
    return line;
  }

  /// Of bits that are not all 0; the compiler is to know it, too.
  PA_HOT static std::size_t FirstOf(std::uint32_t bits) {
    return static_cast<std::size_t>(std::countr_zero(bits | std::uint32_t{1} << 31));
  }

  /// The largest of a line but for lane k.
  static Lane MaxOfOthers(const Lane* line, std::size_t k) {
    static constexpr auto kAllButTheMiddle = [] {
      std::array<Lane, 2 * kLine - 1> lanes{};
      lanes.fill(-1);
      lanes[kLine - 1] = 0;
      return lanes;
    }();
    const Lane* const mask = &kAllButTheMiddle[kLine - 1 - k];
#if defined(__SSE2__)
    __m128i largest = _mm_setzero_si128();
    for (std::size_t i = 0; i < kLine; i += 8) {
      const __m128i lanes = _mm_load_si128(reinterpret_cast<const __m128i*>(line + i));
      const __m128i masks = _mm_loadu_si128(reinterpret_cast<const __m128i*>(mask + i));
      largest = _mm_max_epi16(largest, _mm_and_si128(lanes, masks));
    }
    largest = _mm_max_epi16(largest, _mm_srli_si128(largest, 8));
    largest = _mm_max_epi16(largest, _mm_srli_si128(largest, 4));
    largest = _mm_max_epi16(largest, _mm_srli_si128(largest, 2));
    return static_cast<Lane>(_mm_extract_epi16(largest, 0));
#else
    Lane largest = 0;
    for (std::size_t i = 0; i < kLine; ++i) {
      largest = std::max(largest, static_cast<Lane>(line[i] & mask[i]));
    }
    return largest;
#endif
  }

  /// Of each lane of a line from lane `first` on whether it is >= bound: a bit each.
  [[nodiscard]] PA_HOT std::uint32_t InLine(unsigned level, std::size_t line, std::size_t first,
                                            Lane bound) const {
    return LanesAtLeast(&lanes_[kShape.begin[level] + line * kLine], bound) >> first << first;
  }

  alignas(64) std::array<Lane, kShape.total> lanes_{};
};

}  // namespace pagealloc
