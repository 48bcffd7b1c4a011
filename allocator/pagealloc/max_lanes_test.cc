// MaxLanes against an array of numbers: every length at which the levels change their shape.
#include "pagealloc/max_lanes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "pagealloc/units.h"

namespace pagealloc {
namespace {

/// Numbers one by one.
struct Model {
  std::vector<unsigned> numbers;

  [[nodiscard]] std::uint64_t FirstAtLeast(std::uint64_t from, unsigned number) const {
    while (from < numbers.size() && numbers[HostSize(from)] < number) ++from;
    return from;
  }
};

template <std::uint64_t kLanes>
class Pair {
 public:
  using Lanes = MaxLanes<kLanes>;

  void Set(std::uint64_t i, unsigned number) {
    const unsigned max_before = lanes_->max();
    const unsigned before = model_.numbers[HostSize(i)];
    unsigned changed = 0;
    if (number > before && number % 2 == 0) {
      changed = lanes_->Raise(i, number);
    } else {
      changed = lanes_->Set(i, number);
    }
    model_.numbers[HostSize(i)] = number;
    EXPECT_EQ(changed == Lanes::kShape.levels, lanes_->max() != max_before) << i;
    EXPECT_EQ(changed == 0, number == before) << i;
  }
  void ExpectFinds(std::uint64_t from, unsigned number) const {
    std::uint64_t lines = 0;
    ASSERT_EQ(lanes_->FirstAtLeast(from, number, lines), model_.FirstAtLeast(from, number))
        << kLanes << " lanes, from " << from << ", at least " << number;
    EXPECT_LE(lines, 2 * Lanes::kShape.levels);
  }
  /// From the top, and from the lowest place above all numbers but 0, wherever it is.
  void ExpectFindsFirst(unsigned number) const {
    if (number > lanes_->max()) return;
    const std::uint64_t expected = model_.FirstAtLeast(0, number);
    ASSERT_EQ(lanes_->First(number), expected) << kLanes << " lanes, at least " << number;
    std::size_t first = 0;
    std::size_t last = model_.numbers.size() - 1;
    while (model_.numbers[first] == 0) ++first;
    while (model_.numbers[last] == 0) --last;
    const typename Lanes::Top top = Lanes::TopOf(first, last);
    EXPECT_LE(top.level, typename Lanes::Top{}.level);
    ASSERT_EQ(lanes_->First(number, top), expected) << first << " to " << last;
  }
  /// Every lane, and every maximum.
  void ExpectSame() const {
    for (std::uint64_t i = 0; i < kLanes; ++i) {
      ASSERT_EQ(lanes_->Get(i), model_.numbers[HostSize(i)]) << i;
    }
    std::vector<unsigned> below = model_.numbers;
    for (unsigned level = 1; level < Lanes::kShape.levels; ++level) {
      std::vector<unsigned> maxima((below.size() + 31) / 32);
      for (std::size_t i = 0; i < below.size(); ++i) {
        maxima[i / 32] = std::max(maxima[i / 32], below[i]);
      }
      for (std::size_t i = 0; i < maxima.size(); ++i) {
        ASSERT_EQ(lanes_->AtLevel(level, i), maxima[i]) << "level " << level << ", " << i;
      }
      below = maxima;
    }
    EXPECT_EQ(lanes_->max(), *std::max_element(model_.numbers.begin(), model_.numbers.end()));
  }
  [[nodiscard]] const Model& model() const { return model_; }

 private:
  std::unique_ptr<Lanes> lanes_ = std::make_unique<Lanes>();
  Model model_{std::vector<unsigned>(HostSize(kLanes))};
};

template <class Count>
class MaxLanesOf : public ::testing::Test {};
template <std::uint64_t kCount>
using Count = std::integral_constant<std::uint64_t, kCount>;
using Counts = ::testing::Types<Count<1>, Count<2>, Count<4>, Count<31>, Count<32>, Count<33>,
                                Count<64>, Count<1000>, Count<1024>, Count<1025>, Count<8192>>;
TYPED_TEST_SUITE(MaxLanesOf, Counts);

TYPED_TEST(MaxLanesOf, RandomChangesAgreeWithAnArrayOfNumbers) {
  constexpr std::uint64_t kLanes = TypeParam::value;
  std::mt19937_64 random(kLanes);
  Pair<kLanes> pair;
  pair.ExpectSame();
  for (unsigned step = 0; step < 6000; ++step) {
    const std::uint64_t i = random() % kLanes;
    // Small numbers meet their equals; some are the largest there are.
    const unsigned number = random() % 50 == 0 ? MaxLanes<kLanes>::kMost - random() % 2
                                               : static_cast<unsigned>(random() % 12);
    pair.Set(i, random() % 3 == 0 ? 0 : number);
    pair.ExpectFinds(random() % (kLanes + 1), 1 + static_cast<unsigned>(random() % 14));
    pair.ExpectFindsFirst(1 + static_cast<unsigned>(random() % 14));
    pair.ExpectFindsFirst(MaxLanes<kLanes>::kMost);
    pair.ExpectFinds(random() % (kLanes + 1), MaxLanes<kLanes>::kMost - random() % 2);
    if (step % 500 == 0) pair.ExpectSame();
  }
  pair.ExpectSame();
}

TYPED_TEST(MaxLanesOf, OneNumberIsFoundFromEveryPlaceBelowIt) {
  constexpr std::uint64_t kLanes = TypeParam::value;
  for (std::uint64_t at = 0; at < kLanes; at += 1 + at / 40) {
    Pair<kLanes> pair;
    pair.Set(at, 7);
    for (std::uint64_t from = 0; from <= kLanes; from += 1 + from / 16) pair.ExpectFinds(from, 7);
    pair.ExpectFinds(at, 7);
    pair.ExpectFindsFirst(7);
    pair.ExpectFinds(at + 1, 7);
    pair.ExpectFinds(0, 8);
  }
}

TEST(LanesAtLeast, BothWaysSayTheSameOfEveryLane) {
  std::mt19937_64 random(5);
  for (unsigned round = 0; round < 2000; ++round) {
    alignas(64) std::array<std::int16_t, 32> lanes{};
    for (std::int16_t& lane : lanes) {
      lane = static_cast<std::int16_t>(random() % 8 == 0 ? 0x7fff - random() % 2 : random() % 9);
    }
    const auto bound =
        static_cast<std::int16_t>(random() % 8 == 0 ? 0x7fff - random() % 2 : 1 + random() % 9);
    std::uint32_t expected = 0;
    for (unsigned i = 0; i < 32; ++i) expected |= std::uint32_t{lanes[i] >= bound} << i;
    ASSERT_EQ(LanesAtLeast(lanes.data(), bound), expected);
    ASSERT_EQ(LanesAtLeastPortable(lanes.data(), bound), expected);
  }
}

// Whole lines of 32 lanes, at every level, and none more.
TEST(MaxLanes, SizeIsThatOfTheirLines) {
  EXPECT_EQ(sizeof(MaxLanes<1>), 32 * 2u);
  EXPECT_EQ(sizeof(MaxLanes<32>), (32 + 32) * 2u);
  EXPECT_EQ(sizeof(MaxLanes<33>), (64 + 32 + 32) * 2u);
  EXPECT_EQ(sizeof(MaxLanes<8192>), (8192 + 256 + 32 + 32) * 2u);
}

// A heap of 1 GiB needs two of the three lines of a large block.
TEST(MaxLanes, SearchBeginsUnderTheLineThatHoldsAllNumbers) {
  using Lanes = MaxLanes<8192>;
  EXPECT_EQ(Lanes::Top{}.level, 2u);
  EXPECT_EQ(Lanes::TopOf(0, 8191).level, 2u);
  EXPECT_EQ(Lanes::TopOf(1000, 1255).level, 2u) << "on both sides of lane 1024";
  EXPECT_EQ(Lanes::TopOf(1024, 1279).level, 1u);
  EXPECT_EQ(Lanes::TopOf(1024, 1279).line, 1u);
  EXPECT_EQ(Lanes::TopOf(64, 95).level, 0u);
  EXPECT_EQ(Lanes::TopOf(64, 95).line, 2u);
}

TEST(MaxLanes, NumbersThatNoLaneCanHoldAreNotFound) {
  MaxLanes<40> lanes;
  lanes.Raise(39, MaxLanes<40>::kMost);
  std::uint64_t lines = 0;
  EXPECT_EQ(lanes.FirstAtLeast(0, MaxLanes<40>::kMost, lines), 39u);
  EXPECT_EQ(lines, 3u);
  EXPECT_EQ(lanes.FirstAtLeast(0, MaxLanes<40>::kMost + 1, lines), 40u);
  EXPECT_EQ(lines, 3u);
}

}  // namespace
}  // namespace pagealloc
