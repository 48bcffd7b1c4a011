// CheckInvariants() is what the other tests trust: here each invariant is broken on purpose, and
// must be the one that is named.
#include "testing/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "testing/fake_memory.h"
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
  using Word = Summary<L>;
  using Access = AllocatorAccess;
  static constexpr unsigned kLeaf = G::kLevels - 1;

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
  Word& Entry(unsigned level, std::uint64_t index) { return Access::level(*heap_, level)[index]; }
  /// The ranges may only be added to; a test spoils them in place.
  AddressRanges::Range& RangeAt(std::size_t index) {
    return const_cast<AddressRanges::Range&>(Access::ranges(*heap_).ranges()[index]);
  }

  FakeMemory os_{ByteCount{64}};  // 8 entries a page: holes also in small tables
  std::unique_ptr<PageAllocator<L>> heap_ = std::make_unique<PageAllocator<L>>();
};

TEST_F(InvariantsTest, OneLeafThatIsNotItsBitmapsSummary) {
  Entry(kLeaf, 4) = Word::Pack({PageCount{512}, PageCount{512}, PageCount{511}});
  EXPECT_THAT(Defect(), StartsWith("INV-1: "));
}

TEST_F(InvariantsTest, OneBitThatNoSummaryKnows) {
  Bits(4).scavenged.Clear(200);
  Bits(4).allocated.Set(200);
  EXPECT_THAT(Defect(), StartsWith("INV-1: "));
}

TEST_F(InvariantsTest, TwoParentThatIsNotTheMergeOfItsChildren) {
  for (unsigned level = 0; level < kLeaf; ++level) {
    const std::uint64_t i = G::LevelIndex(level, Page(3, 0));
    const Word before = Entry(level, i);
    FreeRuns runs = before.runs();
    runs.max = PageCount{runs.max.raw - 1};
    runs.start = PageCount{0};
    runs.end = PageCount{0};
    Entry(level, i) = Word::Pack(runs);
    EXPECT_THAT(Defect(), StartsWith("INV-2: ")) << "level " << level;
    Entry(level, i) = before;
  }
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, ThreeEntryOutsideTheHeapThatIsNotZero) {
  Entry(0, 3) = Word::Pack({PageCount{5}, PageCount{6}, PageCount{0}});
  EXPECT_THAT(Defect(), StartsWith("INV-3: "));
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

TEST_F(InvariantsTest, FourWordsThatAreNotCanonical) {
  const std::uint64_t kTop = std::uint64_t{1} << 63;
  const auto word = [](std::uint64_t start, std::uint64_t max, std::uint64_t end) {
    return start | max << G::kFieldBits | end << 2 * G::kFieldBits;
  };
  // In a root entry of the heap; what it should say does not matter, as its form comes first.
  for (const std::uint64_t bad :
       {kTop | 1, std::uint64_t{1} << 3 * G::kFieldBits, word(2, 1, 0), word(0, 1, 2),
        word(2048, 2048, 2048), word(5, 5, 5) | std::uint64_t{1} << 62}) {
    const Word before = Entry(0, 0);
    Entry(0, 0) = Word::FromWord(bad);
    EXPECT_THAT(Defect(), StartsWith("INV-4: ")) << std::hex << bad;
    Entry(0, 0) = before;
  }
  // A level below: whole and half-whole entries, and the top bit.
  for (const std::uint64_t bad :
       {kTop, word(1024, 1024, 0), word(0, 1024, 0), word(1024, 1024, 1023), word(0, 1025, 0)}) {
    const Word before = Entry(1, 0);
    Entry(1, 0) = Word::FromWord(bad);
    EXPECT_THAT(Defect(), ::testing::AnyOf(StartsWith("INV-4: "), StartsWith("INV-2: ")));
    EXPECT_NE(internal::WordDefect(Word::FromWord(bad), 1, 1024), nullptr) << std::hex << bad;
    Entry(1, 0) = before;
  }
  EXPECT_EQ(Defect(), "");
}

TEST_F(InvariantsTest, FourAcceptsEveryCanonicalWord) {
  const std::uint64_t kTop = std::uint64_t{1} << 63;
  EXPECT_EQ(internal::WordDefect(Word::FromWord(0), 2, 512), nullptr);
  EXPECT_EQ(internal::WordDefect(Word::FromWord(kTop), 0, 4096), nullptr);
  EXPECT_EQ(internal::WordDefect(Word::OfFree(PageCount{512}), 2, 512), nullptr);
  EXPECT_EQ(
      internal::WordDefect(Word::Pack({PageCount{1}, PageCount{300}, PageCount{100}}), 2, 512),
      nullptr);
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
  HeapStats& stats = Access::stats(*heap_);
  for (PageCount HeapStats::*const field :
       {&HeapStats::grown, &HeapStats::in_use, &HeapStats::free, &HeapStats::scavenged}) {
    stats.*field += PageCount{1};
    EXPECT_THAT(Defect(), StartsWith("INV-10: "));
    stats.*field -= PageCount{1};
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

/// Chunks that join the list of ranges, and nothing else.
class ForgottenGrowth : public InvariantsTest {
 protected:
  void JoinRangesOnly(std::uint64_t chunk) {
    Access::ranges(*heap_).Add({Page(chunk, 0), Page(chunk + 1, 0)});
    PageRange& bounds = Access::bounds(*heap_);
    bounds = {std::min(bounds.begin, Page(chunk, 0)), std::max(bounds.end, Page(chunk + 1, 0))};
  }
};

TEST_F(ForgottenGrowth, FourteenGrownChunkWithoutABlock) {
  JoinRangesOnly(25);
  EXPECT_THAT(Defect(), StartsWith("INV-14: "));
}

TEST_F(ForgottenGrowth, ThirteenSummariesOfTheHeapThatAreNotAccessible) {
  ASSERT_TRUE(Access::chunks(*heap_).MakeBlocks(ChunkIndex{25}, ChunkIndex{26}).ok());
  Bits(25).allocated.SetAll();  // as its leaf says: it reads as zero
  JoinRangesOnly(25);
  EXPECT_THAT(Defect(), StartsWith("INV-13: "));
}

TEST(Violation, SaysNumberWhatAndValues) {
  EXPECT_EQ(Violation(7, "what", {1, 22}), "INV-7: what (1, 22)");
  EXPECT_EQ(Violation(12, "what", {}), "INV-12: what ()");
}

}  // namespace
}  // namespace pagealloc::testing
