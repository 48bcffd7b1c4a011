/// The scans against values that are written down, with borders of words and groups.
#include "testing/scans.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

namespace pagealloc::testing {
namespace {

TEST(AllZeroTest, OneByteAnywhereIsSeen) {
  for (const std::size_t size : {0U, 1U, 63U, 64U, 65U, 200U}) {
    std::vector<std::byte> bytes(size);
    EXPECT_TRUE(AllZero(bytes)) << size;
    for (std::size_t i = 0; i < size; ++i) {
      bytes[i] = std::byte{1};
      EXPECT_FALSE(AllZero(bytes)) << size << ", byte " << i;
      bytes[i] = std::byte{0};
    }
  }
}

TEST(AnyBitTest, OnlyBitsOfTheRangeCount) {
  std::array<std::uint64_t, 4> words{};
  constexpr std::size_t kFirst = 60;
  constexpr std::size_t kCount = 140;  // parts of two words, and two in between
  for (std::size_t i = 0; i < 256; ++i) {
    words[i / 64] = std::uint64_t{1} << i % 64;
    EXPECT_EQ(AnyBit(words, kFirst, kCount), i >= kFirst && i < kFirst + kCount) << i;
    words[i / 64] = 0;
  }
  words.fill(~std::uint64_t{0});
  EXPECT_FALSE(AnyBit(words, 64, 0));
}

TEST(FindWrongMaximumTest, TellsTheEntryAndWhatItShouldBe) {
  const std::array<std::int16_t, 5> below{1, 7, 0, 3, 9};  // groups of two, the last of one
  EXPECT_FALSE(FindWrongMaximum(std::array<std::int16_t, 3>{7, 3, 9}, below, 2));
  const auto second = FindWrongMaximum(std::array<std::int16_t, 3>{7, 4, 8}, below, 2);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->entry, 1U);
  EXPECT_EQ(second->expected, 3);
  const auto last = FindWrongMaximum(std::array<std::int16_t, 3>{7, 3, 8}, below, 2);
  ASSERT_TRUE(last);
  EXPECT_EQ(last->entry, 2U);
  EXPECT_EQ(last->expected, 9);
}

using ::testing::ElementsAre;
constexpr std::uint64_t kFull = ~std::uint64_t{0};
constexpr unsigned kUnbounded = std::numeric_limits<unsigned>::max();

TEST(RunsByWordTest, ARunBelongsToTheWordInWhichItBegins) {
  // Pages 60 to 130 are free, and page 140.
  const std::array<std::uint64_t, 3> words{kFull >> 4, 0, kFull << 3 ^ std::uint64_t{1} << 12};
  EXPECT_THAT(RunsByWord(words, kUnbounded), ElementsAre(71, 0, 1, 0, 0, 0, 0, 0));
}

TEST(RunsByWordTest, TheLongestOfAWordIsTold) {
  const std::array<std::uint64_t, 1> words{~std::uint64_t{0b0111'0001'1010}};
  EXPECT_THAT(RunsByWord(words, kUnbounded), ElementsAre(3, 0, 0, 0, 0, 0, 0, 0));
}

TEST(RunsByWordTest, ABorderOfWordsEndsNoRunAndBeginsOneWhereItIsOver) {
  const std::array<std::uint64_t, 4> words{kFull, 0, kFull, kFull >> 63};
  EXPECT_THAT(RunsByWord(words, kUnbounded), ElementsAre(0, 64, 0, 63, 0, 0, 0, 0));
}

TEST(RunsByWordTest, LongOnesAreCut) {
  const std::array<std::uint64_t, 8> words{};
  EXPECT_THAT(RunsByWord(words, kUnbounded), ElementsAre(512, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_THAT(RunsByWord(words, 127), ElementsAre(127, 0, 0, 0, 0, 0, 0, 0));
}

}  // namespace
}  // namespace pagealloc::testing
