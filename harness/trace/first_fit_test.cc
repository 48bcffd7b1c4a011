#include "harness/trace/first_fit.h"

#include <gtest/gtest.h>

#include <vector>

#include "harness/trace/random.h"
#include "testing/page_map.h"

namespace pagealloc::bench {
namespace {

PageRange Pages(std::uint64_t begin, std::uint64_t end) {
  return {PageOffset{begin}, PageOffset{end}};
}

TEST(FirstFit, PlacesAtTheLowestAddressThatFits) {
  FirstFit heap(PageCount{1000});
  heap.Take(Pages(0, 1000));
  heap.Free(Pages(10, 12));
  heap.Free(Pages(700, 703));
  heap.Free(Pages(800, 802));
  EXPECT_EQ(heap.Allocate(PageCount{3}), PageOffset{700});
  EXPECT_EQ(heap.Allocate(PageCount{1}), PageOffset{10});
  EXPECT_EQ(heap.Allocate(PageCount{2}), PageOffset{800});
  EXPECT_EQ(heap.Allocate(PageCount{2}), std::nullopt);
  EXPECT_EQ(heap.in_use(), PageCount{999});
}

TEST(FirstFit, FindsRunsAcrossWordsAndNeverBeyondTheHeapsEnd) {
  FirstFit heap(PageCount{200});  // three whole words and a piece
  EXPECT_EQ(heap.Allocate(PageCount{201}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{200}), PageOffset{0});
  heap.Free(Pages(60, 196));
  EXPECT_EQ(heap.Allocate(PageCount{137}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{136}), PageOffset{60});
  heap.Free(Pages(190, 196));
  EXPECT_EQ(heap.Allocate(PageCount{7}), std::nullopt);
}

TEST(FirstFit, HoldsAHeapOfOnePage) {
  FirstFit heap(PageCount{1});
  EXPECT_EQ(heap.Allocate(PageCount{2}), std::nullopt);
  EXPECT_EQ(heap.Allocate(PageCount{1}), PageOffset{0});
  EXPECT_TRUE(heap.taken(PageOffset{0}));
  EXPECT_EQ(heap.Allocate(PageCount{1}), std::nullopt);
}

// The generators rely on it for legality, so it has to agree with the model that judges them.
TEST(FirstFit, AgreesWithTheModelOnEveryPlacement) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    const PageCount pages{512 * random.Between(1, 5)};
    const std::uint64_t largest = std::uint64_t{1} << random.Between(0, 9);
    FirstFit heap(pages);
    testing::PageMap model(PageCount{512});
    model.Grow({PageOffset{0}, PageOffset{pages.raw}});
    std::vector<PageRange> live;
    for (int step = 0; step < 5000; ++step) {
      if (random.Below(50) == 0) {  // a page cache, there and back
        const auto expected = model.TakeBlock();
        const auto got = heap.TakeBlock();
        ASSERT_EQ(got.has_value(), expected.has_value()) << "seed " << seed << " step " << step;
        if (!got) continue;
        EXPECT_EQ(got->first, expected->first);
        EXPECT_EQ(got->pages, expected->pages);
        EXPECT_EQ(heap.in_use(), model.in_use());
        heap.ReturnBlock(*got);
        model.ReturnBlock(*expected);
      } else if (!live.empty() && random.Below(2) == 0) {
        std::swap(live[static_cast<std::size_t>(random.Below(live.size()))], live.back());
        heap.Free(live.back());
        model.Free(live.back());
        live.pop_back();
      } else {
        const PageCount want{random.Between(1, largest)};
        const auto expected = model.Allocate(want);
        const auto got = heap.Allocate(want);
        ASSERT_EQ(got.has_value(), expected.has_value()) << "seed " << seed << " step " << step;
        if (!got) continue;
        ASSERT_EQ(*got, expected->first) << "seed " << seed << " step " << step;
        live.push_back(PageRange::Of(*got, want));
      }
      ASSERT_EQ(heap.in_use(), model.in_use());
    }
  }
}

TEST(FirstFitDeathTest, FreeingWhatIsFreeBreaksTheContract) {
  FirstFit heap(PageCount{128});
  heap.Take(Pages(0, 64));
  EXPECT_DEATH(heap.Free(Pages(60, 66)), "contract broken");
  EXPECT_DEATH(heap.Take(Pages(60, 66)), "contract broken");
  EXPECT_DEATH(heap.Take(Pages(100, 129)), "contract broken");
}

}  // namespace
}  // namespace pagealloc::bench
