#include "pagealloc/chunk.h"

#include <gtest/gtest.h>

#include <random>

namespace pagealloc {
namespace {

TEST(Chunk, IsItsBitmapsAndNothingElse) {
  static_assert(sizeof(Chunk<512>) == 128);
  static_assert(sizeof(Chunk<64>) == 16);
}

TEST(Chunk, AllocatingClearsScavengedBitsAndCountsThem) {
  Chunk<512> chunk;
  chunk.scavenged.SetRange(60, 10);
  EXPECT_EQ(chunk.Allocate(0, 64), 4u);
  EXPECT_EQ(chunk.allocated.CountRange(0, 64), 64u);
  EXPECT_EQ(chunk.scavenged.CountRange(0, 512), 6u);
  EXPECT_EQ(chunk.Allocate(64, 448), 6u);
  EXPECT_EQ(chunk.scavenged, PageBits<512>{});
  EXPECT_EQ(chunk.allocated.CountRange(0, 512), 512u);
}

TEST(Chunk, AllocatingAllOfIt) {
  for (const unsigned scavenged : {0u, 1u, 70u, 512u}) {
    Chunk<512> chunk;
    if (scavenged > 0) chunk.scavenged.SetRange(512 - scavenged, scavenged);
    EXPECT_EQ(chunk.AllocateAll(), scavenged);
    EXPECT_EQ(chunk.allocated.CountAll(), 512u);
    EXPECT_EQ(chunk.scavenged.CountAll(), 0u);
  }
}

TEST(Chunk, AllocatingOnePageLeavesItsNeighboursAlone) {
  Chunk<512> chunk;
  chunk.scavenged.SetRange(99, 3);
  EXPECT_EQ(chunk.Allocate(100, 1), 1u);
  EXPECT_EQ(chunk.Allocate(102, 1), 0u);
  EXPECT_EQ(chunk.allocated.CountRange(0, 512), 2u);
  EXPECT_TRUE(chunk.allocated.Get(100) && chunk.allocated.Get(102));
  EXPECT_TRUE(chunk.scavenged.Get(99) && !chunk.scavenged.Get(100) && chunk.scavenged.Get(101));
}

// A freed page was used, so the operating system does not have its memory.
TEST(Chunk, FreeingLeavesScavengedBitsAsTheyAre) {
  Chunk<512> chunk;
  chunk.scavenged.SetAll();
  EXPECT_EQ(chunk.Allocate(100, 100), 100u);
  chunk.Free(100, 1);
  chunk.Free(101, 99);
  EXPECT_EQ(chunk.allocated, PageBits<512>{});
  EXPECT_EQ(chunk.scavenged.CountRange(100, 100), 0u);
  EXPECT_EQ(chunk.scavenged.CountRange(0, 512), 412u);
}

template <unsigned kPages>
void ExpectAgreesPageByPage() {
  std::mt19937_64 random(6);
  for (int round = 0; round < 2000; ++round) {
    Chunk<kPages> chunk;
    Chunk<kPages> model;
    for (unsigned i = 0; i < kPages; ++i) {
      if (random() % 2 == 0) chunk.scavenged.Set(i);
    }
    model.scavenged = chunk.scavenged;
    const auto first = static_cast<unsigned>(random() % kPages);
    const auto count = static_cast<unsigned>(1 + random() % (kPages - first));
    unsigned scavenged = 0;
    for (unsigned i = first; i < first + count; ++i) {
      scavenged += model.scavenged.Get(i) ? 1u : 0u;
      model.scavenged.Clear(i);
      model.allocated.Set(i);
    }
    ASSERT_EQ(chunk.Allocate(first, count), scavenged) << first << ", " << count;
    ASSERT_EQ(chunk, model) << first << ", " << count;
    const auto freed = static_cast<unsigned>(1 + random() % count);
    for (unsigned i = first; i < first + freed; ++i) model.allocated.Clear(i);
    chunk.Free(first, freed);
    ASSERT_EQ(chunk, model) << first << ", " << freed;
  }
}

TEST(Chunk, RandomOperationsAgreeWithPageByPageBookkeeping) {
  ExpectAgreesPageByPage<64>();
  ExpectAgreesPageByPage<128>();
}

}  // namespace
}  // namespace pagealloc
