// What a cache does on its own; taking and flushing it: page_allocator_cache_test.cc.
#include "pagealloc/page_cache.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

namespace pagealloc {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};
constexpr PageOffset kBase{64UL * 1000};

struct Step {
  std::uint64_t want;
  int page;  // from the block's start; -1: does not fit
  std::uint64_t scavenged = 0;
};

/// A cache before, and what each request gets.
void ExpectSteps(std::uint64_t pages, std::uint64_t scavenged, const std::vector<Step>& steps) {
  PageCache cache{kBase, pages, scavenged};
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    const PageCache before = cache;
    const std::optional<Allocation> got = cache.Allocate(PageCount{step.want});
    ASSERT_EQ(got.has_value(), step.page >= 0) << "step " << i << ", " << step.want << " pages";
    if (!got) {
      EXPECT_EQ(cache, before) << "step " << i << " failed and changed the cache";
      continue;
    }
    EXPECT_EQ(got->first, kBase + PageCount{static_cast<std::uint64_t>(step.page)}) << i;
    EXPECT_EQ(got->scavenged, PageCount{step.scavenged}) << i;
    EXPECT_EQ(cache.size() + PageCount{step.want}, before.size()) << i;
    EXPECT_EQ(cache.scavenged & ~cache.pages, 0u) << i;
  }
}

TEST(PageCacheAllocate, EmptyCacheServesNothing) {
  std::vector<Step> steps;
  for (const unsigned want : {1u, 2u, 3u, 4u, 5u, 8u, 11u, 12u, 16u, 31u, 32u, 57u, 64u, 121u}) {
    steps.push_back({want, -1});
  }
  ExpectSteps(0, 0, steps);
}

TEST(PageCacheAllocate, OnePageAtEitherEnd) {
  ExpectSteps(1, 1, {{3, -1}, {2, -1}, {1, 0, 1}, {1, -1}});
  ExpectSteps(std::uint64_t{1} << 63, std::uint64_t{1} << 63, {{5, -1}, {1, 63, 1}, {1, -1}});
}

TEST(PageCacheAllocate, AlternatingPagesServeOnePageOnly) {
  ExpectSteps(0xaaaaaaaaaaaaaaaa, 0x8888888888888888,
              {{2, -1}, {1, 1, 0}, {1, 3, 1}, {2, -1}, {1, 5, 0}, {1, 7, 1}});
}

TEST(PageCacheAllocate, PairsServeTwoPagesButNotThree) {
  ExpectSteps(0xcccccccccccccccc, 0x4444444444444444,
              {{3, -1}, {2, 2, 1}, {2, 6, 1}, {1, 10, 1}, {2, 14, 1}, {1, 11, 0}, {3, -1}});
}

TEST(PageCacheAllocate, RunOfFiftyThree) {
  ExpectSteps(kAll >> 11 << 5, 0, {{54, -1}, {53, 5}, {1, -1}});
  ExpectSteps(kAll >> 11 << 5, kAll >> 11 << 5, {{50, 5, 50}, {4, -1}, {3, 55, 3}});
}

TEST(PageCacheAllocate, FullBlockAtOnce) {
  ExpectSteps(kAll, 0, {{65, -1}, {64, 0, 0}, {1, -1}});
  ExpectSteps(kAll, kAll, {{64, 0, 64}, {64, -1}});
  ExpectSteps(kAll, 0x00000000ffff0000, {{64, 0, 16}});
}

TEST(PageCacheAllocate, MixedSizesUntilNothingFits) {
  ExpectSteps(kAll, 0xffff00000000ffff,
              {{8, 0, 8},
               {16, 8, 8},
               {41, -1},
               {20, 24, 0},
               {12, 44, 8},
               {9, -1},
               {7, 56, 7},
               {2, -1},
               {1, 63, 1},
               {1, -1}});
}

TEST(PageCacheAllocate, LowestRunWinsOverSnugRun) {
  ExpectSteps(0x00000000000fff07, 0, {{2, 0}, {2, 8}, {1, 2}, {10, 10}});
}

TEST(PageCacheAllocate, MoreThanABlockNeverFits) {
  PageCache cache{kBase, kAll, kAll};
  EXPECT_FALSE(cache.Allocate(PageCount{65}).has_value());
  EXPECT_FALSE(cache.Allocate(PageCount{kAll}).has_value());
  EXPECT_EQ(cache, (PageCache{kBase, kAll, kAll}));
}

TEST(PageCacheAllocate, RandomCachesAgreeWithReadingBitByBit) {
  std::mt19937_64 random(7);
  for (int round = 0; round < 5000; ++round) {
    const std::uint64_t half = random();
    PageCache cache{kBase, half | random(), 0};
    cache.scavenged = cache.pages & random();
    for (int request = 0; request < 20; ++request) {
      const std::uint64_t want = 1 + random() % (request < 15 ? 6 : 64);
      PageCache expected = cache;
      std::optional<Allocation> answer;
      for (unsigned first = 0; first + want <= 64 && !answer; ++first) {
        std::uint64_t run = 0;
        while (run < want && (cache.pages >> (first + run) & 1) != 0) ++run;
        if (run < want) continue;
        answer = Allocation{kBase + PageCount{first}, PageCount{0}};
        for (std::uint64_t i = first; i < first + want; ++i) {
          answer->scavenged += PageCount{cache.scavenged >> i & 1};
          expected.pages &= ~(std::uint64_t{1} << i);
          expected.scavenged &= ~(std::uint64_t{1} << i);
        }
      }
      ASSERT_EQ(cache.Allocate(PageCount{want}), answer) << "round " << round;
      ASSERT_EQ(cache, expected) << "round " << round;
    }
  }
}

TEST(PageCache, SizeIsTheNumberOfPagesLeft) {
  EXPECT_TRUE(PageCache{}.empty());
  EXPECT_EQ(PageCache{}.size(), PageCount{0});
  const PageCache cache{kBase, 0x8001, 0};
  EXPECT_FALSE(cache.empty());
  EXPECT_EQ(cache.size(), PageCount{2});
}

TEST(PageCacheDeathTest, ZeroPagesBreaksTheContract) {
  PageCache cache{kBase, kAll, 0};
  EXPECT_DEATH(static_cast<void>(cache.Allocate(PageCount{0})),
               "contract broken: want >= PageCount\\{1\\}");
}

}  // namespace
}  // namespace pagealloc
