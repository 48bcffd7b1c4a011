// Talks to the real operating system.
#include "pagealloc/os_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>
#include <string>

#include "testing/address_space.h"
#include "testing/gtest/child_process.h"

namespace pagealloc {
namespace {

class MmapMemoryTest : public ::testing::Test {
 protected:
  ~MmapMemoryTest() override { EXPECT_TRUE(os_.Unreserve(memory_, size_).ok()); }

  [[nodiscard]] bool AllZero(std::size_t begin, std::size_t end) const {
    return std::all_of(memory_ + begin, memory_ + end,
                       [](std::byte b) { return b == std::byte{0}; });
  }
  std::byte* ReserveOrDie(ByteCount size) {
    const OsMemory::Reservation got = os_.Reserve(size);
    EXPECT_TRUE(got.status.ok()) << got.status.error_number;
    return got.begin;
  }

  MmapMemory os_;
  const ByteCount page_ = os_.page_size();
  const std::size_t page_bytes_ = static_cast<std::size_t>(page_.raw);
  const ByteCount size_{16 * page_.raw};
  std::byte* const memory_ = ReserveOrDie(size_);
};

using MmapMemoryDeathTest = MmapMemoryTest;

TEST_F(MmapMemoryTest, PageSizeIsTheKernels) {
  EXPECT_EQ(page_.raw, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
  EXPECT_TRUE(std::has_single_bit(page_.raw));
  EXPECT_EQ(os_.RoundUp(ByteCount{1}), page_);
  EXPECT_EQ(os_.RoundUp(page_), page_);
  EXPECT_EQ(os_.RoundUp(ByteCount{0}), ByteCount{0});
}

TEST_F(MmapMemoryTest, CommittedMemoryIsZeroAndKeepsWhatIsWritten) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  EXPECT_TRUE(AllZero(0, 16 * page_bytes_));
  std::memset(memory_, 0xab, 16 * page_bytes_);
  EXPECT_EQ(memory_[16 * page_bytes_ - 1], std::byte{0xab});
}

TEST_F(MmapMemoryTest, ReleasedMemoryReadsAsZeroAndStaysWritable) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  std::memset(memory_, 0xab, 16 * page_bytes_);
  ASSERT_TRUE(os_.Release(memory_ + 2 * page_bytes_, ByteCount{3 * page_.raw}).ok());
  EXPECT_TRUE(AllZero(2 * page_bytes_, 5 * page_bytes_));
  EXPECT_EQ(memory_[2 * page_bytes_ - 1], std::byte{0xab}) << "below";
  EXPECT_EQ(memory_[5 * page_bytes_], std::byte{0xab}) << "above";
  memory_[2 * page_bytes_] = std::byte{1};
  EXPECT_EQ(memory_[2 * page_bytes_], std::byte{1});
}

TEST_F(MmapMemoryTest, FaultedMemoryIsZeroWhenItIsCommittedAgain) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  std::memset(memory_, 0xab, 16 * page_bytes_);
  ASSERT_TRUE(os_.Fault(memory_, page_).ok());
  ASSERT_TRUE(os_.Commit(memory_, page_).ok());
  EXPECT_TRUE(AllZero(0, page_bytes_));
  EXPECT_EQ(memory_[page_bytes_], std::byte{0xab});
}

TEST_F(MmapMemoryDeathTest, ReservedMemoryCannotBeTouched) {
  EXPECT_DEATH(memory_[0] = std::byte{1}, "");
  ASSERT_TRUE(os_.Commit(memory_ + page_bytes_, page_).ok());
  EXPECT_DEATH(memory_[page_bytes_ - 1] = std::byte{1}, "");
  EXPECT_DEATH(memory_[2 * page_bytes_] = std::byte{1}, "");
}

TEST_F(MmapMemoryDeathTest, FaultedMemoryCannotBeTouched) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  memory_[5] = std::byte{1};
  ASSERT_TRUE(os_.Fault(memory_, size_).ok());
  EXPECT_DEATH(memory_[5] = std::byte{2}, "");
}

TEST_F(MmapMemoryDeathTest, PartsOfPagesBreakTheContract) {
  EXPECT_DEATH(static_cast<void>(os_.Reserve(ByteCount{page_.raw - 1})), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Reserve(ByteCount{0})), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Commit(memory_ + 1, page_)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Release(memory_, ByteCount{1})), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Fault(memory_ + 8, page_)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Unreserve(memory_, ByteCount{0})), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.Unreserve(memory_ + 1, page_)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.ReleaseLazily(memory_ + 1, page_)), "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.HintHugePages(memory_ + 1, page_, HugePages::kAvoid)),
               "contract broken");
  EXPECT_DEATH(static_cast<void>(os_.CollapseHugePages(memory_ + 1, page_)), "contract broken");
}

TEST_F(MmapMemoryTest, ExactPlaceIsTakenWhenItIsFree) {
  std::byte* const place = ReserveOrDie(size_);
  ASSERT_TRUE(os_.Unreserve(place, size_).ok());
  const OsMemory::Reservation got = os_.Reserve(size_, place);
  ASSERT_TRUE(got.status.ok()) << got.status.error_number;
  EXPECT_EQ(got.begin, place);
  EXPECT_TRUE(os_.Unreserve(place, size_).ok());
}

TEST_F(MmapMemoryTest, PlaceThatIsTakenIsRefusedAndNotDamaged) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  std::memset(memory_, 0x5a, 16 * page_bytes_);
  const auto overlaps = [&](std::size_t first_page, std::uint64_t pages) {
    const ByteCount size{pages * page_.raw};
    const OsMemory::Reservation got = os_.Reserve(size, memory_ + first_page * page_bytes_);
    EXPECT_EQ(got.status.call, OsCall::kReserve);
    EXPECT_EQ(got.status.error_number, EEXIST);
    EXPECT_EQ(got.status.bytes, size);
    EXPECT_EQ(got.begin, nullptr);
  };
  overlaps(0, 16);
  overlaps(15, 1);
  overlaps(15, 100);
  EXPECT_TRUE(std::all_of(memory_, memory_ + 16 * page_bytes_,
                          [](std::byte b) { return b == std::byte{0x5a}; }));
}

TEST_F(MmapMemoryTest, MoreThanTheAddressSpaceIsRefused) {
  const ByteCount huge{std::uint64_t{1} << 60};
  const OsMemory::Reservation got = os_.Reserve(huge);
  EXPECT_EQ(got.status.error_number, ENOMEM);
  EXPECT_EQ(got.status.bytes, huge);
  EXPECT_EQ(got.begin, nullptr);
}

TEST_F(MmapMemoryTest, HugeReservationsCostNoMemory) {
  constexpr unsigned kBits = sizeof(void*) == 8 ? 36 : 30;
  constexpr std::size_t kHalf = std::size_t{1} << (kBits - 1);
  const ByteCount size{std::uint64_t{1} << kBits};
  std::byte* const memory = ReserveOrDie(size);
  ASSERT_TRUE(os_.Commit(memory + kHalf, page_).ok());
  memory[kHalf] = std::byte{1};
  EXPECT_TRUE(os_.Unreserve(memory, size).ok());
}

// The kernel may take it at any time: what is read is what was written, or zero.
TEST_F(MmapMemoryTest, LazilyReleasedMemoryReadsAsBeforeOrAsZero) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  std::memset(memory_, 0xab, 16 * page_bytes_);
  ASSERT_TRUE(os_.ReleaseLazily(memory_ + page_bytes_, ByteCount{3 * page_.raw}).ok());
  for (std::size_t i = page_bytes_; i < 4 * page_bytes_; i += page_bytes_) {
    EXPECT_TRUE(memory_[i] == std::byte{0xab} || memory_[i] == std::byte{0});
  }
  EXPECT_EQ(memory_[0], std::byte{0xab});
  EXPECT_EQ(memory_[4 * page_bytes_], std::byte{0xab});
  memory_[page_bytes_] = std::byte{1};
  EXPECT_EQ(memory_[page_bytes_], std::byte{1});
}

// The kernel takes memory lazily from private mappings only, and before 4.5 from none.
TEST_F(MmapMemoryTest, WhatCannotBeReleasedLazilyIsReleasedAtOnce) {
  void* const shared =
      ::mmap(nullptr, page_bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(shared, MAP_FAILED);
  EXPECT_TRUE(os_.ReleaseLazily(static_cast<std::byte*>(shared), page_).ok());
  ::munmap(shared, page_bytes_);
}

TEST_F(MmapMemoryTest, HugePageIsNoneOrAPowerOfTwoAboveThePage) {
  const std::uint64_t huge = os_.huge_page_size().raw;
  EXPECT_TRUE(huge == 0 || (std::has_single_bit(huge) && huge > page_.raw)) << huge;
}

TEST_F(MmapMemoryTest, HugePageIsWhatTheKernelSays) {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
  std::uint64_t size = 0;  // where it does not say
  file >> size;
  EXPECT_EQ(os_.huge_page_size(), ByteCount{size});
}

// Kernels without huge pages refuse the advice; that is no error of the caller.
TEST_F(MmapMemoryTest, HugePageHintsSucceedAndKeepContents) {
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  memory_[7] = std::byte{9};
  EXPECT_TRUE(os_.HintHugePages(memory_, size_, HugePages::kPrefer).ok());
  EXPECT_TRUE(os_.HintHugePages(memory_, size_, HugePages::kAvoid).ok());
  EXPECT_EQ(memory_[7], std::byte{9});
}

// "hg" and "nh" among the flags of a mapping; not where the kernel has no huge pages.
TEST_F(MmapMemoryTest, HugePageHintsComeToTheKernel) {
  if (os_.huge_page_size() == ByteCount{0}) GTEST_SKIP() << "no huge pages";
  ASSERT_TRUE(os_.Commit(memory_, size_).ok());
  const auto has_flag = [this](const std::string& flag) {
    std::ostringstream begin;
    begin << std::hex << reinterpret_cast<std::uintptr_t>(memory_) << '-';
    std::ifstream maps("/proc/self/smaps");
    bool here = false;
    for (std::string line; std::getline(maps, line);) {
      if (line.find('-') < line.find(' ')) here = line.rfind(begin.str(), 0) == 0;
      if (here && line.rfind("VmFlags:", 0) == 0) return line.find(flag) != std::string::npos;
    }
    return false;
  };
  ASSERT_TRUE(os_.HintHugePages(memory_, size_, HugePages::kPrefer).ok());
  EXPECT_TRUE(has_flag(" hg"));
  EXPECT_FALSE(has_flag(" nh"));
  ASSERT_TRUE(os_.HintHugePages(memory_, size_, HugePages::kAvoid).ok());
  EXPECT_TRUE(has_flag(" nh"));
  EXPECT_FALSE(has_flag(" hg"));
}

TEST_F(MmapMemoryTest, CommitOfAHoleIsAnErrorValue) {
  std::byte* const hole = ReserveOrDie(size_);
  ASSERT_TRUE(os_.Unreserve(hole, size_).ok());
  const OsStatus commit = os_.Commit(hole, size_);
  EXPECT_FALSE(commit.ok());
  EXPECT_EQ(commit.call, OsCall::kCommit);
  EXPECT_EQ(commit.error_number, ENOMEM);
  EXPECT_EQ(commit.bytes, size_);
}

TEST_F(MmapMemoryTest, AdviceAboutAHoleIsAnErrorValue) {
  std::byte* const hole = ReserveOrDie(size_);
  ASSERT_TRUE(os_.Unreserve(hole, size_).ok());
  EXPECT_EQ(os_.ReleaseLazily(hole, size_).error_number, ENOMEM);
  EXPECT_EQ(os_.HintHugePages(hole, size_, HugePages::kAvoid).error_number, ENOMEM);
  EXPECT_EQ(os_.HintHugePages(hole, size_, HugePages::kAvoid).call, OsCall::kHugePages);
}

// The last page of all addresses is the kernel's own, or nobody's.
TEST_F(MmapMemoryTest, FaultWhereNoProcessHasMemoryIsAnErrorValue) {
  auto* const last =
      reinterpret_cast<std::byte*>(~static_cast<std::uintptr_t>(0) - page_bytes_ + 1);
  const OsStatus fault = os_.Fault(last, page_);
  EXPECT_FALSE(fault.ok());
  EXPECT_EQ(fault.call, OsCall::kFault);
}

// A kernel without huge pages refuses every advice about them so; this one does where a range ends
// above the last address, if addresses have as many bits as its own.
TEST_F(MmapMemoryTest, HugePageHintsThatTheKernelDoesNotKnowAreFine) {
  if (sizeof(void*) < 8) GTEST_SKIP() << "for a 64-bit kernel no such range";
  auto* const last =
      reinterpret_cast<std::byte*>(~static_cast<std::uintptr_t>(0) - page_bytes_ + 1);
  EXPECT_TRUE(os_.HintHugePages(last, size_, HugePages::kPrefer).ok());
}

TEST(MmapMemory, WithoutFilesThereAreNoHugePages) {
  EXPECT_EQ(testing::StatusOfChild([] {
              rlimit before{};
              if (::getrlimit(RLIMIT_NOFILE, &before) != 0) return 1;
              const rlimit none{0, before.rlim_max};
              if (::setrlimit(RLIMIT_NOFILE, &none) != 0) return 2;
              const ByteCount huge = MmapMemory().huge_page_size();
              if (::setrlimit(RLIMIT_NOFILE, &before) != 0) return 3;
              return huge == ByteCount{0} ? 0 : 4;
            }),
            0);
}

// What an OsMemory need not bring.
TEST(OsMemory, WithoutLazyReleasesAndCollapsesReleasesAtOnceAndRefuses) {
  testing::AddressSpace os;
  const OsMemory::Reservation got = os.Reserve(ByteCount{4096});
  EXPECT_TRUE(os.ReleaseLazily(got.begin, ByteCount{4096}).ok());
  const OsStatus refused = os.CollapseHugePages(got.begin, ByteCount{4096});
  EXPECT_EQ(refused.call, OsCall::kHugePages);
  EXPECT_EQ(refused.error_number, ENOTSUP);
}

TEST(OsStatus, NamesEveryCallDifferently) {
  std::set<std::string> names;
  for (const OsCall call : {OsCall::kReserve, OsCall::kCommit, OsCall::kRelease, OsCall::kFault,
                            OsCall::kHugePages, OsCall::kUnreserve, OsCall::kThread}) {
    names.insert(OsStatus{call, ENOMEM, ByteCount{1}}.call_name());
  }
  EXPECT_EQ(names.size(), 7u);
  EXPECT_EQ(names.count("commit"), 1u);
  EXPECT_EQ(names.count("?"), 0u);
  EXPECT_STREQ((OsStatus{static_cast<OsCall>(99), ENOMEM, ByteCount{1}}.call_name()), "?");
}

TEST(OsStatus, IsFineWithoutAnErrorNumber) {
  EXPECT_TRUE(OsStatus::Ok().ok());
  EXPECT_FALSE((OsStatus{OsCall::kCommit, ENOMEM, ByteCount{1}}).ok());
}

}  // namespace
}  // namespace pagealloc
