#include "pagealloc/reserved_array.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using Array = ReservedArray<std::uint64_t>;

// FakeMemory stops at a page that is committed twice, so every test here checks that too.

/// Entries in one page of the operating system.
std::uint64_t EntriesPerPage(const OsMemory& os) { return os.page_size().raw / 8; }

TEST(ReservedArray, TakesAddressSpaceOnly) {
  FakeMemory os;
  Array array;
  EXPECT_EQ(array.metadata(), MetadataStats{});
  ASSERT_TRUE(array.Reserve(os, 1000).ok());
  EXPECT_EQ(array.size(), 1000u);
  EXPECT_EQ(os.reserved(), ByteCount{8192});
  EXPECT_EQ(os.committed(), ByteCount{0});
  EXPECT_EQ(array.metadata(), (MetadataStats{ByteCount{8192}, ByteCount{0}}));
  EXPECT_FALSE(array.accessible(0, 1));
}

TEST(ReservedArray, CommitsThePagesThatHoldTheEntries) {
  for (const std::uint64_t page : {64u, 4096u, 16384u, 65536u}) {
    SCOPED_TRACE(page);
    FakeMemory os{ByteCount{page}};
    const std::uint64_t n = EntriesPerPage(os);
    Array array;
    ASSERT_TRUE(array.Reserve(os, 10 * n).ok());
    ASSERT_TRUE(
        array.MakeAccessible(3 * n - 1, 3 * n + 1).ok());  // last of one page, first of next
    EXPECT_EQ(os.committed(), ByteCount{2 * page});
    EXPECT_TRUE(array.accessible(2 * n, 4 * n));
    EXPECT_FALSE(array.accessible(2 * n - 1, 2 * n));
    EXPECT_FALSE(array.accessible(4 * n, 4 * n + 1));
    EXPECT_EQ(array.data()[3 * n], 0u);
    ASSERT_TRUE(array.MakeAccessible(4 * n, 5 * n).ok());  // ends on a border: one page, not two
    EXPECT_EQ(os.committed(), ByteCount{3 * page});
  }
}

TEST(ReservedArray, EntriesKeepTheirValuesWhenMoreIsMadeAccessible) {
  FakeMemory os;
  Array array;
  ASSERT_TRUE(array.Reserve(os, 5120).ok());
  ASSERT_TRUE(array.MakeAccessible(1024, 1025).ok());
  array.data()[1024] = 77;
  ASSERT_TRUE(array.MakeAccessible(1024, 1025).ok());
  ASSERT_TRUE(array.MakeAccessible(0, 5120).ok());
  EXPECT_EQ(array.data()[1024], 77u);
  EXPECT_EQ(os.committed(), ByteCount{10UL * 4096});
}

TEST(ReservedArray, FillsHolesBetweenWhatIsCommitted) {
  FakeMemory os;
  const std::uint64_t n = EntriesPerPage(os);
  Array array;
  ASSERT_TRUE(array.Reserve(os, 10 * n).ok());
  for (const std::uint64_t page : {1u, 3u, 5u, 8u}) {
    ASSERT_TRUE(array.MakeAccessible(page * n, page * n + 1).ok());
  }
  const std::uint64_t before = os.calls();
  ASSERT_TRUE(array.MakeAccessible(0, 7 * n).ok());  // missing: 0, 2, 4, 6
  EXPECT_EQ(os.calls() - before, 4u);
  EXPECT_EQ(os.committed(), ByteCount{8UL * 4096});
  EXPECT_TRUE(array.accessible(0, 7 * n));
  EXPECT_FALSE(array.accessible(7 * n, 8 * n));
  EXPECT_TRUE(array.accessible(8 * n, 9 * n));
}

TEST(ReservedArray, NothingMissingAsksTheOsForNothing) {
  FakeMemory os;
  Array array;
  ASSERT_TRUE(array.Reserve(os, 5120).ok());
  ASSERT_TRUE(array.MakeAccessible(0, 5120).ok());
  const std::uint64_t before = os.calls();
  ASSERT_TRUE(array.MakeAccessible(17, 4000).ok());
  EXPECT_EQ(os.calls(), before);
}

TEST(ReservedArray, RandomPartsAgreeWithOneFlagAPage) {
  for (const std::uint64_t page : {64u, 16384u, 65536u}) {
    FakeMemory os{ByteCount{page}};
    const std::uint64_t n = EntriesPerPage(os);
    std::mt19937_64 random(9);
    Array array;
    ASSERT_TRUE(array.Reserve(os, 200 * n).ok());
    std::vector<bool> committed(200, false);
    for (int round = 0; round < 150; ++round) {
      const std::uint64_t begin = random() % (200 * n);
      const std::uint64_t end = begin + 1 + random() % std::min(200 * n - begin, 5 * n);
      ASSERT_TRUE(array.MakeAccessible(begin, end).ok());
      for (std::uint64_t i = begin / n; i <= (end - 1) / n; ++i) committed[HostSize(i)] = true;
      std::uint64_t pages = 0;
      for (std::uint64_t i = 0; i < 200; ++i) {
        pages += committed[HostSize(i)] ? 1u : 0u;
        ASSERT_EQ(array.accessible(i * n, i * n + 1), committed[HostSize(i)]) << "page " << i;
      }
      // The array's own list of ranges may have moved to memory of its own.
      ASSERT_GE(array.metadata().committed, ByteCount{pages * page});
      ASSERT_EQ(os.committed(), array.metadata().committed);
      ASSERT_EQ(os.reserved(), array.metadata().reserved);
    }
  }
}

TEST(ReservedArray, RefusedReservationMayBeTriedAgain) {
  FakeMemory os;
  Array array;
  os.FailAfter(0, true);
  const OsStatus refused = array.Reserve(os, 1000);
  EXPECT_EQ(refused.call, OsCall::kReserve);
  EXPECT_EQ(refused.bytes, ByteCount{8192});
  EXPECT_EQ(array.metadata(), MetadataStats{});
  EXPECT_TRUE(array.Reserve(os, 1000).ok());
}

TEST(ReservedArray, RefusalHalfWayKeepsTheAccessibleEntriesAndARetryFinishes) {
  const std::uint64_t calls = testing::ForEachFault([](const testing::PlannedFault& fault) {
    FakeMemory real;
    testing::FaultyMemory os(real);
    const std::uint64_t n = EntriesPerPage(os);
    Array array;
    EXPECT_TRUE(array.Reserve(os, 10 * n).ok());
    EXPECT_TRUE(array.MakeAccessible(2 * n, 2 * n + 1).ok());
    EXPECT_TRUE(array.MakeAccessible(6 * n, 6 * n + 1).ok());
    array.data()[2 * n] = 5;
    fault.Arm(os);  // pages 0-1, 3-5, 7-9 are missing: three commits
    const OsStatus status = array.MakeAccessible(0, 10 * n);
    os.NeverFail();
    testing::ExpectFirstTold(status, os);
    EXPECT_TRUE(array.accessible(2 * n, 3 * n));
    EXPECT_EQ(array.accessible(0, 2 * n), fault.nth > 1);
    EXPECT_EQ(array.accessible(3 * n, 6 * n), fault.nth > 2);
    EXPECT_EQ(array.accessible(9 * n, 10 * n), fault.nth > 3);
    EXPECT_EQ(os.held(), array.metadata());
    EXPECT_TRUE(array.MakeAccessible(0, 10 * n).ok());
    EXPECT_EQ(os.held().committed, ByteCount{10UL * 4096});
    EXPECT_EQ(array.data()[2 * n], 5u);
    return !os.faults().empty();
  });
  EXPECT_EQ(calls, 3u);
}

// The array remembers what is committed in ranges, and the 17th separate one needs memory itself.
TEST(ReservedArray, RefusalOfMemoryForItsOwnListChangesNothing) {
  FakeMemory os;
  const std::uint64_t n = EntriesPerPage(os);
  Array array;
  ASSERT_TRUE(array.Reserve(os, 100 * n).ok());
  for (std::uint64_t i = 0; i < 16; ++i)
    ASSERT_TRUE(array.MakeAccessible(2 * i * n, 2 * i * n + 1).ok());
  os.FailAfter(0, true);
  EXPECT_EQ(array.MakeAccessible(50 * n, 51 * n).call, OsCall::kReserve);
  EXPECT_FALSE(array.accessible(50 * n, 51 * n));
  EXPECT_EQ(os.committed(), ByteCount{16UL * 4096});
  ASSERT_TRUE(array.MakeAccessible(50 * n, 51 * n).ok());
  EXPECT_EQ(os.committed(), ByteCount{(17UL + 1) * 4096});
  EXPECT_EQ(array.metadata().committed, os.committed());
}

TEST(ReservedArrayDeathTest, EntriesOutsideTheArrayAreRefused) {
  FakeMemory os;
  Array array;
  ASSERT_TRUE(array.Reserve(os, 1000).ok());
  const char* const rule = "contract broken: begin < end && end <= entries_";
  EXPECT_DEATH(static_cast<void>(array.MakeAccessible(0, 1001)), rule);
  EXPECT_DEATH(static_cast<void>(array.MakeAccessible(5, 5)), rule);
  EXPECT_DEATH(static_cast<void>(array.Reserve(os, 10)), "contract broken: os_ == nullptr");
}

}  // namespace
}  // namespace pagealloc
