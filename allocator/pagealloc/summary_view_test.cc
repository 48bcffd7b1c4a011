// SummaryAt() against counting: every entry of every level, for heaps with gaps.
#include "pagealloc/summary_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

template <class L>
class SummaryView : public ::testing::Test {};
using TinyLayouts = ::testing::Types<testing::TinyWordChunks, testing::TinyUneven,
                                     testing::TinyOneRoot, testing::TinyDeep>;
TYPED_TEST_SUITE(SummaryView, TinyLayouts, testing::LayoutNames);

TYPED_TEST(SummaryView, EveryEntrySaysWhatItsPagesSay) {
  using G = Geometry<TypeParam>;
  constexpr std::uint64_t kPages = G::kChunkPages.raw;
  std::mt19937_64 random(7);
  for (unsigned round = 0; round < 8; ++round) {
    testing::FakeMemory os;
    ChunkMap<TypeParam> chunks;
    chunks.Init(os);
    AddressRanges in_heap;
    std::vector<bool> free(HostSize(G::kAddressPages.raw));
    for (std::uint64_t c = 0; c < G::kChunks.raw; ++c) {
      if (random() % 4 == 0) continue;
      ASSERT_TRUE(chunks.MakeBlocks(ChunkIndex{c}, ChunkIndex{c + 1}).ok());
      ASSERT_TRUE(in_heap.PrepareAdd(os).ok());
      in_heap.Add({PageOffset{c * kPages}, PageOffset{(c + 1) * kPages}});
      // In round 0 everything is free, then runs of about 2 to the power of the round.
      std::fill_n(free.begin() + static_cast<std::ptrdiff_t>(c * kPages), kPages, true);
      bool taken = false;
      for (unsigned i = 0; round > 0 && i < kPages; ++i) {
        if (random() >> (64 - round) == 0) taken = !taken;
        if (!taken) continue;
        chunks[ChunkIndex{c}].allocated.Set(i);
        free[HostSize(c * kPages + i)] = false;
      }
    }
    for (unsigned level = 0; level < G::kLevels; ++level) {
      const std::uint64_t span = std::uint64_t{1} << G::kSpanPageBits[level];
      for (std::uint64_t entry = 0; entry < G::kEntries[level]; ++entry) {
        FreeRuns expected;
        std::uint64_t run = 0;
        bool from_start = true;
        for (std::uint64_t page = entry * span; page < (entry + 1) * span; ++page) {
          const bool is_free = free[HostSize(page)];
          run = is_free ? run + 1 : 0;
          from_start = from_start && is_free;
          if (from_start) expected.start = PageCount{run};
          expected.max = std::max(expected.max, PageCount{run});
        }
        expected.end = PageCount{run};
        ASSERT_EQ(SummaryAt(chunks, in_heap, level, entry).runs(), expected)
            << "level " << level << ", entry " << entry << ", round " << round;
      }
    }
  }
}

TEST(SummaryViewDeathTest, EntriesThatDoNotExistBreakTheContract) {
  ChunkMap<Linux386> chunks;
  AddressRanges in_heap;
  EXPECT_EQ(SummaryAt(chunks, in_heap, 3, 1023), Summary<Linux386>{});
  EXPECT_DEATH(static_cast<void>(SummaryAt(chunks, in_heap, 3, 1024)), "contract broken");
  EXPECT_DEATH(static_cast<void>(SummaryAt(chunks, in_heap, 4, 0)), "contract broken");
}

}  // namespace
}  // namespace pagealloc
