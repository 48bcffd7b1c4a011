#include "pagealloc/free_blocks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <random>
#include <vector>

#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

constexpr std::size_t kUnit = sizeof(FreeBlocks::Node);

class FreeBlocksTest : public ::testing::Test {
 protected:
  std::byte* At(std::size_t unit) {
    const auto number = reinterpret_cast<std::uintptr_t>(memory_.data());
    return memory_.data() + (kUnit - number % kUnit) % kUnit + unit * kUnit;
  }
  static ByteCount Units(std::size_t n) { return ByteCount{n * kUnit}; }
  std::vector<std::pair<std::size_t, std::size_t>> List() {
    std::vector<std::pair<std::size_t, std::size_t>> list;
    blocks_.ForEach([&](const FreeBlocks::Node& block) {
      list.emplace_back(static_cast<std::size_t>(block.begin() - At(0)) / kUnit,
                        block.size / kUnit);
    });
    return list;
  }
  std::size_t Depth(const FreeBlocks::Node* at) {
    return at == nullptr ? 0 : 1 + std::max(Depth(at->low), Depth(at->high));
  }

  using Blocks = std::vector<std::pair<std::size_t, std::size_t>>;
  static constexpr std::size_t kAll = 40'000;
  std::vector<std::byte> memory_ = std::vector<std::byte>((kAll + 1) * kUnit);
  FreeBlocks blocks_;
};

TEST_F(FreeBlocksTest, BlocksComeInAddressOrderWhateverTheOrderOfAdding) {
  for (const std::size_t unit : {6u, 0u, 9u, 3u}) blocks_.Add(At(unit), Units(2));
  EXPECT_EQ(List(), (Blocks{{0, 2}, {3, 2}, {6, 2}, {9, 2}}));
  EXPECT_EQ(blocks_.total(), Units(8));
}

TEST_F(FreeBlocksTest, AddMergesWithTheBlockBelowAboveAndBoth) {
  blocks_.Add(At(4), Units(2));
  blocks_.Add(At(2), Units(2));
  EXPECT_EQ(List(), (Blocks{{2, 4}}));
  blocks_.Add(At(6), Units(1));
  EXPECT_EQ(List(), (Blocks{{2, 5}}));
  blocks_.Add(At(9), Units(1));
  blocks_.Add(At(7), Units(2));
  EXPECT_EQ(List(), (Blocks{{2, 8}}));
  std::byte* const block = blocks_.TakeHigh(Units(8));
  EXPECT_EQ(block, At(2));
  EXPECT_TRUE(testing::IsZero(block, 8 * kUnit)) << "absorbed headers are zeroed";
}

TEST_F(FreeBlocksTest, OverlapsIsTrueForEachSharedByteAndNoOther) {
  blocks_.Add(At(4), Units(2));
  EXPECT_FALSE(blocks_.Overlaps(At(2), Units(2)));
  EXPECT_TRUE(blocks_.Overlaps(At(2), Units(3)));
  EXPECT_TRUE(blocks_.Overlaps(At(2), Units(9)));
  EXPECT_TRUE(blocks_.Overlaps(At(5), Units(1)));
  EXPECT_FALSE(blocks_.Overlaps(At(6), Units(1)));
}

TEST_F(FreeBlocksTest, TakeAlignedLeavesWhatLiesBelowAndAbove) {
  const std::size_t skip = 4 - reinterpret_cast<std::uintptr_t>(At(0)) / kUnit % 4;  // 1 to 4
  blocks_.Add(At(0), Units(20));
  EXPECT_EQ(blocks_.TakeAligned(Units(3), Units(4)), At(skip % 4 == 0 ? 0 : skip));
  EXPECT_EQ(blocks_.total(), Units(17));
  const std::size_t first = skip % 4;
  EXPECT_EQ(List(), first == 0 ? (Blocks{{3, 17}}) : (Blocks{{0, first}, {first + 3, 17 - first}}));
  EXPECT_EQ(blocks_.TakeAligned(Units(3), Units(4)), At(first + 4));
  EXPECT_EQ(blocks_.total(), Units(14));
}

TEST_F(FreeBlocksTest, TakeEndingAtTakesThatBlockOnly) {
  blocks_.Add(At(4), Units(2));
  EXPECT_EQ(blocks_.TakeEndingAt(At(5)), nullptr);
  EXPECT_EQ(blocks_.TakeEndingAt(At(4)), nullptr);
  EXPECT_EQ(blocks_.TakeEndingAt(At(6)), At(4));
  EXPECT_EQ(blocks_.total(), ByteCount{0});
  EXPECT_EQ(List(), Blocks{});
}

// Addresses in rising, falling or shuffled order: the tree stays shallow.
TEST_F(FreeBlocksTest, TreeOfTenThousandBlocksIsShallow) {
  std::vector<std::size_t> order(10'000);
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto fill_and_empty = [&] {
    for (const std::size_t i : order) blocks_.Add(At(4 * i), Units(1 + i % 3));
    EXPECT_LE(Depth(testing::SbrkAccess::root(blocks_)), 45u) << "about 3 times log2";
    // The only block of 3 units that is left is found behind 6,667 smaller ones.
    for (std::size_t i = 2; i < 9'998; i += 3) EXPECT_EQ(blocks_.TakeHigh(Units(3)), At(4 * i));
    EXPECT_EQ(blocks_.TakeHigh(Units(3)), At(4 * 9'998));
    EXPECT_EQ(blocks_.TakeHigh(Units(3)), nullptr);
    for (std::size_t i = 1; i < 10'000; i += 3) EXPECT_EQ(blocks_.TakeHigh(Units(2)), At(4 * i));
    while (blocks_.TakeHigh(Units(1)) != nullptr) {
    }
    EXPECT_EQ(blocks_.total(), ByteCount{0});
  };
  fill_and_empty();
  std::reverse(order.begin(), order.end());
  fill_and_empty();
  std::shuffle(order.begin(), order.end(), std::mt19937_64{7});
  fill_and_empty();
}

TEST_F(FreeBlocksTest, AddingWhatIsFreeBreaksTheContract) {
  blocks_.Add(At(4), Units(2));
  EXPECT_DEATH(blocks_.Add(At(5), Units(1)), "contract broken: !Overlaps");
  EXPECT_DEATH(blocks_.Add(At(3), Units(2)), "contract broken: !Overlaps");
  EXPECT_DEATH(blocks_.Add(At(1), ByteCount{8}), "contract broken: size\\.raw >= sizeof");
}

}  // namespace
}  // namespace pagealloc
