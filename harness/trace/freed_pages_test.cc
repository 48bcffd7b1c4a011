#include "harness/trace/freed_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <random>

namespace pagealloc::bench {
namespace {

PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(PageOffset{first}, PageCount{count});
}

TEST(FreedPages, NamesTheLowestPageAndWhoFreedIt) {
  FreedPages freed;
  freed.Add(Pages(10, 10), 1);
  freed.Add(Pages(14, 2), 2);
  const auto first = freed.FirstSince(Pages(12, 100), 0);
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->page, PageOffset{12});
  EXPECT_EQ(first->number, 1U);
  const auto later = freed.FirstSince(Pages(12, 100), 1);
  ASSERT_TRUE(later.has_value());
  EXPECT_EQ(later->page, PageOffset{14});
  EXPECT_EQ(later->number, 2U);
  EXPECT_FALSE(freed.FirstSince(Pages(16, 100), 1).has_value());
  EXPECT_FALSE(freed.FirstSince(Pages(20, 100), 0).has_value());
  EXPECT_FALSE(freed.FirstSince(Pages(0, 10), 0).has_value());
}

TEST(FreedPages, AgreesWithANumberAPageOnRandomRanges) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    std::mt19937 random(seed);
    FreedPages freed;
    std::array<std::uint64_t, 64> last{};
    for (std::uint64_t number = 1; number < 60; ++number) {
      const std::uint64_t first = random() % 60;
      const PageRange range = Pages(first, 1 + random() % (64 - first));
      freed.Add(range, number);
      for (std::uint64_t i = first; i < range.end.raw; ++i) last[i] = number;
      const std::uint64_t from = random() % 60;
      const std::uint64_t since = random() % number;
      const auto got = freed.FirstSince(Pages(from, 4), since);
      std::uint64_t expected = from;
      while (expected < from + 4 && last[expected] <= since) ++expected;
      ASSERT_EQ(got.has_value(), expected < from + 4) << "seed " << seed << " step " << number;
      if (!got) continue;
      EXPECT_EQ(got->page.raw, expected);
      EXPECT_EQ(got->number, last[expected]);
    }
  }
}

}  // namespace
}  // namespace pagealloc::bench
