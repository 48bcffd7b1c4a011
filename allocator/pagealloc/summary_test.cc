#include "pagealloc/summary.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

constexpr std::uint64_t Power(unsigned exponent) { return std::uint64_t{1} << exponent; }

FreeRuns Runs(std::uint64_t start, std::uint64_t max, std::uint64_t end) {
  return {PageCount{start}, PageCount{max}, PageCount{end}};
}

TEST(PackedSummary, ZeroWordHasNoFreePage) {
  const Summary<LinuxAmd64> none;
  EXPECT_EQ(none.word(), 0u);
  EXPECT_TRUE(none.none_free());
  EXPECT_EQ(none.runs(), Runs(0, 0, 0));
  EXPECT_EQ(Summary<LinuxAmd64>::Pack(Runs(0, 0, 0)), none);
}

TEST(PackedSummary, FreeChunkHasTheWordOfItsLayout) {
  EXPECT_EQ(Summary<LinuxAmd64>::OfFree(PageCount{512}).word(), 0x0008000040000200u);
  EXPECT_EQ(Summary<IosArm64>::OfFree(PageCount{512}).word(), 0x0008000040000200u);
  EXPECT_EQ(Summary<Linux386>::OfFree(PageCount{512}).word(), 0x0000200008000200u);
  EXPECT_EQ(Summary<LinuxMips>::OfFree(PageCount{512}).word(), 0x0000200008000200u);
  EXPECT_EQ(Summary<Wasm126>::OfFree(PageCount{64}).word(), 0x0000001000200040u);
}

TEST(PackedSummary, WhollyFreeRootEntryIsTheTopBitAlone) {
  const auto all = Summary<LinuxAmd64>::OfFree(PageCount{Power(21)});
  EXPECT_EQ(all.word(), Power(63));
  EXPECT_EQ(all.runs(), Runs(Power(21), Power(21), Power(21)));
  EXPECT_FALSE(all.none_free());
}

TEST(PackedSummary, CountsLieLowestFirst) {
  const auto word = Summary<Wasm126>::Pack(Runs(1, 7, 2)).word();
  EXPECT_EQ(word, 1u | 7u << 15 | std::uint64_t{2} << 30);
}

template <unsigned kBits>
void ExpectRoundTripAtBorders() {
  using Word = PackedSummary<kBits>;
  const std::uint64_t top = Power(kBits);
  const std::array<std::uint64_t, 6> values{0, 1, top / 2 - 1, top / 2, top - 2, top - 1};
  for (const std::uint64_t start : values) {
    for (const std::uint64_t max : values) {
      for (const std::uint64_t end : values) {
        if (start > max || end > max) continue;
        const FreeRuns runs = Runs(start, max, end);
        const Word word = Word::Pack(runs);
        EXPECT_EQ(word.runs(), runs) << kBits << ": " << start << " " << max << " " << end;
        EXPECT_EQ(word.word() >> (3 * kBits - 1) >> 1, 0u) << "bits above the counts";
        EXPECT_EQ(Word::FromWord(word.word()), word);
      }
    }
  }
  EXPECT_EQ(Word::OfFree(PageCount{top}).runs(), Runs(top, top, top));
}

TEST(PackedSummary, PackAndUnpackAgreeAtTheBordersOfEveryWidth) {
  const auto check = []<class L>() { ExpectRoundTripAtBorders<Geometry<L>::kFieldBits>(); };
  ForEachLayout(check);
  testing::ForEachTinyLayout(check);
}

// Go packs such counts into a word that says something else.
TEST(PackedSummaryDeathTest, ContradictoryCountsAreRefused) {
  using Word = Summary<LinuxAmd64>;
  const char* const rule = "contract broken: runs\\.start <= runs\\.max";
  EXPECT_DEATH(Word::Pack(Runs(2, 1, 0)), rule);
  EXPECT_DEATH(Word::Pack(Runs(0, 1, 2)), rule);
  EXPECT_DEATH(Word::Pack(Runs(0, Power(21) + 1, 0)), rule);
  const char* const full =
      "contract broken: runs\\.start == runs\\.max && runs\\.end == runs\\.max";
  EXPECT_DEATH(Word::Pack(Runs(Power(21), Power(21), 5)), full);
  EXPECT_DEATH(Word::Pack(Runs(5, Power(21), Power(21))), full);
}

/// Runs of free pages in the low `pages` bits, 1 = free, read one by one.
FreeRuns RunsOfBits(std::uint64_t bits, unsigned pages) {
  std::uint64_t start = 0;
  while (start < pages && (bits >> start & 1) != 0) ++start;
  std::uint64_t longest = 0;
  std::uint64_t run = 0;
  for (unsigned i = 0; i < pages; ++i) {
    run = (bits >> i & 1) != 0 ? run + 1 : 0;
    longest = std::max(longest, run);
  }
  return Runs(start, longest, run);
}

/// Merges each string of kCount * 2^kSpanBits pages, cut into children; all of them, whose number
/// is returned.
template <unsigned kFieldBits, unsigned kCount, unsigned kSpanBits>
std::uint64_t ExpectAllMerges() {
  using Word = PackedSummary<kFieldBits>;
  constexpr unsigned kSpan = 1u << kSpanBits;
  std::uint64_t wrong = 0;
  for (std::uint64_t bits = 0; bits < Power(kCount * kSpan); ++bits) {
    std::array<Word, kCount> children;
    for (unsigned i = 0; i < kCount; ++i) {
      children[i] = Word::Pack(RunsOfBits(bits >> i * kSpan, kSpan));
    }
    const Word merged = Word::Merge(children.data(), kCount, kSpanBits);
    if (merged.runs() != RunsOfBits(bits, kCount * kSpan)) ++wrong;
  }
  EXPECT_EQ(wrong, 0u) << kCount << " children of " << kSpan << " pages";
  return Power(kCount * kSpan);
}

TEST(Merge, EveryStringOfFewPagesAgreesWithItsParts) {
  const std::uint64_t merges = ExpectAllMerges<5, 1, 4>() + ExpectAllMerges<5, 2, 3>() +
                               ExpectAllMerges<5, 3, 2>() + ExpectAllMerges<5, 4, 2>() +
                               ExpectAllMerges<5, 8, 1>() + ExpectAllMerges<5, 16, 0>();
  std::printf("%llu merges\n", static_cast<unsigned long long>(merges));
  EXPECT_EQ(merges, 5 * Power(16) + Power(12));
}

TEST(Merge, EveryStringOfARootEntryAgreesWithItsParts) {
  // 2^kFieldBits pages in all: the wholly free string is the top bit.
  const std::uint64_t merges =
      ExpectAllMerges<4, 2, 3>() + ExpectAllMerges<4, 4, 2>() + ExpectAllMerges<4, 8, 1>();
  std::printf("%llu merges\n", static_cast<unsigned long long>(merges));
  EXPECT_EQ(merges, 3 * Power(16));
}

/// A piece of a long string of pages.
struct Piece {
  bool free;
  std::uint64_t pages;
};

/// As RunsOfBits, of pieces laid end to end.
FreeRuns RunsOfPieces(const std::vector<Piece>& pieces) {
  std::uint64_t start = 0;
  std::uint64_t longest = 0;
  std::uint64_t run = 0;
  bool seen_allocated = false;
  for (const Piece& piece : pieces) {
    run = piece.free ? run + piece.pages : 0;
    longest = std::max(longest, run);
    if (!piece.free) seen_allocated = true;
    if (!seen_allocated) start = run;
  }
  return Runs(start, longest, run);
}

/// Pieces of one region: often wholly free or wholly allocated, else cut at random.
std::vector<Piece> RandomRegion(std::uint64_t pages, std::mt19937_64& random) {
  const std::uint64_t kind = random() % 8;
  if (kind < 3) return {{true, pages}};
  if (kind == 3) return {{false, pages}};
  std::vector<Piece> pieces;
  bool free = random() % 2 == 0;
  while (pages > 0) {
    const std::uint64_t limit = random() % 4 == 0 ? pages : std::min<std::uint64_t>(pages, 9);
    const std::uint64_t length = 1 + random() % limit;
    pieces.push_back({free, length});
    pages -= length;
    free = !free;
    if (pieces.size() > 40 && pages > 0) {
      pieces.push_back({free, pages});
      return pieces;
    }
  }
  return pieces;
}

template <class L>
void ExpectRandomMerges(std::mt19937_64& random) {
  using G = Geometry<L>;
  SCOPED_TRACE(L::kName);
  for (unsigned level = 1; level < G::kLevels; ++level) {
    const std::uint64_t children = Power(G::kIndexBits[level]);
    const unsigned span_bits = G::kSpanPageBits[level];
    for (int round = 0; round < 2000; ++round) {
      std::vector<Summary<L>> words;
      std::vector<Piece> whole;
      for (std::uint64_t i = 0; i < children; ++i) {
        const std::vector<Piece> part = RandomRegion(Power(span_bits), random);
        words.push_back(Summary<L>::Pack(RunsOfPieces(part)));
        whole.insert(whole.end(), part.begin(), part.end());
      }
      const auto merged = Summary<L>::Merge(words.data(), children, span_bits);
      ASSERT_EQ(merged.runs(), RunsOfPieces(whole)) << "level " << level << ", round " << round;
    }
  }
}

TEST(Merge, RandomChildrenAtEveryLevelOfEveryLayoutAgreeWithTheirParts) {
  std::mt19937_64 random(20240601);
  const auto check = [&random]<class L>() { ExpectRandomMerges<L>(random); };
  ForEachLayout(check);
  testing::ForEachTinyLayout(check);
}

TEST(Merge, EightWhollyFreeChildrenMakeAWhollyFreeRootEntry) {
  using Word = Summary<LinuxAmd64>;
  std::array<Word, 8> children;
  children.fill(Word::OfFree(PageCount{Power(18)}));
  EXPECT_EQ(Word::Merge(children.data(), 8, 18).word(), Power(63));
}

TEST(Merge, OneMissingPageKeepsTheCountsBelowAWholeRootEntry) {
  using Word = Summary<LinuxAmd64>;
  std::array<Word, 8> children;
  children.fill(Word::OfFree(PageCount{Power(18)}));
  children[7] = Word::Pack(Runs(Power(18) - 1, Power(18) - 1, 0));
  EXPECT_EQ(Word::Merge(children.data(), 8, 18).runs(), Runs(Power(21) - 1, Power(21) - 1, 0));
  children[7] = Word::OfFree(PageCount{Power(18)});
  children[0] = Word::Pack(Runs(0, Power(18) - 1, Power(18) - 1));
  EXPECT_EQ(Word::Merge(children.data(), 8, 18).runs(), Runs(0, Power(21) - 1, Power(21) - 1));
}

// Address space that never joined the heap reads as 0: no run crosses it.
TEST(Merge, EmptyChildBreaksEveryRunAcrossIt) {
  using Word = Summary<Linux386>;
  std::array<Word, 8> children;
  children.fill(Word::OfFree(PageCount{512}));
  children[3] = Word{};
  EXPECT_EQ(Word::Merge(children.data(), 8, 9).runs(), Runs(3UL * 512, 4UL * 512, 4UL * 512));
}

TEST(Merge, ReadsOnlyTheChildrenThatItIsGiven) {
  using Word = Summary<LinuxAmd64>;
  std::array<Word, 8> children;
  children.fill(Word::OfFree(PageCount{512}));
  EXPECT_EQ(Word::Merge(children.data() + 1, 2, 9).runs(), Runs(1024, 1024, 1024));
}

}  // namespace
}  // namespace pagealloc
