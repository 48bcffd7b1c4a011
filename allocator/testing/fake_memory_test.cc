// The tests of everything else trust FakeMemory to notice misuse: here it is misused.
#include "testing/fake_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

namespace pagealloc::testing {
namespace {

constexpr ByteCount kPage{4096};

std::byte* ReserveOrDie(FakeMemory& os, ByteCount size) {
  const OsMemory::Reservation got = os.Reserve(size);
  EXPECT_TRUE(got.status.ok());
  return got.begin;
}

bool AllZero(const std::byte* begin, ByteCount size) {
  return std::all_of(begin, begin + size.raw, [](std::byte b) { return b == std::byte{0}; });
}

TEST(FakeMemory, CountsWhatIsHeld) {
  FakeMemory os(kPage);
  std::byte* const memory = ReserveOrDie(os, ByteCount{8UL * 4096});
  EXPECT_EQ(os.reserved(), ByteCount{8UL * 4096});
  EXPECT_EQ(os.committed(), ByteCount{0});
  ASSERT_TRUE(os.Commit(memory + 4096, ByteCount{2UL * 4096}).ok());
  EXPECT_EQ(os.committed(), ByteCount{2UL * 4096});
  EXPECT_EQ(os.calls(), 2u);
  ASSERT_TRUE(os.Release(memory + 4096, kPage).ok());
  EXPECT_EQ(os.committed(), ByteCount{2UL * 4096}) << "released memory stays committed";
  ASSERT_TRUE(os.Fault(memory, ByteCount{2UL * 4096}).ok());
  EXPECT_EQ(os.committed(), kPage);
  ASSERT_TRUE(os.Unreserve(memory, ByteCount{8UL * 4096}).ok());
  EXPECT_EQ(os.reserved(), ByteCount{0});
  EXPECT_EQ(os.committed(), ByteCount{0});
  EXPECT_EQ(os.calls(), 2u) << "only Reserve and Commit can be refused";
}

TEST(FakeMemory, LazilyReleasedMemoryIsHalfLost) {
  FakeMemory os(kPage);
  const ByteCount size{4 * kPage.raw};
  std::byte* const memory = ReserveOrDie(os, size);
  ASSERT_TRUE(os.Commit(memory, size).ok());
  std::memset(memory, 1, size.raw);
  ASSERT_TRUE(os.ReleaseLazily(memory, size).ok());
  for (std::uint64_t i = 0; i < 4; ++i)
    EXPECT_EQ(AllZero(memory + i * kPage.raw, kPage), i % 2 == 0);
  ASSERT_TRUE(os.Unreserve(memory, size).ok());
}

TEST(FakeMemory, RefusedReleasesAndHintsChangeNothing) {
  FakeMemory os(kPage);
  std::byte* const memory = ReserveOrDie(os, kPage);
  ASSERT_TRUE(os.Commit(memory, kPage).ok());
  memory[5] = std::byte{1};
  os.RefuseReleases(EAGAIN);
  os.RefuseHugePages(ENOMEM);
  EXPECT_EQ(os.Release(memory, kPage).error_number, EAGAIN);
  EXPECT_EQ(os.ReleaseLazily(memory, kPage).error_number, EAGAIN);
  EXPECT_EQ(os.HintHugePages(memory, kPage, HugePages::kPrefer).error_number, ENOMEM);
  EXPECT_EQ(os.CollapseHugePages(memory, kPage).error_number, ENOMEM);
  EXPECT_EQ(memory[5], std::byte{1});
  EXPECT_TRUE(os.huge_page_calls().empty());
  os.RefuseReleases(0);
  os.RefuseHugePages(0);
  EXPECT_TRUE(os.Release(memory, kPage).ok());
  EXPECT_EQ(memory[5], std::byte{0});
  EXPECT_TRUE(os.CollapseHugePages(memory, kPage).ok());
  EXPECT_EQ(os.huge_page_calls(),
            (std::vector<FakeMemory::HugePageCall>{{memory, kPage, HugePages::kPrefer, true}}));
  ASSERT_TRUE(os.Unreserve(memory, kPage).ok());
}

TEST(FakeMemory, ReservationsBeginAtAPageOfAnySize) {
  for (const std::uint64_t page : {64u, 4096u, 16384u, 65536u}) {
    FakeMemory os(ByteCount{page});
    std::byte* const memory = ReserveOrDie(os, ByteCount{3 * page});
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % page, 0u) << page;
    EXPECT_EQ(os.RoundUp(ByteCount{page + 1}), ByteCount{2 * page});
    EXPECT_TRUE(os.Unreserve(memory, ByteCount{3 * page}).ok());
  }
}

TEST(FakeMemory, CommittedMemoryIsZeroAlsoAfterReleaseAndFault) {
  FakeMemory os(kPage);
  std::byte* const memory = ReserveOrDie(os, kPage);
  ASSERT_TRUE(os.Commit(memory, kPage).ok());
  EXPECT_TRUE(AllZero(memory, kPage));
  std::memset(memory, 0xff, 4096);
  ASSERT_TRUE(os.Release(memory, kPage).ok());
  EXPECT_TRUE(AllZero(memory, kPage));
  std::memset(memory, 0xff, 4096);
  ASSERT_TRUE(os.Fault(memory, kPage).ok());
  ASSERT_TRUE(os.Commit(memory, kPage).ok()) << "faulted memory may be committed again";
  EXPECT_TRUE(AllZero(memory, kPage));
  ASSERT_TRUE(os.Unreserve(memory, kPage).ok());
}

TEST(FakeMemory, RefusesFromTheChosenCallOn) {
  FakeMemory os(kPage);
  os.FailAfter(1);
  std::byte* const memory = ReserveOrDie(os, kPage);
  const OsStatus commit = os.Commit(memory, kPage);
  EXPECT_EQ(commit.call, OsCall::kCommit);
  EXPECT_EQ(commit.error_number, ENOMEM);
  EXPECT_EQ(commit.bytes, kPage);
  const OsMemory::Reservation reserve = os.Reserve(kPage);
  EXPECT_EQ(reserve.status.call, OsCall::kReserve);
  EXPECT_EQ(reserve.status.error_number, ENOMEM);
  EXPECT_EQ(os.committed(), ByteCount{0});
  EXPECT_EQ(os.reserved(), kPage);
  os.NeverFail();
  EXPECT_TRUE(os.Commit(memory, kPage).ok());
  EXPECT_TRUE(os.Unreserve(memory, kPage).ok());
}

TEST(FakeMemory, RefusesOnceWhenAskedTo) {
  FakeMemory os(kPage);
  os.FailAfter(0, true);
  EXPECT_FALSE(os.Reserve(kPage).status.ok());
  std::byte* const memory = ReserveOrDie(os, kPage);
  EXPECT_TRUE(os.Unreserve(memory, kPage).ok());
}

// Memory comes from the heap of the process: it cannot offer a place that the caller chose.
TEST(FakeMemory, NoExactPlaceIsFree) {
  FakeMemory os(kPage);
  EXPECT_EQ(os.Reserve(kPage, reinterpret_cast<std::byte*>(0xc000000000)).status.error_number,
            EEXIST);
}

class FakeMemoryDeathTest : public ::testing::Test {
 protected:
  FakeMemoryDeathTest() { EXPECT_TRUE(os_.Commit(memory_ + 4096, kPage).ok()); }
  ~FakeMemoryDeathTest() override { EXPECT_TRUE(os_.Unreserve(memory_, kSize).ok()); }

  static constexpr ByteCount kSize{4UL * 4096};
  FakeMemory os_{kPage};
  std::byte* memory_ = ReserveOrDie(os_, kSize);
};

TEST_F(FakeMemoryDeathTest, NoticesMemoryCommittedTwice) {
  EXPECT_DEATH(static_cast<void>(os_.Commit(memory_, ByteCount{2UL * 4096})),
               "contract broken: !committed_already");
}

TEST_F(FakeMemoryDeathTest, NoticesReleaseOfWhatIsNotCommitted) {
  EXPECT_DEATH(static_cast<void>(os_.Release(memory_ + 4096, ByteCount{2UL * 4096})),
               "contract broken: committed");
}

TEST_F(FakeMemoryDeathTest, NoticesCallsThatLeaveTheReservation) {
  EXPECT_DEATH(static_cast<void>(os_.Commit(memory_ + 3UL * 4096, ByteCount{2UL * 4096})),
               "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Fault(memory_ + 4UL * 4096, kPage)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.HintHugePages(memory_ - 4096, kPage, HugePages::kPrefer)),
               "contract broken");
}

TEST_F(FakeMemoryDeathTest, NoticesPartsOfPages) {
  EXPECT_DEATH(static_cast<void>(os_.Commit(memory_, ByteCount{100})), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Commit(memory_ + 8, kPage)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Reserve(ByteCount{0})), "contract broken");
}

TEST_F(FakeMemoryDeathTest, NoticesThatOnlyAPartIsReturned) {
  EXPECT_DEATH(static_cast<void>(os_.Unreserve(memory_, kPage)), "contract broken: first == 0");
  EXPECT_DEATH(static_cast<void>(os_.Unreserve(memory_ + 4096, ByteCount{3UL * 4096})),
               "contract broken: first == 0");
}

TEST_F(FakeMemoryDeathTest, NoticesALeak) {
  EXPECT_DEATH(
      {
        auto os = std::make_unique<FakeMemory>(kPage);
        static_cast<void>(os->Reserve(kPage));
        os.reset();
      },
      "contract broken: blocks_\\.empty\\(\\) \\[blocks_\\.size\\(\\), reserved_ = 1, 4096\\]");
}

}  // namespace
}  // namespace pagealloc::testing
