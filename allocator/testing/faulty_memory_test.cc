#include "testing/faulty_memory.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/region_memory.h"

namespace pagealloc::testing {
namespace {

using Repeat = FaultyMemory::Repeat;
using Mapping = FaultyMemory::Mapping;

constexpr ByteCount kPage{4096};
constexpr ByteCount kFour{4UL * 4096};

class FaultyMemoryTest : public ::testing::Test {
 protected:
  std::byte* ReserveOrDie(ByteCount size) {
    const OsMemory::Reservation got = os_.Reserve(size);
    EXPECT_TRUE(got.status.ok());
    return got.begin;
  }

  FakeMemory real_;  // stops at a leak
  FaultyMemory os_{real_};
};

TEST_F(FaultyMemoryTest, HandsCallsOnAndKnowsWhatIsHeld) {
  std::byte* const block = ReserveOrDie(kFour);
  std::byte* const other = ReserveOrDie(kPage);
  ASSERT_TRUE(os_.Commit(block + 4096, ByteCount{2UL * 4096}).ok());
  EXPECT_EQ(os_.mappings(),
            (std::vector<Mapping>{{kPage, ByteCount{0}}, {kFour, ByteCount{2UL * 4096}}}));
  EXPECT_TRUE(os_.Release(block + 4096, kPage).ok());
  EXPECT_TRUE(os_.HintHugePages(block, kFour, HugePages::kAvoid).ok());
  EXPECT_TRUE(os_.Fault(block, ByteCount{2UL * 4096}).ok());
  EXPECT_EQ(os_.held(), (MetadataStats{ByteCount{5UL * 4096}, kPage}));
  EXPECT_EQ(real_.committed(), kPage);
  EXPECT_TRUE(os_.Unreserve(block, kFour).ok());
  EXPECT_TRUE(os_.Unreserve(other, kPage).ok());
  EXPECT_EQ(os_.mappings(), std::vector<Mapping>{});
  EXPECT_EQ(os_.calls(OsCall::kReserve), 2u);
  EXPECT_EQ(os_.calls(OsCall::kUnreserve), 2u);
  for (const OsCall kind :
       {OsCall::kCommit, OsCall::kRelease, OsCall::kHugePages, OsCall::kFault}) {
    EXPECT_EQ(os_.calls(kind), 1u);
  }
}

TEST_F(FaultyMemoryTest, RefusesTheNthCallOnce) {
  os_.FailCall(2, Repeat::kOnce, EAGAIN);
  std::byte* const block = ReserveOrDie(kFour);
  EXPECT_EQ(os_.faults().size(), 0u);
  const OsStatus status = os_.Commit(block, kPage);
  EXPECT_EQ(status.call, OsCall::kCommit);
  EXPECT_EQ(status.error_number, EAGAIN);
  EXPECT_EQ(status.bytes, kPage);
  EXPECT_EQ(os_.faults().size(), 1u);
  EXPECT_EQ(os_.faults()[0].call, OsCall::kCommit);
  EXPECT_EQ(real_.committed(), ByteCount{0}) << "the memory behind has not seen the call";
  EXPECT_TRUE(os_.Commit(block, kPage).ok());
  EXPECT_TRUE(os_.Unreserve(block, kFour).ok());
}

TEST_F(FaultyMemoryTest, RefusesTheNthCallAndAllLaterOnes) {
  std::byte* const block = ReserveOrDie(kFour);
  os_.FailCall(1, Repeat::kForEver);
  EXPECT_FALSE(os_.Commit(block, kPage).ok());
  EXPECT_EQ(os_.Reserve(kPage).status.error_number, ENOMEM);
  EXPECT_FALSE(os_.Release(block, kPage).ok());
  EXPECT_FALSE(os_.Fault(block, kPage).ok());
  EXPECT_FALSE(os_.HintHugePages(block, kPage, HugePages::kPrefer).ok());
  ASSERT_EQ(os_.faults().size(), 5u);
  EXPECT_EQ(os_.faults()[1].call, OsCall::kReserve);
  os_.NeverFail();
  EXPECT_TRUE(os_.Unreserve(block, kFour).ok());
}

TEST_F(FaultyMemoryTest, OtherKindsThanTheChosenOnePass) {
  os_.FailCall(2, Repeat::kForEver, ENOMEM, OsCall::kCommit);
  std::byte* const block = ReserveOrDie(kFour);
  EXPECT_TRUE(os_.Commit(block, kPage).ok());
  EXPECT_TRUE(os_.Release(block, kPage).ok());
  EXPECT_FALSE(os_.Commit(block + 4096, kPage).ok());
  EXPECT_TRUE(os_.Unreserve(block, kFour).ok());
}

TEST_F(FaultyMemoryTest, AddressSpaceWhoseReturnIsRefusedIsAbandoned) {
  std::byte* const block = ReserveOrDie(kFour);
  os_.FailCall(1, Repeat::kOnce);
  EXPECT_FALSE(os_.Unreserve(block, kFour).ok());
  EXPECT_EQ(os_.mappings(), std::vector<Mapping>{});
  EXPECT_EQ(real_.reserved(), kFour) << "until the end";
}

TEST_F(FaultyMemoryTest, WhatTheMemoryBehindRefusesIsNotHeld) {
  real_.FailAfter(0, true);
  EXPECT_FALSE(os_.Reserve(kPage).status.ok());
  EXPECT_EQ(os_.mappings(), std::vector<Mapping>{});
  EXPECT_EQ(os_.faults().size(), 0u);
}

TEST(FaultyMemory, WhatIsOnlyReservedMayBeReturnedInParts) {
  RegionMemory real(ByteCount{16 * kFour.raw}, kPage);
  FaultyMemory os(real);
  std::byte* const block = os.Reserve(kFour).begin;
  EXPECT_TRUE(os.Unreserve(block, kPage).ok());
  EXPECT_TRUE(os.Unreserve(block + 2UL * 4096, kPage).ok());
  EXPECT_EQ(os.mappings(), (std::vector<Mapping>{{kPage, ByteCount{0}}, {kPage, ByteCount{0}}}));
  EXPECT_TRUE(os.Commit(block + 4096, kPage).ok());
  EXPECT_EQ(os.held(), (MetadataStats{ByteCount{2UL * 4096}, kPage}));
  EXPECT_TRUE(os.Unreserve(block + 4096, kPage).ok());
  EXPECT_TRUE(os.Unreserve(block + 3UL * 4096, kPage).ok());
  EXPECT_TRUE(real.AllReturned());
}

using FaultyMemoryDeathTest = FaultyMemoryTest;

TEST_F(FaultyMemoryDeathTest, MisuseBreaksTheContract) {
  std::byte* const block = ReserveOrDie(kFour);
  ASSERT_TRUE(os_.Commit(block, kPage).ok());
  EXPECT_DEATH(static_cast<void>(os_.Commit(block, kFour)), "contract broken: !committed_already");
  EXPECT_DEATH(static_cast<void>(os_.Commit(block + 4096, kFour)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Unreserve(block, kPage)),
               "contract broken: size.raw > 0 && whole == size");
  EXPECT_DEATH(os_.FailCall(0, Repeat::kOnce), "contract broken: nth >= 1");
  EXPECT_TRUE(os_.Unreserve(block, kFour).ok());
}

}  // namespace
}  // namespace pagealloc::testing
