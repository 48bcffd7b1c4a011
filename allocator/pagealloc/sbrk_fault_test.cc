// The break refuses to move, and the memory under an emulated break refuses each call in turn.
// Afterwards the allocator is as before or as after, and a retry ends as if nothing had happened.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "pagealloc/sbrk_memory.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"
#include "testing/gtest/layout_types.h"
#include "testing/heap_image.h"
#include "testing/invariants.h"
#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using testing::FaultyMemory;
using testing::ForEachFault;
using testing::PlannedFault;

const auto* const kCount = ::testing::AddGlobalTestEnvironment(new testing::FaultCount(22));

constexpr std::uint64_t kPage = 4096;
constexpr ByteCount Pages(std::uint64_t n) { return ByteCount{n * kPage}; }

/// An SbrkMemory on an emulated break on faulty memory. A leak stops the program.
struct World {
  FakeMemory real;
  FaultyMemory os{real};
  EmulatedBreak source;
  std::optional<SbrkMemory> memory;

  OsStatus Init(ByteCount limit = Pages(64)) {
    return source.Init(os, {limit, Pages(1), Pages(2), ByteCount{1 << 16}});
  }
  void Start(ByteCount limit = Pages(64)) {
    ASSERT_TRUE(Init(limit).ok());
    memory.emplace(source);
  }
  std::byte* Take(std::uint64_t pages) {
    const OsMemory::Reservation got = memory->Reserve(Pages(pages));
    EXPECT_TRUE(got.status.ok());
    std::memset(got.begin, 0xaa, static_cast<std::size_t>(Pages(pages).raw));
    return got.begin;
  }
  /// All there is to know, places counted from the first byte: bounds, sums, free blocks, contents.
  std::vector<std::uint64_t> Image() const {
    const SbrkAllocator& a = memory->allocator();
    const auto place = [&](const std::byte* at) {
      return static_cast<std::uint64_t>(at - a.first());
    };
    const SbrkStats stats = a.stats();
    std::vector<std::uint64_t> image{place(a.bloc()), place(a.bloc_max()), stats.live.raw,
                                     stats.free.raw, stats.holes.raw};
    a.free_blocks().ForEach([&](const FreeBlocks::Node& block) {
      image.push_back(place(block.begin()));
      image.push_back(block.size);
    });
    for (const std::byte* at = a.first(); at < a.bloc(); at += kPage) {
      image.push_back(std::to_integer<std::uint64_t>(at[kPage / 2]));
    }
    return image;
  }
};

TEST(SbrkFaults, InInitOfTheEmulatedBreak) {
  const std::uint64_t calls = ForEachFault([](const PlannedFault& fault) {
    World world;
    fault.Arm(world.os);
    const OsStatus status = world.Init();
    world.os.NeverFail();
    const bool hit = !world.os.faults().empty();
    EXPECT_EQ(status.ok(), !hit);
    if (hit) {
      EXPECT_EQ(status.call, world.os.faults()[0].call);
      EXPECT_EQ(status.error_number, world.os.faults()[0].error_number);
      EXPECT_TRUE(world.os.mappings().empty());
      EXPECT_TRUE(world.Init().ok());
    }
    return hit;
  });
  EXPECT_EQ(calls, 2u);
}

/// Refuses the break's moves during one request; `request` takes memory and says how it went.
template <class Request>
void RequestFailsAtEachCall(bool somebody_else, Request&& request) {
  const auto make = [&](World& world) {
    world.Start();
    std::byte* const low = world.Take(5);
    world.Take(2);
    std::byte* const top = world.Take(2);
    static_cast<void>(world.memory->Unreserve(low + kPage, Pages(2)));
    static_cast<void>(world.memory->Unreserve(top, Pages(2)));
    if (somebody_else) static_cast<void>(world.source.MoveAsSomebodyElse(Pages(3)));
  };
  World reference;
  make(reference);
  const std::vector<std::uint64_t> before = reference.Image();
  ASSERT_TRUE(request(*reference.memory).status.ok());
  const std::vector<std::uint64_t> after = reference.Image();
  EXPECT_NE(before, after);

  const std::uint64_t calls = ForEachFault([&](const PlannedFault& fault) {
    World world;
    make(world);
    EXPECT_EQ(world.Image(), before);
    fault.Arm(world.os);
    const OsMemory::Reservation got = request(*world.memory);
    world.os.NeverFail();
    const bool hit = !world.os.faults().empty();
    EXPECT_EQ(got.status.ok(), !hit);
    EXPECT_EQ(got.begin == nullptr, hit);
    if (hit) {
      EXPECT_EQ(got.status.error_number, ENOMEM) << "what the break says";
      EXPECT_EQ(world.Image(), before);
      EXPECT_TRUE(request(*world.memory).status.ok());
    }
    EXPECT_EQ(world.Image(), after);
    return hit;
  });
  EXPECT_EQ(calls, 1u) << "the break moves once";
}

TEST(SbrkFaults, InRequestsThatMoveTheBreak) {
  for (const bool somebody_else : {false, true}) {
    SCOPED_TRACE(somebody_else);
    RequestFailsAtEachCall(somebody_else, [](SbrkMemory& m) { return m.Reserve(Pages(7)); });
    RequestFailsAtEachCall(somebody_else,
                           [](SbrkMemory& m) { return m.ReserveAligned(Pages(6), Pages(8)); });
  }
  RequestFailsAtEachCall(false,
                         [](SbrkMemory& m) { return m.Reserve(Pages(4), m.allocator().bloc()); });
}

template <class L>
class SbrkHeapFaults : public ::testing::Test {};
using WasmLayouts = ::testing::Types<Wasm125, Wasm126>;
TYPED_TEST_SUITE(SbrkHeapFaults, WasmLayouts, testing::LayoutNames);

// Tables and heap from one break: Init(), then a growth whose list of ranges must move, too.
TYPED_TEST(SbrkHeapFaults, InInitAndGrowth) {
  using G = Geometry<TypeParam>;
  constexpr ByteCount kLimit{4u << 20};
  const auto chunks = [](std::uint64_t first) {
    return PageRange::Of(PageOffset{G::kHeapBasePage.raw + first * G::kChunkPages.raw},
                         G::kChunkPages);
  };
  const auto run = [&](World& world, PageAllocator<TypeParam>& heap, std::uint64_t ranges) {
    OsStatus status = OsStatus::Ok();
    for (std::uint64_t i = 0; i < ranges && status.ok(); ++i) status = heap.Grow(chunks(2 * i));
    EXPECT_EQ(world.memory->stats().live, heap.metadata().reserved) << "nothing is lost";
    return status;
  };

  std::uint64_t calls = ForEachFault([&](const PlannedFault& fault) {
    World world;
    world.Start(kLimit);
    fault.Arm(world.os);
    auto heap = std::make_unique<PageAllocator<TypeParam>>();
    const bool refused = !heap->Init(*world.memory).ok();
    world.os.NeverFail();
    EXPECT_EQ(refused, !world.os.faults().empty());
    heap.reset();
    EXPECT_EQ(world.memory->stats().live, ByteCount{0});
    heap = std::make_unique<PageAllocator<TypeParam>>();
    EXPECT_TRUE(heap->Init(*world.memory).ok());
    EXPECT_TRUE(run(world, *heap, 1).ok());
    return refused;
  });
  // The break moves in large steps: which of the three needs one depends on the layout's tables.
  std::uint64_t all_calls = calls;

  for (const std::uint64_t ranges : {std::uint64_t{1}, std::uint64_t{17}}) {
    World reference;
    reference.Start(kLimit);
    auto expected = std::make_unique<PageAllocator<TypeParam>>();
    ASSERT_TRUE(expected->Init(*reference.memory).ok());
    ASSERT_TRUE(run(reference, *expected, ranges - 1).ok());
    const auto before = testing::HeapImage(*expected);
    ASSERT_TRUE(expected->Grow(chunks(2 * ranges)).ok());
    const auto after = testing::HeapImage(*expected);

    calls = ForEachFault([&](const PlannedFault& fault) {
      World world;
      world.Start(kLimit);
      auto heap = std::make_unique<PageAllocator<TypeParam>>();
      EXPECT_TRUE(heap->Init(*world.memory).ok());
      EXPECT_TRUE(run(world, *heap, ranges - 1).ok());
      fault.Arm(world.os);
      const OsStatus status = heap->Grow(chunks(2 * ranges));
      world.os.NeverFail();
      const bool hit = !world.os.faults().empty();
      EXPECT_EQ(status.ok(), !hit);
      EXPECT_EQ(world.memory->stats().live, heap->metadata().reserved);
      if (hit) {
        EXPECT_EQ(testing::HeapImage(*heap), before);
        EXPECT_TRUE(heap->Grow(chunks(2 * ranges)).ok());
      }
      EXPECT_EQ(testing::HeapImage(*heap), after);
      EXPECT_EQ(testing::CheckInvariants(*heap), "");
      heap.reset();
      EXPECT_EQ(world.memory->stats().live, ByteCount{0});
      return hit;
    });
    all_calls += calls;
  }
  EXPECT_GE(all_calls, 2u);
}

}  // namespace
}  // namespace pagealloc
