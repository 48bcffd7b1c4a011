#include "harness/peers/best_fit_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

namespace pagealloc::peers {
namespace {

PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(PageOffset{first}, PageCount{count});
}

TEST(BestFitMap, ASnugHoleHigherUpWins) {
  BestFitMap heap;
  heap.Grow(Pages(0, 10));
  heap.Grow(Pages(100, 3));
  heap.Grow(Pages(200, 3));
  EXPECT_EQ(heap.Allocate(PageCount{2}), PageOffset{100});
  EXPECT_EQ(heap.Allocate(PageCount{3}), PageOffset{200});
  EXPECT_EQ(heap.Allocate(PageCount{3}), PageOffset{0});
  EXPECT_EQ(heap.Allocate(PageCount{8}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{7}), PageOffset{3});
}

TEST(BestFitMap, AFreedRunJoinsWhatIsFreeBelowAndAbove) {
  BestFitMap heap;
  heap.Grow(Pages(0, 9));
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(heap.Allocate(PageCount{3}));
  heap.Free(Pages(0, 3));
  heap.Free(Pages(6, 3));
  EXPECT_EQ(heap.Allocate(PageCount{4}), std::nullopt);
  heap.Free(Pages(3, 3));
  EXPECT_EQ(heap.Allocate(PageCount{9}), PageOffset{0});
}

TEST(BestFitMapDeathTest, APageFreedTwiceBreaksTheContract) {
  BestFitMap heap;
  heap.Grow(Pages(4, 4));
  EXPECT_DEATH(heap.Free(Pages(5, 1)), "contract broken");
  EXPECT_DEATH(heap.Free(Pages(3, 2)), "contract broken");
}

// Against a search of every page.
TEST(BestFitMap, PlacesAsASearchOfAllPagesDoes) {
  constexpr std::uint64_t kPages = 300;
  std::mt19937_64 random(11);
  BestFitMap heap;
  heap.Grow(Pages(0, kPages));
  std::string map(kPages, '.');
  std::vector<PageRange> live;
  for (int i = 0; i < 10'000; ++i) {
    if (random() % 2 == 0 && !live.empty()) {
      std::swap(live[random() % live.size()], live.back());
      const PageRange run = live.back();
      live.pop_back();
      heap.Free(run);
      std::fill_n(map.begin() + static_cast<std::ptrdiff_t>(run.begin.raw), run.size().raw, '.');
      continue;
    }
    const std::uint64_t want = 1 + random() % 9;
    std::optional<PageOffset> best;
    std::size_t best_length = kPages + 1;
    for (std::size_t at = map.find('.'); at != std::string::npos; at = map.find('.', at)) {
      const std::size_t end = std::min(map.find('#', at), map.size());
      if (end - at >= want && end - at < best_length) {
        best = PageOffset{at};
        best_length = end - at;
      }
      at = end;
    }
    ASSERT_EQ(heap.Allocate(PageCount{want}), best) << map;
    if (!best) continue;
    live.push_back(Pages(best->raw, want));
    std::fill_n(map.begin() + static_cast<std::ptrdiff_t>(best->raw), want, '#');
  }
}

}  // namespace
}  // namespace pagealloc::peers
