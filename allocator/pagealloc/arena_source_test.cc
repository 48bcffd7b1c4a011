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
// Addresses below 4 GiB, which every host has.
constexpr std::array<HostAddress, 2> kHints{HostAddress{0x40000000}, HostAddress{0x80000000}};

constexpr bool kHostEndsAt4GiB = UINTPTR_MAX == 0xffffffff;

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
  s.ExpectAt(1, 0x40000000);
  s.ExpectAt(3, 0x44000000);
  s.ExpectAt(1, 0x50000000);
  EXPECT_EQ(s.source.reserved(), ByteCount{5 * kArena.raw});
}

TEST(ArenaSource, TakenHintIsDroppedForTheNext) {
  Source s;
  s.space.Occupy(0x44000000, 4096);
  s.ExpectAt(1, 0x40000000);
  s.ExpectAt(1, 0x80000000);
  s.space.TakeLog();
  s.ExpectAt(1, 0x84000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve 84000000 65536"));
}

TEST(ArenaSource, WithoutHintsAnyAlignedPlaceDoesAndIsContinuedOnBothSides) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0xc1000000);  // not aligned to an arena
  s.ExpectAt(1, 0xc8000000);
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve anywhere c1000000 65536", "unreserve c1000000 65536",
                          "reserve anywhere c5000000 131072", "unreserve c5000000 49152",
                          "unreserve cc000000 16384"));
}

TEST(ArenaSource, SecondPlaceThatHappensToBeAlignedGivesBackItsEnd) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0xc1000000, 0x80000000);
  s.ExpectAt(1, 0x80000000);
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve anywhere c1000000 65536", "unreserve c1000000 65536",
                          "reserve anywhere 80000000 131072", "unreserve 84000000 65536"));
}

TEST(ArenaSource, PlaceAnywhereIsContinuedAboveThenBelow) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0xc0000000);
  s.ExpectAt(1, 0xc0000000);
  s.ExpectAt(1, 0xc4000000);
  s.space.Occupy(0xc8000000, 4096);
  s.ExpectAt(2, 0xb8000000);
  s.ExpectAt(1, 0xb4000000);
}

TEST(ArenaSource, RefusalDropsNoHint) {
  Source s;
  s.ExpectAt(1, 0x40000000);
  s.space.LimitReserved(s.space.reserved());
  const ArenaSource::Result refused = s.source.Reserve(kArena);
  EXPECT_EQ(refused.status.error_number, ENOMEM);
  EXPECT_EQ(refused.status.bytes, kArena);
  EXPECT_TRUE(refused.arena.empty());
  s.space.LimitReserved(~std::uint64_t{0});
  s.ExpectAt(1, 0x44000000);
}

TEST(ArenaSource, RequestThatIsTooLargeForAHintLeavesItForOthers) {
  Source s;
  s.ExpectAt(1, 0x40000000);
  s.source.SetWindow(HostAddress{0x40000000}, ByteCount{std::uint64_t{1} << 30});
  s.space.SetAnywhere(0xc0000000);
  EXPECT_TRUE(s.source.Reserve(ByteCount{16 * kArena.raw}).arena.empty());
  s.ExpectAt(1, 0x44000000);
}

TEST(ArenaSource, RequestThatIsLargerThanTheWindowFindsNoRoom) {
  Source s;
  s.source.SetWindow(HostAddress{0x40000000}, ByteCount{2 * kArena.raw});
  const ArenaSource::Result none = s.source.Reserve(ByteCount{3 * kArena.raw});
  EXPECT_TRUE(none.status.ok());
  EXPECT_TRUE(none.arena.empty());
  s.ExpectAt(2, 0x40000000);
}

TEST(ArenaSource, RequestThatWouldEndAboveTheLastAddressLeavesTheHintForOthers) {
  constexpr std::array<HostAddress, 1> kLast{HostAddress{UINTPTR_MAX - kArena.raw + 1}};
  Source s({kArena, kLast, {}});
  s.ExpectAt(2, 0xc0000000);
  s.space.Occupy(0xc8000000, 4096);
  s.space.Occupy(0xbc000000, 4096);
  s.space.SetAnywhere(0x10000000);
  s.space.TakeLog();
  EXPECT_TRUE(s.source.Reserve(kArena).status.ok());
  EXPECT_EQ(s.space.TakeLog()[2],
            kHostEndsAt4GiB ? "reserve fc000000 65536" : "reserve fffffffffc000000 65536 refused");
}

TEST(ArenaSource, RequestThatWouldBeginBelowZeroLeavesTheHintForOthers) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0x8000000);
  s.ExpectAt(1, 0x8000000);
  s.space.Occupy(0xc000000, 4096);
  s.space.SetAnywhere(0x40000000);
  s.ExpectAt(3, 0x40000000);
  s.space.Occupy(0x4c000000, 4096);
  s.space.Occupy(0x3c000000, 4096);
  s.ExpectAt(1, 0x4000000);
}

// Places that lie apart, one more than the list of them holds: its own memory is refused first.
TEST(ArenaSource, RefusalOfMemoryForItsOwnListTakesNoPlace) {
  Source s({kArena, {}, {}});
  for (std::uint64_t i = 0; i < 16; ++i) {
    const std::uint64_t begin = 0x40000000 + 2 * i * kArena.raw;
    s.space.Occupy(begin - 4096, 4096);
    s.space.Occupy(begin + kArena.raw, 4096);
    s.space.SetAnywhere(begin);
    s.ExpectAt(1, begin);
  }
  s.space.LimitReserved(s.space.reserved());
  const ArenaSource::Result refused = s.source.Reserve(kArena);
  EXPECT_EQ(refused.status.error_number, ENOMEM);
  EXPECT_EQ(refused.status.bytes, ByteCount{4096});
  EXPECT_TRUE(refused.arena.empty());
  EXPECT_EQ(s.source.reserved(), ByteCount{16 * kArena.raw});
}

// A place that cannot be remembered is a place all the same.
TEST(ArenaSource, FullListOfHintsTakesNoMore) {
  std::array<HostAddress, ArenaSource::kMaxHints> same;
  same.fill(HostAddress{0x40000000});
  Source s({kArena, same, {}});
  s.source.SetWindow(HostAddress{0x10000000}, ByteCount{0x34000000});  // an arena behind the hints
  s.space.SetAnywhere(0x20000000);
  s.ExpectAt(2, 0x20000000);
  s.ExpectAt(1, 0x40000000);
}

// A host whose addresses end below the hints: the first request finds a place anywhere, the next
// ones do not ask for the hints again.
TEST(ArenaSource, HintsBeyondTheHostsAddressesAreForgotten) {
  Source s;
  s.space.SetEnd(0x30000000);
  s.space.SetAnywhere(0x20000000);
  s.ExpectAt(1, 0x20000000);
  s.space.TakeLog();
  s.ExpectAt(1, 0x24000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve 24000000 65536"));
  s.space.Occupy(0x28000000, 4096);  // the first place can be continued on neither side
  s.space.Occupy(0x1c000000, 4096);
  s.space.SetAnywhere(0x10000000);
  s.ExpectAt(1, 0x10000000);
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve 28000000 65536 taken", "reserve 1c000000 65536 taken",
                          "reserve anywhere 10000000 65536"));
}

// Cut off at 32 bits, the hint would be 512 MiB: some place, and not the one that is remembered.
TEST(ArenaSource, HintAbove4GiBIsForHostsWithSuchAddresses) {
  constexpr std::array<HostAddress, 1> kHigh{HostAddress{0x120000000}};
  Source s({kArena, kHigh, {}});
  s.ExpectAt(1, kHostEndsAt4GiB ? 0xc0000000 : 0x120000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre(kHostEndsAt4GiB ? "reserve anywhere c0000000 65536"
                                                             : "reserve 120000000 65536"));
}

// Asked for address 0, an operating system gives any place, and that is not the one remembered.
TEST(ArenaSource, HintOfAddressZeroIsNoPlace) {
  constexpr std::array<HostAddress, 1> kZero{HostAddress{0}};
  Source s({kArena, kZero, {}});
  s.space.SetAnywhere(0x40000000);
  s.ExpectAt(1, 0x40000000);
}

TEST(ArenaSource, ArenaBelow4GiBIsContinuedAboveWhereTheHostGoesOn) {
  Source s({kArena, {}, {}});
  s.space.SetAnywhere(0xfc000000);
  s.ExpectAt(1, 0xfc000000);
  s.ExpectAt(1, kHostEndsAt4GiB ? 0xf8000000 : 0x100000000);
}

TEST(ArenaSource, PlacesOutsideTheWindowAreOfNoUse) {
  Source s;
  s.source.SetWindow(HostAddress{0x40000000}, ByteCount{3 * kArena.raw});
  s.ExpectAt(2, 0x40000000);
  s.space.TakeLog();
  const ArenaSource::Result none = s.source.Reserve(ByteCount{2 * kArena.raw});
  EXPECT_TRUE(none.status.ok());
  EXPECT_TRUE(none.arena.empty());
  // Both hints lie outside; the place that the kernel chose does too, and went back.
  EXPECT_THAT(s.space.TakeLog(),
              ElementsAre("reserve anywhere c0000000 131072", "unreserve c0000000 131072"));
  EXPECT_EQ(s.source.reserved(), ByteCount{2 * kArena.raw});
}

TEST(ArenaSource, ArenaMayFillTheWindow) {
  Source s;
  s.source.SetWindow(HostAddress{0x40000000}, kArena);
  s.ExpectAt(1, 0x40000000);
  EXPECT_TRUE(s.source.Reserve(kArena).arena.empty());
}

TEST(ArenaSource, WindowMayBeginBelowAddressZero) {
  Source s;
  s.source.SetWindow(HostAddress{0xffff800000000000}, ByteCount{std::uint64_t{1} << 48});
  s.ExpectAt(1, 0x40000000);
}

constexpr std::array<ByteCount, 3> kFirst{ByteCount{512 * kMiB}, ByteCount{256 * kMiB},
                                          ByteCount{128 * kMiB}};

TEST(ArenaSource, ArenasAreCutFromTheFirstReservation) {
  Source s({kArena, kHints, kFirst});
  s.ExpectAt(1, 0x40000000);
  s.ExpectAt(6, 0x44000000);
  EXPECT_THAT(s.space.TakeLog(), ElementsAre("reserve 40000000 524288"));
  s.ExpectAt(2, 0x60000000);  // one arena is left: too little
  s.ExpectAt(1, 0x5c000000);
}

TEST(ArenaSource, SmallerFirstReservationsAreTriedAndTheThreeSizesNoLongerAfterASuccess) {
  Source s({kArena, kHints, kFirst});
  s.space.LimitReserved(200 * kMiB);
  s.ExpectAt(1, 0x40000000);
  EXPECT_EQ(s.source.reserved(), kFirst[2]);
  s.space.TakeLog();
  s.ExpectAt(1, 0x44000000);
  EXPECT_THAT(s.space.TakeLog(), IsEmpty());
  EXPECT_EQ(s.source.Reserve(ByteCount{2 * kArena.raw}).status.error_number, ENOMEM);
}

TEST(ArenaSource, UnderALowLimitTheFirstReservationIsTheArena) {
  Source s({kArena, kHints, kFirst});
  s.space.LimitReserved(100 * kMiB);
  s.ExpectAt(1, 0x40000000);
  EXPECT_EQ(s.source.reserved(), kArena);
}

TEST(ArenaSource, ReturnsAllThatItHolds) {
  AddressSpace space;
  {
    ArenaSource source;
    source.Init(space, {kArena, {}, {}});
    for (std::uint64_t i = 0; i < 5; ++i) {
      space.Occupy(0xc4000000 + i * 0x8000000, 4096);
      space.SetAnywhere(0xc0000000 + i * 0x8000000);
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
