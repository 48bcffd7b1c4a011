#include "harness/config/config_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

const std::array<ConfigKey, 3> kKeys{
    {{"layout", ConfigKind::kList}, {"reps", ConfigKind::kValue}, {"verify", ConfigKind::kSwitch}}};

ConfigEntries MustParse(std::string_view text) {
  auto parsed = ParseConfigText(text, kKeys, "flags of run");
  if (parsed.ok()) return std::move(parsed).value();
  ADD_FAILURE() << "line " << parsed.error().line << ": " << parsed.error().sentence;
  return {};
}

ConfigError MustFail(std::string_view text) {
  auto parsed = ParseConfigText(text, kKeys, "flags of run");
  if (!parsed.ok()) return parsed.error();
  ADD_FAILURE() << "was read: " << text;
  return {};
}

TEST(ParseConfigText, GivesTheWordsOfEachKeyAndItsLine) {
  const ConfigEntries entries =
      MustParse("# some\nverify = false\nlayout = ['a', 1, 2.50]\nreps = [50, 99.9]\n");
  ASSERT_THAT(entries, SizeIs(3));
  EXPECT_THAT(entries.at("layout").words, ElementsAre("a", "1", "2.5"));
  EXPECT_THAT(entries.at("reps").words, ElementsAre("50,99.9"));
  EXPECT_THAT(entries.at("verify").words, ElementsAre("false"));
  EXPECT_EQ(entries.at("verify").line, 2U);
  EXPECT_EQ(entries.at("reps").line, 4U);
}

TEST(ParseConfigText, AnEmptyTextSaysNothing) { EXPECT_THAT(MustParse(""), IsEmpty()); }

TEST(ParseConfigText, AnEmptyListIsAnEmptyValue) {
  const ConfigEntries entries = MustParse("layout = []\nreps = []\n");
  EXPECT_THAT(entries.at("layout").words, IsEmpty());
  EXPECT_THAT(entries.at("reps").words, ElementsAre(""));
}

// Of several mistakes the topmost, although TOML's tables are sorted by key.
TEST(ParseConfigText, NamesTheFirstLineThatIsWrong) {
  const ConfigError error = MustFail("zzz = 1\nabc = 2\n");
  EXPECT_EQ(error.line, 1U);
  EXPECT_THAT(error.sentence, StartsWith("unknown key 'zzz'. The nearest is"));
  EXPECT_THAT(error.sentence, HasSubstr("keys are the flags of run, without dashes."));
}

TEST(ParseConfigText, RefusesWhatIsNoWord) {
  for (const std::string value : {"1979-05-27", "{a = 1}", "[[1]]", "inf", "-inf", "nan", "true"}) {
    SCOPED_TRACE(value);
    EXPECT_THAT(MustFail("layout = 'a'\nreps = " + value + "\n").sentence,
                StartsWith("reps is a text, a number (not inf or nan) or a list of them."));
    EXPECT_EQ(MustFail("layout = [" + value + "]\n").line, 1U);
  }
  EXPECT_THAT(MustFail("verify = 'no'\n").sentence, StartsWith("verify is either true or false."));
}

// A message ends up in a terminal.
TEST(ParseConfigText, AMessageShowsNoControlCharacters) {
  EXPECT_THAT(MustFail("\"\\u001b[2J\" = 1\n").sentence, HasSubstr("unknown key '\\x1b[2J'"));
  EXPECT_THAT(MustFail("\u0775\n").sentence, HasSubstr("\\xdd\\xb5"));
}

TEST(WriteConfigText, ShowsWhatWasNotGivenAsAComment) {
  const std::vector<ConfigSetting> settings{
      {kKeys[0], "What", true, {"a", "b \"c\""}},
      {kKeys[1], "Repeat", false, {"20"}},
      {kKeys[2], "Repeat", true, {"true", "false"}},
  };
  const OrProblem<std::string> text = WriteConfigText("title", settings);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(text.value(),
            "# title\n# Keys are flags. What is commented out was not given; it shows what is used "
            "then.\n\n# What\nlayout = [\"a\", \"b \\\"c\\\"\"]\n\n# Repeat\n# reps = 20\nverify = "
            "false\n");
}

TEST(WriteConfigText, RefusesWordsThatAreNotUtf8) {
  const std::vector<ConfigSetting> settings{{kKeys[1], "", true, {"\xff"}}};
  const OrProblem<std::string> text = WriteConfigText("title", settings);
  ASSERT_FALSE(text.ok());
  EXPECT_THAT(text.error().sentence, HasSubstr("the value of reps is not UTF-8"));
}

// Words that TOML would read as something else, or not at all.
TEST(WriteConfigText, WhatIsWrittenReadsBackAsTheSameWords) {
  for (const std::string word :
       {"", "0", "007", "-1", "1.5", "1e3", "true", "9223372036854775807", "9223372036854775808",
        "18446744073709551616", "a\nb = 1", "\t\x7f\\\"'", "\u00e9\U0001F600", "#", "[", "inf"}) {
    SCOPED_TRACE(word);
    const std::vector<ConfigSetting> settings{{kKeys[0], "", true, {word, "", word}},
                                              {kKeys[1], "", true, {word}}};
    const OrProblem<std::string> text = WriteConfigText("title", settings);
    ASSERT_TRUE(text.ok());
    const ConfigEntries entries = MustParse(text.value());
    EXPECT_THAT(entries.at("layout").words, ElementsAre(word, "", word));
    EXPECT_THAT(entries.at("reps").words, ElementsAre(word));
  }
}

}  // namespace
}  // namespace pagealloc::bench
