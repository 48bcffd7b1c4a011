// Every call to the operating system that a Heap makes is refused in turn: in Init(), in requests
// that grow the heap (through a cache, directly, at a multiple), in hints about huge pages, and in
// scavenging, a piece at a time. Afterwards every page is accounted for, the heap is as before or
// as after, what callers hold has its contents, and a retry ends where it would have ended.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <type_traits>
#include <vector>

#include "pagealloc/heap.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"
#include "testing/gtest/layout_types.h"
#include "testing/heap_access.h"
#include "testing/heap_image.h"
#include "testing/invariants.h"
#include "testing/region_memory.h"

namespace pagealloc {
namespace {

using testing::AllOrNothing;
using testing::FaultyMemory;
using testing::ForEachFault;
using testing::HeapAccess;
using testing::PlannedFault;

const auto* const kCount = ::testing::AddGlobalTestEnvironment(new testing::FaultCount(1000));

/// With huge pages as large as a chunk, of which every one can be had.
class Region final : public testing::RegionMemory {
 public:
  Region(ByteCount size, ByteCount alignment, ByteCount huge)
      : RegionMemory(size, alignment), huge_(huge) {}
  [[nodiscard]] ByteCount huge_page_size() const override { return huge_; }
  OsStatus CollapseHugePages(std::byte*, ByteCount) override { return OsStatus::Ok(); }

 private:
  ByteCount huge_;
};

constexpr std::uint64_t kFivePagesOfPadding = std::uint64_t{7} << 32 | 5u << 23;

/// What of a heap must be the same, when nothing is in caches. Where it grows in steps, a part of
/// the growth may have joined, and the rest may come from another place when it is asked for again.
struct State {
  bool in_steps;
  PageCount in_use;
  std::vector<std::uint64_t> image;
  std::vector<std::uint64_t> numbers;
  MetadataStats metadata;
  std::vector<FaultyMemory::Mapping> mappings;

  [[nodiscard]] bool SameHeap(const State& other) const {
    return in_use == other.in_use &&
           (in_steps || (image == other.image && numbers == other.numbers));
  }
  friend bool operator==(const State&, const State&) = default;
};

/// A heap on memory that refuses, and what its callers hold: every page bears a mark at both ends.
template <class L>
class World {
  using G = Geometry<L>;

 public:
  static constexpr std::uint64_t kChunk = G::kChunkPages.raw;

  World(Region& region, const HeapOptions& options)
      : os(region), region_(region), options_(options) {}
  ~World() {
    heap.reset();
    EXPECT_TRUE(os.mappings().empty()) << "the heap is gone, and something is held";
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  OsStatus Init() {
    heap = std::make_unique<Heap<L>>();
    const OsStatus status = heap->Init(os, options_);
    if (!status.ok()) heap.reset();  // then it may only be destroyed
    return status;
  }
  OsStatus Take(std::uint64_t pages, unsigned processor = 0) {
    return Keep(heap->Allocate(PageCount{pages}, processor), pages);
  }
  OsStatus TakeAligned(std::uint64_t pages, ByteCount alignment) {
    const HeapAllocation got = heap->Allocate(PageCount{pages}, alignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.memory) % alignment.raw, 0u);
    return Keep(got, pages);
  }
  OsStatus TakeAt(std::size_t behind, std::uint64_t pages) {
    const Run& run = runs_[behind];
    return Keep(heap->AllocateAt(run.memory + BytesOf(run.pages).raw, PageCount{pages}), pages);
  }
  /// Its pages keep their marks until they are given back to the operating system.
  void Free(std::size_t index) {
    const Run run = runs_[index];
    runs_.erase(runs_.begin() + static_cast<std::ptrdiff_t>(index));
    heap->Free(run.memory, run.pages);
    freed_.push_back(run);
  }
  /// Of the pages that were freed: how many were given back. Each is intact, or zero at both ends.
  [[nodiscard]] PageCount FreedAndGivenBack() const {
    PageCount zero;
    for (const Run& run : freed_) {
      for (std::uint64_t i = 0; i < run.pages.raw; ++i) {
        const bool intact = Holds(run, i, run.mark);
        EXPECT_TRUE(intact || Holds(run, i, 0)) << "page " << i << " of " << run.mark;
        zero += PageCount{intact ? 0U : 1U};
      }
    }
    return zero;
  }

  /// Judges the heap, with nothing in caches and the search where the lowest free pages are.
  State Look() {
    State state{in_steps, {}, {}, {}, {}, os.mappings()};
    if (heap == nullptr) {
      EXPECT_TRUE(state.mappings.empty());
      return state;
    }
    heap->FlushCaches();
    auto& pages = HeapAccess::pages(*heap);
    for (const std::uint64_t want : {std::uint64_t{2}, kChunk, 3 * kChunk}) {
      static_cast<void>(pages.Find(PageCount{want}));  // nothing waits afterwards
    }
    PageCache lowest = pages.TakePageCache();
    pages.Flush(lowest);
    EXPECT_EQ(testing::CheckInvariants(pages), "");
    if (!in_steps) state.image = testing::HeapImage(pages);

    const HeapStatistics stats = heap->Stats();
    PageCount in_use;
    for (const Run& run : runs_) {
      in_use += run.pages;
      for (std::uint64_t i = 0; i < run.pages.raw; ++i) {
        EXPECT_TRUE(Holds(run, i, run.mark)) << "page " << i << " of " << run.mark;
      }
    }
    EXPECT_EQ(stats.in_use, in_use);
    state.in_use = in_use;
    EXPECT_EQ(stats.held, PageCount{0});
    EXPECT_EQ(stats.grown, stats.in_use + stats.padding + stats.free);
    EXPECT_EQ(os.held().reserved, stats.reserved + stats.metadata.reserved) << "leaked";
    EXPECT_GE(os.held().committed, BytesOf(stats.grown) + stats.metadata.committed);
    state.numbers = {stats.grown.raw, stats.scavenged.raw, stats.padding.raw, stats.growths};
    state.metadata = stats.metadata;
    return state;
  }

  FaultyMemory os;
  bool in_steps = false;          ///< see State
  std::unique_ptr<Heap<L>> heap;  // null: none, or one whose Init() was refused

 private:
  struct Run {
    std::byte* memory;
    PageCount pages;
    std::uint64_t mark;
  };
  static constexpr std::size_t kLast = kPageBytes.raw - sizeof(std::uint64_t);

  OsStatus Keep(const HeapAllocation& got, std::uint64_t pages) {
    EXPECT_FALSE(got.no_room());
    if (!got.ok()) return got.status;
    const Run run{got.memory, got.pages, runs_.size() + freed_.size() + 1};
    EXPECT_EQ(got.pages, PageCount{pages});
    EXPECT_TRUE(region_.Accessible(got.memory, BytesOf(got.pages)));
    for (std::uint64_t i = 0; i < pages; ++i) {
      EXPECT_TRUE(!got.zeroed || Holds(run, i, 0)) << "zeroed, but not zero";
      std::memcpy(got.memory + i * kPageBytes.raw, &run.mark, sizeof run.mark);
      std::memcpy(got.memory + i * kPageBytes.raw + kLast, &run.mark, sizeof run.mark);
    }
    runs_.push_back(run);
    return got.status;
  }
  static bool Holds(const Run& run, std::uint64_t page, std::uint64_t mark) {
    const std::byte* const at = run.memory + page * kPageBytes.raw;
    return std::memcmp(at, &mark, sizeof mark) == 0 &&
           std::memcmp(at + kLast, &mark, sizeof mark) == 0;
  }

  Region& region_;
  HeapOptions options_;
  std::vector<Run> runs_;
  std::vector<Run> freed_;
};

template <class L>
class HeapFaults : public ::testing::Test {
 protected:
  static constexpr bool kWide = HeapGrowth<L>::kWide;

  auto Make() {
    return [this] {
      auto world = std::make_unique<World<L>>(region_, options_);
      world->in_steps = in_steps_;
      EXPECT_TRUE(world->Init().ok());
      if (prepare_) prepare_(*world);
      return world;
    };
  }
  /// Refuses each call of an operation.
  template <class Operate>
  std::uint64_t FailsAtEachCall(Operate&& operate) {
    return AllOrNothing(
        Make(), operate, [](World<L>& world) { return world.Look(); }, testing::ExpectOneTold);
  }

  /// Shared by all heaps of a test, so that each of them gets the same places. The tables of 48
  /// bits reserve 512 MiB, of which a refusal may leave one behind.
  Region region_{
      kWide ? ByteCount{std::uint64_t{3} << 29} : ByteCount{32 * Geometry<L>::kChunkBytes.raw},
      HeapGrowth<L>::kArena, Geometry<L>::kChunkBytes};
  HeapOptions options_{
      .caches = 2, .huge_pages = HugePageUse::kAlways, .metadata_huge_pages = true};
  void (*prepare_)(World<L>&) = nullptr;
  bool in_steps_ = false;
};

/// One of each kind: chunks of one word, tables that grow, 32 and 48 bits.
using Layouts = ::testing::Types<testing::TinyWordChunks, testing::TinyDeep, Linux386, LinuxAmd64>;
TYPED_TEST_SUITE(HeapFaults, Layouts, testing::LayoutNames);

TYPED_TEST(HeapFaults, InInit) {
  using W = World<TypeParam>;
  const std::uint64_t calls =
      AllOrNothing([this] { return std::make_unique<W>(this->region_, this->options_); },
                   [](W& world) { return world.Init(); }, [](W& world) { return world.Look(); },
                   testing::ExpectFirstTold);
  EXPECT_GE(calls, 3u) << "caches, and a bit a chunk";
}

TYPED_TEST(HeapFaults, InTheFirstRequest) {
  for (const std::uint64_t seed : {std::uint64_t{0}, kFivePagesOfPadding}) {
    this->options_.random_seed = seed;
    EXPECT_GE(this->FailsAtEachCall([](auto& world) { return world.Take(3); }), 5u);
    EXPECT_GE(this->FailsAtEachCall([](auto& world) { return world.Take(20); }), 5u);
  }
}

// Padding takes the room of the first growth.
TYPED_TEST(HeapFaults, InAFirstRequestThatGrowsTwice) {
  this->options_.random_seed = kFivePagesOfPadding;
  this->in_steps_ = true;
  EXPECT_GE(this->FailsAtEachCall([](auto& world) {
    const OsStatus status = world.Take(World<TypeParam>::kChunk);
    EXPECT_TRUE(!status.ok() || world.heap->Stats().growths == 2);
    return status;
  }),
            6u);
}

// Where nothing is aligned to an arena, more is reserved, and its ends go back.
TEST(HeapFaultsInCrookedPlaces, InTheFirstRequest) {
  using W = World<testing::TinyWordChunks>;
  constexpr ByteCount kChunkBytes = Geometry<testing::TinyWordChunks>::kChunkBytes;
  Region region(ByteCount{32 * kChunkBytes.raw}, Region::kPage, kChunkBytes);
  const std::uint64_t calls = AllOrNothing(
      [&region] {
        auto world = std::make_unique<W>(region, HeapOptions{.caches = 1});
        world->in_steps = true;  // what cannot go back leaves another place
        EXPECT_TRUE(world->Init().ok());
        return world;
      },
      [](W& world) { return world.Take(3); }, [](W& world) { return world.Look(); },
      testing::ExpectOneTold);
  EXPECT_GE(calls, 7u);
}

// Both caches hold pages, which come back before the heap grows.
TYPED_TEST(HeapFaults, InARequestThatGrowsAHeapWithCaches) {
  this->prepare_ = [](auto& world) {
    EXPECT_TRUE(world.Take(1, 0).ok());
    EXPECT_TRUE(world.Take(World<TypeParam>::kChunk / 2, 0).ok());
    EXPECT_TRUE(world.Take(2, 1).ok());
    world.Free(0);
  };
  constexpr std::uint64_t kChunk = World<TypeParam>::kChunk;
  EXPECT_GE(this->FailsAtEachCall([](auto& world) { return world.Take(2 * kChunk + 1); }), 1u);
  EXPECT_GE(this->FailsAtEachCall([](auto& world) {
    return world.TakeAligned(5, ByteCount{2 * Geometry<TypeParam>::kChunkBytes.raw});
  }),
            1u);
}

TYPED_TEST(HeapFaults, InARequestThroughACacheThatGrowsAFullHeap) {
  this->prepare_ = [](auto& world) {
    EXPECT_TRUE(world.Take(World<TypeParam>::kChunk).ok());
    EXPECT_TRUE(world.Take(World<TypeParam>::kChunk).ok());
  };
  EXPECT_GE(this->FailsAtEachCall([](auto& world) { return world.Take(7, 1); }), 1u);
}

// The rest of an arena joins before the next one is used.
TYPED_TEST(HeapFaults, InARequestThatMovesToAnotherArena) {
  this->prepare_ = [](auto& world) { EXPECT_TRUE(world.Take(1).ok()); };
  this->in_steps_ = true;
  constexpr std::uint64_t kArena = HeapGrowth<TypeParam>::kArena.raw / kPageBytes.raw;
  EXPECT_GE(this->FailsAtEachCall([](auto& world) { return world.Take(kArena + 1); }), 1u);
}

TYPED_TEST(HeapFaults, NoneWhereNothingGrows) {
  this->options_.huge_pages = HugePageUse::kSystem;
  this->prepare_ = [](auto& world) {
    EXPECT_TRUE(world.Take(World<TypeParam>::kChunk).ok());
    EXPECT_TRUE(world.Take(World<TypeParam>::kChunk).ok());
    world.Free(0);
  };
  EXPECT_EQ(this->FailsAtEachCall([](auto& world) {
    EXPECT_TRUE(world.Take(3, 0).ok());
    EXPECT_TRUE(world.Take(4, 1).ok());
    EXPECT_TRUE(world.Take(16, 0).ok());
    EXPECT_TRUE(world.TakeAligned(2, ByteCount{4 * kPageBytes.raw}).ok());
    EXPECT_TRUE(world.TakeAt(4, 1).ok());
    world.Free(2);
    world.heap->FlushCaches();
    return world.Take(5, 1);
  }),
            0u);
}

// A hint is nothing that a request depends on.
TYPED_TEST(HeapFaults, InHintsAboutAChunkThatBecomesDense) {
  this->options_.huge_pages = HugePageUse::kDenseChunks;
  this->prepare_ = [](auto& world) {
    constexpr std::uint64_t kHalf = World<TypeParam>::kChunk / 2;
    EXPECT_TRUE(world.Take(kHalf).ok());
    EXPECT_TRUE(world.Take(kHalf - kHalf / 8).ok());
    world.Free(1);
  };
  EXPECT_EQ(this->FailsAtEachCall([](auto& world) {
    const OsStatus status = world.Take(World<TypeParam>::kChunk / 2);
    EXPECT_TRUE(status.ok());
    const HugePageCounts counts = world.heap->Stats().huge_pages;
    EXPECT_EQ(counts.refusals, world.os.faults().size());
    EXPECT_EQ(counts.hints_for + counts.collapses + counts.refusals, 2u);
    return status;
  }),
            2u);
}

// Pieces that were released before a refusal are, that one is not, and the next scavenging takes it
// and the others.
TYPED_TEST(HeapFaults, InScavengingEachPieceIsReleasedOrIntact) {
  using W = World<TypeParam>;
  this->prepare_ = [](W& world) {
    for (const std::uint64_t pages : {W::kChunk, W::kChunk / 4, W::kChunk / 4, W::kChunk / 4,
                                      W::kChunk / 4 - 3, W::kChunk, std::uint64_t{2}}) {
      EXPECT_TRUE(world.Take(pages).ok());
    }
    for (const std::size_t run : {5u, 3u, 1u, 0u}) world.Free(run);
    world.heap->FlushCaches();
  };
  const auto make = this->Make();
  auto reference = make();
  const ScavengeResult all = reference->heap->ReleaseAll();
  ASSERT_TRUE(all.status.ok());
  ASSERT_GE(all.steps, 4u);
  const PageCount freed = reference->FreedAndGivenBack();
  EXPECT_EQ(freed.raw, 2 * W::kChunk + W::kChunk / 2);
  const State after = reference->Look();
  reference.reset();

  std::uint64_t released_in_part = 0;
  const std::uint64_t calls = ForEachFault([&](const PlannedFault& fault) {
    const auto world = make();
    const PageCount scavenged = world->heap->Stats().scavenged;
    fault.Arm(world->os);
    const ScavengeResult result = world->heap->ReleaseAll();
    world->os.NeverFail();
    const auto& faults = world->os.faults();
    const auto refused = std::find_if(faults.begin(), faults.end(), [](const OsStatus& one) {
      return one.call == OsCall::kRelease;
    });
    EXPECT_EQ(result.status.ok(), refused == faults.end());
    EXPECT_EQ(world->heap->Stats().huge_pages.refusals,
              static_cast<std::uint64_t>(refused - faults.begin()));
    if (!result.status.ok()) {
      EXPECT_EQ(result.status.error_number, refused->error_number);
      EXPECT_EQ(result.status.bytes, refused->bytes);
      EXPECT_EQ(BytesOf(world->FreedAndGivenBack()), result.released);
      EXPECT_EQ(BytesOf(world->heap->Stats().scavenged - scavenged), result.released);
      released_in_part += result.steps > 0 ? 1U : 0U;
      static_cast<void>(world->Look());
      EXPECT_EQ(result.released + world->heap->ReleaseAll().released, all.released);
    }
    EXPECT_EQ(world->FreedAndGivenBack(), freed);
    EXPECT_TRUE(world->Look() == after);
    return !faults.empty();
  });
  EXPECT_GE(calls, 2 * all.steps - 2) << "hints, too";
  EXPECT_GE(released_in_part, 2 * (all.steps - 1));
}

}  // namespace
}  // namespace pagealloc
