// Runs by words of a bitmap, against reading it page by page.
#include "pagealloc/word_runs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <random>

namespace pagealloc {
namespace {

TEST(WordRuns, NumbersOfWordsDoNotTouchEachOther) {
  WordRuns runs;
  for (unsigned word = 0; word < WordRuns::kWords; ++word) {
    for (const unsigned number : {0u, 1u, 64u, 126u, 127u, 128u, 512u}) {
      runs.Set(word, number);
      EXPECT_EQ(runs.Get(word), std::min(number, 127u));
      EXPECT_EQ(runs.max(), std::min(number, 127u));
      for (const unsigned other : {1u, 2u, 126u, 127u}) {
        EXPECT_EQ(runs.FirstAtLeast(other), number >= other ? word : WordRuns::kWords)
            << number << " in word " << word << ", at least " << other;
      }
    }
    runs.Set(word, 0);
    EXPECT_EQ(runs, WordRuns{});
  }
}

TEST(WordRuns, RaiseNeverLowers) {
  WordRuns runs;
  runs.RaiseTo(3, 17);
  runs.RaiseTo(3, 16);
  EXPECT_EQ(runs.Get(3), 17u);
  runs.RaiseTo(3, 400);
  runs.RaiseTo(3, 128);
  EXPECT_EQ(runs.Get(3), 127u);
}

TEST(WordRuns, FirstAndLargestOfRandomNumbers) {
  std::mt19937_64 random(5);
  for (unsigned round = 0; round < 20'000; ++round) {
    WordRuns runs;
    std::array<unsigned, WordRuns::kWords> numbers{};
    for (unsigned word = 0; word < WordRuns::kWords; ++word) {
      numbers[word] = static_cast<unsigned>(random() % (round % 127 + 2));
      runs.Set(word, numbers[word]);
    }
    ASSERT_EQ(runs.max(), *std::max_element(numbers.begin(), numbers.end()));
    const auto bound = static_cast<unsigned>(random() % WordRuns::kMost) + 1;
    const auto* const fits =
        std::find_if(numbers.begin(), numbers.end(), [&](unsigned n) { return n >= bound; });
    ASSERT_EQ(runs.FirstAtLeast(bound), static_cast<unsigned>(fits - numbers.begin()));
  }
}

TEST(LongestOnes64, EveryLengthAtEveryPlace) {
  EXPECT_EQ(LongestOnes64(0), 0u);
  EXPECT_EQ(LongestOnes64(~std::uint64_t{0}), 64u);
  for (unsigned length = 1; length <= 64; ++length) {
    for (unsigned first = 0; first + length <= 64; ++first) {
      ASSERT_EQ(LongestOnes64(WordMask(first, length)), length) << first;
    }
  }
  EXPECT_EQ(LongestOnes64(0x5555'5555'5555'5555), 1u);
  EXPECT_EQ(LongestOnes64(0xff00'7f00'ff80'0fff), 12u);
}

template <class T>
class WordRunsOf : public ::testing::Test {};
struct OneWord {
  static constexpr unsigned kPages = 64;
};
struct TwoWords {
  static constexpr unsigned kPages = 128;
};
struct EightWords {
  static constexpr unsigned kPages = 512;
};
using Sizes = ::testing::Types<OneWord, TwoWords, EightWords>;
TYPED_TEST_SUITE(WordRunsOf, Sizes);

// Pages that are freed, and parts of free runs that are taken, one after the other.
TYPED_TEST(WordRunsOf, NumbersFollowWhatIsJoinedAndCut) {
  constexpr unsigned kPages = TypeParam::kPages;
  std::mt19937_64 random(11);
  for (unsigned round = 0; round < 60; ++round) {
    PageBits<kPages> bits;
    WordRuns runs;
    for (unsigned word = 0; word < kPages / 64; ++word) {
      runs.Set(word, LongestBeginning(bits, word));
    }
    for (unsigned step = 0; step < 100; ++step) {
      const auto at = static_cast<unsigned>(random() % kPages);
      const auto most = static_cast<unsigned>(1 + random() % (round % 3 == 0 ? 8 : 200));
      if (bits.Get(at)) {
        unsigned limit = at + 1;
        while (limit < kPages && limit - at < most && bits.Get(limit)) ++limit;
        bits.ClearRange(at, limit - at);
        const unsigned end = limit == kPages ? limit : limit + bits.ZerosFrom(limit);
        JoinRuns(runs, bits, at - bits.ZerosBelow(at), limit, end);
      } else {
        const unsigned begin = at - bits.ZerosBelow(at);
        const unsigned end = at + bits.ZerosFrom(at);
        const unsigned first = round % 2 == 0 ? begin : at;
        const unsigned limit = std::min(first + most, end);
        bits.SetRange(first, limit - first);
        const unsigned longest = CutRun(runs, bits, begin, limit, end - limit);
        EXPECT_EQ(longest, runs.max());
      }
      for (unsigned word = 0; word < kPages / 64; ++word) {
        ASSERT_EQ(runs.Get(word), std::min(LongestBeginning(bits, word), WordRuns::kMost))
            << word << " in step " << step;
      }
    }
  }
}

// What is cut at its start may leave another run above it in the word, which is longer.
TEST(CutRun, LongRunAtTheEndOfTheWordIsNotForgotten) {
  for (unsigned end = 2; end < 512; ++end) {
    PageBits<512> bits;
    const unsigned begin = end / 64 * 64 == end ? end - 64 : end / 64 * 64;
    for (unsigned page = 0; page < begin; ++page) bits.Set(page);
    bits.Set(end);
    const auto expected = [&](unsigned word) { return LongestBeginning(bits, word); };
    WordRuns runs;
    for (unsigned word = 0; word < 8; ++word) runs.Set(word, expected(word));
    bits.Set(begin);
    CutRun(runs, bits, begin, begin + 1, end - begin - 1);
    for (unsigned word = 0; word < 8; ++word) {
      ASSERT_EQ(runs.Get(word), std::min(expected(word), WordRuns::kMost)) << word << ' ' << end;
    }
  }
}

// Nor those in front of it and behind it.
TEST(CutRun, RunsOnBothSidesOfAShortOneAreNotForgotten) {
  for (const unsigned word : {2u, 7u}) {
    const unsigned next = 64 * (word + 1);
    for (unsigned begin = 64 * word; begin < next; ++begin) {
      for (const unsigned length : {1u, 2u, 3u, 5u, 8u, 13u, 21u, 34u, 55u, 63u}) {
        const unsigned end = begin + length;
        if (end >= 512) continue;
        PageBits<512> free;
        free.SetAll();
        free.ClearRange(64 * word, next - 64 * word);
        free.ClearRange(begin, length);
        free.Set(end);
        if (begin > 64 * word) free.Set(begin - 1);
        for (unsigned limit = begin + 1; limit <= end; ++limit) {
          PageBits<512> bits = free;
          WordRuns runs;
          for (unsigned w = 0; w < 8; ++w) runs.Set(w, LongestBeginning(bits, w));
          bits.SetRange(begin, limit - begin);
          CutRun(runs, bits, begin, limit, end - limit);
          for (const unsigned w : {word, limit / 64}) {
            ASSERT_EQ(runs.Get(w), LongestBeginning(bits, w))
                << "word " << w << ", [" << begin << ", " << end << ") from " << limit;
          }
        }
      }
    }
  }
}

// Any bits of one word: its own number and its neighbours'.
TYPED_TEST(WordRunsOf, NumbersFollowAWordThatChanges) {
  constexpr unsigned kPages = TypeParam::kPages;
  std::mt19937_64 random(12);
  const auto any = [&random] {
    switch (random() % 5) {
      case 0:
        return std::uint64_t{0};
      case 1:
        return ~std::uint64_t{0};
      case 2:
        return std::uint64_t{1} << random() % 64;
      default:
        return random() & random();
    }
  };
  PageBits<kPages> bits;
  WordRuns runs;
  runs.Set(0, kPages);
  for (unsigned step = 0; step < 5000; ++step) {
    const auto word = static_cast<unsigned>(random() % (kPages / 64));
    const std::uint64_t before = bits.word(word);
    const WordRuns known = runs;
    bits.ClearInWord(64 * word, ~std::uint64_t{0});
    bits.SetInWord(64 * word, any());
    const CountedRuns longest = CountRuns(runs, bits, word, before);
    unsigned now = 0;
    unsigned gone = 0;
    for (unsigned k = 0; k < kPages / 64; ++k) {
      ASSERT_EQ(runs.Get(k), std::min(LongestBeginning(bits, k), WordRuns::kMost)) << step;
      if (runs.Get(k) != known.Get(k) || k == word) {
        now = std::max(now, runs.Get(k));
        gone = std::max(gone, known.Get(k));
        EXPECT_LE(longest.lowest, k);
      }
    }
    EXPECT_GE(longest.now, now) << step;
    EXPECT_GE(longest.before, gone) << step;
    EXPECT_LE(longest.now, runs.max()) << step;
    EXPECT_LE(longest.before, known.max()) << step;
  }
}

TYPED_TEST(WordRunsOf, LongestAndLowestRunsThatBeginInEachWord) {
  constexpr unsigned kPages = TypeParam::kPages;
  std::mt19937_64 random(3);
  for (unsigned round = 0; round < 3000; ++round) {
    const unsigned change = 1 + round % 90 * 3;  // runs of about this length
    PageBits<kPages> bits;
    for (unsigned page = 0, one = 0; page < kPages; ++page) {
      if (random() % change == 0) one ^= 1;
      if (one != 0) bits.Set(page);
    }
    std::array<unsigned, kPages / 64> longest{};
    unsigned but_first = 0;                   // of word 0, if its first page goes on from below
    std::array<unsigned, kPages + 1> lowest;  // by length
    lowest.fill(kPages);
    for (unsigned page = 0; page < kPages; ++page) {
      const unsigned begin = page;
      page += bits.ZerosFrom(page);
      longest[begin / 64] = std::max(longest[begin / 64], page - begin);
      if (begin > 0 && begin < 64) but_first = std::max(but_first, page - begin);
      for (unsigned n = 1; n <= page - begin; ++n) lowest[n] = std::min(lowest[n], begin);
    }
    WordRuns runs;
    for (unsigned word = 0; word < longest.size(); ++word) {
      ASSERT_EQ(LongestBeginning(bits, word), longest[word]) << word;
      runs.Set(word, longest[word]);
    }
    ASSERT_EQ(LongestBeginning(bits, 0, true), but_first);
    for (unsigned n = 1; n <= std::min(kPages, WordRuns::kMost); ++n) {
      const unsigned word = runs.FirstAtLeast(n);
      ASSERT_EQ(word == WordRuns::kWords, lowest[n] == kPages) << n;
      if (word == WordRuns::kWords) break;
      ASSERT_EQ(LowestBeginning(bits, word, n), lowest[n]) << n;
    }
  }
}

}  // namespace
}  // namespace pagealloc
