#include "harness/trace/heap_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

HeapMap MapOf(const std::string& trace, std::size_t moments, std::size_t rows) {
  ParsedTrace parsed = ParseTrace("t", "pagetrace 1\n" + trace);
  EXPECT_FALSE(parsed.error);
  parsed.program.name = "<t&t>";
  return MakeHeapMap(parsed.program, moments, rows);
}

// Two chunks, then two more behind a gap.
constexpr const char* kTrace =
    "g 0 1024\n"
    "a 1 512 = 0\n"
    "a 2 128 = 512\n"
    "g 10240 1024\n"
    "f 1\n"
    "a 3 1024 = 10240\n";

TEST(HeapMap, CountsPagesOfEachCellAtEachMoment) {
  const HeapMap map = MapOf(kTrace, 100, 100);
  EXPECT_EQ(map.chunks_per_cell, 1U);
  ASSERT_EQ(map.rows.size(), 4U);
  EXPECT_EQ(map.rows[2].begin, PageOffset{10240});
  EXPECT_EQ(map.moments, (std::vector<std::size_t>{1, 2, 3, 4, 5, 6}));
  // After the growth: all of it free and scavenged, and nothing behind the gap.
  EXPECT_EQ(map.At(0, 0).heap, PageCount{512});
  EXPECT_EQ(map.At(0, 0).in_use, PageCount{0});
  EXPECT_TRUE(map.At(0, 0).mostly_scavenged());
  EXPECT_EQ(map.At(0, 2).heap, PageCount{0});
  EXPECT_EQ(map.At(2, 0).occupancy(), 1.0);
  EXPECT_EQ(map.At(2, 1).occupancy(), 0.25);
  // Freed memory is not scavenged.
  EXPECT_EQ(map.At(4, 0).occupancy(), 0.0);
  EXPECT_FALSE(map.At(4, 0).mostly_scavenged());
  EXPECT_EQ(map.At(5, 3).occupancy(), 1.0);
}

TEST(HeapMap, PutsChunksTogetherButNeverAcrossAGap) {
  const HeapMap map = MapOf(kTrace, 2, 1);
  EXPECT_EQ(map.chunks_per_cell, 4U);
  ASSERT_EQ(map.rows.size(), 2U);
  EXPECT_EQ(map.rows[0].size(), PageCount{1024});
  EXPECT_EQ(map.moments, (std::vector<std::size_t>{3, 6}));
  EXPECT_EQ(map.At(0, 0).in_use, PageCount{640});
}

TEST(HeapMap, TextHasARowForEachCellAndALegend) {
  EXPECT_EQ(HeapMapText(MapOf(kTrace, 6, 4)),
            "<t&t>: pages in use, by offset and time\n"
            "10752    ,,█\n"
            "10240    ,,█\n"
            "    ~ a gap of the heap\n"
            "  512 ,,░░░░\n"
            "    0 ,███..\n"
            "a character: 1 chunks of 512 pages; from left to right 6 operations.\n"
            "' ' not in the heap, '.' free, ',' free and mostly scavenged, ░▒▓ less than all in "
            "use, █ all.\n");
}

TEST(HeapMap, SvgIsSmallAndNamesNothingUnescaped) {
  const std::string svg = HeapMapSvg(MapOf(kTrace, 6, 4));
  EXPECT_THAT(svg, HasSubstr("&lt;t&amp;t>"));
  EXPECT_THAT(svg, Not(HasSubstr("<t&")));
  EXPECT_THAT(svg, HasSubstr("class=\"s8\""));
  EXPECT_THAT(svg, HasSubstr("class=\"gap\""));
  EXPECT_THAT(svg, HasSubstr("6 operations"));
  EXPECT_LT(svg.size(), 8000U);
}

TEST(HeapMap, AnEmptyTraceHasAnEmptyMap) {
  const HeapMap map = MapOf("", 10, 10);
  EXPECT_TRUE(map.rows.empty());
  EXPECT_THAT(HeapMapSvg(map), HasSubstr("</svg>"));
  EXPECT_THAT(HeapMapText(map), HasSubstr("not in the heap"));
}

}  // namespace
}  // namespace pagealloc::bench
