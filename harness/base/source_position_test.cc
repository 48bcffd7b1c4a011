#include "harness/base/source_position.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace pagealloc::bench {
namespace {

TEST(RenderProblem, PutsPlaceLineReasonAndAdviceInOrder) {
  EXPECT_EQ(RenderProblem({"web.pagetrace", 214, "f 77"}, "the ID is not in use", "Look at it."),
            "web.pagetrace:214: f 77: the ID is not in use. Look at it.");
}

TEST(PrintableLine, KeepsPrintableAscii) {
  EXPECT_EQ(PrintableLine(" !\\\"~az"), " !\\\"~az");
  EXPECT_EQ(PrintableLine(""), "");
}

TEST(PrintableLine, EscapesEveryOtherByte) {
  using std::string_literals::operator""s;
  EXPECT_EQ(PrintableLine("a\0b\t\x1b[m\x7f\xc3\xa4\xff"s), R"(a\x00b\x09\x1b[m\x7f\xc3\xa4\xff)");
}

TEST(PrintableLine, EndsAfterEightyCharacters) {
  EXPECT_EQ(PrintableLine(std::string(80, 'x')), std::string(80, 'x'));
  EXPECT_EQ(PrintableLine(std::string(81, 'x')), std::string(80, 'x'));
}

TEST(PrintableLine, CutsNoEscapeInTwo) {
  EXPECT_EQ(PrintableLine(std::string(76, 'x') + "\n\n"), std::string(76, 'x') + "\\x0a");
  EXPECT_EQ(PrintableLine(std::string(77, 'x') + "\nabc"), std::string(77, 'x'));
}

}  // namespace
}  // namespace pagealloc::bench
