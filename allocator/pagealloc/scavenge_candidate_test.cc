// Which pages of a chunk are released: FillAligned and Chunk::FindScavengeCandidate.
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <random>
#include <string>

#include "pagealloc/chunk.h"

namespace pagealloc {
namespace {

using Chunk512 = Chunk<512>;

std::uint64_t NaiveFill(std::uint64_t bits, unsigned group) {
  std::uint64_t filled = 0;
  for (unsigned i = 0; i < 64; ++i) {
    for (unsigned k = i / group * group; k < i / group * group + group; ++k) {
      if ((bits >> k & 1) != 0) filled |= std::uint64_t{1} << i;
    }
  }
  return filled;
}

TEST(FillAligned, GoldenAnswers) {
  EXPECT_EQ(FillAligned(0x0100a3, 8), 0xff00ffu);
  EXPECT_EQ(FillAligned(0x0100a3, 1), 0x0100a3u);
  EXPECT_EQ(FillAligned(1, 64), ~std::uint64_t{0});
  EXPECT_EQ(FillAligned(std::uint64_t{1} << 63, 2), std::uint64_t{3} << 62);
  EXPECT_EQ(FillAligned(0, 64), 0u);
}

TEST(FillAligned, AgreesWithOneBitAtATime) {
  std::mt19937_64 random(1);
  for (unsigned group = 1; group <= 64; group *= 2) {
    for (int i = 0; i < 1000; ++i) {
      std::uint64_t bits = random();
      if (i % 2 == 0) bits &= random() & random();
      if (i % 4 == 0) {  // whole groups of zeros
        for (unsigned k = 0; k < 64; k += group) {
          if (random() % 2 == 0) bits &= ~WordMask(k, group);
        }
      }
      ASSERT_EQ(FillAligned(bits, group), NaiveFill(bits, group)) << bits << " by " << group;
    }
  }
}

TEST(FillAlignedDeathTest, OddGroupsBreakTheContract) {
  EXPECT_DEATH(static_cast<void>(FillAligned(1, 3)), "contract broken");
  EXPECT_DEATH(static_cast<void>(FillAligned(1, 0)), "contract broken");
  EXPECT_DEATH(static_cast<void>(FillAligned(1, 128)), "contract broken");
}

ReleaseUnits Units(std::uint64_t page, std::uint64_t huge = 0) {
  return {PageCount{page}, PageCount{huge}};
}
/// The answer as text: "first+count", or "none".
template <unsigned kPages>
std::string Candidate(const Chunk<kPages>& chunk, unsigned from, std::uint64_t most,
                      ReleaseUnits units) {
  const auto run = chunk.FindScavengeCandidate(from, PageCount{most}, units);
  return run ? std::to_string(run->first) + "+" + std::to_string(run->count) : "none";
}

TEST(ScavengeCandidate, TopOfAChunkThatIsFree) {
  const Chunk512 chunk{};
  for (std::uint64_t unit = 1; unit <= 64; unit *= 2) {
    const std::string u = std::to_string(unit);
    EXPECT_EQ(Candidate(chunk, 511, 512, Units(unit)), "0+512");
    EXPECT_EQ(Candidate(chunk, 511, ~std::uint64_t{0}, Units(unit)), "0+512");
    EXPECT_EQ(Candidate(chunk, 511, 0, Units(unit)), std::to_string(512 - unit) + "+" + u);
    EXPECT_EQ(Candidate(chunk, 511, unit, Units(unit)), std::to_string(512 - unit) + "+" + u);
    EXPECT_EQ(Candidate(chunk, 511, unit + 1, Units(unit)),
              std::to_string(512 - 2 * unit) + "+" + std::to_string(2 * unit))
        << "rounded up to a unit";
  }
}

TEST(ScavengeCandidate, NothingWhereAllIsAllocatedOrScavenged) {
  Chunk512 chunk{};
  chunk.scavenged.SetAll();
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(1)), "none");
  chunk.scavenged.ClearAll();
  chunk.allocated.SetAll();
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(1)), "none");
  chunk.allocated.ClearRange(0, 256);
  chunk.scavenged.SetRange(0, 256);
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(1)), "none");
}

TEST(ScavengeCandidate, RunsThatAreTooSmallOrNotAlignedAreSkipped) {
  Chunk512 chunk{};
  chunk.allocated.SetAll();
  chunk.allocated.ClearRange(16, 8);
  chunk.allocated.ClearRange(301, 14);  // no aligned eight, one aligned four less
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(1)), "301+14");
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(4)), "304+8");
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(8)), "304+8");
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(16)), "none");
  chunk.scavenged.Set(305);
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(8)), "16+8");
}

TEST(ScavengeCandidate, SearchBeginsWithTheWordOfItsPage) {
  Chunk512 chunk{};
  chunk.allocated.SetAll();
  chunk.allocated.ClearRange(100, 60);  // words 1 and 2
  EXPECT_EQ(Candidate(chunk, 511, 512, Units(1)), "100+60");
  EXPECT_EQ(Candidate(chunk, 128, 512, Units(1)), "100+60") << "the whole word";
  EXPECT_EQ(Candidate(chunk, 64, 512, Units(1)), "100+28") << "up to the word's end";
  EXPECT_EQ(Candidate(chunk, 63, 512, Units(1)), "none");
}

TEST(ScavengeCandidate, HugePagesAreReleasedWhole) {
  Chunk512 free{};
  EXPECT_EQ(Candidate(free, 511, 1, Units(1, 256)), "256+256");
  EXPECT_EQ(Candidate(free, 511, 257, Units(1, 256)), "0+512");
  EXPECT_EQ(Candidate(free, 511, 1, Units(1, 512)), "0+512");
  EXPECT_EQ(Candidate(free, 511, 1, Units(1, 1024)), "511+1")
      << "larger than a chunk: not looked after";
  EXPECT_EQ(Candidate(free, 511, 1, Units(8, 8)), "504+8") << "no larger than the page";

  Chunk512 low{};
  low.allocated.SetRange(300, 212);
  EXPECT_EQ(Candidate(low, 511, 1, Units(1, 256)), "299+1") << "a huge page that is not free";
  EXPECT_EQ(Candidate(low, 511, 60, Units(1, 256)), "0+300") << "would split the lower one";
  low.allocated.Set(0);
  EXPECT_EQ(Candidate(low, 511, 60, Units(1, 256)), "240+60");
}

/// The same from the definition, page by page.
template <unsigned kPages>
std::optional<typename Chunk<kPages>::Run> Naive(const Chunk<kPages>& chunk, unsigned from,
                                                 unsigned most, unsigned unit, unsigned huge) {
  const auto usable = [&](unsigned page) {
    for (unsigned i = page / unit * unit; i < page / unit * unit + unit; ++i) {
      if (chunk.allocated.Get(i) || chunk.scavenged.Get(i)) return false;
    }
    return true;
  };
  unsigned end = from / 64 * 64 + 64;
  while (end > 0 && !usable(end - 1)) --end;
  if (end == 0) return std::nullopt;
  unsigned run = end;
  while (run > 0 && usable(run - 1)) --run;
  unsigned first = end - 1;
  while (first > run && (end - first < most || (end - first) % unit != 0)) --first;
  if (huge > unit && huge <= kPages) {
    unsigned above = first;
    while (above % huge != 0) ++above;
    unsigned below = first;
    while (below % huge != 0) --below;
    if (above <= end && below >= run) first = below;
  }
  return typename Chunk<kPages>::Run{first, end - first};
}

template <unsigned kPages>
void CompareWithNaive(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  for (int round = 0; round < 3000; ++round) {
    Chunk<kPages> chunk{};
    const auto runs = static_cast<unsigned>(random() % 12);
    for (unsigned i = 0; i < runs; ++i) {
      const auto first = static_cast<unsigned>(random() % kPages);
      const auto count = static_cast<unsigned>(1 + random() % (kPages - first));
      auto& bits = random() % 2 == 0 ? chunk.allocated : chunk.scavenged;
      random() % 3 == 0 ? bits.SetRange(first, count) : bits.ClearRange(first, count);
      bits.Set(static_cast<unsigned>(random() % kPages));
    }
    const auto from = static_cast<unsigned>(random() % kPages);
    const unsigned unit = 1U << random() % 7;
    const unsigned huge = random() % 2 == 0 ? 0 : 1U << random() % 11;
    const auto most = static_cast<unsigned>(random() % (kPages + 9));
    const auto got = chunk.FindScavengeCandidate(from, PageCount{most}, Units(unit, huge));
    const auto want = Naive(chunk, from, most, unit, huge);
    ASSERT_EQ(got, want) << "round " << round << " from " << from << " most " << most << " unit "
                         << unit << " huge " << huge;
  }
}

TEST(ScavengeCandidate, AgreesWithOnePageAtATime) {
  CompareWithNaive<512>(1);
  CompareWithNaive<64>(2);
  CompareWithNaive<128>(3);
}

}  // namespace
}  // namespace pagealloc
