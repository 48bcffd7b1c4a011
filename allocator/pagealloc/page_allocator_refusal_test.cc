// The operating system says no, at each call in turn: the heap stays as it was and a retry works.
// FakeMemory stops the program at a leak.
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;
using testing::FakeMemory;

/// Small pages: even tiny tables take many calls.
constexpr ByteCount kOsPage{64};

template <class L>
class Refusal : public ::testing::Test {};
TYPED_TEST_SUITE(Refusal, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(Refusal, InitFailsAtEachCallAndLeaksNothing) {
  for (const bool once : {true, false}) {
    std::uint64_t refused = 0;
    for (std::uint64_t k = 0;; ++k) {
      FakeMemory os(kOsPage);
      os.FailAfter(k, once);
      const auto allocator = std::make_unique<PageAllocator<TypeParam>>();
      const OsStatus status = allocator->Init(os);
      if (status.ok()) break;
      ++refused;
      EXPECT_EQ(status.error_number, ENOMEM);
      EXPECT_GT(status.bytes.raw, 0u);
    }
    EXPECT_GE(refused, TypeParam::kSummaryMemory == SummaryMemory::kOneBlockAtStart
                           ? 2u
                           : Geometry<TypeParam>::kLevels);
  }
}

/// Refuses the k-th call of a growth, k = 0, 1, ... until none is refused. Before each, `prepare`
/// makes a heap; the growth is of `chunks` chunks from `first`. Returns how often it was refused.
template <class L, class Prepare>
std::uint64_t RefuseEachCall(bool once, std::uint64_t first, std::uint64_t chunks,
                             Prepare&& prepare) {
  for (std::uint64_t k = 0;; ++k) {
    SCOPED_TRACE(::testing::Message() << "call " << k << (once ? " once" : " and all later ones"));
    CheckedHeap<L> heap(Geometry<L>::kHeapBasePage, kOsPage);
    heap.CheckEvery(1000);
    prepare(heap);
    heap.Check();
    heap.os().FailAfter(k, once);
    OsStatus status = heap.allocator().Grow(heap.Range(first * heap.kChunk, chunks * heap.kChunk));
    if (status.ok()) return k;

    EXPECT_EQ(status.error_number, ENOMEM);
    EXPECT_GT(status.bytes.raw, 0u);
    heap.Check();  // ranges, statistics, every page, all summaries: as the model, which did not
                   // grow
    const MetadataStats held{heap.os().reserved(), heap.os().committed()};
    EXPECT_EQ(heap.allocator().metadata(), held);

    // The heap goes on working without the new pages ...
    heap.os().NeverFail();
    for (const std::uint64_t want : {std::uint64_t{1}, std::uint64_t{3}, heap.kChunk}) {
      if (const auto got = heap.Allocate(want)) heap.Free(got->first.raw - heap.At(0).raw, want);
    }
    heap.Check();
    // ... and a retry brings them.
    heap.Grow(first, chunks);
    heap.Check();
    while (heap.Allocate(heap.kChunk / 2 + 7)) {
    }
    heap.ExpectNoRoom(heap.kChunk);
    heap.Check();
    if (::testing::Test::HasFailure()) return k;
  }
}

TYPED_TEST(Refusal, FirstGrowthFailsAtEachCall) {
  for (const bool once : {true, false}) {
    const auto refused = RefuseEachCall<TypeParam>(once, 0, 3, [](auto&) {});
    EXPECT_GE(refused, 2u) << "a block of bitmaps is reserved and committed";
  }
}

TYPED_TEST(Refusal, GrowthBesideAUsedHeapFailsAtEachCall) {
  for (const bool once : {true, false}) {
    RefuseEachCall<TypeParam>(once, 9, 12, [](auto& heap) {
      heap.Grow(4);
      heap.Grow(22, 2);
      heap.AllocateRange(22 * heap.kChunk, heap.kChunk);
      heap.ExpectAllocates(5, 4 * heap.kChunk, 5);
    });
  }
}

TYPED_TEST(Refusal, GrowthBelowAFullHeapFailsAtEachCall) {
  for (const bool once : {true, false}) {
    RefuseEachCall<TypeParam>(once, 1, 2, [](auto& heap) {
      heap.Grow(20, 3);
      heap.ExpectAllocates(3 * heap.kChunk, 20 * heap.kChunk, 3 * heap.kChunk);
      heap.ExpectNoRoom(1);
    });
  }
}

template <class L>
class RefusalOfLongLists : public ::testing::Test {};
TYPED_TEST_SUITE(RefusalOfLongLists, testing::ShippedLayouts, testing::LayoutNames);

// The 17th separate range needs memory for the list of ranges itself.
TYPED_TEST(RefusalOfLongLists, SeventeenthRangeFailsAtEachCall) {
  const auto refused = RefuseEachCall<TypeParam>(true, 40, 1, [](auto& heap) {
    for (std::uint64_t i = 0; i < 16; ++i) heap.Grow(2 * i);
  });
  EXPECT_GE(refused, 2u);
}

// Two blocks of the chunk map, and a hole of terabytes before.
TEST(RefusalOnAmd64, DistantGrowthOverTwoBlocksFailsAtEachCall) {
  const auto refused =
      RefuseEachCall<LinuxAmd64>(true, 0x100000 + 8190, 4, [](auto& heap) { heap.Grow(0); });
  EXPECT_GE(refused, 2 * 2 + 4u) << "two blocks and a piece of each level but the root";
}

}  // namespace
}  // namespace pagealloc
