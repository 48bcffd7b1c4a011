#include "testing/page_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

namespace pagealloc::testing {
namespace {

PageRange Pages(std::uint64_t first, std::uint64_t count) {
  return PageRange::Of(PageOffset{first}, PageCount{count});
}

/// A heap at page 0 whose first pages are as drawn: # allocated, . free, s free and scavenged; the
/// rest of the last chunk of 64 is allocated.
PageMap Drawn(const std::string& picture) {
  PageMap map{PageCount{64}};
  const std::uint64_t chunks = (picture.size() + 63) / 64;
  map.Grow(Pages(0, chunks * 64));
  (void)map.AllocateRange(Pages(0, chunks * 64));
  for (std::uint64_t i = 0; i < picture.size(); ++i) {
    if (picture[i] == '.') map.Free(Pages(i, 1));
    if (picture[i] == 's') {
      map.ReturnBlock(
          {PageOffset{i / 64 * 64}, std::uint64_t{1} << (i % 64), std::uint64_t{1} << (i % 64)});
    }
  }
  return map;
}

std::string Draw(const PageMap& map, std::uint64_t count) {
  std::string picture;
  for (std::uint64_t i = 0; i < count; ++i) {
    const PageOffset page{i};
    picture += !map.in_heap(page) ? '_' : map.scavenged(page) ? 's' : map.free(page) ? '.' : '#';
  }
  return picture;
}

TEST(PageMapFind, LowestHoleWinsOverSnugHole) {
  const PageMap map = Drawn("#...#..#");
  EXPECT_EQ(map.Find(PageCount{2}), PageOffset{1});
  EXPECT_EQ(map.Find(PageCount{3}), PageOffset{1});
  EXPECT_EQ(map.Find(PageCount{4}), std::nullopt);
}

TEST(PageMapFind, RunsReachAcrossChunksButNotAcrossGaps) {
  PageMap map{PageCount{64}};
  map.Grow(Pages(0, 128));
  map.Grow(Pages(192, 64));
  (void)map.AllocateRange(Pages(0, 60));
  EXPECT_EQ(map.Find(PageCount{68}), PageOffset{60});
  EXPECT_EQ(map.Find(PageCount{69}), std::nullopt);
  map.Grow(Pages(128, 64));
  EXPECT_EQ(map.Find(PageCount{196}), PageOffset{60});
}

TEST(PageMapFind, AnEmptyHeapHasNothing) {
  const PageMap map{PageCount{512}};
  EXPECT_EQ(map.Find(PageCount{1}), std::nullopt);
  EXPECT_EQ(map.lowest_free(), std::nullopt);
  EXPECT_EQ(map.heap_end(), PageOffset{0});
}

TEST(PageMapGrow, NewPagesAreFreeAndScavenged) {
  PageMap map{PageCount{64}};
  map.Grow(Pages(64, 64));
  EXPECT_EQ(Draw(map, 130), std::string(64, '_') + std::string(64, 's') + "__");
  EXPECT_EQ(map.grown(), PageCount{64});
  EXPECT_EQ(map.in_use(), PageCount{0});
  EXPECT_EQ(map.scavenged_free(), PageCount{64});
  EXPECT_EQ(map.heap_end(), PageOffset{128});
}

TEST(PageMapGrow, WantsWholeNewChunks) {
  PageMap map{PageCount{64}};
  map.Grow(Pages(128, 128));
  EXPECT_FALSE(map.CanGrow(Pages(0, 32)));
  EXPECT_FALSE(map.CanGrow(Pages(32, 64)));
  EXPECT_FALSE(map.CanGrow(Pages(0, 0)));
  EXPECT_FALSE(map.CanGrow(Pages(192, 64)));
  EXPECT_FALSE(map.CanGrow(Pages(64, 128)));
  EXPECT_FALSE(map.CanGrow(Pages(0, 1024)));
  EXPECT_TRUE(map.CanGrow(Pages(0, 128)));
  EXPECT_TRUE(map.CanGrow(Pages(256, 64)));
}

TEST(PageMapGrow, GrowingDownwardsMakesTheLowestPageTheNewOne) {
  PageMap map{PageCount{64}};
  map.Grow(Pages(6400, 64));
  EXPECT_EQ(map.Allocate(PageCount{1}), (Allocation{PageOffset{6400}, PageCount{1}}));
  map.Grow(Pages(0, 64));
  EXPECT_EQ(map.lowest_free(), PageOffset{0});
  EXPECT_THAT(map.grown_ranges(), ::testing::ElementsAre(Pages(0, 64), Pages(6400, 64)));
  map.Grow(Pages(64, 64));
  EXPECT_THAT(map.grown_ranges(), ::testing::ElementsAre(Pages(0, 128), Pages(6400, 64)));
}

TEST(PageMapAllocate, CountsScavengedPagesAndClearsThem) {
  PageMap map = Drawn("#.s.ss#");
  EXPECT_EQ(map.scavenged_free(), PageCount{3});
  EXPECT_EQ(map.Allocate(PageCount{4}), (Allocation{PageOffset{1}, PageCount{2}}));
  EXPECT_EQ(Draw(map, 7), "#####s#");
  EXPECT_EQ(map.scavenged_free(), PageCount{1});
  map.Free(Pages(1, 4));
  EXPECT_EQ(Draw(map, 7), "#....s#");
}

TEST(PageMapBlock, TakesAllFreePagesOfTheLowestFreePagesBlock) {
  PageMap map{PageCount{128}};
  map.Grow(Pages(0, 128));
  (void)map.AllocateRange(Pages(0, 128));
  map.Free(Pages(70, 2));
  map.ReturnBlock({PageOffset{64}, 0x8000000000000001, 0x8000000000000000});
  const std::optional<PageMap::Block> block = map.TakeBlock();
  EXPECT_EQ(block, (PageMap::Block{PageOffset{64}, 0x80000000000000c1, 0x8000000000000000}));
  EXPECT_EQ(map.in_use(), PageCount{128});
  EXPECT_EQ(map.TakeBlock(), std::nullopt);
  map.ReturnBlock(*block);
  EXPECT_EQ(map.TakeBlock(), block);
}

TEST(PageMapRuns, StartMaxAndEndOfARange) {
  const PageMap map = Drawn("..#...#s");
  using Runs = PageMap::Runs;
  EXPECT_EQ(map.RunsOf(Pages(0, 8)), (Runs{PageCount{2}, PageCount{3}, PageCount{1}}));
  EXPECT_EQ(map.RunsOf(Pages(3, 3)), (Runs{PageCount{3}, PageCount{3}, PageCount{3}}));
  EXPECT_EQ(map.RunsOf(Pages(2, 1)), (Runs{PageCount{0}, PageCount{0}, PageCount{0}}));
  EXPECT_EQ(map.RunsOf(Pages(4, 3)), (Runs{PageCount{2}, PageCount{2}, PageCount{0}}));
}

TEST(PageMapRuns, PagesOutsideTheHeapAreNotFree) {
  PageMap map{PageCount{64}};
  map.Grow(Pages(64, 64));
  map.Grow(Pages(std::uint64_t{1} << 40, 64));
  using Runs = PageMap::Runs;
  EXPECT_EQ(map.RunsOf(Pages(0, 256)), (Runs{PageCount{0}, PageCount{64}, PageCount{0}}));
  EXPECT_EQ(map.RunsOf(Pages(64, 256)), (Runs{PageCount{64}, PageCount{64}, PageCount{0}}));
  EXPECT_EQ(map.RunsOf(Pages(0, 65)), (Runs{PageCount{0}, PageCount{1}, PageCount{1}}));
  EXPECT_EQ(map.RunsOf(Pages(0, std::uint64_t{1} << 50)),
            (Runs{PageCount{0}, PageCount{64}, PageCount{0}}));
}

TEST(PageMapRanges, EveryPageCounts) {
  const PageMap map = Drawn("..##..");
  EXPECT_TRUE(map.AllFree(Pages(0, 2)));
  EXPECT_FALSE(map.AllFree(Pages(0, 3)));
  EXPECT_FALSE(map.AllFree(Pages(3, 2)));
  EXPECT_TRUE(map.AllAllocated(Pages(2, 2)));
  EXPECT_FALSE(map.AllAllocated(Pages(1, 3)));
  EXPECT_FALSE(map.AllAllocated(Pages(2, 3)));
  EXPECT_TRUE(map.AllAllocated(Pages(6, 58)));
  EXPECT_FALSE(map.AllAllocated(Pages(6, 59)));
  EXPECT_TRUE(map.InHeap(Pages(0, 64)));
  EXPECT_FALSE(map.InHeap(Pages(0, 65)));
  EXPECT_FALSE(map.InHeap(PageRange{PageOffset{0}, PageOffset{~std::uint64_t{0}}}));
}

TEST(PageMapDeathTest, BrokenContractsStop) {
  PageMap map = Drawn("..##");
  EXPECT_DEATH((void)map.Find(PageCount{0}), "contract broken");
  EXPECT_DEATH(map.Grow(Pages(0, 64)), "contract broken");
  EXPECT_DEATH((void)map.AllocateRange(Pages(1, 2)), "contract broken");
  EXPECT_DEATH(map.Free(Pages(1, 2)), "contract broken");
  EXPECT_DEATH(map.ReturnBlock({PageOffset{0}, 1, 0}), "contract broken");
  EXPECT_DEATH(map.ReturnBlock({PageOffset{0}, 4, 8}), "contract broken");
  EXPECT_DEATH(map.ReturnBlock({PageOffset{4}, 0, 0}), "contract broken");
  EXPECT_DEATH(PageMap{PageCount{96}}, "contract broken");
}

/// The model of the model: a map of characters, every question answered by walking over all of it.
class CharacterMap {
 public:
  void Set(PageRange range, char state) {
    for (std::uint64_t i = range.begin.raw; i < range.end.raw; ++i) pages_[i] = state;
  }
  [[nodiscard]] char At(std::uint64_t page) const {
    const auto at = pages_.find(page);
    return at == pages_.end() ? '_' : at->second;
  }
  [[nodiscard]] bool Free(std::uint64_t page) const { return At(page) == '.' || At(page) == 's'; }
  [[nodiscard]] std::uint64_t Count(char state) const {
    return static_cast<std::uint64_t>(
        std::count_if(pages_.begin(), pages_.end(), [=](auto& p) { return p.second == state; }));
  }
  [[nodiscard]] std::optional<PageOffset> Find(std::uint64_t want) const {
    for (const auto& [page, state] : pages_) {
      std::uint64_t n = 0;
      while (n < want && Free(page + n)) ++n;
      if (n == want) return PageOffset{page};
    }
    return std::nullopt;
  }
  [[nodiscard]] PageMap::Runs RunsOf(PageRange range) const {
    std::uint64_t start = 0;
    std::uint64_t max = 0;
    std::uint64_t run = 0;
    for (std::uint64_t i = range.begin.raw; i < range.end.raw; ++i) {
      run = Free(i) ? run + 1 : 0;
      max = std::max(max, run);
      if (run == i + 1 - range.begin.raw) start = run;
    }
    return {PageCount{start}, PageCount{max}, PageCount{run}};
  }

 private:
  std::map<std::uint64_t, char> pages_;
};

TEST(PageMap, AgreesWithAWalkOverAllPagesOnRandomOperations) {
  for (const std::uint64_t chunk : {64U, 128U, 512U}) {
    for (unsigned seed = 0; seed < 30; ++seed) {
      SCOPED_TRACE(::testing::Message() << "chunk " << chunk << " seed " << seed);
      std::mt19937 random(seed);
      const auto below = [&random](std::uint64_t n) { return std::uint64_t{random()} % n; };
      PageMap map{PageCount{chunk}};
      CharacterMap plain;
      const std::uint64_t pages = 6 * chunk;
      for (int step = 0; step < 120; ++step) {
        const PageRange range = Pages(below(pages), 1 + below(below(4) == 0 ? 2 * chunk : 12));
        const PageCount size = range.size();
        const PageRange chunks = Pages(below(6) * chunk, (1 + below(2)) * chunk);
        switch (below(7)) {
          case 0:
            if (below(4) == 0 && map.CanGrow(chunks)) {
              map.Grow(chunks);
              plain.Set(chunks, 's');
            }
            break;
          case 1:
          case 2: {
            const std::optional<PageOffset> expected = plain.Find(size.raw);
            const std::optional<Allocation> got = map.Allocate(size);
            ASSERT_EQ(got.has_value(), expected.has_value());
            if (!got) break;
            ASSERT_EQ(got->first, *expected);
            const std::uint64_t before = plain.Count('s');
            plain.Set(PageRange::Of(*expected, size), '#');
            ASSERT_EQ(got->scavenged.raw, before - plain.Count('s'));
            break;
          }
          case 3:
            if (map.AllFree(range)) {
              (void)map.AllocateRange(range);
              plain.Set(range, '#');
            }
            break;
          case 4:
            if (map.AllAllocated(range)) {
              map.Free(range);
              plain.Set(range, '.');
            }
            break;
          case 5: {
            const std::optional<PageMap::Block> block = map.TakeBlock();
            const std::optional<PageOffset> lowest = plain.Find(1);
            ASSERT_EQ(block.has_value(), lowest.has_value());
            if (!block) break;
            ASSERT_EQ(block->first.raw, lowest->raw & ~std::uint64_t{63});
            for (std::uint64_t i = 0; i < 64; ++i) {
              const std::uint64_t page = block->first.raw + i;
              ASSERT_EQ((block->pages >> i & 1) != 0, plain.Free(page));
              ASSERT_EQ((block->scavenged >> i & 1) != 0, plain.At(page) == 's');
              if (plain.Free(page)) plain.Set(Pages(page, 1), '#');
            }
            break;
          }
          default: {
            PageMap::Block block{PageOffset{range.begin.raw & ~std::uint64_t{63}}, 0, 0};
            if (!map.in_heap(block.first)) break;
            for (std::uint64_t i = 0; i < 64; ++i) {
              if (plain.At(block.first.raw + i) != '#' || below(2) == 0) continue;
              const bool scavenged = below(2) == 0;
              block.pages |= std::uint64_t{1} << i;
              if (scavenged) block.scavenged |= std::uint64_t{1} << i;
              plain.Set(Pages(block.first.raw + i, 1), scavenged ? 's' : '.');
            }
            map.ReturnBlock(block);
          }
        }
        ASSERT_EQ(map.in_use().raw, plain.Count('#'));
        ASSERT_EQ(map.scavenged_free().raw, plain.Count('s'));
        ASSERT_EQ(map.grown().raw, plain.Count('#') + plain.Count('s') + plain.Count('.'));
        ASSERT_EQ(map.lowest_free(), plain.Find(1));
        ASSERT_EQ(map.RunsOf(range), plain.RunsOf(range));
        ASSERT_EQ(map.AllFree(range), plain.RunsOf(range).max == size);
      }
      for (std::uint64_t i = 0; i < pages + chunk; ++i) {
        ASSERT_EQ(Draw(map, i + 1).back(), plain.At(i)) << i;
        if (i > 700) break;  // Draw() starts over each time
      }
    }
  }
}

TEST(PageMap, CountsPagesByStateInsideTheHeapOnly) {
  PageMap map(PageCount{512});
  map.Grow({PageOffset{512}, PageOffset{1536}});
  ASSERT_TRUE(map.Allocate(PageCount{600}));
  map.Free({PageOffset{600}, PageOffset{610}});
  const auto counts = [&map](std::uint64_t begin, std::uint64_t end) {
    return map.CountsOf({PageOffset{begin}, PageOffset{end}});
  };
  EXPECT_EQ(counts(0, 512), (PageMap::Counts{}));
  EXPECT_EQ(counts(0, 4096), (PageMap::Counts{PageCount{590}, PageCount{10}, PageCount{424}}));
  EXPECT_EQ(counts(605, 1113), (PageMap::Counts{PageCount{502}, PageCount{5}, PageCount{1}}));
}

}  // namespace
}  // namespace pagealloc::testing
