#include "harness/run/occupancy.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kPage = 8192;

// Where each request of a program lies; the others give nothing.
Outcome At(std::uint64_t first, std::uint64_t mask = 0) { return {first, 0, mask}; }

Program Trace(std::string text) {
  ParsedTrace trace = ParseTrace("test", "pagetrace 1\n" + std::move(text));
  EXPECT_FALSE(trace.error.has_value());
  return std::move(trace.program);
}

// With fewer than 128 operations every one of them is a moment.
TEST(OccupancyOf, IsTheMeanOverTheMeasuredOperations) {
  const Program program = Trace("a 1 2\na 2 3\na 3 1\nf 2\n");
  const std::vector<Outcome> outcomes{At(10), At(100), At(0), At(0)};
  // Lives 2, 5, 6, 3 pages; spans [10, 12), [10, 103), [0, 103), [0, 12).
  EXPECT_EQ(OccupancyOf(program, outcomes),
            (Occupancy{ByteCount{(2 + 93 + 103 + 12 + 2) / 4 * kPage}, ByteCount{4 * kPage}, 0}));
}

TEST(OccupancyOf, CountsTheSetUpForWhatLivesOnly) {
  Program program = Trace("a 1 600\na 2 9\nf 1\na 3 9\n");
  program.measured_from = 2;
  const std::vector<Outcome> outcomes{At(7), At(1000), At(0), At(Outcome::kNone)};
  EXPECT_EQ(OccupancyOf(program, outcomes),
            (Occupancy{ByteCount{9 * kPage}, ByteCount{9 * kPage}, 1}));
}

TEST(OccupancyOf, KnowsRangesAndPageCaches) {
  const Program program = Trace("g 0 1024\nr 500 100\nu 501 98\nc\nk 0 0x2\n");
  const std::vector<Outcome> outcomes{At(0), At(500), At(0), At(0, 0b110), At(0)};
  // After each: nothing; [500, 600); 500 and 599; and 1 and 2; and 2 alone.
  EXPECT_EQ(OccupancyOf(program, outcomes),
            (Occupancy{ByteCount{(0 + 100 + 100 + 599 + 598 + 2) / 5 * kPage},
                       ByteCount{(0 + 100 + 2 + 4 + 3 + 2) / 5 * kPage}, 0}));
}

TEST(OccupancyOf, AFreeWhoseRequestFoundNoRoomChangesNothing) {
  const Program program = Trace("a 1 4\na 2 4\nf 2\n");
  const std::vector<Outcome> outcomes{At(4), At(Outcome::kNone), At(0)};
  EXPECT_EQ(OccupancyOf(program, outcomes),
            (Occupancy{ByteCount{4 * kPage}, ByteCount{4 * kPage}, 1}));
}

// As host addresses do, seen from a layout's heap base.
TEST(OccupancyOf, OffsetsMayLieBelowTheOrigin) {
  const Program program = Trace("a 1 1\na 2 1\n");
  const std::vector<Outcome> outcomes{At(~std::uint64_t{0} - 9), At(5)};
  const Occupancy occupancy = OccupancyOf(program, outcomes, PageOffset{1000});
  EXPECT_EQ(occupancy.span, ByteCount{(1 + 16 + 1) / 2 * kPage});
}

// Hot: after every second operation nothing lives.
TEST(OccupancyOf, MeetsProgramsThatTakeAndGiveInTurnAtBothMoments) {
  Program program;
  program.id_count = 1;
  std::vector<Outcome> outcomes;
  for (int i = 0; i < 64 * 50; ++i) {
    program.ops.push_back(Op::Allocate(0, PageCount{8}));
    program.ops.push_back(Op::Free(0));
    outcomes.push_back(At(0));
    outcomes.push_back(At(0));
  }
  EXPECT_EQ(OccupancyOf(program, outcomes).live, ByteCount{4 * kPage});
}

}  // namespace
}  // namespace pagealloc::bench
