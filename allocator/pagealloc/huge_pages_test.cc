// Huge pages behind the tables, and behind the heap.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "pagealloc/heap.h"
#include "pagealloc/heap_huge_pages.h"
#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;

/// A heap that grows where it is told to, on chunks from the heap's base.
template <class L>
struct Tables {
  using G = Geometry<L>;
  void Grow(std::uint64_t chunk, std::uint64_t chunks) {
    const PageRange pages = PageRange::Of(G::kHeapBasePage + PageCount{chunk * G::kChunkPages.raw},
                                          PageCount{chunks * G::kChunkPages.raw});
    ASSERT_TRUE(heap->Grow(pages).ok());
  }
  /// Blocks of bitmaps that were hinted, each counted once; twice is a failure.
  std::size_t HintedBlocks() {
    std::set<std::byte*> blocks;
    for (const FakeMemory::HugePageCall& call : os.huge_page_calls()) {
      EXPECT_EQ(call.want, HugePages::kPrefer);
      EXPECT_TRUE(blocks.insert(call.begin).second) << "hinted twice";
    }
    return blocks.size();
  }
  FakeMemory os;
  std::unique_ptr<PageAllocator<L>> heap = [this] {
    auto made = std::make_unique<PageAllocator<L>>();
    EXPECT_TRUE(made->Init(os).ok());
    return made;
  }();
};

// Go leaves out the last block of each range: a heap of 1 GiB gets no hint at all.
TEST(MetadataHugePages, OneGigabyteIsOneBlock) {
  Tables<LinuxAmd64> tables;
  tables.Grow(0, 256);
  EXPECT_EQ(tables.HintedBlocks(), 0u) << "not asked for";
  EXPECT_TRUE(tables.heap->EnableMetadataHugePages().ok());
  EXPECT_EQ(tables.HintedBlocks(), 1u);
}

TEST(MetadataHugePages, EveryBlockOfEveryRangeOnceAndThoseToComeToo) {
  Tables<LinuxAmd64> tables;
  tables.Grow(0, 8193);  // 32 GiB and a chunk: two blocks
  tables.Grow(0x100000, 1);
  EXPECT_TRUE(tables.heap->EnableMetadataHugePages().ok());
  EXPECT_EQ(tables.HintedBlocks(), 3u);
  EXPECT_TRUE(tables.heap->EnableMetadataHugePages().ok());
  EXPECT_EQ(tables.HintedBlocks(), 3u) << "again";
  tables.Grow(0x100001, 1);
  EXPECT_EQ(tables.HintedBlocks(), 3u) << "the block was there";
  tables.Grow(0x200000, 1);
  EXPECT_EQ(tables.HintedBlocks(), 4u);
}

// Of 4 MiB. From there on the tables are so large that it makes a difference.
constexpr std::uint64_t kTebibyteChunks = std::uint64_t{1} << (40 - 22);

TEST(MetadataHugePages, OfATebibyteTheyNeedNotBeAskedFor) {
  Tables<LinuxAmd64> tables;
  tables.Grow(0, kTebibyteChunks - 1);
  EXPECT_EQ(tables.HintedBlocks(), 0u);
  tables.Grow(kTebibyteChunks - 1, 1);
  EXPECT_EQ(tables.HintedBlocks(), 32u);
  tables.Grow(kTebibyteChunks, 1);
  EXPECT_EQ(tables.HintedBlocks(), 33u);
}

TEST(MetadataHugePages, WhoRefusesThemToAGreatHeapDoesNotKeepItFromGrowing) {
  Tables<LinuxAmd64> tables;
  tables.os.RefuseHugePages(ENOMEM);
  tables.Grow(0, kTebibyteChunks);
  EXPECT_EQ(tables.HintedBlocks(), 0u);
}

TEST(MetadataHugePages, RefusedHintIsReportedAndGrowthGoesOn) {
  Tables<LinuxAmd64> tables;
  tables.Grow(0, 1);
  tables.Grow(0x100000, 1);
  tables.os.RefuseHugePages(ENOMEM);
  const OsStatus status = tables.heap->EnableMetadataHugePages();
  EXPECT_EQ(status.call, OsCall::kHugePages);
  EXPECT_EQ(status.error_number, ENOMEM);
  tables.Grow(0x200000, 1);
}

/// Two chunks of a heap with huge pages behind them; pages in use are written into the index.
template <class L>
class HeapHugePagesTest : public ::testing::Test {
 protected:
  using G = Geometry<L>;
  static constexpr unsigned kChunk = static_cast<unsigned>(G::kChunkPages.raw);
  static constexpr unsigned kDense = kChunk - kChunk / 32;
  static constexpr PageRange kAll =
      PageRange::Of(G::kHeapBasePage, PageCount{2 * G::kChunkPages.raw});

  HeapHugePagesTest() {
    const OsMemory::Reservation got = os_.Reserve(BytesOf(kAll.size()));
    EXPECT_TRUE(got.status.ok());
    host_ = got.begin;
    chunks_.Init(os_);
    index_.Init(chunks_);
    EXPECT_TRUE(chunks_.MakeBlocks(Chunk(0), Chunk(2)).ok());
    os_.set_huge_page_size(G::kChunkBytes);
  }
  ~HeapHugePagesTest() override { EXPECT_TRUE(os_.Unreserve(host_, BytesOf(kAll.size())).ok()); }

  void SetUp() override {
    if constexpr (sizeof(void*) < 8 && L::kAddressBits > 48) {
      GTEST_SKIP() << "a bit for each chunk, 4 GiB of them, has no room on a 32-bit host";
    }
  }
  void Start(HugePageUse use) {
    ASSERT_TRUE(huge_.Init(os_, use).ok());
    ASSERT_TRUE(huge_.Grew(kAll, host_).ok());
  }
  static ChunkIndex Chunk(std::uint64_t i) { return ChunkIndex{G::ChunkOf(kAll.begin).raw + i}; }
  std::byte* Host(std::uint64_t chunk) { return host_ + chunk * G::kChunkBytes.raw; }
  /// The chunk has so many pages in use now; some were just allocated.
  void Allocated(std::uint64_t chunk, unsigned in_use, bool fresh = false) {
    const unsigned before = index_.Load(Chunk(chunk)).in_use;
    if (before < in_use) index_.Allocated(Chunk(chunk), in_use - before);
    if (before > in_use) index_.Freed(Chunk(chunk), before - in_use, kAll.end);
    huge_.Allocated(Chunk(chunk), Host(chunk), fresh, index_);
  }
  void Releasing(std::uint64_t chunk) { huge_.Releasing(Chunk(chunk), Host(chunk)); }
  /// Calls since the last time, as text: "+0" hint for chunk 0, "-" against, "!" collapse, "*" all.
  std::string Calls() {
    std::string text;
    for (; seen_ < os_.huge_page_calls().size(); ++seen_) {
      const auto& call = os_.huge_page_calls()[seen_];
      text += call.collapse ? '!' : call.want == HugePages::kPrefer ? '+' : '-';
      const auto chunk = static_cast<std::uint64_t>(call.begin - host_) / G::kChunkBytes.raw;
      text += call.size == BytesOf(kAll.size()) ? "*" : std::to_string(chunk);
    }
    return text;
  }

  FakeMemory os_;
  std::byte* host_ = nullptr;
  ChunkMap<L> chunks_;
  ScavengeIndex<L> index_;
  HeapHugePages<L> huge_;
  std::size_t seen_ = 0;
};
TYPED_TEST_SUITE(HeapHugePagesTest, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(HeapHugePagesTest, SystemSaysNothing) {
  this->Start(HugePageUse::kSystem);
  EXPECT_FALSE(this->huge_.watches());
  this->Releasing(0);
  EXPECT_EQ(this->Calls(), "");
}

TYPED_TEST(HeapHugePagesTest, NeverIsSaidOnceAndForAll) {
  this->Start(HugePageUse::kNever);
  EXPECT_EQ(this->Calls(), "-*");
  EXPECT_FALSE(this->huge_.watches());
  this->Releasing(0);
  EXPECT_EQ(this->Calls(), "");
  EXPECT_EQ(this->huge_.counts(), (HugePageCounts{0, 1, 0, 0}));
}

TYPED_TEST(HeapHugePagesTest, AlwaysExceptWhereMemoryWasReleased) {
  this->Start(HugePageUse::kAlways);
  EXPECT_EQ(this->Calls(), "+*");
  this->Allocated(1, this->kChunk);
  EXPECT_EQ(this->Calls(), "");
  this->Allocated(1, this->kDense - 1);
  this->Releasing(1);
  this->Releasing(1);
  EXPECT_EQ(this->Calls(), "-1") << "once";
  this->Allocated(1, this->kDense - 1);
  EXPECT_EQ(this->Calls(), "");
  this->Allocated(1, this->kDense);
  EXPECT_EQ(this->Calls(), "+1") << "dense again";
  EXPECT_EQ(this->huge_.counts(), (HugePageCounts{2, 1, 0, 0}));
}

TYPED_TEST(HeapHugePagesTest, DenseChunksAreCollapsedWhenTheyTurnDense) {
  this->Start(HugePageUse::kDenseChunks);
  EXPECT_EQ(this->Calls(), "-*");
  this->Allocated(0, this->kDense - 1);
  EXPECT_EQ(this->Calls(), "");
  this->Allocated(0, this->kDense);
  this->Allocated(0, this->kChunk);
  EXPECT_EQ(this->Calls(), "+0!0") << "once";
  this->Allocated(1, this->kChunk, /*fresh=*/true);
  EXPECT_EQ(this->Calls(), "+1") << "nothing is there to be joined";
  this->Releasing(0);
  EXPECT_EQ(this->Calls(), "-0");
  EXPECT_EQ(this->huge_.counts(), (HugePageCounts{2, 2, 1, 0}));
}

TYPED_TEST(HeapHugePagesTest, RefusalsAreCountedAndNotRepeated) {
  this->Start(HugePageUse::kDenseChunks);
  this->os_.RefuseHugePages(EAGAIN);
  this->Allocated(0, this->kDense);
  this->Allocated(0, this->kDense);
  EXPECT_EQ(this->huge_.counts(), (HugePageCounts{0, 1, 0, 2})) << "the hint and the collapse";
}

TYPED_TEST(HeapHugePagesTest, NothingIsSaidWhereNoneFitsAChunk) {
  for (const ByteCount size : {ByteCount{0}, ByteCount{2 * Geometry<TypeParam>::kChunkBytes.raw}}) {
    this->os_.set_huge_page_size(size);
    HeapHugePages<TypeParam> huge;
    ASSERT_TRUE(huge.Init(this->os_, HugePageUse::kAlways).ok());
    ASSERT_TRUE(huge.Grew(this->kAll, this->host_).ok());
    EXPECT_FALSE(huge.watches());
    EXPECT_EQ(this->Calls(), "");
  }
}

/// A heap over memory that writes down what it is asked for.
class HeapWithHugePages : public ::testing::Test {
 protected:
  using G = Geometry<Linux386>;  // a chunk an arena

  void Start(const HeapOptions& options) {
    os_.set_huge_page_size(ByteCount{2u << 20});
    heap_ = std::make_unique<Heap<Linux386>>();
    ASSERT_TRUE(heap_->Init(os_, options).ok());
  }
  HugePageCounts Counts() { return heap_->Stats().huge_pages; }

  FakeMemory os_;
  std::unique_ptr<Heap<Linux386>> heap_;
};

TEST_F(HeapWithHugePages, EveryGrowthIsHinted) {
  Start({.caches = 0, .huge_pages = HugePageUse::kAlways});
  ASSERT_TRUE(heap_->Allocate(PageCount{1}).ok());
  EXPECT_EQ(Counts(), (HugePageCounts{1, 0, 0, 0}));
  ASSERT_TRUE(heap_->Allocate(PageCount{1024}).ok());
  EXPECT_EQ(Counts(), (HugePageCounts{2, 0, 0, 0}));
}

TEST_F(HeapWithHugePages, ChunkIsCollapsedByTheAllocationThatMakesItDense) {
  for (const unsigned caches : {0u, 1u}) {
    Start({.caches = caches, .huge_pages = HugePageUse::kDenseChunks});
    std::vector<HeapRun> runs;
    HeapAllocation got;
    while (Counts().collapses == 0 && (got = heap_->Allocate(PageCount{4})).ok()) {
      runs.push_back({got.memory, got.pages});
      ASSERT_LE(runs.size(), 128u) << "the chunk is full";
    }
    // A cache takes 64 pages at once, which are not free any more.
    EXPECT_EQ(runs.size(), caches == 0 ? 496u / 4 : (512u - 64) / 4 + 1);
    EXPECT_EQ(Counts(), (HugePageCounts{1, 1, 1, 0}));
    heap_->FreeBatch(runs);
    EXPECT_EQ(Counts(), (HugePageCounts{1, 1, 1, 0})) << "freeing alone changes nothing";
    static_cast<void>(heap_->ReleaseAll());
    EXPECT_EQ(Counts(), (HugePageCounts{1, 2, 1, 0}));
    ASSERT_TRUE(heap_->Allocate(PageCount{512}).ok());
    EXPECT_EQ(Counts(), (HugePageCounts{2, 2, 1, 0})) << "fresh memory is not collapsed";
    ASSERT_TRUE(heap_->Allocate(PageCount{512}, ByteCount{1u << 16}).ok());
    EXPECT_EQ(Counts(), (HugePageCounts{3, 3, 1, 0})) << "nor with an alignment";
    heap_.reset();
  }
}

TEST_F(HeapWithHugePages, RefusalsDoNotKeepMemoryBack) {
  Start({.caches = 0, .huge_pages = HugePageUse::kAlways, .metadata_huge_pages = true});
  os_.RefuseHugePages(ENOMEM);
  EXPECT_TRUE(heap_->Allocate(PageCount{512}).ok());
  EXPECT_EQ(Counts(), (HugePageCounts{0, 0, 0, 1}));
  EXPECT_EQ(heap_->Stats().metadata_huge_page_hints, 0u);
}

TEST_F(HeapWithHugePages, MetadataOnRequest) {
  Start({.caches = 0});
  ASSERT_TRUE(heap_->Allocate(PageCount{1}).ok());
  EXPECT_EQ(heap_->Stats().metadata_huge_page_hints, 0u);
  heap_.reset();
  Start({.caches = 0, .metadata_huge_pages = true});
  ASSERT_TRUE(heap_->Allocate(PageCount{1}).ok());
  EXPECT_EQ(heap_->Stats().metadata_huge_page_hints, 1u);
  EXPECT_EQ(Counts(), HugePageCounts{}) << "the heap's own memory is another matter";
}

/// Bytes of huge pages in this process.
std::uint64_t HugeBytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string word; file >> word;) {
    std::uint64_t kib = 0;
    if (word == "AnonHugePages:" && file >> kib) return kib << 10;
  }
  return 0;
}

// Pages that were written one by one are small ones, until the chunk is dense.
TEST(HeapHugePagesOnTheRealSystem, DenseChunkIsMadeHuge) {
  MmapMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, {.caches = 0, .huge_pages = HugePageUse::kDenseChunks}).ok());
  const std::uint64_t before = HugeBytes();
  std::vector<std::byte*> pages;
  for (std::uint64_t i = 0; i < 512; ++i) {
    const HeapAllocation got = heap->Allocate(PageCount{1});
    ASSERT_TRUE(got.ok());
    std::memset(got.memory, static_cast<int>(i % 251), kPageBytes.raw);
    pages.push_back(got.memory);
    if (i == 400) {
      EXPECT_EQ(HugeBytes(), before);
    }
  }
  for (std::uint64_t i = 0; i < 512; ++i) {
    ASSERT_EQ(pages[HostSize(i)][i], static_cast<std::byte>(i % 251)) << "contents stay";
  }
  if (heap->Stats().huge_pages.collapses == 0) GTEST_SKIP() << "this kernel makes none";
  EXPECT_GE(HugeBytes() - before, std::uint64_t{4} << 20);
}

// The kernel may refuse (no huge page left, none at all); contents stay whatever it does.
TEST(CollapseOnTheRealSystem, KeepsContents) {
  MmapMemory os;
  const ByteCount size{8 << 20};
  const OsMemory::Reservation got = os.Reserve(size);
  ASSERT_TRUE(got.status.ok());
  ASSERT_TRUE(os.Commit(got.begin, size).ok());
  std::memset(got.begin, 0x5a, static_cast<std::size_t>(size.raw));
  const OsStatus status = os.CollapseHugePages(got.begin, size);
  if (!status.ok()) {
    EXPECT_EQ(status.call, OsCall::kHugePages);
  }
  for (std::size_t i = 0; i < size.raw; i += 4096) ASSERT_EQ(got.begin[i], std::byte{0x5a});
  EXPECT_TRUE(os.Unreserve(got.begin, size).ok());
}

}  // namespace
}  // namespace pagealloc
