// Every call to the operating system that Init() and Grow() make is refused in turn. Afterwards the
// heap is as before, or as after, bit by bit; what is held is accounted for; and a retry ends where
// it would have ended without the fault. No other operation makes a call.
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"
#include "testing/gtest/layout_types.h"
#include "testing/heap_image.h"
#include "testing/invariants.h"

namespace pagealloc {
namespace {

using testing::AllOrNothing;
using testing::CheckInvariants;
using testing::FakeMemory;
using testing::FaultyMemory;
using testing::HeapImage;

const auto* const kCount = ::testing::AddGlobalTestEnvironment(new testing::FaultCount(220));

/// Small pages: even tiny tables take many calls.
constexpr ByteCount kOsPage{64};

/// A heap on faulty memory, told in chunks from the heap base. A leak stops the program.
template <class L>
struct Heap {
  using G = Geometry<L>;

  explicit Heap(ByteCount os_page) : real(os_page) {}

  static PageRange Chunks(std::uint64_t first, std::uint64_t count) {
    return PageRange::Of(PageOffset{G::kHeapBasePage.raw + first * G::kChunkPages.raw},
                         PageCount{count * G::kChunkPages.raw});
  }
  void Grow(std::uint64_t first, std::uint64_t count) {
    ASSERT_TRUE(allocator->Grow(Chunks(first, count)).ok());
  }
  void Fill() {
    while (allocator->Allocate(PageCount{1})) {
    }
  }
  /// What is left is a heap that works to its last page, and holds nothing in the end.
  ~Heap() {
    if (allocator != nullptr) {
      Fill();
      EXPECT_EQ(CheckInvariants(*allocator), "");
      allocator.reset();
    }
    EXPECT_TRUE(os.mappings().empty());
  }
  Heap(const Heap&) = delete;
  Heap& operator=(const Heap&) = delete;

  FakeMemory real;
  FaultyMemory os{real};
  std::unique_ptr<PageAllocator<L>> allocator;  // null: none, or one whose Init() was refused
};

/// What of a heap must be the same. Places are not: memory lies elsewhere each time.
struct State {
  std::vector<std::uint64_t> image;
  std::vector<std::optional<Found>> found;
  MetadataStats metadata;
  std::vector<FaultyMemory::Mapping> mappings;

  template <class L>
  static State Of(Heap<L>& heap) {
    State state;
    state.mappings = heap.os.mappings();
    if (heap.allocator == nullptr) {
      EXPECT_TRUE(state.mappings.empty());
      return state;
    }
    EXPECT_EQ(CheckInvariants(*heap.allocator), "");
    for (const std::uint64_t want :
         {std::uint64_t{1}, std::uint64_t{5}, Heap<L>::G::kChunkPages.raw,
          3 * Heap<L>::G::kChunkPages.raw + 1}) {
      state.found.push_back(heap.allocator->Find(PageCount{want}));
    }
    // After the searches, before which nothing waits to be told to the index.
    state.image = HeapImage(*heap.allocator);
    state.metadata = heap.allocator->metadata();
    EXPECT_EQ(state.metadata, heap.os.held()) << "everything held is accounted for";
    return state;
  }
  /// The same heap; what is held may differ.
  [[nodiscard]] bool SameHeap(const State& other) const {
    return image == other.image && found == other.found;
  }
  friend bool operator==(const State&, const State&) = default;
};

/// Refuses each call of one operation on a heap; before each, `prepare` makes the heap.
/// @return how many calls there were
template <class L, class Prepare, class Operate>
std::uint64_t FailsAtEachCall(ByteCount os_page, Prepare&& prepare, Operate&& operate) {
  return AllOrNothing(
      [&] {
        auto heap = std::make_unique<Heap<L>>(os_page);
        heap->allocator = std::make_unique<PageAllocator<L>>();
        EXPECT_TRUE(heap->allocator->Init(heap->os).ok());
        prepare(*heap);
        return heap;
      },
      operate, [](Heap<L>& heap) { return State::Of(heap); }, testing::ExpectFirstTold);
}

template <class L, class Prepare>
void GrowFailsAtEachCall(ByteCount os_page, std::uint64_t first, std::uint64_t chunks,
                         std::uint64_t at_least, Prepare&& prepare) {
  const std::uint64_t calls = FailsAtEachCall<L>(os_page, prepare, [&](Heap<L>& heap) {
    return heap.allocator->Grow(Heap<L>::Chunks(first, chunks));
  });
  EXPECT_GE(calls, at_least);
}

template <class L>
class Faults : public ::testing::Test {};
TYPED_TEST_SUITE(Faults, testing::RoomyLayouts, testing::LayoutNames);

TYPED_TEST(Faults, InTheFirstGrowth) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 0, 3, 2, [](auto&) {});
}

// Tables of one block have all they need already: there is no call to refuse.
TYPED_TEST(Faults, InGrowthThatGoesOn) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 2, 18, 0, [](auto& heap) {
    heap.Grow(0, 2);
    static_cast<void>(heap.allocator->Allocate(PageCount{70}));
  });
}

TYPED_TEST(Faults, InGrowthThatFillsAGap) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 9, 12, 0, [](auto& heap) {
    heap.Grow(4, 1);
    heap.Grow(22, 2);
    heap.allocator->AllocateRange(heap.Chunks(22, 1));
    static_cast<void>(heap.allocator->Allocate(PageCount{5}));
  });
}

TYPED_TEST(Faults, InGrowthBehindAGap) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 17, 3, 0, [](auto& heap) { heap.Grow(0, 1); });
}

TYPED_TEST(Faults, InGrowthBelowAFullHeap) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 1, 2, 0, [](auto& heap) {
    heap.Grow(20, 3);
    heap.Fill();
  });
}

// Whoever takes a page cache under memory pressure must be able to.
TYPED_TEST(Faults, NoneInAllocationsCachesAndFrees) {
  using World = Heap<TypeParam>;
  const std::uint64_t calls = FailsAtEachCall<TypeParam>(
      kOsPage,
      [](World& heap) {
        heap.Grow(0, 2);
        heap.Grow(5, 3);
        static_cast<void>(heap.allocator->Allocate(PageCount{33}));
      },
      [](World& heap) {
        auto& pages = *heap.allocator;
        PageCache lowest = pages.TakePageCache();
        EXPECT_TRUE(lowest.Allocate(PageCount{3}).has_value());
        PageCache behind = pages.TakePageCache(World::Chunks(5, 1).begin);
        const auto run = pages.Allocate(PageCount{2 * World::G::kChunkPages.raw});
        EXPECT_TRUE(run.has_value());
        pages.AllocateRange(World::Chunks(1, 1));
        pages.Flush(behind);
        pages.Free(PageRange::Of(run->first, PageCount{7}));
        const PageRange one = World::Chunks(1, 1);
        pages.FreeBatch(std::array{PageRange::Of(one.begin, PageCount{9}),
                                   PageRange{one.begin + PageCount{20}, one.end}});
        pages.Flush(lowest);
        EXPECT_FALSE(pages.Allocate(PageCount{std::uint64_t{1} << 40}).has_value());
        return OsStatus::Ok();
      });
  EXPECT_EQ(calls, 0u);
}

template <class L>
class FaultsOfLongLists : public ::testing::Test {};
TYPED_TEST_SUITE(FaultsOfLongLists, testing::ShippedLayouts, testing::LayoutNames);

// The 17th separate range moves the list of ranges into memory of its own.
TYPED_TEST(FaultsOfLongLists, InGrowthByTheSeventeenthRange) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 40, 1, 2, [](auto& heap) {
    for (std::uint64_t i = 0; i < 16; ++i) heap.Grow(2 * i, 1);
  });
}

// The 33rd makes it move again, and return what it had.
TYPED_TEST(FaultsOfLongLists, InGrowthByTheThirtyThirdRange) {
  GrowFailsAtEachCall<TypeParam>(kOsPage, 80, 1, 3, [](auto& heap) {
    for (std::uint64_t i = 0; i < 32; ++i) heap.Grow(2 * i, 1);
  });
}

// Two blocks of the chunk map, and a hole of terabytes before.
TEST(FaultsOnAmd64, InDistantGrowthOverTwoBlocks) {
  GrowFailsAtEachCall<LinuxAmd64>(kOsPage, 0x100000 + 8190, 4, 2 * 2,
                                  [](auto& heap) { heap.Grow(0, 1); });
}

// With the pages of the hosts that there are.
TEST(FaultsOnAmd64, WithLargerOsPages) {
  for (const std::uint64_t os_page : {4096u, 65536u}) {
    GrowFailsAtEachCall<LinuxAmd64>(ByteCount{os_page}, 0, 3, 2, [](auto&) {});
    GrowFailsAtEachCall<LinuxAmd64>(ByteCount{os_page}, 0x10000, 2, 2,
                                    [](auto& heap) { heap.Grow(0, 1); });
  }
}

}  // namespace
}  // namespace pagealloc
