// How much is read: the promises that make the structure fast, told by WorkCounters.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <type_traits>

#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;

/// A heap that counts, without the model's calls in between.
template <class L>
class CountedHeap {
 public:
  static constexpr std::uint64_t kChunk = Geometry<L>::kChunkPages.raw;

  CountedHeap() { EXPECT_TRUE(allocator_->Init(os_).ok()); }
  PageAllocator<L, WorkCounters>& operator*() { return *allocator_; }
  PageAllocator<L, WorkCounters>* operator->() { return allocator_.get(); }
  [[nodiscard]] PageRange Chunks(std::uint64_t first, std::uint64_t count) const {
    return PageRange::Of(Geometry<L>::kHeapBasePage + PageCount{first * kChunk},
                         PageCount{count * kChunk});
  }
  void Grow(std::uint64_t first, std::uint64_t count) {
    EXPECT_TRUE(allocator_->Grow(Chunks(first, count)).ok());
  }
  /// Work since the last call.
  WorkCounters Work() {
    const WorkCounters now = allocator_->counters();
    WorkCounters work = now;
    work.bitmap_words_scanned -= seen_.bitmap_words_scanned;
    work.summary_updates -= seen_.summary_updates;
    for (unsigned i = 0; i < WorkCounters::kMaxLevels; ++i) {
      work.summaries_read[i] -= seen_.summaries_read[i];
    }
    seen_ = now;
    return work;
  }

 private:
  FakeMemory os_;
  std::unique_ptr<PageAllocator<L, WorkCounters>> allocator_ =
      std::make_unique<PageAllocator<L, WorkCounters>>();
  WorkCounters seen_;
};

template <class L>
class SearchWork : public ::testing::Test {};
TYPED_TEST_SUITE(SearchWork, testing::RoomyLayouts, testing::LayoutNames);

/// Root entries that cover a range.
template <class L>
std::uint64_t RootEntries(PageRange pages) {
  const auto entries = Geometry<L>::EntriesOf(0, pages);
  return entries.end - entries.begin;
}

// Go reads the root to its end: 8,144 entries on amd64 for a heap of one chunk.
TYPED_TEST(SearchWork, FailedSearchReadsTheRootEntriesOfTheHeapAndNothingElse) {
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 24);
  heap.Work();
  for (int again = 0; again < 3; ++again) {
    EXPECT_FALSE(heap->Allocate(PageCount{24 * heap.kChunk + 1}).has_value());
    WorkCounters expected;
    expected.summaries_read[0] = RootEntries<TypeParam>(heap.Chunks(0, 24));
    EXPECT_EQ(heap.Work(), expected);
  }
}

TYPED_TEST(SearchWork, ExhaustedHeapIsNotSearchedAgain) {
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  ASSERT_TRUE(heap->Allocate(PageCount{3 * heap.kChunk}).has_value());
  EXPECT_FALSE(heap->Allocate(PageCount{1}).has_value());  // finds out
  heap.Work();
  EXPECT_FALSE(heap->Allocate(PageCount{1}).has_value());
  EXPECT_FALSE(heap->Allocate(PageCount{9}).has_value());
  EXPECT_TRUE(heap->TakePageCache().empty());
  EXPECT_EQ(heap.Work(), WorkCounters{});
}

TYPED_TEST(SearchWork, SearchBelowTheRootReadsAtMostABlockALevel) {
  using G = Geometry<TypeParam>;
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 24);
  // Only the last chunk has a free run of its own size; lower ones have a page each.
  for (std::uint64_t chunk = 0; chunk < 23; ++chunk) {
    const PageOffset first = heap.Chunks(chunk, 1).begin;
    heap->AllocateRange({first + PageCount{1}, first + PageCount{heap.kChunk}});
  }
  heap.Work();
  const auto found = heap->Find(PageCount{heap.kChunk});
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->first, heap.Chunks(23, 1).begin);
  const WorkCounters work = heap.Work();
  EXPECT_LE(work.summaries_read[0], RootEntries<TypeParam>(heap.Chunks(0, 24)));
  for (unsigned level = 1; level < G::kLevels; ++level) {
    // Before the tree, the chunk where searches begin is asked.
    const std::uint64_t first_look = level + 1 == G::kLevels ? 1 : 0;
    const std::uint64_t block = std::uint64_t{1} << G::kIndexBits[level];
    EXPECT_LE(work.summaries_read[level], block + first_look) << level;
  }
  EXPECT_LE(work.bitmap_words_scanned, heap.kChunk / 64);
  EXPECT_EQ(work.summary_updates, 0u);
}

TYPED_TEST(SearchWork, SmallRequestAtTheSearchPositionSkipsTheTree) {
  using G = Geometry<TypeParam>;
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  heap.Work();
  ASSERT_TRUE(heap->Find(PageCount{2}).has_value());
  WorkCounters expected;
  expected.summaries_read[G::kLevels - 1] = 1;
  expected.bitmap_words_scanned = 1;
  EXPECT_EQ(heap.Work(), expected);
}

// Holes of terabytes between the ranges cost one read a root entry.
TEST(SearchWorkOnAmd64, FailedSearchOverFourTerabytes) {
  CountedHeap<LinuxAmd64> heap;
  heap.Grow(0, 1);
  heap.Grow(0x100000, 1);
  heap.Work();
  EXPECT_FALSE(heap->Allocate(PageCount{513}).has_value());
  WorkCounters expected;
  expected.summaries_read[0] = 256 + 1;  // 4 TiB / 16 GiB, and the last one
  EXPECT_EQ(heap.Work(), expected);
}

// Far below the root nothing changes when the longest run of a parent does not.
TEST(UpdateWorkOnAmd64, StopsAtTheLevelWhereNothingChanges) {
  CountedHeap<LinuxAmd64> heap;
  heap.Grow(0, 8);  // one block of leaves
  heap->AllocateRange(heap.Chunks(1, 1));
  heap->AllocateRange(heap.Chunks(3, 1));
  heap.Work();
  const PageOffset hole = heap.Chunks(1, 1).begin + PageCount{100};
  heap->Free({hole, hole + PageCount{3}});  // neither an end nor the longest run of the parent
  const WorkCounters work = heap.Work();
  EXPECT_EQ(work.summary_updates, 1u);
  const std::array<std::uint64_t, 8> read{0, 0, 0, 0, 8, 0, 0, 0};
  EXPECT_EQ(work.summaries_read, read);
}

TEST(WorkCounters, CountedAndUncountedHeapsAnswerAlike) {
  CountedHeap<Linux386> counted;
  FakeMemory os;
  const auto plain = std::make_unique<PageAllocator<Linux386>>();
  ASSERT_TRUE(plain->Init(os).ok());
  counted.Grow(0, 4);
  ASSERT_TRUE(plain->Grow(counted.Chunks(0, 4)).ok());
  for (const std::uint64_t want : {1u, 600u, 3u, 70u, 2000u, 900u, 1u}) {
    EXPECT_EQ(counted->Allocate(PageCount{want}), plain->Allocate(PageCount{want})) << want;
  }
  EXPECT_GT(counted->counters().summary_visits(), 0u);
  static_assert(std::is_empty_v<NoCounters>);
}

}  // namespace
}  // namespace pagealloc
