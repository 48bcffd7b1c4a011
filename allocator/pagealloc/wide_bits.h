/// wide_bits.h: the words of a bitmap as one wide number: what runs of ones are found with.
///
/// Runs() tells of every bit whether a run of N ones begins there, for all words at once and
/// without a branch that depends on them: a number and'ed with itself, shifted down by one, has a
/// one where two ones begin; that, shifted by two, where four begin; and so on, log2(N) times.
///
///     bits   ..0111101      shifted by 1 and and'ed   ..0011100     by 2   ..0001000: N = 4
///
/// Two words at a time with SSE2, which every x86-64 has; else word by word.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace pagealloc {

/// kWords words, the lowest bit first; zeros follow. In words: what compilers make of it.
template <unsigned kWords>
class WideBitsPortable {
 public:
  /// The zeros of `words`, as ones.
  static constexpr WideBitsPortable Inverse(const std::array<std::uint64_t, kWords>& words) {
    WideBitsPortable bits;
    for (unsigned i = 0; i < kWords; ++i) bits.words_[i] = ~words[i];
    return bits;
  }
  /// Bits that are ones here, and in `other` `shift` places up; 1 <= shift <= 63.
  [[nodiscard]] constexpr WideBitsPortable AndShifted(const WideBitsPortable& other,
                                                      unsigned shift) const {
    WideBitsPortable bits;
    for (unsigned i = 0; i < kWords; ++i) {
      const std::uint64_t next = i + 1 < kWords ? other.words_[i + 1] : 0;
      bits.words_[i] = words_[i] & (other.words_[i] >> shift | next << (64 - shift));
    }
    return bits;
  }
  [[nodiscard]] constexpr bool any() const {
    std::uint64_t all = 0;
    for (const std::uint64_t word : words_) all |= word;
    return all != 0;
  }
  /// The lowest one; 64 * kWords if there is none.
  [[nodiscard]] constexpr unsigned Lowest() const {
    for (unsigned i = 0; i < kWords; ++i) {
      if (words_[i] != 0) return i * 64 + static_cast<unsigned>(std::countr_zero(words_[i]));
    }
    return kWords * 64;
  }

 private:
  std::array<std::uint64_t, kWords> words_{};
};

#if defined(__SSE2__)
/// The same in vectors of two words.
template <unsigned kWords>
class WideBitsSse2 {
  static_assert(kWords % 2 == 0);
  static constexpr unsigned kVectors = kWords / 2;

 public:
  static WideBitsSse2 Inverse(const std::array<std::uint64_t, kWords>& words) {
    WideBitsSse2 bits;
    for (unsigned i = 0; i < kVectors; ++i) {
      const auto* const at = reinterpret_cast<const __m128i*>(words.data() + 2 * i);
      bits.vectors_[i] = _mm_xor_si128(_mm_loadu_si128(at), _mm_set1_epi32(-1));
    }
    return bits;
  }
  [[nodiscard]] WideBitsSse2 AndShifted(const WideBitsSse2& other, unsigned shift) const {
    const __m128i down = _mm_cvtsi32_si128(static_cast<int>(shift));
    const __m128i up = _mm_cvtsi32_si128(static_cast<int>(64 - shift));
    WideBitsSse2 bits;
    for (unsigned i = 0; i < kVectors; ++i) {
      // The upper word of this vector and the lower one of the next.
      const __m128i next =
          i + 1 < kVectors
              ? _mm_castpd_si128(_mm_shuffle_pd(_mm_castsi128_pd(other.vectors_[i]),
                                                _mm_castsi128_pd(other.vectors_[i + 1]), 1))
              : _mm_srli_si128(other.vectors_[i], 8);
      const __m128i shifted =
          _mm_or_si128(_mm_srl_epi64(other.vectors_[i], down), _mm_sll_epi64(next, up));
      bits.vectors_[i] = _mm_and_si128(vectors_[i], shifted);
    }
    return bits;
  }
  [[nodiscard]] bool any() const {
    __m128i all = vectors_[0];
    for (unsigned i = 1; i < kVectors; ++i) all = _mm_or_si128(all, vectors_[i]);
    return _mm_movemask_epi8(_mm_cmpeq_epi32(all, _mm_setzero_si128())) != 0xffff;
  }
  [[nodiscard]] unsigned Lowest() const {
    // A bit for each 16 bits that hold a one.
    unsigned parts = 0;
    for (unsigned i = 0; i < kVectors; i += 2) {
      const __m128i zero = _mm_setzero_si128();
      const __m128i low = _mm_cmpeq_epi16(vectors_[i], zero);
      const __m128i high = i + 1 < kVectors ? _mm_cmpeq_epi16(vectors_[i + 1], zero) : low;
      parts |= (static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(low, high))) ^ 0xffff)
               << 8 * i;
    }
    if (parts == 0) return kWords * 64;
    alignas(16) std::array<std::uint16_t, std::size_t{kWords} * 4> words;
    for (unsigned i = 0; i < kVectors; ++i) {
      _mm_store_si128(reinterpret_cast<__m128i*>(words.data() + 8 * i), vectors_[i]);
    }
    const auto part = static_cast<unsigned>(std::countr_zero(parts));
    return part * 16 + static_cast<unsigned>(std::countr_zero(unsigned{words[part]}));
  }

 private:
  __m128i vectors_[kVectors];  // std::array would lose their alignment
};
#endif

#if defined(__SSE2__)
template <unsigned kWords>
using WideBits = std::conditional_t<kWords % 2 == 0, WideBitsSse2<kWords + kWords % 2>,
                                    WideBitsPortable<kWords>>;
#else
template <unsigned kWords>
using WideBits = WideBitsPortable<kWords>;
#endif

/// Where runs of `count` ones begin, 1 <= count <= 64.
template <class Bits>
constexpr Bits Runs(Bits bits, unsigned count) {
  unsigned known = 1;  // a one in `bits` says that at least so many begin there
  while (known < count) {
    const unsigned step = std::min(known, count - known);
    bits = bits.AndShifted(bits, step);
    known += step;
  }
  return bits;
}

/// The longest run of ones, if there is one and it has less than 64; else 0 or 64.
template <class Bits>
constexpr unsigned LongestRun(const Bits& bits) {
  if (!bits.any()) return 0;
  // Twice as long while there are such runs, then longer by what is left of the doubling.
  std::array<Bits, 6> runs{bits};  // runs[k]: where 2^k ones begin
  unsigned k = 0;
  while (k < 6) {
    const Bits twice = runs[k].AndShifted(runs[k], 1U << k);
    if (!twice.any()) break;
    if (++k == 6) return 64;
    runs[k] = twice;
  }
  unsigned longest = 1U << k;
  Bits best = runs[k];
  while (k-- > 0) {
    const Bits longer = best.AndShifted(runs[k], longest);
    if (!longer.any()) continue;
    best = longer;
    longest += 1U << k;
  }
  return longest;
}

}  // namespace pagealloc
