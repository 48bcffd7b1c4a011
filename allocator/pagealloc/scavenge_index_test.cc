#include "pagealloc/scavenge_index.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;

constexpr ScavengeMode kBackground = ScavengeMode::kBackground;
constexpr ScavengeMode kForced = ScavengeMode::kForced;

TEST(ScavengeEntry, GoldenWord) {
  const ScavengeEntry<9> entry{512, 512, true, 1};
  EXPECT_EQ(entry.Pack(), 0x0000000106000200u);
  EXPECT_EQ(ScavengeEntry<9>::Unpack(0x0000000106000200u), entry);
  EXPECT_EQ(ScavengeEntry<9>{}.Pack(), 0u) << "a chunk that has just joined the heap";
}

TEST(ScavengeEntry, EveryFieldSurvivesPackingAtItsLimits) {
  for (const ScavengeEntry<9>& entry :
       {ScavengeEntry<9>{512, 512, true, 1918237402}, ScavengeEntry<9>{12, 0, false, 0xffffffff},
        ScavengeEntry<9>{0, 512, true, 0}, ScavengeEntry<9>{512, 0, false, 7}}) {
    EXPECT_EQ(ScavengeEntry<9>::Unpack(entry.Pack()), entry);
  }
  for (const ScavengeEntry<6>& entry :
       {ScavengeEntry<6>{64, 64, true, 0xffffffff}, ScavengeEntry<6>{0, 64, false, 1},
        ScavengeEntry<6>{64, 0, true, 0}}) {
    EXPECT_EQ(ScavengeEntry<6>::Unpack(entry.Pack()), entry);
  }
}

TEST(ScavengeEntry, DenseBeginsAtThirtyOneOfThirtyTwo) {
  EXPECT_EQ(ScavengeEntry<9>::kDense, 496u);
  EXPECT_EQ(ScavengeEntry<6>::kDense, 62u);
  const auto eligible = [](unsigned in_use, unsigned peak, std::uint32_t generation) {
    return ScavengeEntry<9>{in_use, peak, true, generation}.Eligible(kBackground, 7);
  };
  EXPECT_TRUE(eligible(495, 495, 7));
  EXPECT_FALSE(eligible(496, 496, 7));
  EXPECT_FALSE(eligible(0, 496, 7)) << "dense in this generation";
  EXPECT_TRUE(eligible(0, 496, 6)) << "dense in an earlier one";
  EXPECT_FALSE(eligible(496, 0, 6));
  EXPECT_TRUE((ScavengeEntry<9>{512, 512, true, 7}.Eligible(kForced, 7)));
  EXPECT_FALSE((ScavengeEntry<9>{0, 0, false, 7}.Eligible(kForced, 7)));
}

/// An index over chunks 0 to 63 from the layout's heap base (fewer where there are not so many),
/// all their pages in use since the generation before.
template <class L>
class ScavengeIndexTest : public ::testing::Test {
 protected:
  using G = Geometry<L>;
  static constexpr std::uint64_t kPages = G::kChunkPages.raw;
  static constexpr std::uint64_t kRoom =
      (G::kHeapEnd.raw - G::kHeapBasePage.raw) / G::kChunkPages.raw;
  static constexpr std::uint64_t kChunks = kRoom < 64 ? kRoom : 64;

  ScavengeIndexTest() {
    chunks_.Init(os_);
    index_.Init(chunks_);
    Grow(0, kChunks);
    for (std::uint64_t c = 0; c < kChunks; ++c) {
      index_.Allocated(Chunk(c), static_cast<unsigned>(kPages));
    }
    index_.NextGeneration();
  }
  static PageOffset Page(std::uint64_t chunk, std::uint64_t page) {
    return PageOffset{G::kHeapBasePage.raw + chunk * kPages + page};
  }
  static ChunkIndex Chunk(std::uint64_t chunk) { return G::ChunkOf(Page(chunk, 0)); }
  void Grow(std::uint64_t chunk, std::uint64_t chunks) {
    ASSERT_TRUE(chunks_.MakeBlocks(Chunk(chunk), ChunkIndex{Chunk(chunk).raw + chunks}).ok());
    heap_.Add({Page(chunk, 0), Page(chunk + chunks, 0)});
  }
  void Free(std::uint64_t chunk, std::uint64_t first, std::uint64_t count) {
    index_.Freed(Chunk(chunk), static_cast<unsigned>(count), Page(chunk, first + count));
  }
  /// What a search finds, as (chunk, page); the chunk is then said to be empty.
  using Place = std::optional<std::pair<std::uint64_t, unsigned>>;
  Place Next(ScavengeMode mode) {
    while (auto search = index_.StartSearch(mode, heap_)) {
      index_.Scan(*search);
      examined_ += search->examined;
      if (search->found) index_.NothingToRelease(search->chunk);
      index_.EndSearch(*search, false, heap_);
      if (search->found) return std::pair{search->chunk.raw - Chunk(0).raw, search->page};
    }
    return std::nullopt;
  }
  /// All places, and nothing after them.
  std::vector<std::pair<std::uint64_t, unsigned>> All(ScavengeMode mode) {
    std::vector<std::pair<std::uint64_t, unsigned>> places;
    while (const Place place = Next(mode)) places.push_back(*place);
    EXPECT_EQ(Next(mode), std::nullopt);
    return places;
  }

  FakeMemory os_{ByteCount{64}};
  ChunkMap<L> chunks_;
  ScavengeIndex<L> index_;
  AddressRanges heap_;
  std::uint64_t examined_ = 0;
};
TYPED_TEST_SUITE(ScavengeIndexTest, testing::AllLayouts, testing::LayoutNames);

using Places = std::vector<std::pair<std::uint64_t, unsigned>>;

// Also to the highest chunk of the block below.
TYPED_TEST(ScavengeIndexTest, ScanGoesDownToWhateverChunkIsNext) {
  const std::uint64_t top = this->kChunks - 1;
  for (std::uint64_t chunk = 0; chunk < top; ++chunk) {
    this->Free(chunk, 0, 1);
    this->Free(top, 0, 1);
    const Places places = this->All(kForced);
    ASSERT_EQ(places.size(), 2u) << chunk;
    EXPECT_EQ(places[0].first, top);
    EXPECT_EQ(places[1].first, chunk);
  }
}

TYPED_TEST(ScavengeIndexTest, NothingIsFoundWhereNothingWasFreed) {
  EXPECT_EQ(this->All(kForced), Places{});
  EXPECT_EQ(this->All(kBackground), Places{});
}

TYPED_TEST(ScavengeIndexTest, OnePageIsFoundAtItsPlaceFirstOrLast) {
  const auto last = static_cast<unsigned>(this->kPages - 1);
  for (const unsigned page : {0u, 1u, last / 2, last}) {
    for (const std::uint64_t chunk : {std::uint64_t{0}, std::uint64_t{1}, this->kChunks - 1}) {
      this->Free(chunk, page, 1);
      EXPECT_EQ(this->All(kForced), (Places{{chunk, page}}));
      this->index_.Allocated(this->Chunk(chunk), 1);
    }
  }
}

TYPED_TEST(ScavengeIndexTest, ChunksAreFoundDownwardsTheFirstAtItsPageTheOthersAtTheirTop) {
  const auto last = static_cast<unsigned>(this->kPages - 1);
  this->Free(2, 3, 5);
  this->Free(0, 1, 1);
  this->Free(1, 40, 20);
  this->Free(2, 1, 2);  // twice in one chunk: the higher one counts
  EXPECT_EQ(this->All(kForced), (Places{{2, 7}, {1, last}, {0, last}}));
}

TYPED_TEST(ScavengeIndexTest, BackgroundSeesWhatWasFreedBeforeTheGenerationBegan) {
  this->Free(1, 0, 32);
  EXPECT_EQ(this->All(kBackground), Places{});
  this->index_.NextGeneration();
  EXPECT_EQ(this->All(kBackground), (Places{{1, 31}}));
  this->index_.NextGeneration();
  EXPECT_EQ(this->All(kBackground), Places{}) << "nothing was freed since";
}

TYPED_TEST(ScavengeIndexTest, ChunkThatWasDenseIsHiddenForTheGeneration) {
  this->Free(1, 0, this->kPages);
  this->index_.NextGeneration();
  this->index_.Allocated(this->Chunk(1), 1);
  EXPECT_EQ(this->All(kBackground), (Places{{1, static_cast<unsigned>(this->kPages - 1)}}));

  this->Free(1, 0, 1);  // empty
  this->index_.Allocated(this->Chunk(1),
                         ScavengeEntry<6>::kDense - 1);  // far from dense, or nearly
  this->Free(1, 0, 1);
  this->index_.NextGeneration();
  EXPECT_EQ(this->All(kBackground).size(), 1u);
}

// The count at the first change of a generation and the present one are both low; in between the
// chunk was full. Go forgets that and takes back what will be needed again.
TYPED_TEST(ScavengeIndexTest, PeakInsideAGenerationHidesTheChunkUntilTheNext) {
  const auto all = static_cast<unsigned>(this->kPages);
  this->Free(1, 0, all);
  this->index_.NextGeneration();
  this->index_.Allocated(this->Chunk(1), all / 4);  // the first change: nothing was in use
  this->index_.Allocated(this->Chunk(1), all - all / 4);
  this->Free(1, 0, all - all / 4);
  EXPECT_EQ(this->index_.Load(this->Chunk(1)).peak, all);
  EXPECT_EQ(this->All(kBackground), Places{});
  EXPECT_EQ(this->Next(kForced), std::pair(std::uint64_t{1}, all - 1))
      << "forced: density is no matter";
  this->Free(1, 0, 1);
  this->index_.NextGeneration();
  EXPECT_EQ(this->All(kBackground).size(), 1u) << "the next generation may";
}

// A search whose pages all lay in the cursor's own chunk used to leave the cursor where it was, so
// that every later search read the whole index from there down.
TYPED_TEST(ScavengeIndexTest, AfterTheLastPageNothingIsScannedAgain) {
  for (const ScavengeMode mode : {kForced, kBackground}) {
    this->Free(this->kChunks - 1, 5, 32);
    this->index_.NextGeneration();
    auto search = this->index_.StartSearch(mode, this->heap_);
    ASSERT_TRUE(search.has_value());
    this->index_.Scan(*search);
    ASSERT_TRUE(search->found);
    EXPECT_EQ(search->examined, 1u);
    this->index_.EndSearch(*search, true, this->heap_);  // pages were taken: look again
    EXPECT_EQ(this->Next(mode), std::pair(this->kChunks - 1, 36u));
    EXPECT_EQ(this->Next(mode), std::nullopt);
    this->examined_ = 0;
    EXPECT_EQ(this->Next(mode), std::nullopt);
    EXPECT_EQ(this->examined_, 0u);
    EXPECT_EQ(this->index_.cursor_end(mode), PageOffset{0});
    this->index_.Allocated(this->Chunk(this->kChunks - 1), 32);
    this->index_.NextGeneration();
    this->All(kForced);
    this->All(kBackground);
  }
}

// A page that is freed while a search is under way lies above what the search found.
TYPED_TEST(ScavengeIndexTest, FreeDuringASearchIsNotForgotten) {
  this->Free(1, 7, 1);
  auto search = this->index_.StartSearch(kForced, this->heap_);
  this->index_.Scan(*search);
  this->Free(2, 9, 1);
  this->index_.NothingToRelease(search->chunk);
  this->index_.EndSearch(*search, false, this->heap_);
  EXPECT_EQ(this->Next(kForced), std::pair(std::uint64_t{2}, 9u));

  // In the chunk that was scanned in vain.
  this->All(kForced);
  this->Free(2, 3, 1);
  this->index_.NothingToRelease(this->Chunk(2));
  search = this->index_.StartSearch(kForced, this->heap_);
  this->index_.Scan(*search);
  ASSERT_FALSE(search->found);
  this->Free(2, 2, 1);
  this->index_.EndSearch(*search, false, this->heap_);
  EXPECT_EQ(this->Next(kForced), std::pair(std::uint64_t{2}, 2u));
}

// Two searches at once: the one that began first must not lower the cursor below what the other
// one has still to do.
TYPED_TEST(ScavengeIndexTest, SearchThatWasOvertakenLeavesTheCursorAlone) {
  this->Free(1, 7, 1);
  auto first = this->index_.StartSearch(kForced, this->heap_);
  this->index_.Scan(*first);
  this->Free(2, 9, 1);
  auto second = this->index_.StartSearch(kForced, this->heap_);
  this->index_.Scan(*second);
  this->index_.EndSearch(*second, true, this->heap_);
  this->index_.EndSearch(*first, false, this->heap_);
  EXPECT_EQ(this->Next(kForced), std::pair(std::uint64_t{2}, 9u));
}

// Searches that alternate and find nothing get below everything; they do not put each other off.
TYPED_TEST(ScavengeIndexTest, SearchesAtOnceComeToAnEnd) {
  for (const ScavengeMode mode : {kForced, kBackground}) {
    for (std::uint64_t c = 0; c < this->kChunks; c += 2) this->Free(c, 0, 40 % this->kPages);
    this->index_.NextGeneration();
    this->index_.NextGeneration();
    std::array<std::optional<ScavengeSearch>, 2> searches;
    for (auto& search : searches) search = this->index_.StartSearch(mode, this->heap_);
    std::uint64_t ended = 0;
    while (searches[0] || searches[1]) {
      ASSERT_LT(ended, 4 * this->kChunks) << "nobody gets on";
      for (auto& search : searches) {
        if (!search) continue;
        this->index_.Scan(*search);
        if (search->found) this->index_.NothingToRelease(search->chunk);
        this->index_.EndSearch(*search, false, this->heap_);
        ++ended;
        search = this->index_.StartSearch(mode, this->heap_);
      }
    }
    EXPECT_EQ(this->Next(mode), std::nullopt);
    for (std::uint64_t c = 0; c < this->kChunks; c += 2) {
      this->index_.Allocated(this->Chunk(c), static_cast<unsigned>(40 % this->kPages));
    }
  }
}

TYPED_TEST(ScavengeIndexTest, GenerationThatBeginsDuringASearchRaisesTheCursorAllTheSame) {
  this->Free(2, 0, 1);  // a cursor to begin at; the chunk stays dense
  this->Free(1, 0, 40);
  this->index_.NextGeneration();
  this->index_.Allocated(this->Chunk(1), 40);
  this->Free(1, 0, 40);  // hidden until the next generation
  auto search = this->index_.StartSearch(kBackground, this->heap_);
  this->index_.Scan(*search);
  EXPECT_FALSE(search->found);
  this->index_.NextGeneration();
  this->index_.EndSearch(*search, false, this->heap_);
  EXPECT_EQ(this->Next(kBackground),
            std::pair(std::uint64_t{1}, static_cast<unsigned>(this->kPages - 1)));
}

TYPED_TEST(ScavengeIndexTest, RefusedPagesAreFoundAgain) {
  this->Free(1, 3, 40);
  EXPECT_EQ(this->All(kForced).size(), 1u);
  this->index_.Returned(this->Chunk(1), this->Page(1, 43));
  EXPECT_EQ(this->Next(kForced), std::pair(std::uint64_t{1}, 42u));
  this->index_.Returned(this->Chunk(1), this->Page(1, 43));
  this->index_.NextGeneration();
  EXPECT_EQ(this->Next(kBackground).has_value(),
            this->index_.Load(this->Chunk(1)).in_use < ScavengeIndex<TypeParam>::Entry::kDense);
}

TYPED_TEST(ScavengeIndexTest, FullChunkHasNothing) {
  this->Free(1, 0, 1);
  this->index_.Allocated(this->Chunk(1), 1);
  EXPECT_EQ(this->All(kForced), Places{});
}

template <class L>
using ScavengeIndexDeathTest = ScavengeIndexTest<L>;
TYPED_TEST_SUITE(ScavengeIndexDeathTest, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(ScavengeIndexDeathTest, MorePagesThanThereAreBreakTheContract) {
  EXPECT_DEATH(this->index_.Allocated(this->Chunk(0), 1), "contract broken");
  this->Free(0, 0, this->kPages);
  EXPECT_DEATH(this->index_.Freed(this->Chunk(0), 1, this->Page(0, 1)), "contract broken");
}

template <class L>
class ScavengeIndexWithHoles : public ::testing::Test {};
TYPED_TEST_SUITE(ScavengeIndexWithHoles, testing::WideLayouts, testing::LayoutNames);

// Reading a word in the hole of 8 TiB would end the test: there is no block that has it.
TYPED_TEST(ScavengeIndexWithHoles, SearchJumpsOverAGap) {
  using G = Geometry<TypeParam>;
  constexpr std::uint64_t kFar = 0x200000;
  MmapMemory os;
  const auto chunks = std::make_unique<ChunkMap<TypeParam>>();
  chunks->Init(os);
  ScavengeIndex<TypeParam> index;
  AddressRanges heap;
  index.Init(*chunks);
  const ChunkIndex low = G::ChunkOf(G::kHeapBasePage);
  const ChunkIndex high{low.raw + kFar};
  for (const ChunkIndex chunk : {high, low}) {
    ASSERT_TRUE(chunks->MakeBlocks(chunk, ChunkIndex{chunk.raw + 1}).ok());
    heap.Add({G::ChunkBegin(chunk), G::ChunkBegin(ChunkIndex{chunk.raw + 1})});
    index.Allocated(chunk, 9);
  }
  index.Freed(low, 9, G::ChunkBegin(low) + PageCount{9});
  index.Freed(high, 9, G::ChunkBegin(high) + PageCount{9});
  index.NothingToRelease(high);
  std::uint64_t examined = 0;
  bool found = false;
  while (auto search = index.StartSearch(kForced, heap)) {
    index.Scan(*search);
    examined += search->examined;
    found = search->found;
    index.EndSearch(*search, found, heap);
    if (found) break;
  }
  EXPECT_TRUE(found);
  EXPECT_EQ(examined, 2u);
}

// The words of neighbouring chunks are in different blocks, and those in different tables.
TYPED_TEST(ScavengeIndexWithHoles, SearchGoesFromBlockToBlockWithoutAGap) {
  using G = Geometry<TypeParam>;
  using Chunks = ChunkMap<TypeParam>;
  MmapMemory os;
  const auto chunks = std::make_unique<Chunks>();
  chunks->Init(os);
  ScavengeIndex<TypeParam> index;
  index.Init(*chunks);
  constexpr std::uint64_t kBorder = Chunks::kTables > 1
                                        ? 3 * Chunks::kTableBlocks * Chunks::kBlockChunks
                                        : 3 * Chunks::kBlockChunks;
  const ChunkIndex low{kBorder - 2};
  const ChunkIndex end{kBorder + 3};
  AddressRanges heap;
  heap.Add({G::ChunkBegin(low), G::ChunkBegin(end)});
  ASSERT_TRUE(chunks->MakeBlocks(low, end).ok());
  for (ChunkIndex chunk = low; chunk < end; ++chunk) index.Allocated(chunk, 9);
  index.Freed(low, 9, G::ChunkBegin(low) + PageCount{9});
  index.Freed(ChunkIndex{end.raw - 1}, 9, G::ChunkBegin(end));
  index.NothingToRelease(ChunkIndex{end.raw - 1});
  auto search = index.StartSearch(kForced, heap);
  ASSERT_TRUE(search.has_value());
  index.Scan(*search);
  EXPECT_TRUE(search->found);
  EXPECT_EQ(search->chunk, low);
  EXPECT_EQ(search->examined, 5u);
}

}  // namespace
}  // namespace pagealloc
