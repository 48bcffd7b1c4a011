/// page_bits.h: one bit a page of a chunk, and searching in them.
///
/// PageBits<P> holds P bits (512, or 64 for wasm's small chunks) in 64-bit words; bit i is bit
/// i % 64 of word i / 64. Read as allocation state, 1 is allocated and 0 is free; Find and
/// Summarize look for zeros. A 512-page bitmap is one cache line. Ranges are (first, count) with
/// count >= 1 and must lie inside the chunk (contract). Nothing here allocates or locks. Go's
/// names: pageBits, pallocBits; findBitRange64 = LowestRun64, fillAligned = FillAligned.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "pagealloc/contract.h"
#include "pagealloc/hot.h"
#include "pagealloc/summary.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// Bits [first, first + count) of a word; 1 <= count, first + count <= 64.
PA_HOT constexpr std::uint64_t WordMask(unsigned first, unsigned count) {
  return (~std::uint64_t{0} >> (64 - count)) << first;
}

/// Ones of a word. Where there is no instruction for it, std::popcount is a call of a function in a
/// library; this is as many steps without the call.
PA_HOT constexpr unsigned Ones64(std::uint64_t bits) {
#if defined(__POPCNT__) || defined(__aarch64__)
  return static_cast<unsigned>(std::popcount(bits));
#else
  bits -= bits >> 1 & 0x5555'5555'5555'5555;
  bits = (bits & 0x3333'3333'3333'3333) + (bits >> 2 & 0x3333'3333'3333'3333);
  bits = (bits + (bits >> 4)) & 0x0f0f'0f0f'0f0f'0f0f;
  return static_cast<unsigned>(bits * 0x0101'0101'0101'0101 >> 56);
#endif
}

/// Leaves a 1 wherever `count` consecutive ones of `bits` begin. count >= 1; more than 64 leaves 0.
/// Each step doubles the length of the runs that are known to survive, as far as it is to grow;
/// there are as many for 1 as for 16, since no processor could predict how many it takes.
PA_HOT constexpr std::uint64_t RunStarts64(std::uint64_t bits, std::uint64_t count) {
  if (count > 64) return 0;
  std::uint64_t more = count - 1;  // ones that runs known to survive have yet to get
  const auto grow = [&bits, &more](std::uint64_t known) {
    const std::uint64_t step = more < known ? more : known;
    bits &= bits >> step;
    more -= step;
  };
  grow(1);
  grow(2);
  grow(4);
  grow(8);
  if (more != 0) {
    grow(16);
    grow(32);
  }
  return bits;
}

/// Position of the lowest run of `count` ones in `bits`; 64 if there is none (Go: findBitRange64).
constexpr unsigned LowestRun64(std::uint64_t bits, std::uint64_t count) {
  PA_EXPECT(count >= 1, count);
  return static_cast<unsigned>(std::countr_zero(RunStarts64(bits, count)));
}

/// Fills every aligned group of `group` bits that contains a one; a power of two from 1 to 64
/// (contract). Each step joins two neighbouring halves: 0x0100a3 in groups of 8 is 0xff00ff
/// (Go: fillAligned).
constexpr std::uint64_t FillAligned(std::uint64_t bits, std::uint64_t group) {
  PA_EXPECT(group <= 64 && std::has_single_bit(group), group);
  for (std::uint64_t half = 1; half < group; half *= 2) {
    // The lower half of every group of 2 * half bits: 0x5555..., 0x3333..., 0x0f0f...
    const std::uint64_t lower = ~std::uint64_t{0} / ((std::uint64_t{1} << half) + 1);
    bits |= (bits >> half & lower) | (bits & lower) << half;
  }
  return bits;
}

template <unsigned kPages>
class PageBits {
  static_assert(kPages % 64 == 0 && std::has_single_bit(kPages));

 public:
  static constexpr unsigned kWords = kPages / 64;

  /// A free run in the chunk, and the first free page seen on the way.
  struct Match {
    unsigned first;
    unsigned first_free;
  };

  [[nodiscard]] PA_HOT constexpr bool Get(unsigned i) const {
    return (WordOf(i) >> i % 64 & 1) != 0;
  }
  /// The whole word that contains bit i, not shifted (Go: block64, pages64).
  [[nodiscard]] PA_HOT constexpr std::uint64_t WordOf(unsigned i) const {
    PA_ASSERT(i < kPages, i);
    return words_[i / 64];
  }
  [[nodiscard]] PA_HOT constexpr std::uint64_t word(unsigned index) const { return words_[index]; }

  PA_HOT constexpr void Set(unsigned i) { SetInWord(i, std::uint64_t{1} << i % 64); }
  PA_HOT constexpr void Clear(unsigned i) { ClearInWord(i, std::uint64_t{1} << i % 64); }
  constexpr void SetAll() { words_.fill(~std::uint64_t{0}); }
  constexpr void ClearAll() { words_.fill(0); }
  /// Adds the ones of `bits` to the word of bit i (Go: setBlock64, allocPages64).
  PA_HOT constexpr void SetInWord(unsigned i, std::uint64_t bits) {
    PA_ASSERT(i < kPages, i);
    words_[i / 64] |= bits;
  }
  /// Takes the ones of `bits` out of the word of bit i (Go: clearBlock64).
  PA_HOT constexpr void ClearInWord(unsigned i, std::uint64_t bits) {
    PA_ASSERT(i < kPages, i);
    words_[i / 64] &= ~bits;
  }

  PA_HOT constexpr void SetRange(unsigned first, unsigned count) {
    ForWords<false>(first, count, [this](unsigned w, std::uint64_t mask) { words_[w] |= mask; });
  }
  PA_HOT constexpr void ClearRange(unsigned first, unsigned count) {
    ForWords<false>(first, count, [this](unsigned w, std::uint64_t mask) { words_[w] &= ~mask; });
  }
  /// Whether there is a one in the range.
  [[nodiscard]] PA_HOT constexpr bool AnyInRange(unsigned first, unsigned count) const {
    std::uint64_t any = 0;
    ForWords<false>(first, count, [&](unsigned w, std::uint64_t mask) { any |= words_[w] & mask; });
    return any != 0;
  }
  /// Ones in the range (Go: popcntRange).
  [[nodiscard]] constexpr unsigned CountRange(unsigned first, unsigned count) const {
    unsigned ones = 0;
    ForWords<true>(first, count, [&](unsigned w, std::uint64_t mask) {
      const std::uint64_t bits = words_[w] & mask;
      if (bits != 0)
        ones += bits == ~std::uint64_t{0} ? 64 : Ones64(bits);  // most are one of these
    });
    return ones;
  }

  /// Ones of all. Most often none, or all of them.
  [[nodiscard]] PA_HOT constexpr unsigned CountAll() const {
    std::uint64_t any = 0;
    std::uint64_t all = ~std::uint64_t{0};
    for (const std::uint64_t word : words_) {
      any |= word;
      all &= word;
    }
    if (any == 0) return 0;
    return ~all == 0 ? kPages : CountRange(0, kPages);
  }

  /// Zeros directly below bit i (i <= kPages): the length of the run that ends there.
  [[nodiscard]] PA_HOT constexpr unsigned ZerosBelow(unsigned i) const {
    PA_EXPECT(i <= kPages, i);
    unsigned w = i / 64;
    unsigned zeros = i % 64;
    if (zeros != 0) {
      const std::uint64_t below = words_[w] << (64 - zeros);
      if (below != 0) return static_cast<unsigned>(std::countl_zero(below));
    }
    if (w == 0) return zeros;
    if (const std::uint64_t word = words_[w - 1]; word != 0) {
      return zeros + static_cast<unsigned>(std::countl_zero(word));
    }
    // A long one, as in RunFrom().
    const unsigned others = ~WordsLike<0>() & ((1U << w) - 1);
    const unsigned above = static_cast<unsigned>(std::bit_width(others));
    zeros += 64 * (w - above);
    return above == 0 ? zeros : zeros + static_cast<unsigned>(std::countl_zero(words_[above - 1]));
  }
  /// Zeros from bit i (i <= kPages) upwards: the length of the run that begins there.
  [[nodiscard]] PA_HOT constexpr unsigned ZerosFrom(unsigned i) const { return RunFrom<0>(i); }
  /// Ones from bit i (i <= kPages) upwards.
  [[nodiscard]] constexpr unsigned OnesFrom(unsigned i) const {
    return RunFrom<~std::uint64_t{0}>(i);
  }

  /// Zeros at the low end, longest run of zeros, zeros at the high end (Go: summarize).
  /// One pass; a word's inner runs are looked at only as far as they could beat the longest so far.
  [[nodiscard]] constexpr FreeRuns Summarize() const {
    unsigned start = kPages;  // until a one is seen
    unsigned longest = 0;
    unsigned run = 0;  // zeros that end at the border before the word
    for (unsigned w = 0; w < kWords; ++w) {
      const std::uint64_t word = words_[w];
      if (word == 0) {
        run += 64;
        continue;
      }
      run += static_cast<unsigned>(std::countr_zero(word));
      if (start == kPages) start = run;
      if (run > longest) longest = run;
      run = static_cast<unsigned>(std::countl_zero(word));
    }
    if (start == kPages) return {PageCount{kPages}, PageCount{kPages}, PageCount{kPages}};
    if (run > longest) longest = run;
    // A run strictly inside a word has at most 62 zeros.
    for (unsigned w = 0; w < kWords && longest < 62; ++w) {
      std::uint64_t starts = RunStarts64(~words_[w], longest + 1);
      while (starts != 0) {
        ++longest;
        starts &= ~words_[w] >> longest;  // those that go on for one more
      }
    }
    return {PageCount{start}, PageCount{longest}, PageCount{run}};
  }

  /// The longest run of zeros that has a whole word in it, from page `begin` on, which is a one or
  /// page 0. 0 if there is none; longer ones than 126 are of this kind.
  [[nodiscard]] constexpr unsigned LongestOverAWord(unsigned begin) const {
    const unsigned skipped = begin / 64;
    unsigned longest = 0;
    for (unsigned whole = WordsLike<0>() >> skipped << skipped; whole != 0;) {
      const auto first = static_cast<unsigned>(std::countr_zero(whole));
      whole += 1U << first;  // the lowest ones leave, one comes behind them or joins the next
      const unsigned last = static_cast<unsigned>(std::countr_zero(whole));
      whole &= ~(1U << last);
      unsigned run = 64 * (last - first);
      if (first > 0) run += static_cast<unsigned>(std::countl_zero(words_[first - 1]));
      if (last < kWords) run += static_cast<unsigned>(std::countr_zero(words_[last]));
      longest = std::max(longest, run);
    }
    return longest;
  }

  /// Lowest run of `count` zeros at or after the start of the word that holds `from`, and the first
  /// zero in the words visited; nullopt if there is none. The caller knows that nothing below
  /// `from` is free, so rounding down to a word keeps the answer the lowest (Go: find, and its
  /// find1, findSmallN, findLargeN). `words_read` grows by the words visited.
  [[nodiscard]] constexpr std::optional<Match> Find(std::uint64_t count, unsigned from,
                                                    std::uint64_t& words_read) const {
    PA_EXPECT(count >= 1 && from < kPages, count, from);
    if (count == 1) return FindOne(from, words_read);
    if (count > kPages) return std::nullopt;
    return FindRun(static_cast<unsigned>(count), from, words_read);
  }

  friend constexpr bool operator==(const PageBits&, const PageBits&) = default;

 private:
  /// Bits from bit i upwards that are as those of kWord, which is all zeros or all ones.
  template <std::uint64_t kWord>
  [[nodiscard]] PA_HOT constexpr unsigned RunFrom(unsigned i) const {
    PA_EXPECT(i <= kPages, i);
    unsigned w = i / 64;
    unsigned run = 0;
    if (i % 64 != 0) {
      const std::uint64_t above = (words_[w] ^ kWord) >> i % 64;
      if (above != 0) return static_cast<unsigned>(std::countr_zero(above));
      run = 64 - i % 64;
      ++w;
    }
    if (w == kWords) return run;
    if (words_[w] != kWord) {
      return run + static_cast<unsigned>(std::countr_zero(words_[w] ^ kWord));
    }
    // A long one. How many words it goes on for nobody could predict: no loop.
    const unsigned last = static_cast<unsigned>(std::countr_one(WordsLike<kWord>() >> w)) + w;
    run += 64 * (last - w);
    return last == kWords ? run
                          : run + static_cast<unsigned>(std::countr_zero(words_[last] ^ kWord));
  }
  /// A bit for each word, the first one lowest: whether it is kWord.
  template <std::uint64_t kWord>
  [[nodiscard]] PA_HOT constexpr unsigned WordsLike() const {
    unsigned like = 0;
    for (unsigned w = kWords; w-- > 0;) like = 2 * like + ((words_[w] ^ kWord) < 1 ? 1 : 0);
    return like;
  }

  static constexpr unsigned kNoneSeen = kPages;

  /// Calls `visit(word index, mask)` for each word that the range touches: from low to high, each
  /// once. Or, without kInOrder, words in any order, more than once, and with an empty mask: how
  /// many a range touches nobody could predict, so all are visited if there are more than two.
  template <bool kInOrder, class Visit>
  PA_HOT static constexpr void ForWords(unsigned first, unsigned count, Visit&& visit) {
    PA_EXPECT(count >= 1 && first < kPages && count <= kPages - first, first, count);
    const unsigned last = first + count - 1;
    const unsigned first_word = first / 64;
    const unsigned last_word = last / 64;
    const std::uint64_t low_mask = ~std::uint64_t{0} << first % 64;
    const std::uint64_t high_mask = ~std::uint64_t{0} >> (63 - last % 64);
    if (kWords == 1 || first_word == last_word) {  // the former tells g++ 12 that no word follows
      visit(first_word, low_mask & high_mask);
      return;
    }
    if (!kInOrder && last_word - first_word > 1) {
      const std::uint64_t* const from = &kZerosThenOnes[kWords - 1 - first_word];
      const std::uint64_t* const to = &kZerosThenOnes[kWords - last_word];
      for (unsigned w = 0; w < kWords; ++w) visit(w, from[w] & ~to[w]);
    }
    visit(first_word, low_mask);
    if (kInOrder) {
      for (unsigned w = first_word + 1; w < last_word; ++w) visit(w, ~std::uint64_t{0});
    }
    visit(last_word, high_mask);
  }
  /// As many words of each as a chunk has.
  static constexpr auto kZerosThenOnes = [] {
    std::array<std::uint64_t, std::size_t{2} * kWords> words{};
    for (unsigned w = kWords; w < 2 * kWords; ++w) words[w] = ~std::uint64_t{0};
    return words;
  }();

  constexpr std::optional<Match> FindOne(unsigned from, std::uint64_t& words_read) const {
    for (unsigned w = from / 64; w < kWords; ++w) {
      ++words_read;
      const std::uint64_t zeros = ~words_[w];
      if (zeros == 0) continue;
      const unsigned at = w * 64 + static_cast<unsigned>(std::countr_zero(zeros));
      return Match{at, at};
    }
    return std::nullopt;
  }

  constexpr std::optional<Match> FindRun(unsigned count, unsigned from,
                                         std::uint64_t& words_read) const {
    unsigned first_free = kNoneSeen;
    unsigned run = 0;  // zeros that end at the border before the word
    for (unsigned w = from / 64; w < kWords; ++w) {
      ++words_read;
      const std::uint64_t word = words_[w];
      const unsigned base = w * 64;
      if (first_free == kNoneSeen && ~word != 0) {
        first_free = base + static_cast<unsigned>(std::countr_one(word));
      }
      const unsigned low = static_cast<unsigned>(std::countr_zero(word));
      if (run + low >= count) return Match{base - run, first_free};
      if (const std::uint64_t starts = RunStarts64(~word, count); starts != 0) {
        return Match{base + static_cast<unsigned>(std::countr_zero(starts)), first_free};
      }
      run = word == 0 ? run + 64 : static_cast<unsigned>(std::countl_zero(word));
    }
    return std::nullopt;
  }

  std::array<std::uint64_t, kWords> words_{};
};

}  // namespace pagealloc
