#include "pagealloc/arena_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "testing/address_space.h"

namespace pagealloc {
namespace {

using testing::AddressSpace;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::uint64_t kMiB = 1u << 20;
constexpr ByteCount kArena{64 * kMiB};
constexpr std::array<HostAddress, 2> kHints{HostAddress{0xc000000000}, HostAddress{0x1c000000000}};

/// A source with an address space of its own.
struct Source {
  explicit Source(ArenaSource::Options options = {kArena, kHints, {}}) {
    source.Init(space, options);
  }
  /// Reserve(arenas) must give this place.
  void ExpectAt(std::uint64_t arenas, std::uint64_t begin) {
    const ArenaSource::Result got = source.Reserve(ByteCount{arenas * kArena.raw});
    ASSERT_TRUE(got.status.ok()) << got.status.error_number;
    EXPECT_EQ(got.arena.begin, HostAddress{begin}) << std::hex << got.arena.begin.raw;
    EXPECT_EQ(got.arena.size(), ByteCount{arenas * kArena.raw});
  }

  AddressSpace space;
  ArenaSource source;
};

TEST(ArenaSource, NextArenaBeginsWhereTheLastOneEnded) {
  Source s;
  s.ExpectAt(1, 0xc000000000);
  s.ExpectAt(3, 0xc004000000);
  s.ExpectAt(1, 0xc010000000);
  EXPECT_EQ(s.source.reserved(), ByteCount{5 * kArena.raw});
}

TEST(ArenaSource, TakenHintIsDroppedForTheNext) {
  Source s;
  s.space.Occupy(0xc004000000, 4096);
  s.ExpectAt(1, 0xc000000000);
  s.ExpectAt(1, 0x1c000000000);
  s.space.TakeLog();
  s.ExpectAt(1, 0x1c004000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve 1c004000000 65536"));
}

TEST(ArenaSource, WithoutHintsAnyAlignedPlaceDoesAndIsContinuedOnBothSides) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0x7f0001000000);  // not aligned to an arena
  s.ExpectAt(1, 0x7f0008000000);
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve anywhere 7f0001000000 65536", "unreserve 7f0001000000 65536",
                          "reserve anywhere 7f0005000000 131072", "unreserve 7f0005000000 49152",
                          "unreserve 7f000c000000 16384"));
}

TEST(ArenaSource, PlaceAnywhereIsContinuedAboveThenBelow) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0x7f0000000000);
  s.ExpectAt(1, 0x7f0000000000);
  s.ExpectAt(1, 0x7f0004000000);
  s.space.Occupy(0x7f0008000000, 4096);
  s.ExpectAt(2, 0x7efff8000000);
  s.ExpectAt(1, 0x7efff4000000);
}

TEST(ArenaSource, RefusalDropsNoHint) {
  Source s;
  s.ExpectAt(1, 0xc000000000);
  s.space.LimitReserved(s.space.reserved());
  const ArenaSource::Result refused = s.source.Reserve(kArena);
  EXPECT_EQ(refused.status.error_number, ENOMEM);
  EXPECT_EQ(refused.status.bytes, kArena);
  EXPECT_TRUE(refused.arena.empty());
  s.space.LimitReserved(~std::uint64_t{0});
  s.ExpectAt(1, 0xc004000000);
}

// A host whose addresses end below the hints: the first request finds a place anywhere, the next
// ones do not ask for the hints again.
TEST(ArenaSource, HintsBeyondTheHostsAddressesAreForgotten) {
  Source s;
  s.space.SetEnd(0x8000000000);
  s.space.SetAnywhere(0x4000000000);
  s.ExpectAt(1, 0x4000000000);
  s.space.TakeLog();
  s.ExpectAt(1, 0x4004000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve 4004000000 65536"));
}

TEST(ArenaSource, PlacesOutsideTheWindowAreOfNoUse) {
  Source s;
  s.source.SetWindow(HostAddress{0xc000000000}, ByteCount{3 * kArena.raw});
  s.ExpectAt(2, 0xc000000000);
  s.space.TakeLog();
  const ArenaSource::Result none = s.source.Reserve(ByteCount{2 * kArena.raw});
  EXPECT_TRUE(none.status.ok());
  EXPECT_TRUE(none.arena.empty());
  // Both hints lie outside; the place that the kernel chose does too, and went back.
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve anywhere 7f0000000000 131072", "unreserve 7f0000000000 131072"));
  EXPECT_EQ(s.source.reserved(), ByteCount{2 * kArena.raw});
}

TEST(ArenaSource, WindowMayBeginBelowAddressZero) {
  Source s;
  s.source.SetWindow(HostAddress{0xffff800000000000}, ByteCount{std::uint64_t{1} << 48});
  s.ExpectAt(1, 0xc000000000);
}

constexpr std::array<ByteCount, 3> kFirst{ByteCount{512 * kMiB}, ByteCount{256 * kMiB},
                                          ByteCount{128 * kMiB}};

TEST(ArenaSource, ArenasAreCutFromTheFirstReservation) {
  Source s({kArena, kHints, kFirst});
  s.ExpectAt(1, 0xc000000000);
  s.ExpectAt(6, 0xc004000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve c000000000 524288"));
  s.ExpectAt(2, 0xc020000000);  // one arena is left: too little
  s.ExpectAt(1, 0xc01c000000);
}

TEST(ArenaSource, SmallerFirstReservationsAreTriedAndTheThreeSizesNoLongerAfterASuccess) {
  Source s({kArena, kHints, kFirst});
  s.space.LimitReserved(200 * kMiB);
  s.ExpectAt(1, 0xc000000000);
  EXPECT_EQ(s.source.reserved(), kFirst[2]);
  s.space.TakeLog();
  s.ExpectAt(1, 0xc004000000);
  EXPECT_THAT(s.space.TakeLog(), IsEmpty());
  EXPECT_EQ(s.source.Reserve(ByteCount{2 * kArena.raw}).status.error_number, ENOMEM);
}

TEST(ArenaSource, UnderALowLimitTheFirstReservationIsTheArena) {
  Source s({kArena, kHints, kFirst});
  s.space.LimitReserved(100 * kMiB);
  s.ExpectAt(1, 0xc000000000);
  EXPECT_EQ(s.source.reserved(), kArena);
}

TEST(ArenaSource, ReturnsAllThatItHolds) {
  AddressSpace space;
  {
    ArenaSource source;
    source.Init(space, {kArena, {}, {}});
    for (std::uint64_t i = 0; i < 5; ++i) {
      space.Occupy(0x7f0004000000 + i * 0x100000000, 4096);
      space.SetAnywhere(0x7f0000000000 + i * 0x100000000);
      ASSERT_TRUE(source.Reserve(kArena).status.ok());
    }
    EXPECT_EQ(space.reserved(), 5 * kArena.raw);
  }
  EXPECT_EQ(space.reserved(), 0u);
}

TEST(ArenaSourceDeathTest, PartsOfAnArenaBreakTheContract) {
  Source s;
  EXPECT_DEATH(static_cast<void>(s.source.Reserve(ByteCount{4096})),
               "contract broken: os_ != nullptr && size.raw > 0");
}

}  // namespace
}  // namespace pagealloc
