#include "harness/page/figures.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "harness/page/html.h"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t Count(const std::string& text, const std::string& part) {
  std::size_t count = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
    ++count;
  }
  return count;
}

TEST(Escaped, LeavesNothingThatAParserTakesForMarkup) {
  EXPECT_EQ(Escaped("<script>alert(\"1\")</script> & more"),
            "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; more");
  EXPECT_EQ(Escaped("caf\xc3\xa9"), "caf\xc3\xa9");
  // A byte that is no UTF-8, a control character, half of a pair, a non-character.
  EXPECT_EQ(Escaped("a\xff"
                    "b\x01"
                    "c\xed\xa0\x80"
                    "d\xef\xbf\xbf"),
            "a\xef\xbf\xbd"
            "b\xef\xbf\xbd"
            "c\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
            "d\xef\xbf\xbd"
            "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(ValueText, TakesTheUnitThatFits) {
  EXPECT_EQ(ValueText(12.34, "ns"), "12.3 ns");
  EXPECT_EQ(ValueText(9'999, "ns"), "9999 ns");
  EXPECT_EQ(ValueText(12'340, "ns"), "12.3 \xc2\xb5s");
  EXPECT_EQ(ValueText(8'064'000, "ns"), "8.06 ms");
  EXPECT_EQ(ValueText(2e9, "ns"), "2 s");
  EXPECT_EQ(ValueText(151'552, "bytes"), "148 KiB");
  EXPECT_EQ(ValueText(613'548'032, "bytes"), "585 MiB");
  EXPECT_EQ(ValueText(7'880'000, "1/s"), "7.88 M/s");
  EXPECT_EQ(ValueText(1'234'567, "count"), "1234567");
  EXPECT_EQ(ValueText(0.5, "count/op"), "0.500");
}

TEST(RatioText, SaysAChangeAsPeopleDo) {
  EXPECT_EQ(RatioText(1), "0 %");
  EXPECT_EQ(RatioText(1.034), "+3.4 %");
  EXPECT_EQ(RatioText(0.88),
            "\xe2\x88\x92"
            "12 %");
  EXPECT_EQ(RatioText(2.31), "\xc3\x97 2.31");
}

TEST(RatioAxis, OneLiesInTheMiddleAndEqualFactorsEquallyFar) {
  const RatioAxis axis({1.5, 0.9});  // up to 1.53
  EXPECT_NEAR(axis.At(1), RatioAxis::kWidth / 2, 1e-9);
  EXPECT_NEAR(axis.At(1.2) - axis.At(1), axis.At(1) - axis.At(1 / 1.2), 1e-9);
  EXPECT_TRUE(axis.Holds(1.5));
  EXPECT_FALSE(axis.Holds(1.6));
  // What is far out does not squeeze the rest: it is drawn at the edge.
  EXPECT_FALSE(RatioAxis({1e6}).Holds(100));
  EXPECT_EQ(RatioAxis({1e6}).At(1e6), RatioAxis({1e6}).At(1e5));
  EXPECT_TRUE(RatioAxis({}).Holds(1.05));
}

TEST(RatioAxis, ALineShowsBandIntervalAndMark) {
  const RatioAxis axis({1.2});
  const std::string line = axis.LineSvg(1.1, std::pair(1.05, 1.15), 0.02, "regressed");
  EXPECT_THAT(line, HasSubstr("class=\"band\""));
  EXPECT_THAT(line, HasSubstr("class=\"mark regressed\""));
  EXPECT_EQ(Count(line, "whisker"), 3U);
  // An end outside the plot has no bar across it.
  EXPECT_EQ(Count(axis.LineSvg(1.1, std::pair(1.05, 9.0), 0.02, "x"), "whisker"), 2U);
  EXPECT_EQ(Count(axis.LineSvg(1.1, std::nullopt, 0.02, "x"), "whisker"), 0U);
}

Panel SomePanel() {
  Panel panel;
  panel.categories = {"p50", "p99", "max"};
  panel.log = panel.lines = true;
  panel.description = "a \"panel\"";
  panel.series.push_back({.color = 1, .points = {{0, 20}, {1, 200}, {2, 20'000, true}}});
  return panel;
}

TEST(PanelSvg, DrawsEveryPointAndNamesTheAxes) {
  const std::string svg = PanelSvg(SomePanel());
  EXPECT_EQ(Count(svg, "<circle"), 3U);
  EXPECT_EQ(Count(svg, "class=\"ring\""), 1U);
  EXPECT_EQ(Count(svg, "<polyline"), 1U);
  EXPECT_THAT(svg, HasSubstr(">p99</text>"));
  EXPECT_THAT(svg, HasSubstr(">100 ns</text>"));
  EXPECT_THAT(svg, HasSubstr("aria-label=\"a &quot;panel&quot;\""));
}

TEST(PanelSvg, LeavesOutWhatALogarithmCannotShow) {
  Panel panel = SomePanel();
  panel.series[0].points[0].y = 0;
  EXPECT_EQ(Count(PanelSvg(panel), "<circle"), 2U);
  panel.series[0].points.clear();
  EXPECT_EQ(PanelSvg(panel), "");
}

TEST(PanelSvg, OneValueOrEqualValuesAreNoReasonToDivideByZero) {
  for (const bool log : {false, true}) {
    Panel panel;
    panel.log = log;
    panel.series.push_back({.color = 0, .points = {{7, 5}, {7, 5}}});
    const std::string svg = PanelSvg(panel);
    EXPECT_EQ(Count(svg, "<circle"), 2U);
    EXPECT_THAT(svg, Not(HasSubstr("nan")));
    EXPECT_THAT(svg, Not(HasSubstr("inf")));
  }
}

}  // namespace
}  // namespace pagealloc::bench
