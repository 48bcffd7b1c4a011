#include "harness/report/csv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Records = std::vector<std::vector<std::string>>;

Records ReadAll(std::string_view text) {
  CsvReader reader(text);
  Records records;
  while (auto record = reader.Next()) records.push_back(*record);
  EXPECT_FALSE(reader.error()) << reader.error()->reason;
  return records;
}

TEST(CsvCell, IsQuotedOnlyWhereItMustBe) {
  EXPECT_EQ(CsvCell(""), "");
  EXPECT_EQ(CsvCell("k=v;k=v 1-16"), "k=v;k=v 1-16");
  EXPECT_EQ(CsvCell("a,b"), "\"a,b\"");
  EXPECT_EQ(CsvCell("5\" disk"), "\"5\"\" disk\"");
  EXPECT_EQ(CsvCell("two\nlines"), "\"two\nlines\"");
  EXPECT_EQ(CsvCell("a\rb"), "\"a\rb\"");
}

TEST(CsvRecord, JoinsCellsAndEndsTheLine) {
  EXPECT_EQ(CsvRecord({"a", "", "b,c"}), "a,,\"b,c\"\n");
}

TEST(CsvReader, ReadsCellsWithAndWithoutQuotes) {
  EXPECT_THAT(ReadAll("a,b\n1,\"x,\"\"y\"\"\nz\"\n"),
              ElementsAre(ElementsAre("a", "b"), ElementsAre("1", "x,\"y\"\nz")));
}

TEST(CsvReader, KeepsEmptyCells) {
  EXPECT_THAT(ReadAll(",\n\"\",\n,,"),
              ElementsAre(ElementsAre("", ""), ElementsAre("", ""), ElementsAre("", "", "")));
}

TEST(CsvReader, TakesBothLineEndsAndALastLineWithout) {
  EXPECT_THAT(ReadAll("a\r\nb\n\"c\"\r\nd"),
              ElementsAre(ElementsAre("a"), ElementsAre("b"), ElementsAre("c"), ElementsAre("d")));
  EXPECT_TRUE(ReadAll("").empty());
}

TEST(CsvReader, CountsLinesThroughQuotedLineEnds) {
  CsvReader reader("a\n\"b\nb\"\nc\n");
  reader.Next();
  EXPECT_EQ(reader.line(), 1U);
  reader.Next();
  EXPECT_EQ(reader.line(), 2U);
  reader.Next();
  EXPECT_EQ(reader.line(), 4U);
}

TEST(CsvReader, RefusesBrokenQuotingAndNamesTheLine) {
  struct Case {
    const char* text;
    const char* reason;
  };
  for (const Case& bad : {Case{"a\n\"b\n", "a quoted cell does not end"},
                          Case{"a\n\"b\"\"", "a quoted cell does not end"},
                          Case{"a\nb\"c\"\n", "a quote stands inside a cell"},
                          Case{"a\n\"b\"c\n", "a cell goes on behind its closing quote"},
                          Case{"a\nb\rc\n", "a carriage return stands alone"},
                          Case{"a\nb\r", "a carriage return stands alone"}}) {
    CsvReader reader(bad.text);
    EXPECT_TRUE(reader.Next());
    EXPECT_FALSE(reader.Next()) << bad.text;
    ASSERT_TRUE(reader.error()) << bad.text;
    EXPECT_EQ(reader.error()->line, 2U) << bad.text;
    EXPECT_THAT(reader.error()->reason, HasSubstr(bad.reason)) << bad.text;
    EXPECT_FALSE(reader.Next()) << "an error is the end";
  }
}

TEST(Csv, EveryByteSurvivesTheRoundTrip) {
  std::vector<std::string> cells(1);
  for (int byte = 0; byte < 256; ++byte) {
    cells.emplace_back(1, static_cast<char>(byte));
    cells[0] += static_cast<char>(byte);
  }
  EXPECT_THAT(ReadAll(CsvRecord(cells)), ElementsAre(cells));
}

}  // namespace
}  // namespace pagealloc::bench
