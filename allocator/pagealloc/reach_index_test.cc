// ReachIndex against a model that has one flag a page and counts runs page by page: every number of
// every chunk after every change, and searches of all sizes in between.
#include "pagealloc/reach_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/gtest/indexed.h"
#include "testing/gtest/layout_types.h"
#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

using testing::Indexed;

template <class L>
class ReachIndexOf : public ::testing::Test {};
TYPED_TEST_SUITE(ReachIndexOf, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(ReachIndexOf, WordsReadAreCounted) {
  using Heap = Indexed<TypeParam>;
  constexpr std::uint64_t kWords = Heap::kPages / 64;
  Heap heap(1);
  heap.Grow(0, 1);
  heap.Take(0, Heap::kPages, true);
  heap.Words();
  if constexpr (kWords > 1) {  // else all of the chunk waits
    heap.Free(12, 3);
    EXPECT_EQ(heap.Words(), 2u) << "one on either side";
    heap.Free(140, 2);
    EXPECT_EQ(heap.Words(), 2u);
    heap.Take(12, 1, true);
    EXPECT_EQ(heap.Words(), 2u) << "what is left of it, and the numbers of the words";
    heap.Free(141 + 1, 60);
    EXPECT_EQ(heap.Words(), 2u);
    heap.Take(13, 1, true);
    EXPECT_EQ(heap.Words(), 1u) << "not the longest run";
    heap.Take(140, 4, true);
    EXPECT_EQ(heap.Words(), 2u);
    heap.TakeWord(64);
    EXPECT_EQ(heap.Words(), 0u) << "nothing was free";
  }
}

// Of a batch: runs over borders, whole chunks, one run and several in a chunk, and next to each
// other; then another batch with the same chunks.
TYPED_TEST(ReachIndexOf, RunsOfABatchAreFoundWhereverTheyLie) {
  using Heap = Indexed<TypeParam>;
  constexpr std::uint64_t kChunk = Heap::kPages;
  Heap heap(6);
  heap.Grow(0, 6);
  heap.Take(0, heap.pages(), true);
  heap.FreeBatch({{3 * kChunk - 2, kChunk + 4},  // all of the fourth chunk
                  {7, 1},
                  {9, 4},
                  {13, 2},
                  {kChunk + 5, 6},
                  {5 * kChunk, kChunk}});
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  for (const std::uint64_t want : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{6},
                                   std::uint64_t{7}, kChunk + 4, kChunk + 5}) {
    ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(want));
  }
  heap.FreeBatch({{8, 1}, {kChunk + 11, kChunk}, {kChunk - 1, 6}, {5 * kChunk - 1, 1}});
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  for (const std::uint64_t want : {std::uint64_t{8}, kChunk + 1, kChunk + 18}) {
    ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(want));
  }
}

// Several runs of a chunk that join what lies in the chunks beside it.
TYPED_TEST(ReachIndexOf, RunsOfABatchJoinThoseOfTheNeighbours) {
  using Heap = Indexed<TypeParam>;
  constexpr std::uint64_t kChunk = Heap::kPages;
  Heap heap(3);
  heap.Grow(0, 3);
  heap.Take(0, heap.pages(), true);
  heap.Free(kChunk - 3, 3);
  heap.Free(2 * kChunk, 7);
  heap.FreeBatch({{kChunk, 2}, {kChunk + 9, 1}, {2 * kChunk - 2, 2}});
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(9));
}

TYPED_TEST(ReachIndexOf, SinglePageOfTheNextChunkIsJoined) {
  using Heap = Indexed<TypeParam>;
  Heap heap(2);
  heap.Grow(0, 2);
  heap.Take(0, heap.pages(), true);
  heap.Free(Heap::kPages, 1);
  heap.Free(Heap::kPages - 2, 2);
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
}

// A run that is freed over a border, and free pages on both sides of it.
TYPED_TEST(ReachIndexOf, RunOverABorderJoinsWhatIsBesideIt) {
  using Heap = Indexed<TypeParam>;
  constexpr std::uint64_t kChunk = Heap::kPages;
  Heap heap(3);
  heap.Grow(0, 3);
  heap.Take(0, heap.pages(), true);
  heap.Free(kChunk - 10, 5);
  heap.Free(2 * kChunk + 3, 4);
  heap.Free(kChunk - 5, kChunk + 8);
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(kChunk + 17));
}

// All that happens in one word is told to the index once: when another word changes, or a search
// comes.
TYPED_TEST(ReachIndexOf, ChangesOfOneWordWait) {
  using Heap = Indexed<TypeParam>;
  Heap heap(2);
  heap.Grow(0, 2);
  heap.Take(0, 1, true);
  EXPECT_FALSE(heap.waiting()) << "the first change of a word";
  heap.Words();
  for (std::uint64_t page = 1; page < 64; ++page) heap.Take(page, 1, true);
  heap.Free(3, 20);
  heap.Free(60, 4);
  EXPECT_TRUE(heap.waiting());
  EXPECT_EQ(heap.Words(), 0u);
  heap.Take(Heap::kPages, 1, true);
  EXPECT_FALSE(heap.waiting()) << "another word";
  EXPECT_LE(heap.Words(), 6 * (Heap::kPages / 64 + 4));
  heap.Free(Heap::kPages, 1);
  EXPECT_TRUE(heap.waiting());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(4 + 2 * Heap::kPages - 64));
  EXPECT_FALSE(heap.waiting()) << "a search";
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
}

// The index is told of the word as it was before the first change that waited, not the last: the
// run above begins in this word now.
TYPED_TEST(ReachIndexOf, WordBeforeItsFirstChangeIsRemembered) {
  using Heap = Indexed<TypeParam>;
  Heap heap(2);
  heap.Grow(0, 2);
  heap.Take(0, 64, true);
  heap.Take(64 + 40, 1, false);
  heap.Free(5, 1);
  heap.Free(63, 1);
  heap.Free(10, 1);
  EXPECT_TRUE(heap.waiting());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(41));
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
}

// A range that ends or begins in that word, but is not in it as a whole, does not wait.
TYPED_TEST(ReachIndexOf, OnlyWhatLiesInTheWordWaits) {
  using Heap = Indexed<TypeParam>;
  Heap heap(2);
  heap.Grow(0, 2);
  heap.Take(62, 8, false);  // the word of its end is the last one
  heap.Free(64, 2);
  EXPECT_TRUE(heap.waiting());
  heap.Free(62, 2);
  EXPECT_FALSE(heap.waiting());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  heap.Take(65, 1, false);
  heap.Take(60, 5, false);
  EXPECT_FALSE(heap.waiting()) << "begins below";
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  heap.Take(50, 1, false);
  heap.Free(60, 10);
  EXPECT_FALSE(heap.waiting()) << "ends above";
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
}

// Runs longer than any number in the index, told by the bits of whole chunks.
TYPED_TEST(ReachIndexOf, RunsLongerThanTheLargestNumber) {
  using Heap = Indexed<TypeParam>;
  constexpr unsigned kMost = ReachIndex<TypeParam, WorkCounters>::kMost;
  constexpr std::uint64_t kChunks = 3 * (kMost / Heap::kPages + 1) + 70;
  if constexpr (Geometry<TypeParam>::kChunks.raw >= 2 * kChunks) {
    Heap heap(kChunks);
    heap.Grow(0, kChunks);
    heap.ExpectExact();
    for (const std::uint64_t want :
         {std::uint64_t{1}, std::uint64_t{kMost}, kMost + std::uint64_t{1}, heap.pages() - 1,
          heap.pages(), heap.pages() + 1}) {
      ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(want));
    }
    heap.Take(0, kMost + 5, true);
    heap.ExpectExact();
    heap.Free(0, kMost + 1);  // one page more than the largest number, and one more than fits
    heap.ExpectExact();
    heap.Take(2 * kMost + 100, 3, false);
    heap.ExpectExact();
    for (const std::uint64_t want :
         {kMost - 1, kMost, kMost + 1, kMost + 2, 2 * kMost, 2 * kMost + 120}) {
      ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(want));
    }
    heap.Free(kMost + 1, 4);
    heap.Free(2 * kMost + 100, 3);
    heap.ExpectExact();
    ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(heap.pages()));
    // A batch where such a run goes on: it begins further down than the index looks.
    const std::uint64_t chunk = (kChunks - 2) * Heap::kPages;
    heap.Take(chunk + 10, 3, false);
    heap.Take(chunk + 20, 3, false);
    heap.FreeBatch({{chunk + 10, 1}, {chunk + 20, 1}});
    heap.ExpectExact();
  }
}

// Of the longest runs that numbers can say, none of which is long enough, the last one of a block
// is not the last one of the heap.
TEST(ReachIndex, SearchForMoreThanTheLargestNumberGoesOnInTheNextBlock) {
  using Heap = Indexed<LinuxAmd64>;
  constexpr std::uint64_t kMany = ReachIndex<LinuxAmd64, WorkCounters>::kMost / Heap::kPages + 1;
  constexpr std::uint64_t kNextBlock = ChunkMap<LinuxAmd64>::kBlockChunks;
  Heap heap(kNextBlock + kMany + 1);
  heap.Grow(0, kMany);
  heap.Grow(kNextBlock, kMany + 1);
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(kMany * Heap::kPages));
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(kMany * Heap::kPages + 1));
}

// Pages that come back around a run of the chunk, and join it to one that began further down.
TYPED_TEST(ReachIndexOf, RunBetweenFreedPagesOfABlockGoesToTheChunkBelow) {
  using Heap = Indexed<TypeParam>;
  for (const std::uint64_t between : {0xe0u, 0x20u}) {
    Heap heap(2);
    heap.Grow(0, 2);
    heap.Take(0, heap.pages(), true);
    heap.Free(Heap::kPages - 5, 5);
    heap.FreeWord(Heap::kPages, between);
    ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
    heap.FreeWord(Heap::kPages, 0xffff & ~between);
    ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
    ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(21));
  }
}

// What is left of a run is not the longest if another one goes on behind the chunk.
TYPED_TEST(ReachIndexOf, RunThatLeavesTheChunkIsLongerThanTheRestOfAnotherOne) {
  using Heap = Indexed<TypeParam>;
  constexpr std::uint64_t kPart = Heap::kPages / 32;
  Heap heap(2);
  heap.Grow(0, 2);
  heap.Take(0, heap.pages(), true);
  heap.Free(0, 25 * kPart);
  heap.Free(26 * kPart, 16 * kPart);
  heap.Take(0, 11 * kPart, true);
  ASSERT_NO_FATAL_FAILURE(heap.ExpectExact());
  ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(16 * kPart));
}

// Pages freed one by one upwards join one run, which the first chunk owns; likewise downwards.
TYPED_TEST(ReachIndexOf, PagesFreedInARowAreOneRunOfTheLowestChunk) {
  using Heap = Indexed<TypeParam>;
  for (const bool up : {true, false}) {
    Heap heap(5);
    heap.Grow(0, 5);
    heap.Take(0, heap.pages(), true);
    for (std::uint64_t i = 0; i < heap.pages(); ++i) {
      heap.Free(up ? i : heap.pages() - 1 - i, 1);
      if (i % 31 == 0 || i % Heap::kPages < 2) {
        ASSERT_NO_FATAL_FAILURE(heap.ExpectExact()) << i;
      }
    }
    ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(heap.pages()));
  }
}

TYPED_TEST(ReachIndexOf, RandomChangesAgreeWithCountingPageByPage) {
  using Heap = Indexed<TypeParam>;
  // Three are one of each size of operation. Checked builds have sanitizers, and take ten times as
  // long.
  constexpr std::uint64_t kSeeds = PAGEALLOC_CHECKED != 0 ? 3 : 6;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937_64 random(seed);
    Heap heap(24);
    heap.Grow(2, 9);
    std::vector<std::uint64_t> taken_words(HostSize(heap.pages() / 64));
    const std::uint64_t largest = seed % 3 == 0   ? 20
                                  : seed % 3 == 1 ? 4 * Heap::kPages
                                                  : Heap::kPages * 3 / 4;
    for (unsigned step = 0; step < 500; ++step) {
      const std::uint64_t at = random() % heap.pages();
      const std::uint64_t want = 1 + random() % largest;
      const std::size_t block = HostSize(at / 64);
      switch (random() % 6) {
        case 0: {  // the start of the run at or above a page, as Allocate()
          std::uint64_t first = at;
          while (first > 0 && heap.IsFree(first - 1)) --first;
          const std::uint64_t run = heap.RunFrom(first);
          if (run > 0) heap.Take(first, std::min(run, want), true);
          break;
        }
        case 1:  // any part of a run
          if (heap.IsFree(at)) heap.Take(at, std::min(heap.RunFrom(at), want), false);
          break;
        case 2:
          if (heap.Grown(at)) taken_words[block] |= heap.TakeWord(block * 64);
          break;
        case 3: {
          const std::uint64_t freed = taken_words[block] & random();
          if (freed != 0) heap.FreeWord(block * 64, freed);
          taken_words[block] &= ~freed;
          break;
        }
        default: {  // allocated pages that no word holds
          std::uint64_t end = at;
          while (end < heap.pages() && end - at < want && heap.Grown(end) && !heap.IsFree(end) &&
                 (taken_words[HostSize(end / 64)] >> end % 64 & 1) == 0) {
            ++end;
          }
          if (end > at) heap.Free(at, end - at);
        }
      }
      if (step == 100) heap.Grow(0, 1);
      if (step == 150) heap.Grow(11, 3);  // goes on where the heap ends
      if (step == 200) heap.Grow(20, 4);
      if (step == 250) heap.Grow(1, 1);  // fills a gap
      ASSERT_NO_FATAL_FAILURE(heap.ExpectExact()) << "step " << step;
      if (random() % 4 == 0) {
        ASSERT_NO_FATAL_FAILURE(heap.ExpectFinds(want)) << "step " << step;
      }
    }
  }
}

}  // namespace
}  // namespace pagealloc
