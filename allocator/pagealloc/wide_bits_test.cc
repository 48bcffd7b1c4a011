// WideBits, in words and in vectors, against one bit at a time.
#include "pagealloc/wide_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

namespace pagealloc {
namespace {

template <class Bits>
class WideBitsOf : public ::testing::Test {};

template <template <unsigned> class Bits, unsigned kCount>
struct Form {
  static constexpr unsigned kWords = kCount;
  using Type = Bits<kCount>;
};
using Forms =
    ::testing::Types<Form<WideBitsPortable, 1>, Form<WideBitsPortable, 2>, Form<WideBitsPortable, 8>
#if defined(__SSE2__)
                     ,
                     Form<WideBitsSse2, 2>, Form<WideBitsSse2, 4>, Form<WideBitsSse2, 6>,
                     Form<WideBitsSse2, 8>
#endif
                     >;
TYPED_TEST_SUITE(WideBitsOf, Forms);

/// Words whose zeros come in runs of about `length`.
template <std::size_t kWords>
std::array<std::uint64_t, kWords> RandomWords(std::mt19937_64& random, unsigned length) {
  std::array<std::uint64_t, kWords> words{};
  bool one = false;
  for (unsigned i = 0; i < kWords * 64; ++i) {
    if (random() % length == 0) one = !one;
    words[i / 64] |= std::uint64_t{one} << i % 64;
  }
  return words;
}

TYPED_TEST(WideBitsOf, RunsAndTheLongestOneAgreeWithReadingBitByBit) {
  constexpr unsigned kBits = TypeParam::kWords * 64;
  std::mt19937_64 random(3);
  for (unsigned round = 0; round < 1500; ++round) {
    const auto words = RandomWords<TypeParam::kWords>(random, 1 + round % 40 * 3);
    const auto zeros = TypeParam::Type::Inverse(words);
    std::array<unsigned, kBits + 1> run{};  // zeros from each bit on
    for (unsigned i = kBits; i-- > 0;)
      run[i] = (words[i / 64] >> i % 64 & 1) != 0 ? 0 : run[i + 1] + 1;
    const unsigned longest = *std::max_element(run.begin(), run.end());
    ASSERT_EQ(zeros.any(), longest > 0);
    ASSERT_EQ(LongestRun(zeros), std::min(longest, 64U));
    for (const unsigned count : {1U, 2U, 3U, 5U, 16U, 31U, 63U, 64U}) {
      const auto first =
          std::find_if(run.begin(), run.end() - 1, [&](unsigned n) { return n >= count; });
      ASSERT_EQ(Runs(zeros, count).Lowest(), static_cast<unsigned>(first - run.begin()))
          << count << " in round " << round;
    }
  }
}

TYPED_TEST(WideBitsOf, OneRunOfEveryLengthAtEveryPlace) {
  constexpr unsigned kBits = TypeParam::kWords * 64;
  for (unsigned first = 0; first < kBits; first += 1 + first % 7) {
    for (unsigned length = 1; length <= std::min(70U, kBits - first); ++length) {
      std::array<std::uint64_t, TypeParam::kWords> words;
      words.fill(~std::uint64_t{0});
      for (unsigned i = first; i < first + length; ++i) {
        words[i / 64] ^= std::uint64_t{1} << i % 64;
      }
      const auto zeros = TypeParam::Type::Inverse(words);
      ASSERT_EQ(LongestRun(zeros), std::min(length, 64U)) << first;
      ASSERT_EQ(zeros.Lowest(), first);
      if (length <= 64) {
        ASSERT_EQ(Runs(zeros, length).Lowest(), first) << length;
      }
      if (length < 64) {
        ASSERT_EQ(Runs(zeros, length + 1).Lowest(), kBits) << first;
      }
    }
  }
}

}  // namespace
}  // namespace pagealloc
