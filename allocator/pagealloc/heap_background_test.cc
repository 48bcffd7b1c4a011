// A background scavenger over a Heap, and what a fork leaves of it.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <thread>
#include <vector>

#include "pagealloc/background_scavenger.h"
#include "pagealloc/heap.h"
#include "testing/gtest/child_process.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"
#include "testing/mapped_memory.h"

namespace pagealloc {
namespace {

using testing::StatusOfChild;

constexpr std::uint64_t kMs = 1'000'000;
constexpr PageCount kPages{4096};  // 32 MiB

/// Waits until it is so, 20 seconds at most.
template <class Condition>
bool Eventually(Condition&& condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

class HeapBackground : public ::testing::Test {
 protected:
  using Background = BackgroundScavenger<Heap<>>;

  void SetUp() override { ASSERT_TRUE(heap_->Init(os_, {.caches = 1}).ok()); }
  /// So many pages were used, and are free.
  void MakeIdle(PageCount pages = kPages) {
    const HeapAllocation got = heap_->Allocate(pages);
    ASSERT_TRUE(got.ok());
    std::memset(got.memory, 1, HostSize(BytesOf(pages).raw));
    heap_->Free(got.memory, got.pages);
  }
  [[nodiscard]] bool AllReleased() {
    const HeapStats stats = heap_->PageStats();
    return stats.scavenged == stats.free;
  }

  MmapMemory os_;
  std::unique_ptr<Heap<>> heap_ = std::make_unique<Heap<>>();
};

TEST_F(HeapBackground, ReleasesWhatIsFreeAndNothingElse) {
  const HeapAllocation kept = heap_->Allocate(PageCount{100});
  ASSERT_TRUE(kept.ok());
  std::memset(kept.memory, 0x5a, HostSize(BytesOf(kept.pages).raw));
  MakeIdle();
  Background background(
      *heap_, {.keep_percent = 100, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 10 * kMs});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return AllReleased(); }));
  background.Stop();
  EXPECT_GE(background.observe().released, BytesOf(kPages));
  for (std::uint64_t i = 0; i < BytesOf(kept.pages).raw; ++i) {
    ASSERT_EQ(kept.memory[i], std::byte{0x5a}) << i;
  }
  EXPECT_EQ(testing::CheckInvariants(testing::HeapAccess::pages(*heap_)), "");
}

TEST_F(HeapBackground, LimitBoundsResidentPages) {
  MakeIdle();
  Background background(
      *heap_, {.limit = ByteCount{8u << 20}, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] {
    const HeapStats stats = heap_->PageStats();
    return BytesOf(PageCount{stats.grown.raw - stats.scavenged.raw}) <= ByteCount{8u << 20};
  }));
}

TEST_F(HeapBackground, LimitCountsPagesInCachesOfIdleProcessors) {
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os_, {.caches = 8}).ok());
  const HeapAllocation used = heap->Allocate(PageCount{512});
  ASSERT_TRUE(used.ok());
  heap->Free(used.memory, used.pages);
  for (unsigned processor = 0; processor < 8; ++processor) {
    ASSERT_TRUE(heap->Allocate(PageCount{1}, processor).ok());
  }
  ASSERT_GT(heap->Stats().cached, PageCount{400});
  Background background(
      *heap, {.limit = ByteCount{1u << 20}, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] {
    const HeapStats stats = heap->PageStats();
    return BytesOf(PageCount{stats.grown.raw - stats.scavenged.raw}) <= ByteCount{1u << 20};
  }));
}

/// Keeps whoever gives memory back waiting, 5 seconds at most.
class GatedMemory final : public testing::MappedMemory {
 public:
  OsStatus Release(std::byte* begin, ByteCount size) override {
    waiting = true;
    for (int i = 0; i < 1000 && !open; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    waited_in_vain = waited_in_vain || !open;
    return MappedMemory::Release(begin, size);
  }

  std::atomic<bool> waiting = false;
  std::atomic<bool> open = false;
  std::atomic<bool> waited_in_vain = false;
};

TEST(HeapBackgroundLocks, OthersAllocateWhileTheSystemTakesMemory) {
  GatedMemory os;
  Heap<> heap;
  ASSERT_TRUE(heap.Init(os, {.caches = 1}).ok());
  const HeapAllocation used = heap.Allocate(PageCount{512});
  ASSERT_TRUE(used.ok());
  heap.Free(used.memory, used.pages);
  BackgroundScavenger background(heap, {.limit = ByteCount{0}, .cpu_share = 1, .idle_ns = kMs});
  ASSERT_TRUE(background.Start().ok());
  ASSERT_TRUE(Eventually([&] { return os.waiting.load(); }));
  EXPECT_TRUE(heap.Allocate(PageCount{100}).ok());
  EXPECT_TRUE(heap.Allocate(PageCount{1}).ok());
  static_cast<void>(heap.Stats());
  os.open = true;
  background.Stop();
  EXPECT_FALSE(os.waited_in_vain) << "somebody waited for the lock";
}

TEST_F(HeapBackground, ChildOfAForkHasNoThreadAndMayStartOne) {
  MakeIdle();
  auto background = std::make_unique<Background>(*heap_, ScavengePolicy{.idle_ns = 60'000 * kMs});
  ASSERT_TRUE(background->Start().ok());
  ASSERT_TRUE(Eventually([&] { return background->observe().sleeping; }));
  EXPECT_EQ(StatusOfChild([&] {
              if (background->observe().sleeping) return 1;
              if (testing::kChildrenMayStartThreads) {
                // The parent's object, a thread of ours: none runs here.
                if (!background->Start().ok()) return 4;
                if (!Eventually([&] { return background->observe().sleeping; })) return 5;
                Background own(*heap_, {.limit = ByteCount{0}, .cpu_share = 1, .idle_ns = kMs});
                if (!own.Start().ok()) return 2;
                if (!Eventually([&] { return AllReleased(); })) return 3;
              }
              background->Stop();
              background.reset();
              return 0;
            }),
            0);
  EXPECT_TRUE(background->observe().sleeping) << "the parent's thread is as it was";
}

// The child must have the heap whole, and not wait for a thread that it does not have.
TEST_F(HeapBackground, ForksWhileTheThreadIsAtWork) {
  auto background = std::make_unique<Background>(
      *heap_,
      ScavengePolicy{
          .limit = ByteCount{0}, .cpu_share = 1, .quantum = ByteCount{1}, .idle_ns = kMs / 10});
  ASSERT_TRUE(background->Start().ok());
  std::atomic<bool> stop = false;
  std::thread worker([&] {
    while (!stop) MakeIdle(PageCount{64});
  });
  for (int round = 0; round < 100 && !HasFailure(); ++round) {
    EXPECT_EQ(StatusOfChild([&] {
                const HeapAllocation got = heap_->Allocate(PageCount{30});
                if (!got.ok()) return 1;
                heap_->Free(got.memory, got.pages);
                auto& pages = testing::HeapAccess::pages(*heap_);
                if (pages.stats().held != PageCount{0}) return 2;
                if (!testing::CheckInvariants(pages).empty()) return 3;
                if (!heap_->ReleaseAll().status.ok() || !AllReleased()) return 4;
                background.reset();
                return 0;
              }),
              0)
        << "round " << round;
  }
  stop = true;
  worker.join();
  EXPECT_TRUE(Eventually([&] { return AllReleased(); })) << "the parent's thread works on";
  background->Stop();
  EXPECT_GT(background->observe().quanta, 0u);
}

}  // namespace
}  // namespace pagealloc
