#include "pagealloc/units.h"

#include <gtest/gtest.h>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace pagealloc {
namespace {

template <class A, class B>
concept Adds = requires(A a, B b) {
  a + b;
};
template <class A, class B>
concept Subtracts = requires(A a, B b) {
  a - b;
};
template <class A, class B>
concept Accumulates = requires(A a, B b) {
  a += b;
};
template <class A, class B>
concept Compares = requires(A a, B b) {
  a < b;
}
|| requires(A a, B b) { a == b; };
template <class A>
concept Increments = requires(A a) {
  ++a;
};

/// Position + length = position; position - position = length; length +- length = length.
template <class Position, class Length>
constexpr bool IsPositionWithLength() {
  return Adds<Position, Length> && !Adds<Position, Position> && !Adds<Length, Position> &&
         Subtracts<Position, Position> && !Subtracts<Position, Length> &&
         !Subtracts<Length, Position> && Adds<Length, Length>;
}

TEST(Units, OnlySumsThatMeanSomethingCompile) {
  static_assert(IsPositionWithLength<PageOffset, PageCount>());
  static_assert(IsPositionWithLength<ChunkIndex, ChunkCount>());
  static_assert(std::same_as<decltype(PageOffset{} + PageCount{}), PageOffset>);
  static_assert(std::same_as<decltype(PageOffset{} - PageOffset{}), PageCount>);
  static_assert(std::same_as<decltype(PageCount{} - PageCount{}), PageCount>);
  static_assert(std::same_as<decltype(ChunkIndex{} - ChunkIndex{}), ChunkCount>);
  static_assert(std::same_as<decltype(ByteCount{} - ByteCount{}), ByteCount>);
}

TEST(Units, DifferentUnitsNeverMix) {
  static_assert(!Adds<PageOffset, ChunkCount> && !Adds<ChunkIndex, PageCount>);
  static_assert(!Adds<PageCount, ByteCount> && !Adds<ByteCount, PageCount>);
  static_assert(!Adds<PageOffset, ByteCount> && !Adds<Address, PageCount>);
  static_assert(!Adds<Address, Address> && !Subtracts<Address, PageOffset>);
  static_assert(!Accumulates<PageOffset, PageOffset> && !Accumulates<PageCount, ByteCount>);
  static_assert(!Compares<PageOffset, PageCount> && !Compares<PageOffset, ChunkIndex>);
  static_assert(!Compares<Address, PageOffset> && !Compares<PageCount, ByteCount>);
}

TEST(Units, PlainIntegersNeitherEnterNorLeaveUnnoticed) {
  static_assert(!std::convertible_to<std::uint64_t, PageCount>);
  static_assert(!std::convertible_to<PageCount, std::uint64_t>);
  static_assert(!Adds<PageOffset, int> && !Compares<PageCount, std::uint64_t>);
  static_assert(std::constructible_from<PageCount, std::uint64_t>);
  static_assert(!std::constructible_from<PageCount, PageOffset>);
}

TEST(Units, OnlyAChunkIndexCountsUp) {
  static_assert(Increments<ChunkIndex>);
  static_assert(!Increments<PageOffset> && !Increments<PageCount> && !Increments<Address>);
  ChunkIndex chunk{6};
  EXPECT_EQ(++chunk, ChunkIndex{7});
  EXPECT_EQ(chunk, ChunkIndex{7});
}

TEST(Units, AreAsCheapAsTheNumberInside) {
  static_assert(sizeof(PageOffset) == sizeof(std::uint64_t));
  static_assert(std::is_trivially_copyable_v<PageOffset>);
  EXPECT_EQ(PageOffset{}.raw, 0u);
}

TEST(Units, SumsAndDifferences) {
  EXPECT_EQ(PageOffset{5} + PageCount{3}, PageOffset{8});
  EXPECT_EQ(PageOffset{8} - PageOffset{5}, PageCount{3});
  EXPECT_EQ(PageOffset{8} - PageOffset{8}, PageCount{0});
  EXPECT_EQ(PageCount{8} - PageCount{8}, PageCount{0});
  PageOffset at{1};
  at += PageCount{9};
  EXPECT_EQ(at, PageOffset{10});
  PageCount pages{4};
  pages += PageCount{5};
  pages -= PageCount{2};
  EXPECT_EQ(pages, PageCount{7});
  EXPECT_EQ(ChunkCount{4} + ChunkCount{5}, ChunkCount{9});
  ByteCount bytes{4};
  bytes += ByteCount{5};
  bytes -= ByteCount{9};
  EXPECT_EQ(bytes, ByteCount{0});
}

TEST(Units, APageIs8192BytesOnEveryLayout) {
  EXPECT_EQ(kPageBytes, ByteCount{8192});
  EXPECT_EQ(BytesOf(PageCount{0}), ByteCount{0});
  EXPECT_EQ(BytesOf(PageCount{512}), ByteCount{4u << 20});
  EXPECT_EQ(BytesOf(PageCount{std::uint64_t{1} << 35}), ByteCount{std::uint64_t{1} << 48});
}

TEST(UnitsDeathTest, DifferencesNeverGoBelowZero) {
  EXPECT_DEATH(static_cast<void>(PageOffset{5} - PageOffset{6}),
               "contract broken: begin <= end \\[begin, end = 6, 5\\]");
  EXPECT_DEATH(static_cast<void>(ChunkIndex{0} - ChunkIndex{1}), "contract broken: begin <= end");
  EXPECT_DEATH(static_cast<void>(PageCount{1} - PageCount{2}), "contract broken: b <= a");
  EXPECT_DEATH(static_cast<void>(ByteCount{1} - ByteCount{2}), "contract broken: b <= a");
}

TEST(PageRange, IsHalfOpen) {
  const PageRange range = PageRange::Of(PageOffset{10}, PageCount{4});
  EXPECT_EQ(range, (PageRange{PageOffset{10}, PageOffset{14}}));
  EXPECT_EQ(range.size(), PageCount{4});
  EXPECT_FALSE(range.empty());
  EXPECT_FALSE(range.Contains(PageOffset{9}));
  EXPECT_TRUE(range.Contains(PageOffset{10}));
  EXPECT_TRUE(range.Contains(PageOffset{13}));
  EXPECT_FALSE(range.Contains(PageOffset{14}));
}

TEST(PageRange, WithoutPagesIsEmptyAndContainsNothing) {
  const PageRange none = PageRange::Of(PageOffset{10}, PageCount{0});
  EXPECT_TRUE(none.empty());
  EXPECT_TRUE(PageRange{}.empty());
  EXPECT_FALSE(none.Contains(PageOffset{10}));
}

TEST(PageRange, OverlapsWhatSharesAPageButNotWhatTouches) {
  const PageRange range{PageOffset{10}, PageOffset{14}};
  struct Case {
    std::uint64_t begin, end;
    bool overlaps;
  };
  for (const Case& c :
       {Case{0, 10, false}, Case{0, 11, true}, Case{11, 12, true}, Case{10, 14, true},
        Case{0, 99, true}, Case{13, 20, true}, Case{14, 20, false}}) {
    const PageRange other{PageOffset{c.begin}, PageOffset{c.end}};
    EXPECT_EQ(range.Overlaps(other), c.overlaps) << c.begin << ".." << c.end;
    EXPECT_EQ(other.Overlaps(range), c.overlaps) << c.begin << ".." << c.end;
  }
}

}  // namespace
}  // namespace pagealloc
