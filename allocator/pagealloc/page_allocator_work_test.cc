// How much is read: the promises that make the structure fast, told by WorkCounters.
#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <type_traits>
#include <vector>

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
    work.index_lines_read -= seen_.index_lines_read;
    work.index_entries_written -= seen_.index_entries_written;
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

// Go reads the root to its end: 8,144 entries on amd64 for a heap of one chunk.
TYPED_TEST(SearchWork, FailedSearchReadsNothingWhenTheMaximumSaysSo) {
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 24);
  heap->AllocateRange(heap.Chunks(11, 1));
  heap.Work();
  EXPECT_FALSE(heap->Allocate(PageCount{24 * heap.kChunk}).has_value()) << "more than is free";
  EXPECT_EQ(heap.Work(), WorkCounters{});
  EXPECT_FALSE(heap->Allocate(PageCount{12 * heap.kChunk + 1}).has_value());
  EXPECT_LE(heap.Work().index_lines_read, 2u) << "above the blocks";
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

TYPED_TEST(SearchWork, SearchReadsAtMostTwoLinesALevelAndOneBitmap) {
  using Chunks = ChunkMap<TypeParam>;
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
  constexpr unsigned kLevels = MaxLanes<Chunks::kBlockChunks>::kShape.levels;
  constexpr unsigned kLevelsAbove = Chunks::kLevelsAbove;
  EXPECT_LE(work.index_lines_read, 2 * (2 * kLevels + kLevelsAbove));
  EXPECT_LE(work.bitmap_words_scanned, heap.kChunk / 64);
  EXPECT_EQ(work.index_entries_written, 0u);
}

TYPED_TEST(SearchWork, SmallRequestAtTheSearchPositionSkipsTheIndex) {
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  heap.Work();
  ASSERT_TRUE(heap->Find(PageCount{1}).has_value());
  WorkCounters expected;
  expected.bitmap_words_scanned = 1;
  EXPECT_EQ(heap.Work(), expected);
  ASSERT_TRUE(heap->Find(PageCount{2}).has_value());
  expected.index_lines_read = MaxLanes<ChunkMap<TypeParam>::kBlockChunks>::TopOf(0, 2).level + 1;
  EXPECT_EQ(heap.Work(), expected) << "a line a level, as few as hold the heap";
}

// Whatever happens in one word costs the index nothing until another one changes.
TYPED_TEST(SearchWork, ChangesOfOneWordAreToldTogether) {
  using Chunks = ChunkMap<TypeParam>;
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 3);
  const PageOffset first = heap->Allocate(PageCount{1})->first;
  heap.Work();
  for (unsigned page = 1; page < 64; ++page) {
    ASSERT_EQ(heap->Allocate(PageCount{1})->first, first + PageCount{page});
  }
  for (unsigned page = 5; page < 40; page += 3) {
    heap->Free(PageRange::Of(first + PageCount{page}, PageCount{2}));
  }
  WorkCounters work = heap.Work();
  EXPECT_EQ(work.index_entries_written, 0u);
  EXPECT_EQ(work.index_lines_read, 0u);
  EXPECT_EQ(work.bitmap_words_scanned, 63u) << "one for each page";
  ASSERT_TRUE(heap->Find(PageCount{2}).has_value());
  work = heap.Work();
  // Where a chunk is a word, its runs reach into both neighbours.
  EXPECT_LE(work.index_entries_written,
            3 * (MaxLanes<Chunks::kBlockChunks>::kShape.levels + Chunks::kLevelsAbove));
  EXPECT_LE(work.bitmap_words_scanned, 2 * heap.kChunk / 64 + 8);
}

// Holes of terabytes between the ranges are two lines of maxima on each level above the blocks.
TEST(SearchWorkOnAmd64, FailedSearchOverFourTerabytes) {
  CountedHeap<LinuxAmd64> heap;
  heap.Grow(0, 1);
  heap.Grow(0x100000, 1);
  heap.Work();
  EXPECT_FALSE(heap->Allocate(PageCount{513}).has_value());
  EXPECT_EQ(heap.Work(), WorkCounters{}) << "no block has such a run";
  heap->AllocateRange(heap.Chunks(0, 1));
  heap.Work();
  EXPECT_EQ(heap->Find(PageCount{512})->first, heap.Chunks(0x100000, 1).begin);
  EXPECT_LE(heap.Work().index_lines_read, 2u * 4 + 2 * 4);
}

/// Lines of the index that a search reads for two pages which only the end of a heap has.
template <class L>
std::uint64_t LinesToTheEnd(std::uint64_t gib) {
  CountedHeap<L> heap;
  const std::uint64_t chunks = gib * 256;
  heap.Grow(0, chunks);
  heap->AllocateRange(heap.Chunks(0, chunks));
  const PageOffset two{heap.Chunks(chunks - 1, 1).end.raw - 2};
  heap->Free(PageRange::Of(two, PageCount{2}));
  EXPECT_EQ(heap->Find(PageCount{2})->first, two);  // tells the index what waits
  heap.Work();
  EXPECT_EQ(heap->Find(PageCount{2})->first, two);
  const WorkCounters work = heap.Work();
  EXPECT_EQ(work.bitmap_words_scanned, 1u) << "of the runs of a chunk's words";
  return work.index_lines_read;
}

// One a level: of those that hold the heap in its only block; of all, and of the maxima of blocks,
// where there are several, however many.
TEST(SearchWorkAsTheHeapGrows, IsALineALevel) {
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64>(1), 2u);
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64>(16), 3u);
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64>(64), 6u);
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64>(128), 6u);
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64La57>(1), 2u);
  EXPECT_EQ(LinesToTheEnd<LinuxAmd64La57>(64), 9u);
}

TYPED_TEST(SearchWork, FreeingBesideALongerRunWritesNothing) {
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 8);
  heap->AllocateRange(heap.Chunks(1, 1));
  heap->AllocateRange(heap.Chunks(3, 1));
  const PageOffset hole = heap.Chunks(1, 1).begin + PageCount{20};
  heap.Work();
  heap->Free({hole, hole + PageCount{3}});
  EXPECT_EQ(heap.Work().index_entries_written, 1u) << "its own number; other chunks have longer";
  heap->Free({hole + PageCount{10}, hole + PageCount{12}});
  const WorkCounters work = heap.Work();
  EXPECT_EQ(work.index_entries_written, 0u) << "not the longest run of its chunk";
  EXPECT_LE(work.bitmap_words_scanned, 4u);
}

// Every other page of a chunk, from its middle outwards. One by one these are 8 steps of the index
// where a chunk's number is raised, and bits are read each time.
TYPED_TEST(SearchWork, BatchOfFreesUpdatesEachChunkOnce) {
  using Chunks = ChunkMap<TypeParam>;
  constexpr unsigned kLevels = MaxLanes<Chunks::kBlockChunks>::kShape.levels + Chunks::kLevelsAbove;
  CountedHeap<TypeParam> heap;
  heap.Grow(0, 8);
  heap->AllocateRange(heap.Chunks(0, 8));
  for (const std::uint64_t chunks : {1u, 5u}) {
    std::vector<PageRange> runs;
    for (std::uint64_t i = 0; i < heap.kChunk / 2; i += 2) {
      for (std::uint64_t chunk = 0; chunk < chunks; ++chunk) {
        const PageOffset middle = heap.Chunks(chunk, 1).begin + PageCount{heap.kChunk / 2};
        runs.push_back(PageRange::Of(middle + PageCount{i}, PageCount{1}));
        runs.push_back(PageRange::Of(PageOffset{middle.raw - 2 - i}, PageCount{1}));
      }
    }
    heap.Work();
    heap->FreeBatch(runs);
    const WorkCounters work = heap.Work();
    EXPECT_LE(work.index_entries_written, chunks * kLevels) << chunks << " chunks";
    // A word on either side of each run; of the chunk what tells whether a run goes on outside.
    EXPECT_LE(work.bitmap_words_scanned, 2 * runs.size() + chunks * (2 * heap.kChunk / 64 + 8))
        << chunks << " chunks";
    for (const PageRange& run : runs) heap->AllocateRange(run);
  }
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
  EXPECT_GT(counted->counters().bitmap_words_scanned, 0u);
  static_assert(std::is_empty_v<NoCounters>);
}

}  // namespace
}  // namespace pagealloc
