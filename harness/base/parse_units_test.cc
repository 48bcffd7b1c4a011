#include "harness/base/parse_units.h"

#include <gtest/gtest.h>

#include <limits>

namespace pagealloc::bench {
namespace {

using std::chrono::nanoseconds;

// Not by operator+: g++ 12 warns of an overlap that is none.
std::string Quoted(std::string_view text) {
  std::string quoted = "'";
  quoted.append(text).append("'");
  return quoted;
}

std::uint64_t Bytes(std::string_view text) {
  const auto size = ParseSize(text);
  return size.ok() ? size.value().raw : 0xbad;
}

TEST(ParseNumber, ReadsDigitsUpTo64Bits) {
  EXPECT_EQ(ParseNumber("0").value(), 0U);
  EXPECT_EQ(ParseNumber("007").value(), 7U);
  EXPECT_EQ(ParseNumber("18446744073709551615").value(), std::numeric_limits<std::uint64_t>::max());
}

TEST(ParseNumber, RefusesEverythingElseAndQuotesIt) {
  for (std::string_view bad :
       {"", "-1", "+1", "1.0", "1e3", " 1", "1 ", "0x10", "18446744073709551616", "1k"}) {
    const auto number = ParseNumber(bad);
    ASSERT_FALSE(number.ok()) << bad;
    EXPECT_EQ(number.error().sentence, Quoted(bad) +
                                           " is no number. Write decimal digits, at most "
                                           "18446744073709551615.");
  }
}

TEST(ParseSize, KnowsBinaryAndDecimalUnitsInAnyCase) {
  EXPECT_EQ(Bytes("8192"), 8192U);
  EXPECT_EQ(Bytes("8192B"), 8192U);
  EXPECT_EQ(Bytes("64MiB"), std::uint64_t{64} << 20);
  EXPECT_EQ(Bytes("64mib"), std::uint64_t{64} << 20);
  EXPECT_EQ(Bytes("3KiB"), 3072U);
  EXPECT_EQ(Bytes("256GiB"), std::uint64_t{256} << 30);
  EXPECT_EQ(Bytes("2TiB"), std::uint64_t{2} << 40);
  EXPECT_EQ(Bytes("1kB"), 1000U);
  EXPECT_EQ(Bytes("5MB"), 5'000'000U);
  EXPECT_EQ(Bytes("1GB"), 1'000'000'000U);
  EXPECT_EQ(Bytes("1TB"), 1'000'000'000'000U);
}

TEST(ParseSize, TakesFractionsThatComeToWholeBytes) {
  EXPECT_EQ(Bytes("1.5GiB"), std::uint64_t{3} << 29);
  EXPECT_EQ(Bytes("0.25KiB"), 256U);
  EXPECT_FALSE(ParseSize("0.3B").ok());
  EXPECT_FALSE(ParseSize("1.1KiB").ok()) << "1126.4 bytes";
}

TEST(ParseSize, RefusesWhatIsNoSize) {
  for (std::string_view bad :
       {"", "MiB", "64 MiB", "-1MiB", "64M", "64MiBs", "1..5GiB", "1.GiB", ".5GiB", "64ms",
        "16777216TiB", "99999999999999999999", "0.99999999999999999999GiB"}) {
    const auto size = ParseSize(bad);
    ASSERT_FALSE(size.ok()) << bad;
    EXPECT_NE(size.error().sentence.find(Quoted(bad) + " is no size."), std::string::npos);
    EXPECT_NE(size.error().sentence.find("64MiB"), std::string::npos)
        << "shows the form that is accepted";
  }
}

TEST(ParseDuration, KnowsUnitsFromNanosecondsToHours) {
  EXPECT_EQ(ParseDuration("10ns").value(), nanoseconds{10});
  EXPECT_EQ(ParseDuration("10us").value(), nanoseconds{10'000});
  EXPECT_EQ(ParseDuration("500ms").value(), nanoseconds{500'000'000});
  EXPECT_EQ(ParseDuration("1.5s").value(), nanoseconds{1'500'000'000});
  EXPECT_EQ(ParseDuration("2m").value(), nanoseconds{120'000'000'000});
  EXPECT_EQ(ParseDuration("2min").value(), nanoseconds{120'000'000'000});
  EXPECT_EQ(ParseDuration("1h").value(), nanoseconds{3'600'000'000'000});
  EXPECT_EQ(ParseDuration("0").value(), nanoseconds{0});
}

TEST(ParseDuration, RefusesMissingUnitsFractionsOfANanosecondAndOverflow) {
  for (std::string_view bad :
       {"", "500", "ms", "1.5ns", "1d", "5 s", "-1s", "1.s", "2562048h", "64MiB"}) {
    const auto duration = ParseDuration(bad);
    ASSERT_FALSE(duration.ok()) << bad;
    EXPECT_NE(duration.error().sentence.find("500ms"), std::string::npos);
  }
  EXPECT_TRUE(ParseDuration("2562047h").ok()) << "the last hour below 2^63 ns";
}

TEST(SizeText, IsTheShortestThatReadsBack) {
  EXPECT_EQ(SizeText(ByteCount{std::uint64_t{64} << 20}), "64MiB");
  EXPECT_EQ(SizeText(ByteCount{1000}), "1000B");
  EXPECT_EQ(SizeText(ByteCount{0}), "0B");
  EXPECT_EQ(SizeText(ByteCount{std::uint64_t{3} << 29}), "1536MiB");
  for (std::uint64_t bytes : {std::uint64_t{1}, std::uint64_t{8192}, std::uint64_t{5} << 42}) {
    EXPECT_EQ(ParseSize(SizeText(ByteCount{bytes})).value().raw, bytes);
  }
}

}  // namespace
}  // namespace pagealloc::bench
