#include "pagealloc/page_bits.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>
#include <type_traits>
#include <vector>

namespace pagealloc {
namespace {

/// One bool a page: what a bitmap must do.
template <unsigned kPages>
using Model = std::array<bool, kPages>;

template <unsigned kPages>
Model<kPages> ModelOf(const PageBits<kPages>& bits) {
  Model<kPages> model;
  for (unsigned i = 0; i < kPages; ++i) model[i] = bits.Get(i);
  return model;
}

template <unsigned kPages>
FreeRuns SummarizeModel(const Model<kPages>& model) {
  unsigned start = 0;
  while (start < kPages && !model[start]) ++start;
  unsigned longest = 0;
  unsigned run = 0;
  for (const bool allocated : model) {
    run = allocated ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  return {PageCount{start}, PageCount{longest}, PageCount{run}};
}

/// First page of the lowest run of zeros at or above `from`; kPages if there is none.
template <unsigned kPages>
unsigned FindInModel(const Model<kPages>& model, std::uint64_t count, unsigned from) {
  unsigned run = 0;
  for (unsigned i = from; i < kPages; ++i) {
    run = model[i] ? 0 : run + 1;
    if (run == count) return i + 1 - run;
  }
  return kPages;
}

/// Bitmaps of all kinds: sparse, dense, long runs, whole words.
template <unsigned kPages>
PageBits<kPages> RandomBits(std::mt19937_64& random) {
  PageBits<kPages> bits;
  switch (random() % 5) {
    case 0: {  // each page on its own, at a random density
      const std::uint64_t density = random() % 101;
      for (unsigned i = 0; i < kPages; ++i) {
        if (random() % 100 < density) bits.Set(i);
      }
      return bits;
    }
    case 1: {  // a few allocated pages
      for (std::uint64_t n = random() % 8; n > 0; --n) {
        bits.Set(static_cast<unsigned>(random() % kPages));
      }
      return bits;
    }
    case 2: {  // a few free pages
      bits.SetAll();
      for (std::uint64_t n = random() % 8; n > 0; --n) {
        bits.Clear(static_cast<unsigned>(random() % kPages));
      }
      return bits;
    }
    case 3: {  // words alike
      constexpr std::array<std::uint64_t, 8> kWords{
          0, ~std::uint64_t{0},  0xaaaaaaaaaaaaaaaa, 0xcccccccccccccccc, 0x4444444444444444,
          1, 0x8000000000000000, 0x4040404040404040};
      for (unsigned i = 0; i < kPages; i += 64) {
        bits.SetInWord(i, kWords[HostSize(random() % kWords.size())]);
      }
      return bits;
    }
    default: {  // runs of random length
      unsigned at = 0;
      bool allocated = random() % 2 == 0;
      while (at < kPages) {
        const auto length = static_cast<unsigned>(1 + random() % (kPages / 4));
        const unsigned end = std::min(kPages, at + length);
        for (; at < end; ++at) {
          if (allocated) bits.Set(at);
        }
        allocated = !allocated;
      }
      return bits;
    }
  }
}

struct Range {
  unsigned first, count;
};

template <unsigned kPages>
PageBits<kPages> With(const std::vector<Range>& allocated) {
  PageBits<kPages> bits;
  for (const Range& range : allocated) {
    for (unsigned i = 0; i < range.count; ++i) bits.Set(range.first + i);
  }
  return bits;
}

template <class Size>
class PageBitsTest : public ::testing::Test {};
using Sizes =
    ::testing::Types<std::integral_constant<unsigned, 64>, std::integral_constant<unsigned, 128>,
                     std::integral_constant<unsigned, 512>>;
TYPED_TEST_SUITE(PageBitsTest, Sizes);

TYPED_TEST(PageBitsTest, EachBitIsItsOwn) {
  using Bits = PageBits<TypeParam::value>;
  for (unsigned i = 0; i < TypeParam::value; ++i) {
    Bits bits;
    bits.Set(i);
    EXPECT_EQ(bits.word(i / 64), std::uint64_t{1} << i % 64);
    EXPECT_EQ(bits.WordOf(i), bits.word(i / 64));
    for (unsigned k = 0; k < TypeParam::value; ++k) EXPECT_EQ(bits.Get(k), k == i);
    bits.Clear(i);
    EXPECT_EQ(bits, Bits{});
  }
}

// The whole space of ranges, on a full, an empty and a mixed bitmap. The expected bitmap grows by
// one page from range to range.
TYPED_TEST(PageBitsTest, SetClearAndCountOfEveryRange) {
  using Bits = PageBits<TypeParam::value>;
  constexpr unsigned kPages = TypeParam::value;
  std::mt19937_64 random(1);
  Bits full;
  full.SetAll();
  std::uint64_t wrong = 0;
  for (const Bits& before : {Bits{}, full, RandomBits<kPages>(random)}) {
    for (unsigned first = 0; first < kPages; ++first) {
      Bits set = before;
      Bits cleared = before;
      unsigned ones = 0;
      for (unsigned count = 1; first + count <= kPages; ++count) {
        const unsigned last = first + count - 1;
        set.Set(last);
        cleared.Clear(last);
        ones += before.Get(last) ? 1u : 0u;
        Bits bits = before;
        bits.SetRange(first, count);
        if (bits != set) ++wrong;
        bits = before;
        bits.ClearRange(first, count);
        if (bits != cleared) ++wrong;
        if (before.CountRange(first, count) != ones) ++wrong;
        if (before.AnyInRange(first, count) != (ones > 0)) ++wrong;
      }
    }
  }
  EXPECT_EQ(wrong, 0u);
}

TYPED_TEST(PageBitsTest, SetAllAndClearAllReachEveryWord) {
  constexpr unsigned kPages = TypeParam::value;
  PageBits<TypeParam::value> bits;
  bits.SetAll();
  EXPECT_EQ(bits.CountRange(0, kPages), kPages);
  bits.ClearAll();
  EXPECT_EQ(bits.CountRange(0, kPages), 0u);
}

TYPED_TEST(PageBitsTest, WordOperationsAddAndTakeOnlyTheBitsGiven) {
  PageBits<TypeParam::value> bits;
  constexpr unsigned kLast = TypeParam::value - 1;
  bits.SetInWord(kLast, 0x0f);
  bits.SetInWord(kLast, 0xf0);  // adds, does not assign
  EXPECT_EQ(bits.WordOf(kLast), 0xffu);
  bits.ClearInWord(kLast, 0x18);
  EXPECT_EQ(bits.WordOf(TypeParam::value - 64), 0xe7u);
  EXPECT_EQ(bits.CountRange(0, TypeParam::value), 6u) << "other words were touched";
}

TYPED_TEST(PageBitsTest, ZerosAroundEveryPlaceAgreeWithCountingThem) {
  constexpr unsigned kPages = TypeParam::value;
  std::mt19937_64 random(2);
  for (int round = 0; round < 300; ++round) {
    const auto bits = RandomBits<kPages>(random);
    const auto model = ModelOf(bits);
    for (unsigned i = 0; i <= kPages; ++i) {
      unsigned below = 0;
      while (below < i && !model[i - below - 1]) ++below;
      unsigned above = 0;
      while (i + above < kPages && !model[i + above]) ++above;
      ASSERT_EQ(bits.ZerosBelow(i), below) << "page " << i << ", round " << round;
      ASSERT_EQ(bits.ZerosFrom(i), above) << "page " << i << ", round " << round;
      unsigned ones = 0;
      while (i + ones < kPages && model[i + ones]) ++ones;
      ASSERT_EQ(bits.OnesFrom(i), ones) << "page " << i << ", round " << round;
    }
  }
}

TYPED_TEST(PageBitsTest, SummaryOfRandomBitmapsAgreesWithReadingPageByPage) {
  constexpr unsigned kPages = TypeParam::value;
  std::mt19937_64 random(3);
  for (int round = 0; round < 10000; ++round) {
    const auto bits = RandomBits<kPages>(random);
    ASSERT_EQ(bits.Summarize(), SummarizeModel<kPages>(ModelOf(bits))) << "round " << round;
  }
}

TYPED_TEST(PageBitsTest, LongestRunsOverAWordAgreeWithReadingPageByPage) {
  constexpr unsigned kPages = TypeParam::value;
  std::mt19937_64 random(4);
  std::uint64_t some = 0;
  for (int round = 0; round < 3000; ++round) {
    const auto bits = RandomBits<kPages>(random);
    const auto model = ModelOf(bits);
    // Runs from the top down: of those at or above `end`, the longest that has a whole word in it.
    unsigned longest = 0;
    for (unsigned end = kPages; end > 0;) {
      unsigned begin = end;
      while (begin > 0 && !model[begin - 1]) --begin;
      if ((begin + 63) / 64 < end / 64) longest = std::max(longest, end - begin);
      if (begin == 0) break;
      if (begin != end) {
        ASSERT_EQ(bits.LongestOverAWord(begin), longest) << "page " << begin << ", " << round;
        some += longest > 0 ? 1 : 0;
      }
      end = begin - 1;
    }
    ASSERT_EQ(bits.LongestOverAWord(0), longest) << "round " << round;
    some += longest > 0 ? 1 : 0;
  }
  EXPECT_GT(some, 50u);
}

TYPED_TEST(PageBitsTest, SummaryOfOneFreeRunAnywhere) {
  constexpr unsigned kPages = TypeParam::value;
  std::uint64_t wrong = 0;
  for (unsigned first = 0; first < kPages; ++first) {
    for (unsigned count = 1; first + count <= kPages; count += count < 70 ? 1 : 37) {
      PageBits<TypeParam::value> bits;
      bits.SetAll();
      bits.ClearRange(first, count);
      const PageCount run{count};
      const FreeRuns expected{first == 0 ? run : PageCount{0}, run,
                              first + count == kPages ? run : PageCount{0}};
      if (bits.Summarize() != expected) ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0u);
}

TYPED_TEST(PageBitsTest, FindAgreesWithReadingPageByPage) {
  constexpr unsigned kPages = TypeParam::value;
  std::mt19937_64 random(4);
  for (int round = 0; round < 3000; ++round) {
    const auto bits = RandomBits<kPages>(random);
    const auto model = ModelOf(bits);
    for (int probe = 0; probe < 12; ++probe) {
      const std::uint64_t count =
          probe < 3 ? static_cast<std::uint64_t>(probe) + 1 : 1 + random() % (kPages + 2);
      const auto from = static_cast<unsigned>(probe % 2 == 0 ? 0 : random() % kPages);
      const unsigned word = from / 64 * 64;  // a search begins with a whole word
      const unsigned expected = FindInModel<kPages>(model, count, word);
      std::uint64_t words_read = 0;
      const auto match = bits.Find(count, from, words_read);
      ASSERT_EQ(match.has_value(), expected < kPages) << "round " << round << ", " << count;
      ASSERT_LE(words_read, (kPages - word) / 64);
      if (!match) continue;
      ASSERT_EQ(match->first, expected) << "round " << round << ", " << count << " from " << from;
      ASSERT_EQ(match->first_free, FindInModel<kPages>(model, 1, word));
    }
  }
}

TYPED_TEST(PageBitsTest, FindsEveryRunThatFitsExactly) {
  constexpr unsigned kPages = TypeParam::value;
  std::uint64_t wrong = 0;
  std::uint64_t words = 0;
  for (unsigned first = 0; first < kPages; ++first) {
    for (unsigned count = 1; first + count <= kPages; count += count < 70 ? 1 : 41) {
      PageBits<TypeParam::value> bits;
      bits.SetAll();
      bits.ClearRange(first, count);
      const auto match = bits.Find(count, 0, words);
      if (!match || match->first != first || match->first_free != first) ++wrong;
      if (bits.Find(count + 1, 0, words)) ++wrong;
    }
  }
  EXPECT_EQ(wrong, 0u);
}

TYPED_TEST(PageBitsTest, MoreThanAChunkIsNeverFound) {
  std::uint64_t words = 0;
  const PageBits<TypeParam::value> free;
  EXPECT_TRUE(free.Find(TypeParam::value, 0, words).has_value());
  EXPECT_FALSE(free.Find(TypeParam::value + 1, 0, words).has_value());
  EXPECT_FALSE(free.Find(~std::uint64_t{0}, 0, words).has_value());
}

TEST(PageBits, ClearingSinglePagesAndRunsOfAFullChunk) {
  for (const Range& range :
       {Range{0, 1}, Range{16, 1}, Range{511, 1}, Range{0, 2}, Range{63, 2}, Range{0, 5},
        Range{61, 5}, Range{0, 64}, Range{64, 64}, Range{33, 64}, Range{0, 65}, Range{447, 65}}) {
    PageBits<512> bits;
    bits.SetAll();
    bits.ClearRange(range.first, range.count);
    for (unsigned i = 0; i < 512; ++i) {
      EXPECT_EQ(bits.Get(i), i < range.first || i >= range.first + range.count) << i;
    }
  }
}

TEST(PageBits, CountsOnesInWindowsThatBeginAndEndInsideWords) {
  PageBits<512> full;
  full.SetAll();
  const auto upper_half = With<512>({{256, 256}});
  const auto odd_border = With<512>({{0, 111}});
  EXPECT_EQ(PageBits<512>{}.CountRange(0, 512), 0u);
  EXPECT_EQ(full.CountRange(0, 512), 512u);
  EXPECT_EQ(upper_half.CountRange(0, 512), 256u);
  EXPECT_EQ(upper_half.CountRange(0, 256), 0u);
  EXPECT_EQ(upper_half.CountRange(200, 100), 44u);
  EXPECT_EQ(odd_border.CountRange(0, 111), 111u);
  EXPECT_EQ(odd_border.CountRange(110, 3), 1u);
  EXPECT_EQ(odd_border.CountRange(111, 401), 0u);
}

TEST(Summarize, KnownShapes) {
  struct Case {
    const char* what;
    std::vector<Range> allocated;
    std::uint64_t start, max, end;
  };
  const std::vector<Case> cases{
      {"none free", {{0, 512}}, 0, 0, 0},
      {"only low", {{10, 502}}, 10, 10, 0},
      {"only high", {{0, 502}}, 0, 10, 10},
      {"both ends", {{1, 508}}, 1, 3, 3},
      {"larger middle", {{2, 30}, {132, 378}}, 2, 100, 2},
      {"several longest runs", {{4, 60}, {68, 60}, {132, 376}}, 4, 4, 4},
      {"one allocated page", {{200, 1}}, 200, 311, 311},
      {"one free page", {{0, 200}, {201, 311}}, 0, 1, 0},
      {"run inside a word, 62 pages", {{0, 65}, {127, 385}}, 0, 62, 0},
      {"a whole word", {{0, 64}, {128, 384}}, 0, 64, 0},
      {"all free", {}, 512, 512, 512},
  };
  for (const Case& c : cases) {
    const FreeRuns expected{PageCount{c.start}, PageCount{c.max}, PageCount{c.end}};
    EXPECT_EQ(With<512>(c.allocated).Summarize(), expected) << c.what;
  }
}

TEST(Find, KnownPlacesWithoutHint) {
  struct Case {
    const char* what;
    std::vector<Range> allocated;
    std::uint64_t count;
    int first, first_free;  // -1: none
  };
  std::vector<Case> cases;
  for (const unsigned n : {1u, 2u, 5u, 64u, 65u, 161u}) {
    const auto first = static_cast<int>(511 - n);
    cases.push_back({"fresh", {}, n, 0, 0});
    cases.push_back({"full", {{0, 512}}, n, -1, -1});
    cases.push_back({"exact fit inside", {{0, 511 - n}, {511, 1}}, n, first, first});
    if (n == 1) continue;
    cases.push_back({"one page short", {{0, 512 - n}, {511, 1}}, n, -1, -1});
    cases.push_back(
        {"behind one stray page", {{0, 3}, {4, 507 - n}}, n, static_cast<int>(511 - n), 3});
  }
  for (const Case& c : cases) {
    std::uint64_t words = 0;
    const auto bits = With<512>(c.allocated);
    for (int again = 0; again < 2; ++again) {
      const auto match = bits.Find(c.count, 0, words);
      ASSERT_EQ(match.has_value(), c.first >= 0) << c.what << ", " << c.count;
      if (!match) continue;
      EXPECT_EQ(static_cast<int>(match->first), c.first) << c.what << ", " << c.count;
      EXPECT_EQ(static_cast<int>(match->first_free), c.first_free) << c.what << ", " << c.count;
    }
  }
}

// Callers pass hints below which nothing is free, so a lower answer is the lowest all the same.
TEST(Find, HintIsRoundedDownToItsWord) {
  std::uint64_t words = 0;
  const auto bits = With<512>({{10, 20}});
  const auto one = bits.Find(1, 15, words);
  ASSERT_TRUE(one.has_value());
  EXPECT_EQ(one->first, 0u);
  const auto many = bits.Find(70, 15, words);
  ASSERT_TRUE(many.has_value());
  EXPECT_EQ(many->first, 30u);
  EXPECT_EQ(many->first_free, 0u);
}

TEST(Find, HintInALaterWordSkipsTheWordsBefore) {
  const PageBits<512> free;
  for (const std::uint64_t count : {1u, 40u, 100u}) {
    std::uint64_t words = 0;
    const auto match = free.Find(count, 130, words);
    ASSERT_TRUE(match.has_value());
    EXPECT_EQ(match->first, 128u) << count;
    EXPECT_EQ(match->first_free, 128u) << count;
    EXPECT_EQ(words, count == 100 ? 2u : 1u) << count;
  }
}

TEST(Find, RunAcrossABorderComesBeforeARunInsideTheNextWord) {
  std::uint64_t words = 0;
  // Free: 60..67 across the border, and 100..109 inside the second word.
  const auto bits = With<128>({{0, 60}, {68, 32}, {110, 18}});
  const auto match = bits.Find(8, 0, words);
  ASSERT_TRUE(match.has_value());
  EXPECT_EQ(match->first, 60u);
  EXPECT_EQ(bits.Find(9, 0, words)->first, 100u);
}

TEST(Find, CountsTheWordsThatItVisits) {
  std::uint64_t words = 5;  // adds to what is there
  const auto last = With<512>({{0, 511}});
  ASSERT_TRUE(last.Find(1, 0, words).has_value());
  EXPECT_EQ(words, 13u);
  ASSERT_FALSE(last.Find(2, 448, words).has_value());
  EXPECT_EQ(words, 14u);
}

TEST(PageBitsDeathTest, EmptyOrOverlongRangesBreakTheContract) {
  PageBits<512> bits;
  const char* const rule = "contract broken: count >= 1 && first < kPages";
  EXPECT_DEATH(bits.SetRange(0, 0), rule);
  EXPECT_DEATH(bits.SetRange(64, 0), rule);
  EXPECT_DEATH(bits.ClearRange(511, 2), rule);
  EXPECT_DEATH(bits.SetRange(512, 1), rule);
  EXPECT_DEATH(static_cast<void>(bits.CountRange(1, 512)), rule);
  EXPECT_DEATH(static_cast<void>(bits.CountRange(1, ~0u)), rule) << "first + count wraps";
  EXPECT_DEATH(PageBits<64>{}.SetRange(1, 64), rule);
}

TEST(PageBitsDeathTest, SearchesOutsideTheChunkBreakTheContract) {
  const PageBits<512> bits;
  std::uint64_t words = 0;
  const char* const rule = "contract broken: count >= 1 && from < kPages";
  EXPECT_DEATH(static_cast<void>(bits.Find(0, 0, words)), rule);
  EXPECT_DEATH(static_cast<void>(bits.Find(1, 512, words)), rule);
  EXPECT_DEATH(static_cast<void>(bits.ZerosBelow(513)), "contract broken: i <= kPages");
  EXPECT_DEATH(static_cast<void>(bits.ZerosFrom(513)), "contract broken: i <= kPages");
}

TEST(LowestRun64, KnownWords) {
  struct Case {
    std::uint64_t bits, count;
    unsigned answer;
  };
  for (const Case& c : {Case{0x8000000000000000, 1, 63}, Case{0xc000010001030000, 2, 16},
                        Case{0xffff03ff01070000, 16, 48}, Case{0x0fff03ff01079fff, 16, 64}}) {
    EXPECT_EQ(LowestRun64(c.bits, c.count), c.answer) << std::hex << c.bits;
  }
  for (std::uint64_t n = 1; n <= 64; ++n) {
    EXPECT_EQ(LowestRun64(~std::uint64_t{0}, n), 0u) << n;
    EXPECT_EQ(LowestRun64(0, n), 64u) << n;
  }
  for (const std::uint64_t n : {std::uint64_t{65}, std::uint64_t{128}, ~std::uint64_t{0}}) {
    EXPECT_EQ(LowestRun64(~std::uint64_t{0}, n), 64u) << n;
  }
}

TEST(LowestRun64, RandomWordsAgreeWithReadingBitByBit) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 20000; ++round) {
    std::uint64_t bits = random();
    for (std::uint64_t n = random() % 4; n > 0; --n) bits |= random();  // towards long runs
    for (std::uint64_t n = 1; n <= 64; ++n) {
      unsigned expected = 64;
      std::uint64_t run = 0;
      for (unsigned i = 0; i < 64 && expected == 64; ++i) {
        run = (bits >> i & 1) != 0 ? run + 1 : 0;
        if (run == n) expected = i + 1 - static_cast<unsigned>(n);
      }
      ASSERT_EQ(LowestRun64(bits, n), expected) << std::hex << bits << std::dec << ", " << n;
      if (expected == 64) break;  // longer runs are not there either
    }
  }
}

TEST(LowestRun64DeathTest, NoBitsBreaksTheContract) {
  EXPECT_DEATH(static_cast<void>(LowestRun64(1, 0)), "contract broken: count >= 1");
}

TEST(Ones64, RandomWordsAgreeWithCountingBitByBit) {
  std::mt19937_64 random(8);
  EXPECT_EQ(Ones64(0), 0u);
  EXPECT_EQ(Ones64(~std::uint64_t{0}), 64u);
  for (unsigned round = 0; round < 2000; ++round) {
    const std::uint64_t word = round % 2 == 0 ? random() : random() & random() & random();
    unsigned ones = 0;
    for (unsigned i = 0; i < 64; ++i) ones += word >> i & 1;
    ASSERT_EQ(Ones64(word), ones) << word;
  }
}

TEST(WordMask, CoversExactlyTheBitsAsked) {
  EXPECT_EQ(WordMask(0, 64), ~std::uint64_t{0});
  EXPECT_EQ(WordMask(0, 1), 1u);
  EXPECT_EQ(WordMask(63, 1), 0x8000000000000000u);
  EXPECT_EQ(WordMask(4, 8), 0xff0u);
}

}  // namespace
}  // namespace pagealloc
