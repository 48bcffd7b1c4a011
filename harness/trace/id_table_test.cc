#include "harness/trace/id_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::bench {
namespace {

/// Words of a text, each followed by a space.
std::vector<std::string_view> Words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find(' ', begin);
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

TEST(IdTable, NumbersInOrderOfFirstAppearance) {
  const std::string text = "b a b 01 1 a ";
  IdTable ids(text);
  std::vector<std::uint32_t> numbers;
  for (const std::string_view word : Words(text)) numbers.push_back(ids.NumberOf(word));
  EXPECT_THAT(numbers, ::testing::ElementsAre(0, 1, 0, 2, 3, 1));
  EXPECT_EQ(ids.size(), 4U);
}

TEST(IdTable, TellsIdsApartThatBeginAlike) {
  const std::string text = "aa a aaa aa a aaa ";
  IdTable ids(text);
  std::vector<std::uint32_t> numbers;
  for (const std::string_view word : Words(text)) numbers.push_back(ids.NumberOf(word));
  EXPECT_THAT(numbers, ::testing::ElementsAre(0, 1, 2, 0, 1, 2));
}

// These two have the same 32-bit hash (searched for), so that only what follows the ID tells them
// apart.
TEST(IdTable, TellsAnIdFromALongerOneWithTheSameHash) {
  const std::string text = "p1726aop0 p1726 p1726aop0 ";
  IdTable ids(text);
  std::vector<std::uint32_t> numbers;
  for (const std::string_view word : Words(text)) numbers.push_back(ids.NumberOf(word));
  EXPECT_THAT(numbers, ::testing::ElementsAre(0, 1, 0));
}

TEST(IdTable, KeepsNumbersWhileItGrows) {
  std::string text;
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 20'000; ++i) text += std::to_string(i * 7) + ' ';
  }
  IdTable ids(text);
  std::uint32_t position = 0;
  for (const std::string_view word : Words(text)) {
    ASSERT_EQ(ids.NumberOf(word), position % 20'000) << word;
    ++position;
  }
  EXPECT_EQ(ids.size(), 20'000U);
}

}  // namespace
}  // namespace pagealloc::bench
