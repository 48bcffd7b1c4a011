#include "pagealloc/heap_window.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "pagealloc/layout.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/gtest/fault_loop.h"

// g++ defines macros for its sanitizers, clang has __has_feature.
#if defined(__SANITIZE_ADDRESS__)
#define PAGEALLOC_TEST_ASAN
#elif defined(__SANITIZE_THREAD__)
#define PAGEALLOC_TEST_TSAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGEALLOC_TEST_ASAN
#elif __has_feature(thread_sanitizer)
#define PAGEALLOC_TEST_TSAN
#endif
#endif

namespace pagealloc {
namespace {

using testing::FakeMemory;

constexpr ByteCount kSize{4u << 20};

std::uint64_t HostNumber(const HeapWindow& window, Address at) {
  return reinterpret_cast<std::uintptr_t>(window.Host(at));
}

TEST(HeapWindow, SlideIsTheSameForEveryAddress) {
  MmapMemory os;
  ForEachLayout([&os]<class L>() {
    SCOPED_TRACE(L::kName);
    HeapWindow window;
    ASSERT_TRUE(window.Reserve(os, L::kHeapBase, kSize, Placement::kAnywhere).ok());
    EXPECT_EQ(window.size(), kSize);
    for (const std::uint64_t offset : {std::uint64_t{0}, std::uint64_t{8192}, kSize.raw - 1}) {
      const Address at{L::kHeapBase.raw + offset};
      EXPECT_EQ(HostNumber(window, at), at.raw + window.slide());
    }
  });
}

TEST(HeapWindow, CommitsAndReleasesPartsByLayoutAddress) {
  MmapMemory os;
  HeapWindow window;
  const Address base = AixPpc64::kHeapBase;  // no address of any host here
  ASSERT_TRUE(window.Reserve(os, base, kSize, Placement::kAnywhere).ok());
  const ByteCount part = os.RoundUp(kPageBytes);
  const Address second{base.raw + part.raw};
  ASSERT_TRUE(window.Commit(base, ByteCount{2 * part.raw}).ok());
  *window.Host(base) = std::byte{1};
  *window.Host(second) = std::byte{2};
  ASSERT_TRUE(window.Release(second, part).ok());
  EXPECT_EQ(*window.Host(second), std::byte{0});
  EXPECT_EQ(*window.Host(base), std::byte{1});
}

TEST(HeapWindow, CommitsUpToItsLastByte) {
  FakeMemory os;
  HeapWindow window;
  ASSERT_TRUE(window.Reserve(os, Address{1u << 28}, kSize, Placement::kAnywhere).ok());
  ASSERT_TRUE(window.Commit(Address{(1u << 28) + kSize.raw - 4096}, ByteCount{4096}).ok());
  EXPECT_EQ(os.committed(), ByteCount{4096});
}

void ExpectNoSlideAt(Address base) {
  MmapMemory os;
  HeapWindow window;
  const OsStatus status = window.Reserve(os, base, kSize, Placement::kExact);
  ASSERT_TRUE(status.ok()) << "errno " << status.error_number << " at " << base.raw;
  EXPECT_EQ(window.slide(), 0u);
  EXPECT_EQ(HostNumber(window, base), base.raw);
  ASSERT_TRUE(window.Commit(base, os.page_size()).ok());
  *window.Host(base) = std::byte{1};
}

// A 32-bit layout's heap base lies below 4 GiB: the host can place it there all the same.
TEST(HeapWindow, ExactPlacementBelowFourGiBHasNoSlide) { ExpectNoSlideAt(Linux386::kHeapBase); }

#if defined(PAGEALLOC_TEST_ASAN)
// ASan keeps its own tables around this address: a place like any other that is taken.
TEST(HeapWindow, ExactPlacementAtTheHeapBaseOfAmd64IsRefusedUnderAsan) {
  MmapMemory os;
  HeapWindow window;
  EXPECT_FALSE(window.Reserve(os, LinuxAmd64::kHeapBase, kSize, Placement::kExact).ok());
}
#elif !defined(PAGEALLOC_TEST_TSAN)  // TSan stops a process that maps anything so high
TEST(HeapWindow, ExactPlacementAtTheHeapBaseOfAmd64HasNoSlide) {
  ExpectNoSlideAt(LinuxAmd64::kHeapBase);
}
#endif

#ifndef PAGEALLOC_TEST_TSAN
TEST(HeapWindow, ExactPlacementBeyondTheHostsAddressesIsRefused) {
  MmapMemory os;
  HeapWindow window;
  EXPECT_FALSE(window.Reserve(os, AixPpc64::kHeapBase, kSize, Placement::kExact).ok());
}
#endif

TEST(HeapWindow, ExactPlacementNeverReplacesWhatIsThere) {
  constexpr Address kBase = Linux386::kHeapBase;
  MmapMemory os;
  HeapWindow first;
  ASSERT_TRUE(first.Reserve(os, kBase, kSize, Placement::kExact).ok());
  ASSERT_TRUE(first.Commit(kBase, kSize).ok());
  *first.Host(kBase) = std::byte{42};
  {
    HeapWindow second;
    const OsStatus status = second.Reserve(os, kBase, kSize, Placement::kExact);
    EXPECT_EQ(status.call, OsCall::kReserve);
    EXPECT_EQ(status.error_number, EEXIST);
    EXPECT_TRUE(second.Reserve(os, kBase, kSize, Placement::kAnywhere).ok())
        << "after a refusal it may be tried again";
    EXPECT_NE(second.slide(), 0u);
  }
  EXPECT_EQ(*first.Host(kBase), std::byte{42});
}

TEST(HeapWindow, ExactPlacementAtZeroOrAcrossTheEndIsRefusedWithoutAskingTheOs) {
  FakeMemory os;
  HeapWindow window;
  EXPECT_EQ(window.Reserve(os, Address{0}, kSize, Placement::kExact).error_number, EINVAL);
  const Address top{~std::uint64_t{0} - kSize.raw + 1};
  EXPECT_EQ(window.Reserve(os, top, kSize, Placement::kExact).error_number, EINVAL);
  EXPECT_EQ(os.calls(), 0u);
}

TEST(HeapWindow, ReturnsItsAddressSpace) {
  FakeMemory os;
  {
    HeapWindow window;
    ASSERT_TRUE(window.Reserve(os, Address{1u << 28}, kSize, Placement::kAnywhere).ok());
    EXPECT_EQ(os.reserved(), kSize);
  }
  EXPECT_EQ(os.reserved(), ByteCount{0});
}

// Reserve, commit, release: each is refused in turn, says so, changes nothing, and works when it is
// tried again.
TEST(HeapWindow, EachCallMayBeRefusedAndTriedAgain) {
  constexpr Address kBase{1u << 28};
  constexpr Address kSecond{(1u << 28) + 4096};
  const std::uint64_t calls = testing::ForEachFault([&](const testing::PlannedFault& fault) {
    FakeMemory real;  // stops at a leak
    testing::FaultyMemory os(real);
    HeapWindow window;
    fault.Arm(os);
    const auto twice = [&](auto&& call) {
      const OsStatus status = call();
      EXPECT_EQ(status.ok(), os.faults().empty());
      if (status.ok()) return true;
      EXPECT_EQ(status.call, os.faults()[0].call);
      EXPECT_EQ(status.error_number, os.faults()[0].error_number);
      os.NeverFail();
      return false;
    };
    const auto reserve = [&] { return window.Reserve(os, kBase, kSize, Placement::kAnywhere); };
    const auto commit = [&] { return window.Commit(kSecond, ByteCount{2 * 4096}); };
    const auto release = [&] { return window.Release(kSecond, ByteCount{4096}); };
    if (!twice(reserve)) {
      EXPECT_EQ(os.held(), MetadataStats{});
      EXPECT_TRUE(reserve().ok());
      return true;
    }
    if (!twice(commit)) {
      EXPECT_EQ(os.held(), (MetadataStats{kSize, ByteCount{0}}));
      EXPECT_TRUE(commit().ok());
      return true;
    }
    *window.Host(kSecond) = std::byte{7};
    if (!twice(release)) {
      EXPECT_EQ(*window.Host(kSecond), std::byte{7});
      EXPECT_TRUE(release().ok());
      EXPECT_EQ(*window.Host(kSecond), std::byte{0});
      return true;
    }
    return false;
  });
  EXPECT_EQ(calls, 3u);
}

TEST(HeapWindowDeathTest, AddressesOutsideTheWindowBreakTheContract) {
  FakeMemory os;
  HeapWindow window;
  const Address base{1u << 28};
  ASSERT_TRUE(window.Reserve(os, base, kSize, Placement::kAnywhere).ok());
  const char* const rule = "contract broken: offset <= size_.raw";
  EXPECT_DEATH(static_cast<void>(window.Host(Address{base.raw - 1})), rule);
  EXPECT_DEATH(static_cast<void>(window.Host(Address{base.raw + kSize.raw})), rule);
  EXPECT_DEATH(static_cast<void>(window.Commit(base, ByteCount{kSize.raw + 4096})), rule);
  EXPECT_DEATH(static_cast<void>(window.Release(Address{base.raw + 4096}, kSize)), rule);
  EXPECT_DEATH(static_cast<void>(window.Commit(base, ByteCount{~std::uint64_t{0} - 4095})), rule);
}

TEST(HeapWindowDeathTest, MisuseOfReserveBreaksTheContract) {
  FakeMemory os;
  HeapWindow window;
  EXPECT_DEATH(static_cast<void>(window.Host(Address{0})), "contract broken: os_ != nullptr");
  EXPECT_DEATH(
      static_cast<void>(window.Reserve(os, Address{0}, ByteCount{100}, Placement::kAnywhere)),
      "contract broken: size\\.raw > 0");
  ASSERT_TRUE(window.Reserve(os, Address{1u << 28}, kSize, Placement::kAnywhere).ok());
  EXPECT_DEATH(
      static_cast<void>(window.Reserve(os, Address{1u << 28}, kSize, Placement::kAnywhere)),
      "contract broken: os_ == nullptr");
}

}  // namespace
}  // namespace pagealloc
