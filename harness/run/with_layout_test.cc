#include "harness/run/with_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pagealloc::bench {
namespace {

TEST(WithLayout, EveryNameGivesTheLayoutOfThatName) {
  for (const std::string_view name : LayoutNames()) {
    std::string_view got;
    EXPECT_TRUE(WithLayout(name, [&got]<Layout L>() { got = L::kName; }));
    EXPECT_EQ(got, name);
  }
}

TEST(WithLayout, AnUnknownNameCallsNothing) {
  bool called = false;
  EXPECT_FALSE(WithLayout("linux-amd6", [&called]<Layout L>() { called = true; }));
  EXPECT_FALSE(called);
}

// A contract with users and with other programs.
TEST(WithLayout, NamesAreThoseOfTheDocumentation) {
  EXPECT_THAT(LayoutNames(),
              ::testing::ElementsAre("linux-amd64", "linux-arm64", "aix-ppc64", "ios-arm64",
                                     "linux-386", "linux-arm", "linux-mips", "wasm-1.25",
                                     "wasm-1.26", "linux-amd64-la57"));
}

}  // namespace
}  // namespace pagealloc::bench
