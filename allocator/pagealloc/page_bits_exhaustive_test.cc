// All 131,328 ranges (first, count) of a bitmap of 512 pages: the range is free in a full chunk,
// then allocated in a free one. What PageBits says is held against loops that read bit by bit.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>

#include "pagealloc/page_bits.h"

namespace pagealloc {
namespace {

constexpr unsigned kPages = 512;
using Bits = PageBits<kPages>;
using Bools = std::array<bool, kPages>;

/// Bits from i upwards that are `value`.
unsigned RunFrom(const Bools& bits, unsigned i, bool value) {
  unsigned run = 0;
  while (i + run < kPages && bits[i + run] == value) ++run;
  return run;
}
unsigned ZerosBelow(const Bools& bits, unsigned i) {
  unsigned run = 0;
  while (run < i && !bits[i - run - 1]) ++run;
  return run;
}
unsigned Ones(const Bools& bits, unsigned begin, unsigned end) {
  unsigned ones = 0;
  for (unsigned i = begin; i < end; ++i) ones += bits[i] ? 1U : 0U;
  return ones;
}
/// Where the lowest run of `count` zeros at or above `from` begins; kPages: nowhere.
unsigned FindZeros(const Bools& bits, unsigned count, unsigned from) {
  unsigned run = 0;
  for (unsigned i = from; i < kPages; ++i) {
    run = bits[i] ? 0 : run + 1;
    if (run == count) return i + 1 - count;
  }
  return kPages;
}
FreeRuns RunsOf(const Bools& bits) {
  unsigned longest = 0;
  unsigned run = 0;
  for (const bool bit : bits) {
    run = bit ? 0 : run + 1;
    longest = std::max(longest, run);
  }
  return {PageCount{RunFrom(bits, 0, false)}, PageCount{longest}, PageCount{run}};
}

/// Comparisons, and how many failed: an expectation each would take a minute.
class Tally {
 public:
  void Compare(const char* what, unsigned first, unsigned count, bool equal) {
    ++comparisons_;
    if (equal) return;
    if (wrong_++ < 5) ADD_FAILURE() << what << ", range " << first << " +" << count;
  }
  [[nodiscard]] std::uint64_t comparisons() const { return comparisons_; }

 private:
  std::uint64_t comparisons_ = 0;
  std::uint64_t wrong_ = 0;
};

/// @param inside  the bits of the range; all others are the opposite
void CompareAll(unsigned first, unsigned count, bool inside, Tally& tally) {
  const auto compare = [&](const char* what, bool equal) {
    tally.Compare(what, first, count, equal);
  };
  const unsigned end = first + count;
  Bits bits;
  Bools model{};
  if (inside) {
    bits.SetRange(first, count);
  } else {
    bits.SetAll();
    bits.ClearRange(first, count);
    model.fill(true);
  }
  std::fill_n(model.begin() + first, count, inside);

  bool all = true;
  for (unsigned i = 0; i < kPages; ++i) all = all && bits.Get(i) == model[i];
  compare("SetRange(), ClearRange()", all);
  compare("CountRange()", bits.CountRange(first, count) == Ones(model, first, end));
  compare("AnyInRange()", bits.AnyInRange(first, count) == inside);
  // A window that the range cuts.
  const unsigned half = first / 2;
  const unsigned to = end + (kPages - end) / 2;
  compare("CountRange() around", bits.CountRange(half, to - half) == Ones(model, half, to));
  for (const unsigned at : {0U, first, first + count / 2, end, kPages}) {
    compare("ZerosFrom()", bits.ZerosFrom(at) == RunFrom(model, at, false));
    compare("OnesFrom()", bits.OnesFrom(at) == RunFrom(model, at, true));
    compare("ZerosBelow()", bits.ZerosBelow(at) == ZerosBelow(model, at));
  }
  const FreeRuns runs = RunsOf(model);
  compare("Summarize()", bits.Summarize() == runs);
  // All ranges outside of the one that is set or cleared are a run each, too.
  unsigned over_a_word = 0;
  for (unsigned at = 0; at < kPages; ++at) {
    const unsigned run = RunFrom(model, at, false);
    if ((at + 63) / 64 < (at + run) / 64) over_a_word = std::max(over_a_word, run);
    at += run;
  }
  compare("LongestOverAWord()", bits.LongestOverAWord(0) == over_a_word);
  for (const unsigned want : {1U, count, count + 1}) {
    for (const unsigned from : {0U, first}) {
      const unsigned word = from / 64 * 64;  // a search begins with a whole word
      std::uint64_t words = 0;
      const auto got = bits.Find(want, from, words);
      const unsigned expected = FindZeros(model, want, word);
      compare("Find() finds", got.has_value() == (expected < kPages));
      compare("Find(), the words", words <= (kPages - word) / 64);
      if (!got || expected == kPages) continue;
      compare("Find(), the place", got->first == expected);
      compare("Find(), the first free page", got->first_free == FindZeros(model, 1, word));
    }
  }
}

TEST(PageBitsExhaustive, EveryRangeOfAChunkFreeOrAllocated) {
  Tally tally;
  std::uint64_t ranges = 0;
  for (unsigned first = 0; first < kPages; ++first) {
    for (unsigned count = 1; first + count <= kPages; ++count) {
      ++ranges;
      for (const bool inside : {false, true}) CompareAll(first, count, inside, tally);
    }
  }
  std::printf("%llu ranges, %llu comparisons\n", static_cast<unsigned long long>(ranges),
              static_cast<unsigned long long>(tally.comparisons()));
  EXPECT_EQ(ranges, 131'328U);
  EXPECT_GT(tally.comparisons(), 9'000'000U);
}

}  // namespace
}  // namespace pagealloc
