// CheckInvariants() is what the other tests trust: here each invariant is broken on purpose, and
// must be the one that is named.
#include "testing/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "testing/fake_memory.h"
#include "testing/scavenge_steps.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::testing {
namespace {

using ::testing::StartsWith;

/// A heap of TinyUneven (chunks of 512 pages, root entries of 4 pairs of chunks): chunks 3, 4 and
/// 16, some pages of chunk 3 allocated.
class InvariantsTest : public ::testing::Test {
 protected:
  using L = TinyUneven;
  using G = Geometry<L>;
  using Access = AllocatorAccess;

  InvariantsTest() {
    EXPECT_TRUE(heap_->Init(os_).ok());
    Grow(3, 2);
    Grow(16, 1);
    heap_->AllocateRange(PageRange::Of(Page(3, 0), PageCount{100}));
    EXPECT_EQ(Defect(), "");
  }

  static PageOffset Page(std::uint64_t chunk, std::uint64_t page) {
    return PageOffset{chunk * 512 + page};
  }
  void Grow(std::uint64_t chunk, std::uint64_t chunks) {
    ASSERT_TRUE(heap_->Grow({Page(chunk, 0), Page(chunk + chunks, 0)}).ok());
  }
  std::string Defect(std::span<const PageCache> caches = {}) {
    return CheckInvariants(*heap_, caches);
  }
  auto& Bits(std::uint64_t chunk) { return Access::chunks(*heap_)[ChunkIndex{chunk}]; }
  /// What the index says of the chunks of a block, and where in it a chunk is.
  auto& Reaches(std::uint64_t chunk) {
    return Access::chunks(*heap_).BlockAt(ChunkIndex{chunk}).reach;
  }
  std::uint64_t& Whole(std::uint64_t chunk) {
    return Access::chunks(*heap_).BlockAt(ChunkIndex{chunk}).whole.words[0];
  }
  static std::size_t At(std::uint64_t chunk) {
    return ChunkMap<L>::IndexInBlock(ChunkIndex{chunk});
  }
  /// The ranges may only be added to; a test spoils them in place.
  AddressRanges::Range& RangeAt(std::size_t index) {
    return const_cast<AddressRanges::Range&>(Access::ranges(*heap_).ranges()[index]);
  }

  FakeMemory os_{ByteCount{64}};  // 8 entries a page: holes also in small tables
  std::unique_ptr<PageAllocator<L>> heap_ = std::make_unique<PageAllocator<L>>();
};

TEST_F(InvariantsTest, OneReachThatIsNotTheLongestRunThatBeginsInTheChunk) {
  // Pages 3.100 to 4.511 are one run of chunk 3; chunk 4 has none of its own.
  EXPECT_EQ(Reaches(3).Get(At(3)), 924u);
  EXPECT_EQ(Reaches(4).Get(At(4)), 0u);
  Reaches(4).Raise(At(4), 512);
  EXPECT_THAT(Defect(), StartsWith("INV-1: "));
  Reaches(4).Set(At(4), 0);
  Reaches(3).Set(At(3), 923);
  EXPECT_THAT(Defect(), ::testing::AnyOf(StartsWith("INV-1: "), StartsWith("INV-2: ")));
  Reaches(3).Set(At(3), 924);
  EXPECT_EQ(Defect(), "");
}

// The index need not know the last of several changes in one word, but it knows one word as it was.
TEST_F(InvariantsTest, TwentyNineWordThatWaits) {
  ASSERT_EQ(heap_->Allocate(PageCount{1})->first, Page(3, 100));
  ASSERT_EQ(heap_->Allocate(PageCount{1})->first, Page(3, 101));
  ASSERT_TRUE(Access::waiting_word(*heap_).has_value());
  EXPECT_EQ(Reaches(3).Get(At(3)), 923u) << "before the second one";
  EXPECT_EQ(Defect(), "");
  Reaches(3).Set(At(3), 922);
  EXPECT_THAT(Defect(), StartsWith("INV-1: ")) << "what is true now is not what the index knows";
  Reaches(3).Set(At(3), 923);
  Bits(3).scavenged.Clear(300);
  Bits(3).allocated.Set(300);
  EXPECT_THAT(Defect(), StartsWith("INV-1: ")) << "another word";
  Bits(3).allocated.Clear(300);
  Access::last_word(*heap_) = 1;
  EXPECT_THAT(Defect(), StartsWith("INV-29: "));
}

TEST_F(InvariantsTest, OneBitThatTheIndexDoesNotKnow) {
  Bits(4).scavenged.Clear(200);
  Bits(4).allocated.Set(200);
  EXPECT_THAT(Defect(), StartsWith("INV-1: "));
}

TEST_F(InvariantsTest, TwoMaximumThatIsNotTheLargestBelow) {
  auto& lanes = Reaches(3);
  for (unsigned level = 1; level < lanes.kShape.levels; ++level) {
    ++Access::lane(lanes, level, 0);
    EXPECT_THAT(Defect(), StartsWith("INV-2: ")) << "level " << level;
    --Access::lane(lanes, level, 0);
  }
  auto& above = *Access::table_reaches(*heap_, 0);
  for (unsigned level = 0; level < above.kShape.levels; ++level) {
    for (const int wrong : {923, 925}) {
      Access::lane(above, level, 0) = static_cast<std::int16_t>(wrong);
      EXPECT_THAT(Defect(), StartsWith("INV-2: ")) << "level " << level << " above the blocks";
    }
    Access::lane(above, level, 0) = 924;
  }
  Access::lane(above, 0, 1) = 1;  // a block that does not exist
  EXPECT_THAT(Defect(), StartsWith("INV-2: "));
  Access::lane(above, 0, 1) = 0;
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, ThreeChunkOutsideTheHeapThatTheIndexKnows) {
  Access::lane(Reaches(5), 0, At(5)) = 7;  // less than what its line has
  EXPECT_THAT(Defect(), StartsWith("INV-3: "));
  Access::lane(Reaches(5), 0, At(5)) = 0;
  Whole(5) ^= std::uint64_t{1} << At(5);
  EXPECT_THAT(Defect(), StartsWith("INV-3: "));
  Whole(5) ^= std::uint64_t{1} << At(5);
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, ThreeBitmapBesideTheHeapThatIsNotZero) {
  Bits(2).allocated.Set(1);
  EXPECT_THAT(Defect(), StartsWith("INV-3: "));
  Bits(2).allocated.Clear(1);
  Bits(5).scavenged.Set(511);
  EXPECT_THAT(Defect(), StartsWith("INV-3: "));
}

TEST_F(InvariantsTest, ThreeBitmapFarFromTheHeapThatIsNotZero) {
  // Chunks 0 to 7 are one block of the map, 16 to 23 another one; none has chunks 8 to 15.
  for (const std::uint64_t chunk : {0u, 7u, 18u, 23u}) {
    Bits(chunk).allocated.Set(511);
    EXPECT_THAT(Defect(), StartsWith("INV-3: ")) << chunk;
    Bits(chunk).allocated.Clear(511);
  }
  EXPECT_EQ(Access::chunks(*heap_).Lookup(ChunkIndex{8}), nullptr);
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, FourBitsThatAreNotThoseOfTheWhollyFreeChunks) {
  for (const std::uint64_t chunk : {3u, 4u, 16u}) {
    Whole(chunk) ^= std::uint64_t{1} << At(chunk);
    EXPECT_THAT(Defect(), StartsWith("INV-4: ")) << chunk;
    Whole(chunk) ^= std::uint64_t{1} << At(chunk);
  }
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, FiveFreePageBelowWhereSearchesBegin) {
  Access::search_from(*heap_) = Page(3, 101);
  EXPECT_THAT(Defect(), StartsWith("INV-5: "));
  Access::search_from(*heap_) = Page(3, 100);
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, SixSearchesThatBeginOutsideTheHeap) {
  Access::search_from(*heap_) = Page(2, 511);
  EXPECT_THAT(Defect(), StartsWith("INV-6: "));
  Access::search_from(*heap_) = Page(3, 0);
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, SevenGivingUpAlthoughPagesAreFree) {
  Access::search_from(*heap_) = Access::nothing_free<PageAllocator<L>>();
  EXPECT_THAT(Defect(), StartsWith("INV-7: "));
}

TEST_F(InvariantsTest, EightPageThatIsAllocatedAndScavenged) {
  Bits(3).scavenged.Set(99);
  EXPECT_THAT(Defect(), StartsWith("INV-8: "));
}

TEST_F(InvariantsTest, NineCaches) {
  const PageCache good{Page(3, 64), 0xff, 0x0f};  // pages 64 to 99 are allocated
  const auto defect = [this](PageCache cache) {
    const std::array<PageCache, 1> caches{cache};
    return Defect(caches);
  };
  EXPECT_EQ(defect(good), "");
  EXPECT_EQ(defect({PageOffset{7}, 0, 0}), "") << "an empty cache may have any base";
  EXPECT_THAT(defect({Page(3, 65), 1, 0}), StartsWith("INV-9: ")) << "not aligned";
  EXPECT_THAT(defect({Page(9, 0), 1, 0}), StartsWith("INV-9: ")) << "outside the heap";
  EXPECT_THAT(defect({Page(3, 64), 1, 2}), StartsWith("INV-9: ")) << "scavenged, not its own";
  EXPECT_THAT(defect({Page(3, 64), std::uint64_t{1} << 40, 0}), StartsWith("INV-9: ")) << "free";

  const std::array<PageCache, 3> apart{good, {Page(3, 64), 0xff00, 0}, {Page(3, 0), 0xff, 0}};
  EXPECT_EQ(Defect(apart), "");
  const std::array<PageCache, 3> shared{good, {Page(3, 0), 1, 0}, {Page(3, 64), 0x180, 0}};
  EXPECT_THAT(Defect(shared), StartsWith("INV-9: "));
}

TEST_F(InvariantsTest, TenStatisticsThatDoNotAddUp) {
  auto& tally = Access::stats(*heap_);
  for (PageCount* const number : {&tally.grown, &tally.in_use, &tally.scavenged, &tally.held}) {
    *number += PageCount{1};
    EXPECT_THAT(Defect(), StartsWith("INV-10: "));
    *number -= PageCount{1};
  }
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, ElevenRangesOutOfOrder) {
  const auto first = RangeAt(0);
  for (const AddressRanges::Range bad : {AddressRanges::Range{Page(3, 0), Page(3, 0)},
                                         {Page(3, 0), Page(4, 1)},
                                         {Page(3, 1), Page(5, 0)},
                                         {Page(3, 0), Page(16, 0)},
                                         {Page(3, 0), Page(17, 0)},
                                         {Page(3, 0), Page(4, 0)},
                                         {Page(20, 0), Page(22, 0)}}) {
    RangeAt(0) = bad;
    EXPECT_THAT(Defect(), StartsWith("INV-11: ")) << bad.begin.raw << ".." << bad.end.raw;
  }
  RangeAt(0) = first;
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, TwelveSearchBoundsThatAreNotTheHeaps) {
  PageRange& bounds = Access::bounds(*heap_);
  const PageRange right = bounds;
  bounds.begin = Page(2, 0);
  EXPECT_THAT(Defect(), StartsWith("INV-12: "));
  bounds = {right.begin, Page(18, 0)};
  EXPECT_THAT(Defect(), StartsWith("INV-12: "));
  bounds = PageRange{};
  EXPECT_THAT(Defect(), StartsWith("INV-12: "));
}

TEST_F(InvariantsTest, TwelveBoundsOfAnEmptyHeapAreEmpty) {
  PageAllocator<L> empty;
  ASSERT_TRUE(empty.Init(os_).ok());
  EXPECT_EQ(CheckInvariants(empty), "");
  Access::bounds(empty) = {PageOffset{0}, PageOffset{512}};
  EXPECT_THAT(CheckInvariants(empty), StartsWith("INV-12: "));
}

TEST_F(InvariantsTest, ThirteenChunkThatABatchOfFreesForgot) {
  auto& block = Access::chunks(*heap_).BlockAt(ChunkIndex{3});
  for (auto* marks : {&block.freed_once, &block.freed_again}) {
    marks->Set(At(3));
    EXPECT_THAT(Defect(), StartsWith("INV-13: "));
    marks->Clear(At(3));
  }
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, FourteenGrownChunkWithoutABlock) {
  Access::ranges(*heap_).Add({Page(25, 0), Page(26, 0)});
  Access::bounds(*heap_).end = Page(26, 0);
  EXPECT_THAT(Defect(), StartsWith("INV-14: "));
}

/// Pages 20 to 29 of chunk 3 are free and not scavenged.
class ScavengeInvariants : public InvariantsTest {
 protected:
  ScavengeInvariants() {
    heap_->Free(PageRange::Of(Page(3, 20), PageCount{10}));
    EXPECT_EQ(Defect(), "");
  }
  std::uint64_t& ScavengeWord(std::uint64_t chunk) {
    return Access::scavenge_word(*heap_, ChunkIndex{chunk});
  }
  using Entry = ScavengeIndex<L>::Entry;
};

TEST_F(ScavengeInvariants, FifteenCountsThatAreNotTheBitmaps) {
  const std::uint64_t right = ScavengeWord(3);
  ASSERT_EQ(Entry::Unpack(right), (Entry{90, 100, true, 0}));
  for (const Entry& bad : {Entry{91, 100, true, 0}, Entry{89, 100, true, 0}, Entry{90, 89, true, 0},
                           Entry{90, 100, true, 1}, Entry{90, 513, true, 0}}) {
    ScavengeWord(3) = bad.Pack();
    EXPECT_THAT(Defect(), StartsWith("INV-15: ")) << bad.Pack();
  }
  ScavengeWord(3) = right;
  heap_->AllocateRange(PageRange::Of(Page(4, 0), PageCount{512}));
  ScavengeWord(4) = Entry{512, 512, true, 0}.Pack();
  EXPECT_THAT(Defect(), StartsWith("INV-15: "));
}

TEST_F(ScavengeInvariants, SixteenReleasablePagesThatNoSearchWouldFind) {
  ScavengeWord(3) = Entry{90, 100, false, 0}.Pack();
  EXPECT_THAT(Defect(), StartsWith("INV-16: "));
  heap_->set_release_units({PageCount{16}, PageCount{0}});
  EXPECT_EQ(Defect(), "") << "no whole unit is free";
}

TEST_F(ScavengeInvariants, SeventeenCursorsBelowWhatTheyCouldFind) {
  EXPECT_EQ(Access::recently_freed_end(*heap_), Page(3, 30));
  Access::recently_freed_end(*heap_) = PageOffset{0};
  EXPECT_THAT(Defect(), StartsWith("INV-17: "));
  Access::forced_end(*heap_) = Page(3, 1);
  EXPECT_EQ(Defect(), "");
  EXPECT_EQ(Access::freed_end(*heap_), Page(3, 30));
  Access::freed_end(*heap_) = PageOffset{0};
  EXPECT_THAT(Defect(), StartsWith("INV-17: "));
  Access::background_end(*heap_) = Page(3, 1);
  EXPECT_EQ(Defect(), "");
  Access::background_end(*heap_) = Page(6, 0);
  EXPECT_THAT(Defect(), StartsWith("INV-17: ")) << "outside the heap";
}

TEST_F(ScavengeInvariants, SeventeenFreedPagesThatNoCursorKnows) {
  const PageRange freed = PageRange::Of(Page(3, 20), PageCount{10});
  EXPECT_EQ(CheckFreed(*heap_, freed), "");
  Access::freed_end(*heap_) = Page(3, 29);
  EXPECT_THAT(CheckFreed(*heap_, freed), StartsWith("INV-17: "));
  Access::freed_end(*heap_) = Page(3, 30);
  Access::recently_freed_end(*heap_) = Page(3, 29);
  EXPECT_THAT(CheckFreed(*heap_, freed), StartsWith("INV-17: "));
}

TEST_F(ScavengeInvariants, SeventeenSearchesThatRaiseACursor) {
  Access::forced_end(*heap_) = Page(3, 25);
  Access::recently_freed_end(*heap_) = PageOffset{0};
  Access::background_end(*heap_) = Page(3, 25);
  const ScavengeWitness witness(*heap_);
  for (PageOffset* const end : {&Access::forced_end(*heap_), &Access::background_end(*heap_)}) {
    EXPECT_EQ(witness.Check(PageCount{0}), "");
    *end += PageCount{1};
    EXPECT_THAT(witness.Check(PageCount{0}), StartsWith("INV-17: "));
    *end = Page(3, 1);
    EXPECT_EQ(witness.Check(PageCount{0}), "") << "lower is fine";
  }
}

TEST_F(ScavengeInvariants, TwentyThreeChangesThatNoScavengingMakes) {
  heap_->set_release_units({PageCount{4}, PageCount{0}});
  auto& chunk = Access::chunks(*heap_)[ChunkIndex{3}];
  chunk.scavenged.SetRange(20, 2);
  const ScavengeWitness witness(*heap_);
  EXPECT_EQ(witness.Check(PageCount{0}), "");
  for (const bool was : {true, false}) {
    const unsigned page = was ? 0 : 20;
    ASSERT_EQ(chunk.allocated.Get(page), was);
    was ? chunk.allocated.ClearRange(page, 1) : chunk.allocated.SetRange(page, 1);
    EXPECT_THAT(witness.Check(PageCount{0}), StartsWith("INV-23: an allocation bit"));
    was ? chunk.allocated.SetRange(page, 1) : chunk.allocated.ClearRange(page, 1);
  }
  chunk.scavenged.ClearRange(21, 1);
  EXPECT_THAT(witness.Check(PageCount{0}), StartsWith("INV-23: a scavenged bit"));
  chunk.scavenged.SetRange(21, 1);
  chunk.scavenged.SetRange(24, 3);
  EXPECT_THAT(witness.Check(PageCount{3}), StartsWith("INV-23: a unit"));
  chunk.scavenged.SetRange(27, 1);
  EXPECT_EQ(witness.Check(PageCount{4}), "");
  EXPECT_THAT(witness.Check(PageCount{5}), StartsWith("INV-23: released"));
  EXPECT_THAT(witness.Check(PageCount{3}), StartsWith("INV-23: released"));
  ASSERT_TRUE(heap_->Grow(PageRange::Of(Page(25, 0), G::kChunkPages)).ok());
  EXPECT_THAT(witness.Check(PageCount{4}), StartsWith("INV-23: the heap grew"));
}

TEST_F(ScavengeInvariants, TenAndFifteenKnowPagesThatAreHeld) {
  auto search = heap_->StartScavenge(ScavengeMode::kForced);
  heap_->scavenge_index().Scan(*search);
  const std::optional<PageRange> held = heap_->BeginScavenge(*search, PageCount{4});
  ASSERT_TRUE(held.has_value());
  EXPECT_THAT(Defect(), StartsWith("INV-10: ")) << "not told of the pages";
  const std::array<PageRange, 1> told{*held};
  EXPECT_EQ(CheckInvariants(*heap_, {}, told), "");
  const std::array<PageRange, 1> elsewhere{PageRange::Of(Page(16, 0), PageCount{4})};
  EXPECT_THAT(CheckInvariants(*heap_, {}, elsewhere), StartsWith("INV-15: "));
  heap_->FinishScavenge(*held, true);
  EXPECT_EQ(Defect(), "");
}

TEST(Violation, SaysNumberWhatAndValues) {
  EXPECT_EQ(Violation(7, "what", {1, 22}), "INV-7: what (1, 22)");
  EXPECT_EQ(Violation(12, "what", {}), "INV-12: what ()");
}

}  // namespace
}  // namespace pagealloc::testing
