#include "harness/ab/align.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <initializer_list>
#include <string>
#include <utility>

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

/// A file with one row for each pair of allocator and params.
ResultsFile FileOf(std::initializer_list<std::pair<const char*, const char*>> cells) {
  ResultsFile file;
  file.runs.emplace_back();
  for (const auto& [allocator, params] : cells) {
    ResultRow row;
    row.cell.allocator = allocator;
    row.cell.params = params;
    file.rows.push_back({kSchema, 0, std::move(row)});
  }
  return file;
}

TEST(AlignRows, GivesTheBasesValueWhereBothSidesHaveOne) {
  const ResultsFile base = FileOf({{"radix", "size=1"}, {"radix", "size=2"}});
  ResultsFile candidate = FileOf({{"buddy", "size=1"}, {"buddy", "size=2"}});
  EXPECT_THAT(AlignRows(base, candidate), ElementsAre("allocator radix -> buddy"));
  EXPECT_EQ(candidate.rows[0].result.cell, base.rows[0].result.cell);
  EXPECT_EQ(candidate.rows[1].result.cell, base.rows[1].result.cell);
}

TEST(AlignRows, LeavesAColumnOfSeveralValuesAlone) {
  const ResultsFile base = FileOf({{"radix", ""}, {"reference", ""}});
  ResultsFile candidate = FileOf({{"buddy", ""}, {"buddy", ""}});
  EXPECT_THAT(AlignRows(base, candidate), IsEmpty());
  EXPECT_EQ(candidate.rows[0].result.cell.allocator, "buddy");
}

TEST(AlignRows, LooksAtEachParameterAlone) {
  const ResultsFile base = FileOf({{"radix", "size=1"}, {"radix", "size=2"}});
  ResultsFile candidate =
      FileOf({{"radix", "cache=per-cpu;size=1"}, {"radix", "cache=per-cpu;size=2"}});
  EXPECT_THAT(AlignRows(base, candidate), ElementsAre("cache (none) -> per-cpu"));
  EXPECT_EQ(candidate.rows[1].result.cell.params, "size=2");
  ResultsFile other = FileOf({{"radix", "size=4"}, {"radix", "size=4"}});
  const ResultsFile one = FileOf({{"radix", "size=1"}});
  EXPECT_THAT(AlignRows(one, other), ElementsAre("size 1 -> 4"));
  EXPECT_EQ(other.rows[0].result.cell.params, "size=1");
}

}  // namespace
}  // namespace pagealloc::bench
