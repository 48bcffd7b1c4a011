/// checked_heap.h: a PageAllocator and the model side by side, compared after every operation.
///
/// Each operation runs on both; its results must agree, and afterwards all invariants hold and both
/// say the same of every page. Pages are numbered from the layout's heap base (from `origin` if one
/// is given), chunks likewise, so that a test reads alike on all layouts. Expectations that fail
/// name the line of the test. Its memory is a FakeMemory, which stops at leaks and double commits.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "testing/fake_memory.h"
#include "testing/invariants.h"
#include "testing/page_map.h"
#include "testing/scavenge_steps.h"

namespace pagealloc::testing {

/// A line of a test, as a default argument of what it calls.
struct Where {
  static constexpr Where Here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
  const char* file;
  int line;
};

template <Layout L, class Counters = NoCounters>
class CheckedHeap {
  using G = Geometry<L>;

 public:
  using Allocator = PageAllocator<L, Counters>;
  static constexpr std::uint64_t kChunk = G::kChunkPages.raw;

  explicit CheckedHeap(PageOffset origin = G::kHeapBasePage, ByteCount os_page = ByteCount{4096})
      : origin_(origin), os_(os_page), allocator_(std::make_unique<Allocator>()) {
    EXPECT_TRUE(allocator_->Init(os_).ok());
  }

  // What the steps below work on, for tests that need more than the steps.
  [[nodiscard]] Allocator& allocator() { return *allocator_; }
  [[nodiscard]] FakeMemory& os() { return os_; }
  [[nodiscard]] PageMap& model() { return model_; }
  [[nodiscard]] PageOffset At(std::uint64_t page) const { return origin_ + PageCount{page}; }
  [[nodiscard]] PageRange Range(std::uint64_t first, std::uint64_t pages) const {
    return PageRange::Of(At(first), PageCount{pages});
  }
  /// From now on only every n-th operation is followed by Check().
  void CheckEvery(std::uint64_t n) { check_every_ = n; }

  void Grow(std::uint64_t first_chunk, std::uint64_t chunks = 1, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const PageRange pages = Range(first_chunk * kChunk, chunks * kChunk);
    const OsStatus status = allocator_->Grow(pages);
    EXPECT_TRUE(status.ok()) << status.call_name() << ", errno " << status.error_number;
    model_.Grow(pages);
    AfterStep();
  }

  /// Grow() that the operating system refuses: both stay as they are.
  OsStatus GrowRefused(std::uint64_t first_chunk, std::uint64_t chunks) {
    const OsStatus status = allocator_->Grow(Range(first_chunk * kChunk, chunks * kChunk));
    EXPECT_FALSE(status.ok());
    Check();
    return status;
  }

  /// Allocate(want) must give this place.
  void ExpectAllocates(std::uint64_t want, std::uint64_t first, std::uint64_t scavenged,
                       Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const std::optional<Allocation> got = Allocate(want);
    ASSERT_TRUE(got.has_value()) << "no room for " << want << " pages";
    EXPECT_EQ(Relative(got->first), first) << want << " pages";
    EXPECT_EQ(got->scavenged.raw, scavenged) << want << " pages";
  }
  void ExpectNoRoom(std::uint64_t want, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const HeapStats before = allocator_->stats();
    EXPECT_FALSE(Allocate(want).has_value()) << want << " pages";
    EXPECT_EQ(allocator_->stats(), before);
  }

  /// Allocate(want), whatever comes; the model must agree, and so must Find() before.
  std::optional<Allocation> Allocate(std::uint64_t want) {
    const std::optional<Found> found = allocator_->Find(PageCount{want});
    const std::optional<Allocation> expected = model_.Allocate(PageCount{want});
    const std::optional<Allocation> got = allocator_->Allocate(PageCount{want});
    EXPECT_EQ(got.has_value(), expected.has_value()) << want << " pages";
    EXPECT_EQ(found.has_value(), expected.has_value()) << want << " pages";
    if (got && expected) {
      EXPECT_EQ(got->first, expected->first) << want << " pages";
      EXPECT_EQ(got->scavenged, expected->scavenged) << want << " pages";
      EXPECT_EQ(found->first, expected->first) << want << " pages";
    }
    AfterStep();
    return got;
  }

  void AllocateRange(std::uint64_t first, std::uint64_t pages, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const PageCount expected = model_.AllocateRange(Range(first, pages));
    EXPECT_EQ(allocator_->AllocateRange(Range(first, pages)), expected);
    AfterStep();
  }
  void Free(std::uint64_t first, std::uint64_t pages, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    model_.Free(Range(first, pages));
    allocator_->Free(Range(first, pages));
    EXPECT_EQ(CheckFreed(*allocator_, Range(first, pages)), "");
    AfterStep();
  }

  /// Frees runs in this order, all at once.
  void FreeBatch(const std::vector<PageRange>& runs, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    for (const PageRange& pages : runs) model_.Free(pages);
    allocator_->FreeBatch(runs);
    for (const PageRange& pages : runs) EXPECT_EQ(CheckFreed(*allocator_, pages), "");
    AfterStep();
  }

  /// Takes a page cache; empty when nothing is free.
  PageCache TakeCache(Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const std::optional<PageMap::Block> expected = model_.TakeBlock();
    const PageCache cache = allocator_->TakePageCache();
    EXPECT_EQ(cache.empty(), !expected.has_value());
    if (expected) {
      EXPECT_EQ(cache.base, expected->first);
      EXPECT_EQ(cache.pages, expected->pages);
      EXPECT_EQ(cache.scavenged, expected->scavenged);
    }
    AfterStep();
    return cache;
  }
  /// Takes the free pages of the 64-page block around a page.
  PageCache TakeCacheAt(std::uint64_t page, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const PageOffset first{At(page).raw & ~(PageCache::kPages.raw - 1)};
    const PageMap::Block expected = model_.PeekBlock(first);
    for (std::uint64_t i = 0; i < 64; ++i) {
      if (expected.pages >> i & 1) {
        model_.AllocateRange(PageRange::Of(first + PageCount{i}, PageCount{1}));
      }
    }
    const PageCache cache = allocator_->TakePageCache(At(page));
    EXPECT_EQ(cache, expected.pages == 0 ? PageCache{}
                                         : (PageCache{first, expected.pages, expected.scavenged}));
    AfterStep();
    return cache;
  }
  /// TakeCache() must give this block.
  PageCache ExpectTakes(std::uint64_t base, std::uint64_t pages, std::uint64_t scavenged,
                        Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const PageCache cache = TakeCache();
    EXPECT_EQ(Relative(cache.base), base);
    EXPECT_EQ(cache.pages, pages);
    EXPECT_EQ(cache.scavenged, scavenged);
    return cache;
  }
  void Flush(PageCache& cache, Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    if (!cache.empty()) model_.ReturnBlock({cache.base, cache.pages, cache.scavenged});
    allocator_->Flush(cache);
    EXPECT_EQ(cache, PageCache{});
    AfterStep();
  }

  /// Marks free chunks as used before: free and no longer scavenged.
  void Unscavenge(std::uint64_t first_chunk, std::uint64_t chunks = 1) {
    AllocateRange(first_chunk * kChunk, chunks * kChunk);
    Free(first_chunk * kChunk, chunks * kChunk);
  }
  /// Marks free pages scavenged, block by block, as a page cache that comes back does.
  void Scavenge(std::uint64_t first, std::uint64_t pages) {
    AllocateRange(first, pages);
    while (pages > 0) {
      const auto in_block = static_cast<unsigned>(first % 64);
      const std::uint64_t count = std::min(pages, std::uint64_t{64} - in_block);
      const std::uint64_t mask = WordMask(in_block, static_cast<unsigned>(count));
      PageCache block{At(first - in_block), mask, mask};
      Flush(block);
      first += count;
      pages -= count;
    }
  }

  /// Gives back at least so many pages; the model must agree how many.
  std::uint64_t Release(std::uint64_t target, ScavengeMode mode = ScavengeMode::kForced,
                        Where where = Where::Here()) {
    const ::testing::ScopedTrace trace(where.file, where.line, "called from here");
    const ReleaseUnits units = allocator_->release_units();
    const PageCount expected =
        model_.Scavenge(PageCount{target}, mode == ScavengeMode::kForced, units.page, units.huge);
    const ScavengeWitness witness(*allocator_);
    NoLock no_lock;
    const ScavengeResult got = ScavengePages(
        *allocator_, no_lock, BytesOf(PageCount{target}), mode,
        [](PageRange) { return OsStatus::Ok(); }, [] { return false; });
    EXPECT_TRUE(got.status.ok());
    EXPECT_EQ(got.released, BytesOf(expected)) << "target " << target << " pages";
    EXPECT_EQ(witness.Check(expected), "");
    AfterStep();
    return got.released.raw / kPageBytes.raw;
  }
  void NextGeneration() {
    model_.NextGeneration();
    allocator_->NextScavengeGeneration();
    AfterStep();
  }

  /// All invariants, and every page as in the model.
  void Check() {
    ASSERT_EQ(CheckInvariants(*allocator_), "");
    const HeapStats expected{model_.grown(), model_.in_use(), model_.grown() - model_.in_use(),
                             model_.scavenged_free()};
    ASSERT_EQ(allocator_->stats(), expected);
    std::vector<PageRange> ranges;
    for (const auto& range : allocator_->ranges().ranges()) {
      ranges.push_back({range.begin, range.end});
    }
    ASSERT_EQ(ranges, model_.grown_ranges());
    for (const PageRange& range : ranges) {
      for (PageOffset page = range.begin; page < range.end; page += PageCount{1}) {
        const auto& chunk = AllocatorAccess::chunks(*allocator_)[G::ChunkOf(page)];
        const unsigned i = G::PageInChunk(page);
        ASSERT_EQ(!chunk.allocated.Get(i), model_.free(page)) << "page " << Relative(page);
        ASSERT_EQ(chunk.scavenged.Get(i), model_.scavenged(page)) << "page " << Relative(page);
      }
    }
  }

 private:
  [[nodiscard]] std::uint64_t Relative(PageOffset page) const { return page.raw - origin_.raw; }

  void AfterStep() {
    if (++steps_ % check_every_ == 0) Check();
  }

  PageOffset origin_;
  FakeMemory os_;
  std::unique_ptr<Allocator> allocator_;
  PageMap model_{G::kChunkPages};
  std::uint64_t check_every_ = 1;
  std::uint64_t steps_ = 0;
};

}  // namespace pagealloc::testing
