#include "pagealloc/heap.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "testing/faulty_memory.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

/// A heap over the process's own address space.
template <class L = HostLayout>
struct Mapped {
  explicit Mapped(HeapOptions options = {}) { EXPECT_TRUE(heap->Init(os, options).ok()); }
  std::byte* Take(std::uint64_t pages) {
    const HeapAllocation got = heap->Allocate(PageCount{pages});
    EXPECT_TRUE(got.ok()) << got.status.error_number;
    return got.memory;
  }

  MmapMemory os;
  std::unique_ptr<Heap<L>> heap = std::make_unique<Heap<L>>();
};

bool IsZero(const HeapAllocation& run) {
  const auto* begin = run.memory;
  return std::all_of(begin, begin + BytesOf(run.pages).raw,
                     [](std::byte b) { return b == std::byte{0}; });
}
void Fill(const HeapAllocation& run, int value) {
  std::memset(run.memory, value, HostSize(BytesOf(run.pages).raw));
}

template <class L>
class HeapOnLayout : public ::testing::Test {};
/// One of each kind: 48 bits with and without a base, narrower ones, one-word chunks.
using KindsOfLayouts = ::testing::Types<LinuxAmd64, LinuxArm64, AixPpc64, IosArm64, Linux386,
                                        Wasm126, testing::TinyUneven>;
TYPED_TEST_SUITE(HeapOnLayout, KindsOfLayouts, testing::LayoutNames);

TYPED_TEST(HeapOnLayout, MemoryIsUsableZeroAtFirstAndAccountedFor) {
  Mapped<TypeParam> m({.caches = 2});
  std::vector<HeapRun> runs;
  PageCount sum;
  for (std::uint64_t pages = 1; pages < 40; pages += 3) {
    const HeapAllocation got = m.heap->Allocate(PageCount{pages}, static_cast<unsigned>(pages));
    ASSERT_TRUE(got.ok());
    EXPECT_EQ(got.pages, PageCount{pages});
    EXPECT_TRUE(got.zeroed);
    EXPECT_TRUE(IsZero(got));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.memory) % kPageBytes.raw, 0u);
    Fill(got, 7);
    runs.push_back({got.memory, got.pages});
    sum += got.pages;
  }
  HeapStatistics stats = m.heap->Stats();
  EXPECT_EQ(stats.in_use, sum);
  EXPECT_EQ(stats.grown, stats.in_use + stats.cached + stats.free);
  EXPECT_GT(stats.metadata.committed.raw, 0u);
  EXPECT_GE(stats.reserved, BytesOf(stats.grown));
  m.heap->FreeBatch(runs);
  m.heap->FlushCaches();
  stats = m.heap->Stats();
  EXPECT_EQ(stats.in_use, PageCount{0});
  EXPECT_EQ(stats.free, stats.grown);
  EXPECT_EQ(stats.scavenged, stats.grown - sum);
}

TEST(HeapStatistics, OfNothingAreZero) {
  const HeapStatistics none;
  EXPECT_EQ(none.growths + none.heap_locks + none.cache_hits + none.cache_refills, 0u);
  EXPECT_EQ(none.huge_pages, HugePageCounts{});
  const HugePageCounts& huge = none.huge_pages;
  EXPECT_EQ(huge.hints_for + huge.hints_against + huge.collapses + huge.refusals, 0u);
  EXPECT_EQ(none.metadata_huge_page_hints, 0u);
}

TEST(Heap, LastPageOfTheAddressSpaceIsAPlace) {
  using L = testing::TinyUneven;
  Mapped<L> m({.caches = 0});
  const PageCount all = Geometry<L>::kHeapEnd - Geometry<L>::kHeapBasePage;
  std::byte* const memory = m.Take(all.raw);
  m.heap->Free(memory, all);
  std::byte* const last = memory + BytesOf(all - PageCount{1}).raw;
  EXPECT_TRUE(m.heap->AllocateAt(last, PageCount{1}).ok());
  EXPECT_FALSE(m.heap->AllocateAt(last - kPageBytes.raw, PageCount{3}).ok());
}

TEST(Heap, WithoutOptionsThereIsACacheForEachProcessor) {
  const Mapped<> m;
  const Mapped<> same({.caches = static_cast<unsigned>(::sysconf(_SC_NPROCESSORS_CONF))});
  EXPECT_EQ(m.heap->Stats().metadata, same.heap->Stats().metadata);
}

TEST(Heap, HostAddressIsTheLayoutsAddressWhereItCanBe) {
  Mapped<HostLayout> m({.caches = 0});
  const auto at = reinterpret_cast<std::uintptr_t>(m.Take(1));
  // Sanitizers and other heaps may sit at the heap base; then it is elsewhere, but never not
  // aligned.
  EXPECT_EQ(at % (4 * kMiB), 0u);
}

// A run is zeroed only if all of its pages are fresh.
TEST(Heap, ZeroedIsSaidOfFreshPagesOnly) {
  for (const unsigned caches : {0u, 1u}) {
    Mapped<> m({.caches = caches});
    const HeapAllocation first = m.heap->Allocate(PageCount{4}, 0);
    EXPECT_TRUE(first.zeroed);
    Fill(first, 1);
    m.heap->Free(first.memory, PageCount{4});
    m.heap->FlushCaches();
    const HeapAllocation again = m.heap->Allocate(PageCount{3}, 0);
    ASSERT_EQ(again.memory, first.memory);
    EXPECT_FALSE(again.zeroed);
    EXPECT_FALSE(IsZero(again));
    const HeapAllocation mixed = m.heap->Allocate(PageCount{2}, 0);  // one used, one fresh
    EXPECT_EQ(mixed.memory, first.memory + BytesOf(PageCount{3}).raw);
    EXPECT_FALSE(mixed.zeroed);
    const HeapAllocation fresh = m.heap->Allocate(PageCount{2}, 0);
    EXPECT_TRUE(fresh.zeroed);
    EXPECT_TRUE(IsZero(fresh));
  }
}

TEST(Heap, ReleasedPagesComeBackZeroed) {
  Mapped<> m({.caches = 1});
  std::vector<HeapRun> runs;
  for (int i = 0; i < 20; ++i) {
    const HeapAllocation got = m.heap->Allocate(PageCount{8}, 0);
    Fill(got, 5);
    runs.push_back({got.memory, got.pages});
  }
  m.heap->FreeBatch(runs);
  const PageCount used = m.heap->Stats().grown - m.heap->Stats().scavenged - m.heap->Stats().cached;
  EXPECT_GE(used, PageCount{160});
  const ScavengeResult some = m.heap->ReleaseMemory(ByteCount{64 << 10});
  EXPECT_TRUE(some.status.ok());
  EXPECT_GE(some.released, ByteCount{64 << 10});
  const ScavengeResult rest = m.heap->ReleaseAll();
  EXPECT_EQ(some.released + rest.released, BytesOf(PageCount{160}));
  const HeapStatistics stats = m.heap->Stats();
  EXPECT_EQ(stats.scavenged, stats.grown);
  EXPECT_EQ(stats.cached, PageCount{0});
  const HeapAllocation again = m.heap->Allocate(PageCount{160});
  EXPECT_EQ(again.memory, runs.front().memory);
  EXPECT_TRUE(again.zeroed);
  EXPECT_TRUE(IsZero(again));
}

TEST(Heap, CachedPagesServeBeforeTheHeapGrows) {
  Mapped<> m({.max_bytes = ByteCount{4 * kMiB}, .caches = 8});
  m.Take(1);
  for (unsigned processor = 0; processor < 8; ++processor) {
    EXPECT_TRUE(m.heap->Allocate(PageCount{1}, processor).ok());
  }
  EXPECT_EQ(m.heap->Stats().free, PageCount{0});
  EXPECT_EQ(m.heap->Stats().cached, PageCount{512 - 9});
  // The longest run of what the caches hold.
  EXPECT_TRUE(m.heap->Allocate(PageCount{63}, 0).ok());
  EXPECT_EQ(m.heap->Stats().growths, 1u);
  EXPECT_TRUE(m.heap->Allocate(PageCount{64}, 0).no_room());
}

TEST(Heap, LimitIsNoRoomAndFreesMakeRoomAgain) {
  Mapped<> m({.max_bytes = ByteCount{8 * kMiB + 4096}});
  const HeapAllocation all = m.heap->Allocate(PageCount{1024});
  ASSERT_TRUE(all.ok());
  for (const std::uint64_t want : {std::uint64_t{1}, std::uint64_t{16}, ~std::uint64_t{0}}) {
    const HeapAllocation none = m.heap->Allocate(PageCount{want});
    EXPECT_TRUE(none.no_room());
    EXPECT_FALSE(none.ok());
    EXPECT_TRUE(none.status.ok());
  }
  m.heap->Free(all.memory + kPageBytes.raw, PageCount{1});
  EXPECT_EQ(m.Take(1), all.memory + kPageBytes.raw);
}

TEST(Heap, AlignedRunsAreAlignedAboveTheirSizeToo) {
  for (const std::uint64_t seed : {std::uint64_t{0}, std::uint64_t{12345678912345}}) {
    Mapped<> m({.random_seed = seed});
    std::vector<HeapRun> runs;
    for (unsigned bits = 0; bits <= 27; ++bits) {
      for (const std::uint64_t pages : {std::uint64_t{1}, std::uint64_t{5}, std::uint64_t{600}}) {
        const ByteCount alignment{std::uint64_t{1} << bits};
        const HeapAllocation got = m.heap->Allocate(PageCount{pages}, alignment);
        ASSERT_TRUE(got.ok()) << bits;
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.memory) % alignment.raw, 0u) << bits;
        std::memset(got.memory, 1, HostSize(BytesOf(got.pages).raw));
        runs.push_back({got.memory, got.pages});
      }
    }
    m.heap->FreeBatch(runs);
    EXPECT_EQ(m.heap->Stats().in_use, PageCount{0});
  }
}

TEST(Heap, AlignedRunOfAFreshChunkNeedsOneChunk) {
  Mapped<> m({.max_bytes = ByteCount{4 * kMiB}});
  EXPECT_TRUE(m.heap->Allocate(PageCount{512}, ByteCount{4 * kMiB}).ok());
  Mapped<> large;
  EXPECT_TRUE(large.heap->Allocate(PageCount{1}, ByteCount{std::uint64_t{1} << 62}).no_room());
  EXPECT_TRUE(large.heap->Allocate(PageCount{~std::uint64_t{0}}, ByteCount{64 * kMiB}).no_room());
}

TEST(Heap, AlignedHoleThatJustFitsIsUsed) {
  Mapped<> m({.max_bytes = ByteCount{8 * kMiB}, .caches = 0});
  const HeapAllocation first = m.heap->Allocate(PageCount{512}, ByteCount{4 * kMiB});
  ASSERT_TRUE(first.ok());
  m.Take(512);
  m.heap->Free(first.memory, first.pages);
  const HeapAllocation again = m.heap->Allocate(PageCount{512}, ByteCount{4 * kMiB});
  ASSERT_EQ(again.memory, first.memory);
  // Pages 3 to 11 are free: 8 of them at a multiple of 4, and no 11, which would do anywhere.
  m.heap->Free(again.memory + 3 * kPageBytes.raw, PageCount{9});
  const HeapAllocation eight = m.heap->Allocate(PageCount{8}, ByteCount{4 * kPageBytes.raw});
  EXPECT_EQ(eight.memory, again.memory + 4 * kPageBytes.raw);
  EXPECT_TRUE(m.heap->Allocate(PageCount{1}, ByteCount{2 * kPageBytes.raw}).no_room());
}

TEST(Heap, WhatAnEarlierRefusalLeftOverServesAtTheLimit) {
  MmapMemory real;
  testing::FaultyMemory os(real);
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, {.max_bytes = ByteCount{80 * kMiB}, .caches = 0}).ok());
  const HeapAllocation two_chunks = heap->Allocate(PageCount{1024});
  ASSERT_TRUE(two_chunks.ok());
  // The next arena cannot follow; if something lies there already, so much the better.
  std::byte* const behind = two_chunks.memory + 64 * kMiB;
  void* const taken =
      ::mmap(behind, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  os.FailCall(1, testing::FaultyMemory::Repeat::kOnce, ENOMEM, OsCall::kCommit);
  EXPECT_EQ(heap->Allocate(PageCount{15 * 512}).status.error_number, ENOMEM);
  EXPECT_EQ(os.faults().size(), 1U);
  os.NeverFail();
  EXPECT_TRUE(heap->Allocate(PageCount{5 * 512}).ok());
  if (taken != MAP_FAILED) ::munmap(taken, 4096);
}

TEST(Heap, AllocateAtTakesExactlyTheFreePlace) {
  Mapped<> m({.caches = 2});
  std::byte* const first = m.Take(64);
  const HeapAllocation cached = m.heap->Allocate(PageCount{1}, 0);  // its block is in a cache
  std::byte* const place = cached.memory + 5 * kPageBytes.raw;
  const HeapAllocation got = m.heap->AllocateAt(place, PageCount{3});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(got.memory, place);
  EXPECT_TRUE(got.zeroed);
  EXPECT_TRUE(m.heap->AllocateAt(place + 2 * kPageBytes.raw, PageCount{1}).no_room());
  EXPECT_TRUE(m.heap->AllocateAt(place - kPageBytes.raw, PageCount{2}).no_room());
  EXPECT_TRUE(m.heap->AllocateAt(first, PageCount{1}).no_room());
  EXPECT_TRUE(m.heap->AllocateAt(place + 1, PageCount{1}).no_room());
  EXPECT_TRUE(m.heap->AllocateAt(nullptr, PageCount{1}).no_room());
  std::byte* const behind = place + 3 * kPageBytes.raw;
  EXPECT_TRUE(m.heap->AllocateAt(behind, PageCount{~std::uint64_t{0}}).no_room());  // would wrap
  EXPECT_TRUE(m.heap->AllocateAt(first + 3 * kMiB, PageCount{500}).no_room());  // beyond the heap
  m.heap->Free(place, PageCount{3});
  EXPECT_TRUE(m.heap->AllocateAt(place, PageCount{3}).ok());
}

TEST(Heap, FreeBatchTakesOneLockWhateverTheOrder) {
  Mapped<> m({.caches = 0});
  for (const bool sorted : {true, false}) {
    std::vector<HeapRun> runs;
    for (int i = 0; i < 200; ++i) {
      const HeapAllocation got = m.heap->Allocate(PageCount{3});
      if (i % 5 == 0) continue;  // stays
      runs.push_back({got.memory, got.pages});
    }
    if (!sorted) std::reverse(runs.begin(), runs.end());
    const HeapStatistics before = m.heap->Stats();
    m.heap->FreeBatch(runs);
    const HeapStatistics after = m.heap->Stats();
    EXPECT_EQ(after.heap_locks - before.heap_locks, 2u);  // the batch, and Stats itself
    EXPECT_EQ(after.in_use + PageCount{160 * 3}, before.in_use);
  }
  m.heap->FreeBatch({});
}

TEST(Heap, RandomStartMovesTheHeapAndPadsIt) {
  using G = Geometry<HostLayout>;
  constexpr ByteCount kArena = HeapGrowth<HostLayout>::kArena;
  const std::uint64_t seed = 0x9e3779b97f4a7c15;
  const HeapStart start = HeapStart::Random(seed, kArena, G::kChunkBytes);
  Mapped<> plain;
  const std::uint64_t usual = reinterpret_cast<std::uintptr_t>(plain.Take(1));
  Mapped<> a({.random_seed = seed});
  std::byte* const run = a.Take(16);
  const HeapStatistics stats = a.heap->Stats();
  EXPECT_EQ(stats.padding, PageCount{(seed >> 23) % 512});
  EXPECT_EQ(stats.in_use, PageCount{16});
  EXPECT_EQ(stats.grown, stats.in_use + stats.cached + stats.padding + stats.free);
  const std::uint64_t in_arena =
      start.skip_chunks.raw * G::kChunkBytes.raw + BytesOf(stats.padding).raw;
  const std::uint64_t at = reinterpret_cast<std::uintptr_t>(run);
  EXPECT_EQ(at % kArena.raw, in_arena);
  // Places are tried a terabyte apart. Sanitizers leave none of them to any heap.
  constexpr std::uint64_t kTiB = kMiB << 20;
  if (HeapGrowth<HostLayout>::kWide && usual % kTiB == G::AddressOf(G::kHeapBasePage).raw % kTiB) {
    EXPECT_EQ((at - usual) % kTiB, start.skip_arenas * kArena.raw + in_arena);
  }
  // A request for all of a chunk does not fit behind the padding: the heap grows twice.
  Mapped<> b({.random_seed = seed});
  EXPECT_TRUE(b.heap->Allocate(PageCount{512}).ok());
  EXPECT_EQ(b.heap->Stats().growths, 2u);
}

TEST(Heap, AlignedRunOfAChunkGrowsAgainWherePaddingTookTheRoom) {
  Mapped<> m({.random_seed = std::uint64_t{300} << 23});  // the bits that padding is drawn from
  const HeapAllocation got = m.heap->Allocate(PageCount{512}, ByteCount{16 * kPageBytes.raw});
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.memory) % (16 * kPageBytes.raw), 0u);
  const HeapStatistics stats = m.heap->Stats();
  EXPECT_EQ(stats.padding, PageCount{300});
  EXPECT_EQ(stats.growths, 2u);
}

TEST(HeapDeathTest, ForeignAndCrookedPointersBreakTheContract) {
  Mapped<> m;
  std::byte* const run = m.Take(2);
  EXPECT_DEATH(m.heap->Free(run + 1, PageCount{1}), "contract broken: first.has_value");
  EXPECT_DEATH(m.heap->Free(run, PageCount{0}), "contract broken");
  EXPECT_DEATH(m.heap->Free(run + 64 * kMiB, PageCount{1}), "contract broken: in_heap_");
  EXPECT_DEATH(static_cast<void>(m.heap->Allocate(PageCount{0})), "contract broken: want >=");
  EXPECT_DEATH(static_cast<void>(m.heap->Allocate(PageCount{1}, ByteCount{24576})),
               "contract broken");
}

}  // namespace
}  // namespace pagealloc
