#include "harness/peers/buddy.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace pagealloc::peers {
namespace {

constexpr PageOffset kOrigin{1'000'000};

PageOffset At(std::uint64_t page) { return kOrigin + PageCount{page}; }
PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(At(first), PageCount{count});
}

TEST(Buddy, TakesTheShortestBlockThatHoldsARequest) {
  Buddy heap(kOrigin);
  heap.Grow(Pages(0, 16));
  EXPECT_EQ(heap.Allocate(PageCount{3}), At(0));
  EXPECT_EQ(heap.Allocate(PageCount{2}), At(4));
  EXPECT_EQ(heap.Allocate(PageCount{5}), At(8));
  EXPECT_EQ(heap.Allocate(PageCount{2}), At(6));
  EXPECT_EQ(heap.Allocate(PageCount{1}), std::nullopt);  // of 16 pages 12 were asked for
}

TEST(Buddy, HalvesJoinAgainOnceBothAreFree) {
  Buddy heap(kOrigin);
  heap.Grow(Pages(0, 8));
  for (std::uint64_t page = 0; page < 8; ++page) ASSERT_TRUE(heap.Allocate(PageCount{1}));
  for (const std::uint64_t page : {0U, 2U, 4U, 6U, 1U, 3U, 5U}) heap.Free(Pages(page, 1));
  EXPECT_EQ(heap.Allocate(PageCount{8}), std::nullopt);
  heap.Free(Pages(7, 1));
  EXPECT_EQ(heap.Allocate(PageCount{8}), At(0));
}

// Pages 2 and 3 are neighbours of 4 and 5, but no buddies.
TEST(Buddy, NeighboursThatAreNoBuddiesStayApart) {
  Buddy heap(kOrigin);
  heap.Grow(Pages(2, 4));
  EXPECT_EQ(heap.Allocate(PageCount{3}), std::nullopt);
  EXPECT_NE(heap.Allocate(PageCount{2}), std::nullopt);
  EXPECT_NE(heap.Allocate(PageCount{2}), std::nullopt);
}

TEST(Buddy, SaysByHowMuchAHeapMustGrow) {
  Buddy heap(kOrigin);
  heap.Grow(Pages(0, 512));
  ASSERT_EQ(heap.Allocate(PageCount{1}), At(0));
  EXPECT_EQ(heap.GrowthFor(At(512), PageCount{600}), PageCount{512 + 1024});
  EXPECT_EQ(heap.GrowthFor(At(1024), PageCount{600}), PageCount{1024});
  EXPECT_EQ(heap.GrowthFor(At(512), PageCount{1}), PageCount{1});
  heap.Grow(Pages(512, 1536));
  EXPECT_EQ(heap.Allocate(PageCount{600}), At(1024));
}

TEST(Buddy, RefusesMoreThanAnyBlockCanHold) {
  Buddy heap(kOrigin);
  heap.Grow(Pages(0, 64));
  EXPECT_EQ(heap.Allocate(PageCount{65}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{std::uint64_t{1} << 40}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{64}), At(0));
}

TEST(Buddy, GivesNoPageTwiceAndLosesNone) {
  constexpr std::uint64_t kPages = 1024;
  std::mt19937_64 random(7);
  Buddy heap(kOrigin);
  heap.Grow(Pages(0, kPages));
  std::map<std::uint64_t, std::uint64_t> live;  // first page to pages taken, a power of two
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t want = 1 + random() % 40;
    const auto got = random() % 2 == 0 ? heap.Allocate(PageCount{want}) : std::nullopt;
    if (got) {
      const std::uint64_t first = got->raw - kOrigin.raw;
      const std::uint64_t size = std::bit_ceil(want);
      EXPECT_EQ(first % size, 0U);
      ASSERT_LE(first + size, kPages);
      const auto above = live.lower_bound(first);
      ASSERT_TRUE(above == live.end() || above->first >= first + size) << i;
      ASSERT_TRUE(above == live.begin() ||
                  std::prev(above)->first + std::prev(above)->second <= first)
          << i;
      live.emplace(first, size);
    } else if (!live.empty()) {
      const auto victim = std::next(live.begin(), static_cast<int>(random() % live.size()));
      heap.Free(Pages(victim->first, victim->second));
      live.erase(victim);
    }
  }
  for (const auto& [first, size] : live) heap.Free(Pages(first, size));
  EXPECT_EQ(heap.Allocate(PageCount{kPages}), At(0));
}

}  // namespace
}  // namespace pagealloc::peers
