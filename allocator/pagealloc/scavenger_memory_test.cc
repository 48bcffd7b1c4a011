// Real memory: what the kernel keeps for a heap follows what is in use.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "testing/fake_memory.h"
#include "testing/invariants.h"

namespace pagealloc {
namespace {

/// A heap of 256 MiB with memory of this kind behind it.
template <class Os>
class ScavengedHeap : public ::testing::Test {
 protected:
  using L = LinuxAmd64;
  using G = Geometry<L>;
  static constexpr PageCount kPages{32'768};

  void SetUp() override {
    const PageRange all = PageRange::Of(G::kHeapBasePage, kPages);
    const Address first = G::AddressOf(all.begin);
    ASSERT_TRUE(heap_->Init(os_).ok());
    ASSERT_TRUE(window_.Reserve(os_, first, BytesOf(kPages), Placement::kAnywhere).ok());
    ASSERT_TRUE(window_.Commit(first, BytesOf(kPages)).ok());
    ASSERT_TRUE(heap_->Grow(all).ok());
    FillAll();
  }
  [[nodiscard]] std::byte* Host(PageOffset page) const { return window_.Host(G::AddressOf(page)); }
  /// Takes every page and writes its number to both ends.
  void FillAll() {
    for (std::uint64_t i = 0; i < kPages.raw; ++i) {
      const auto got = heap_->Allocate(PageCount{1});
      ASSERT_TRUE(got.has_value());
      std::memcpy(Host(got->first), &got->first.raw, 8);
      std::memcpy(Host(got->first) + kPageBytes.raw - 8, &got->first.raw, 8);
    }
  }
  [[nodiscard]] bool Intact(PageOffset page) const {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::memcpy(&first, Host(page), 8);
    std::memcpy(&last, Host(page) + kPageBytes.raw - 8, 8);
    return first == page.raw && last == page.raw;
  }
  /// Frees nine tenths, here and there; what is left.
  std::vector<PageOffset> FreeMost() {
    std::mt19937_64 random(5);
    std::vector<PageOffset> left;
    for (std::uint64_t i = 0; i < kPages.raw; ++i) {
      const PageOffset page = G::kHeapBasePage + PageCount{i};
      if (random() % 10 == 0) {
        left.push_back(page);
      } else {
        heap_->Free(PageRange::Of(page, PageCount{1}));
      }
    }
    return left;
  }
  Os os_;
  std::unique_ptr<PageAllocator<L>> heap_ = std::make_unique<PageAllocator<L>>();
  HeapWindow window_;
  NoLock lock_;
};

class ScavengedRealHeap : public ScavengedHeap<MmapMemory> {
 protected:
  [[nodiscard]] ByteCount Resident() const {
    const ByteCount os_page = os_.page_size();
    std::vector<unsigned char> pages(HostSize(BytesOf(kPages).raw / os_page.raw));
    EXPECT_EQ(::mincore(Host(G::kHeapBasePage), BytesOf(kPages).raw, pages.data()), 0);
    const auto resident =
        std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; });
    return ByteCount{static_cast<std::uint64_t>(resident) * os_page.raw};
  }
};
using ScavengedFakeHeap = ScavengedHeap<testing::FakeMemory>;

TEST_F(ScavengedRealHeap, ResidentMemoryFollowsUse) {
  EXPECT_GE(Resident(), BytesOf(kPages));
  const std::vector<PageOffset> left = FreeMost();
  EXPECT_GE(Resident(), BytesOf(kPages)) << "freeing alone gives nothing back";
  Scavenger scavenger(*heap_, window_, lock_);
  const ScavengeResult result = scavenger.ScavengeAll();
  EXPECT_TRUE(result.status.ok());
  EXPECT_EQ(result.released, BytesOf(kPages - heap_->stats().in_use));
  const double in_use = static_cast<double>(BytesOf(heap_->stats().in_use).raw);
  EXPECT_NEAR(static_cast<double>(Resident().raw), in_use, 0.05 * in_use);
  for (const PageOffset page : left) ASSERT_TRUE(Intact(page)) << page.raw;
  EXPECT_EQ(testing::CheckInvariants(*heap_), "");
}

TEST_F(ScavengedRealHeap, ReleaseUnderPressureKeepsWhatIsInUse) {
  const std::vector<PageOffset> left = FreeMost();
  Scavenger scavenger(*heap_, window_, lock_, ReleaseMoment::kUnderPressure);
  const ScavengeResult result = scavenger.Scavenge(ByteCount{1 << 24}, ScavengeMode::kForced);
  EXPECT_TRUE(result.status.ok());
  EXPECT_GE(result.released, ByteCount{1 << 24});
  for (const PageOffset page : left) ASSERT_TRUE(Intact(page)) << page.raw;
}

TEST_F(ScavengedFakeHeap, ExactlyTheFreePagesAreReleased) {
  const std::vector<PageOffset> left = FreeMost();
  Scavenger scavenger(*heap_, window_, lock_);
  EXPECT_TRUE(scavenger.ScavengeAll().status.ok());
  std::size_t next = 0;
  for (std::uint64_t i = 0; i < kPages.raw; ++i) {
    const PageOffset page = G::kHeapBasePage + PageCount{i};
    const bool in_use = next < left.size() && left[next] == page;
    next += in_use ? 1 : 0;
    ASSERT_EQ(Intact(page), in_use) << i;
  }
}

/// Knows whether it is held, and does not wait for itself.
class WatchedLock {
 public:
  void lock() {
    EXPECT_FALSE(held_);
    held_ = true;
    ++taken_;
  }
  void unlock() {
    EXPECT_TRUE(held_);
    held_ = false;
  }
  [[nodiscard]] bool held() const { return held_; }
  [[nodiscard]] unsigned taken() const { return taken_; }

 private:
  bool held_ = false;
  unsigned taken_ = 0;
};

TEST_F(ScavengedFakeHeap, TheLockIsTakenByEachCallAndGivenBack) {
  FreeMost();
  WatchedLock lock;
  Scavenger scavenger(*heap_, window_, lock);
  scavenger.NextScavengeGeneration();
  EXPECT_EQ(lock.taken(), 1u);
  EXPECT_FALSE(lock.held());
  EXPECT_EQ(scavenger.PageStats(), heap_->stats());
  EXPECT_EQ(lock.taken(), 2u);
  EXPECT_FALSE(lock.held());
  EXPECT_TRUE(scavenger.ScavengeAll().status.ok());
  EXPECT_GT(lock.taken(), 4u);
  EXPECT_FALSE(lock.held());
}

TEST_F(ScavengedFakeHeap, RefusalIsReportedAndLeavesThePagesToTheNextScavenging) {
  FreeMost();
  const HeapStats before = heap_->stats();
  os_.RefuseReleases(EAGAIN);
  Scavenger scavenger(*heap_, window_, lock_);
  const ScavengeResult refused = scavenger.ScavengeAll();
  EXPECT_EQ(refused.status.call, OsCall::kRelease);
  EXPECT_EQ(refused.status.error_number, EAGAIN);
  EXPECT_EQ(heap_->stats(), before);
  EXPECT_EQ(testing::CheckInvariants(*heap_), "");
  os_.RefuseReleases(0);
  EXPECT_EQ(scavenger.ScavengeAll().released, BytesOf(before.free));
}

}  // namespace
}  // namespace pagealloc
