#include "harness/run/callgrind.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

// As callgrind writes it: names once, then by number; a function in several pieces; zeros to the
// end of a line left out.
constexpr const char* kFile =
    "# callgrind format\nversion: 1\npositions: line\nevents: Ir Bc Bcm Bi Bim\nsummary: 169 33 9 "
    "2 1\n\n"
    "ob=(1) /bin/program\nfl=(1) ???\n"
    "fn=(10) Runner<Radix>::TimeBatches(Clock const&)\n0 20 5 1\n+3 4 1\n"
    "cfn=(11) Allocate(unsigned long)\ncalls=7 0\n* 100 20 7 1 1\n\n"
    "fn=(11)\n0 60 20 7 1 1\ncob=(2) /lib/c\ncfn=(12) memset\ncalls=1 0\n0 40\n\n"
    "fn=(12)\n0 40\n\n"
    "fn=(10)\nfi=(2) other.h\n-1 1\n\n"
    "fn=(13) Runner<NullSubject>::TimeBatches(Clock const&) [clone .isra.0]\n0 44 7 1\n\n"
    "totals: 169 33 9 2 1\n";

TEST(ParseCallgrind, GivesEveryFunctionWithAllThatItCalls) {
  const auto functions = ParseCallgrind(kFile);
  ASSERT_TRUE(functions.has_value());
  EXPECT_THAT(
      *functions,
      ElementsAre(CountedFunction{"Runner<Radix>::TimeBatches(Clock const&)", {125, 9}},
                  CountedFunction{"Allocate(unsigned long)", {100, 8}},
                  CountedFunction{"memset", {40, 0}},
                  CountedFunction{"Runner<NullSubject>::TimeBatches(Clock const&) [clone .isra.0]",
                                  {44, 1}}));
}

// A full disk leaves less than a whole file, and a number that was cut is another number.
TEST(ParseCallgrind, OfAFileThatWasCutThereIsNothing) {
  const std::string_view file(kFile);
  for (std::size_t size = 0; size < file.size(); ++size) {
    EXPECT_EQ(ParseCallgrind(file.substr(0, size)), std::nullopt) << size;
  }
}

TEST(ParseCallgrind, ALineThatHasMoreCostsThanEventsIsNotUnderstood) {
  for (const char* line : {"0 1 2", "0", "0 x", "0 -1", "0 1 "}) {
    EXPECT_EQ(ParseCallgrind(absl::StrCat("events: Ir\nfn=(1) f\n", line, "\n\ntotals: 1\n")),
              std::nullopt)
        << line;
  }
  EXPECT_THAT(ParseCallgrind("events: Ir\nfn=(1) f\n0 1\n\ntotals: 1\n"),
              Optional(ElementsAre(CountedFunction{"f", {1, 0}})));
}

TEST(FindValgrind, WithoutItThePackageIsNamed) {
  const char* const path = std::getenv("PATH");
  const std::string before = path != nullptr ? path : "";
  ASSERT_EQ(setenv("PATH", "/absent", 1), 0);
  const auto found = FindValgrind();
  ASSERT_EQ(setenv("PATH", before.c_str(), 1), 0);
  ASSERT_FALSE(found.ok());
  EXPECT_EQ(found.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(found.status().message()), HasSubstr("apt-get install valgrind"));
}

}  // namespace
}  // namespace pagealloc::bench
