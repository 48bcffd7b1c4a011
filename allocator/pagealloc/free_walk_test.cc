// Lengths of free runs over chunks, against reading page by page, and what they cost.
#include "pagealloc/free_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "pagealloc/work_counters.h"
#include "testing/fake_memory.h"
#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

constexpr std::uint64_t kAll = ~std::uint64_t{0};

/// Chunks from the heap base on; all that is known of them, page by page, too.
template <class L>
class Walked : public ::testing::Test {
 protected:
  using G = Geometry<L>;
  using Walk = FreeWalk<L, WorkCounters>;
  static constexpr std::uint64_t kChunk = G::kChunkPages.raw;
  static constexpr std::uint64_t kRoom = G::kChunks.raw - G::ChunkOf(G::kHeapBasePage).raw;
  static constexpr std::uint64_t kChunks = kRoom < 140 ? kRoom : 140;

  Walked() : free_(HostSize(kChunks * kChunk)) { chunks_->Init(os_); }

  static PageOffset Page(std::uint64_t page) { return G::kHeapBasePage + PageCount{page}; }
  static ChunkIndex ChunkAt(std::uint64_t chunk) { return G::ChunkOf(Page(chunk * kChunk)); }
  /// A chunk joins, all free.
  void Grow(std::uint64_t chunk) {
    const ChunkIndex at = ChunkAt(chunk);
    ASSERT_TRUE(chunks_->MakeBlocks(at, at + ChunkCount{1}).ok());
    chunks_->BlockAt(at).whole.Set(ChunkMap<L>::IndexInBlock(at));
    std::fill_n(free_.begin() + static_cast<std::ptrdiff_t>(chunk * kChunk), kChunk, true);
  }
  void Take(std::uint64_t page) {
    const ChunkIndex at = G::ChunkOf(Page(page));
    chunks_->BlockAt(at).whole.Clear(ChunkMap<L>::IndexInBlock(at));
    (*chunks_)[at].allocated.Set(G::PageInChunk(Page(page)));
    free_[HostSize(page)] = false;
  }
  [[nodiscard]] bool IsFree(std::uint64_t page) const {
    return page < free_.size() && free_[HostSize(page)];
  }
  /// What FreeFrom() and FreeBelow() read.
  std::uint64_t From(std::uint64_t page, std::uint64_t most = kAll) {
    return Walk::FreeFrom(*chunks_, Page(page), most, counters_);
  }
  std::uint64_t Below(std::uint64_t page, std::uint64_t most = kAll) {
    return Walk::FreeBelow(*chunks_, Page(page), most, counters_);
  }
  std::uint64_t Words() {
    const std::uint64_t words = counters_.bitmap_words_scanned;
    counters_ = {};
    return words;
  }
  void ExpectAgrees(std::uint64_t page) {
    ASSERT_EQ(Walk::IsFree(*chunks_, Page(page).raw), IsFree(page)) << page;
    std::uint64_t above = 0;
    while (IsFree(page + above)) ++above;
    std::uint64_t below = 0;
    while (below < page && IsFree(page - below - 1)) ++below;
    const bool chunk_exists = chunks_->LookupBlock(G::ChunkOf(Page(page))) != nullptr;
    if (!chunk_exists && page % kChunk != 0) return;
    if (IsFree(page) || page % kChunk == 0) {
      ASSERT_EQ(From(page), above) << page;
    }
    if (page % kChunk == 0 || IsFree(page - 1)) {
      ASSERT_EQ(Below(page), below) << page;
    }
    for (const std::uint64_t most : {std::uint64_t{1}, kChunk, 3 * kChunk}) {
      if (above >= most && IsFree(page)) {
        ASSERT_GE(From(page, most), most) << page;
      }
      if (below >= most) {
        ASSERT_GE(Below(page, most), most) << page;
      }
    }
  }

  testing::FakeMemory os_;
  std::unique_ptr<ChunkMap<L>> chunks_ = std::make_unique<ChunkMap<L>>();
  std::vector<bool> free_;
  WorkCounters counters_;
};
// Blocks of 512 chunks of 8 words; 16 chunks of one word; 8 chunks of 8 words.
using Layouts = ::testing::Types<LinuxMips, testing::TinyDeep, testing::TinyUneven>;
TYPED_TEST_SUITE(Walked, Layouts);

TYPED_TEST(Walked, RunsOfEveryKindAgreeWithReadingPageByPage) {
  std::mt19937_64 random(4);
  for (std::uint64_t chunk = 0; chunk < this->kChunks; ++chunk) {
    if (chunk % 67 != 5) this->Grow(chunk);  // gaps
  }
  for (unsigned taken = 0; taken < 60; ++taken) {
    for (unsigned look = 0; look < 6; ++look) {
      const std::uint64_t page = random() % this->free_.size();
      ASSERT_NO_FATAL_FAILURE(this->ExpectAgrees(page));
      ASSERT_NO_FATAL_FAILURE(this->ExpectAgrees(page - page % this->kChunk));
    }
    const std::uint64_t page = random() % this->free_.size();
    if (this->IsFree(page)) this->Take(page);
  }
}

// Runs that end at each chunk, from each side: the bits of wholly free chunks lie 64 to a word.
TYPED_TEST(Walked, WholeChunksAreCountedOverTheBordersOfTheirWords) {
  for (std::uint64_t chunk = 0; chunk < this->kChunks; ++chunk) this->Grow(chunk);
  const std::uint64_t top = this->kChunks * this->kChunk;
  for (std::uint64_t chunk = 0; chunk < this->kChunks; ++chunk) {
    const std::uint64_t page = chunk * this->kChunk;
    ASSERT_EQ(this->From(page), top - page);
    ASSERT_EQ(this->From(page + 1), top - page - 1);
    ASSERT_EQ(this->Below(page), page);
    ASSERT_EQ(this->Below(page + 1), page + 1);
  }
}

TYPED_TEST(Walked, WordsReadAreCounted) {
  for (const std::uint64_t i : {0u, 1u, 2u}) this->Grow(i);
  const std::uint64_t chunk = this->kChunk;
  this->Take(3 * chunk - 1);
  EXPECT_EQ(this->From(5), 3 * chunk - 6);
  // The rest of the first chunk; the bit of the second; that of the third, and its bitmap.
  const std::uint64_t rest = 1 + (chunk - 5) / 64;
  EXPECT_EQ(this->Words(), rest + 1 + 1 + 1 + (chunk - 1) / 64);
  EXPECT_EQ(this->From(2 * chunk + 1), chunk - 2);
  EXPECT_EQ(this->Words(), 1 + (chunk - 2) / 64);
  EXPECT_EQ(this->Below(chunk + 7), chunk + 7);
  // Also the bit of the first chunk, and the bit and bitmap of the one below, which is not there.
  EXPECT_EQ(this->Words(), 1 + 1 + 1 + 1 + chunk / 64);
  this->Take(0);
  EXPECT_EQ(this->Below(2 * chunk), 2 * chunk - 1);
  EXPECT_EQ(this->Words(), 1 + 1 + 1 + (chunk - 1) / 64);
  EXPECT_EQ(this->Below(chunk - 1), chunk - 2);
  EXPECT_EQ(this->Words(), 1 + (chunk - 2) / 64);
}

TYPED_TEST(Walked, NumbersOfNoPageAreNotFree) {
  using Reader = FreeWalk<TypeParam, WorkCounters>;
  EXPECT_FALSE(Reader::IsFree(*this->chunks_, kAll));
  EXPECT_FALSE(Reader::IsFree(*this->chunks_, Geometry<TypeParam>::kAddressPages.raw));
  EXPECT_FALSE(Reader::IsFree(*this->chunks_, this->Page(0).raw)) << "no block yet";
}

}  // namespace
}  // namespace pagealloc
