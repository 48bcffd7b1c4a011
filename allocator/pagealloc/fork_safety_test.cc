#include "pagealloc/fork_safety.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "pagealloc/break_source.h"
#include "pagealloc/heap.h"
#include "pagealloc/sbrk_memory.h"
#include "testing/gtest/child_process.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"
#include "testing/mapped_memory.h"

namespace pagealloc {
namespace {

using testing::StatusOfChild;

TEST(ForkSafety, ChildAllocatesWhileThreadsOfTheParentDid) {
  MmapMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, {.max_bytes = ByteCount{64u << 20}, .caches = 2}).ok());
  std::atomic<bool> stop = false;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < 3; ++i) {
    threads.emplace_back([&stop, &heap, i] {
      while (!stop) {
        const HeapAllocation small = heap->Allocate(PageCount{1 + i}, i);
        const HeapAllocation large = heap->Allocate(PageCount{20 + i}, i);
        if (small.ok()) heap->Free(small.memory, small.pages);
        if (large.ok()) heap->Free(large.memory, large.pages);
        if (i == 0) heap->FlushCaches();
        if (i == 1) static_cast<void>(heap->ReleaseAll());
      }
    });
  }
  for (int round = 0; round < 40 && !::testing::Test::HasFailure(); ++round) {
    EXPECT_EQ(StatusOfChild([&heap] {
                for (unsigned i = 0; i < 3; ++i) {
                  const HeapAllocation small = heap->Allocate(PageCount{3}, i);
                  const HeapAllocation large = heap->Allocate(PageCount{30}, i);
                  if (!small.ok() || !large.ok()) return 1;
                  std::memset(large.memory, 1, HostSize(BytesOf(large.pages).raw));
                  heap->Free(small.memory, small.pages);
                  heap->Free(large.memory, large.pages);
                }
                // What the parent's threads were in the middle of was done or not begun.
                auto& pages = testing::HeapAccess::pages(*heap);
                if (pages.stats().held != PageCount{0}) return 3;
                return testing::CheckInvariants(pages).empty() ? 0 : 2;
              }),
              0)
        << "round " << round;
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(heap->Stats().in_use, PageCount{0});
}

TEST(ForkSafety, HeapsComeAndGoBetweenForks) {
  MmapMemory os;
  std::vector<std::unique_ptr<Heap<Linux386>>> heaps;
  for (int i = 0; i < 4; ++i) {
    heaps.push_back(std::make_unique<Heap<Linux386>>());
    ASSERT_TRUE(heaps.back()->Init(os, {.caches = 1}).ok());
  }
  const auto use_all = [&heaps] {
    for (const auto& heap : heaps) {
      if (!heap->Allocate(PageCount{1}).ok()) return 1;
    }
    return 0;
  };
  EXPECT_EQ(StatusOfChild(use_all), 0);
  heaps.erase(heaps.begin() + 1);  // in the middle of the list, then its ends
  EXPECT_EQ(StatusOfChild(use_all), 0);
  heaps.erase(heaps.begin());
  heaps.pop_back();
  EXPECT_EQ(StatusOfChild(use_all), 0);
  heaps.clear();
  EXPECT_EQ(StatusOfChild(use_all), 0);
}

// The lock of the memory below comes after a heap's, and is not only wanted by heaps that are
// known: one that begins or ends holds it, too.
TEST(ForkSafety, ChildUsesAHeapOnTheBreakWhileOthersComeAndGo) {
  MmapMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source
                  .Init(os, {.limit = ByteCount{256u << 20},
                             .page = ByteCount{65536},
                             .spare = ByteCount{0},
                             .alignment = ByteCount{4u << 20}})
                  .ok());
  SbrkMemory memory(source);
  const auto heap = std::make_unique<Heap<Wasm126>>();
  ASSERT_TRUE(heap->Init(memory, {.caches = 1}).ok());
  std::atomic<bool> stop = false;
  std::thread others([&] {
    while (!stop) {
      const auto other = std::make_unique<Heap<Wasm126>>();
      EXPECT_TRUE(other->Init(memory, {.caches = 1}).ok());
      EXPECT_TRUE(other->Allocate(PageCount{1}).ok());
    }
  });
  std::thread growing([&] {
    while (!stop) {
      const HeapAllocation got = heap->Allocate(PageCount{64});
      if (!got.ok()) break;  // the memory is full
      if (heap->Stats().grown < PageCount{1024}) continue;
      heap->Free(got.memory, got.pages);
    }
  });
  for (int round = 0; round < 40 && !::testing::Test::HasFailure(); ++round) {
    EXPECT_EQ(StatusOfChild([&] {
                const HeapAllocation got = heap->Allocate(PageCount{64});
                if (!got.ok()) return 1;
                std::memset(got.memory, 1, HostSize(BytesOf(got.pages).raw));
                const SbrkStats stats = memory.stats();
                const auto used = memory.allocator().bloc() - memory.allocator().first();
                if (stats.live + stats.free + stats.holes !=
                    ByteCount{static_cast<std::uint64_t>(used)}) {
                  return 2;
                }
                const auto own = std::make_unique<Heap<Wasm126>>();
                return own->Init(memory).ok() && own->Allocate(PageCount{1}).ok() ? 0 : 3;
              }),
              0)
        << "round " << round;
  }
  stop = true;
  others.join();
  growing.join();
}

/// Says when somebody who waits for other threads lets them run.
class TellingMutex : public Mutex {
 public:
  static void Yield() {
    yielded = true;
    Mutex::Yield();
  }
  static inline std::atomic<bool> yielded = false;
};

/// Memory whose releases last until somebody waits for them.
class SlowReleases final : public testing::MappedMemory {
 public:
  OsStatus Release(std::byte* begin, ByteCount size) override {
    releasing = true;
    while (!TellingMutex::yielded) Mutex::Yield();
    return MappedMemory::Release(begin, size);
  }
  std::atomic<bool> releasing = false;
};

// The child has no thread that would finish it: its pages would be held for ever.
TEST(ForkSafety, ForkWaitsForAReleaseThatIsUnderWay) {
  SlowReleases os;
  const auto heap = std::make_unique<Heap<HostLayout, TellingMutex>>();
  ASSERT_TRUE(heap->Init(os, {.caches = 0}).ok());
  const HeapAllocation got = heap->Allocate(PageCount{20});
  ASSERT_TRUE(got.ok());
  heap->Free(got.memory, got.pages);
  TellingMutex::yielded = false;
  std::atomic<bool> forked = false;
  std::thread releasing([&heap, &forked] {
    EXPECT_TRUE(heap->ReleaseAll().status.ok());
    // ThreadSanitizer, in the child, takes a thread that is over and not joined for a leak.
    while (!forked) Mutex::Yield();
  });
  while (!os.releasing) Mutex::Yield();
  EXPECT_EQ(StatusOfChild([&heap] {
              auto& pages = testing::HeapAccess::pages(*heap);
              if (pages.stats().held != PageCount{0}) return 1;
              return testing::CheckInvariants(pages).empty() ? 0 : 2;
            }),
            0);
  EXPECT_TRUE(TellingMutex::yielded.exchange(true));
  forked = true;
  releasing.join();
}

/// Writes down what it is asked for.
class Witness final : public ForkParticipant {
 public:
  Witness() { EXPECT_TRUE(JoinForks().ok()); }
  ~Witness() override { LeaveForks(); }
  [[nodiscard]] const std::string& seen() const { return seen_; }

 private:
  void LockForFork() override { seen_ += "lock"; }
  void UnlockAfterFork() override { seen_ += ", unlock"; }
  void UnlockInChild() override { seen_ += ", unlock in the child"; }

  std::string seen_;
};

TEST(ForkSafety, ParentAndChildUnlockEachInItsOwnWay) {
  const Witness witness;
  EXPECT_EQ(
      StatusOfChild([&witness] { return witness.seen() == "lock, unlock in the child" ? 0 : 1; }),
      0);
  EXPECT_EQ(witness.seen(), "lock, unlock");
}

// A child may make, and end, heaps of its own and the parent's.
TEST(ForkSafety, ChildOwnsItsHeaps) {
  MmapMemory os;
  auto heap = std::make_unique<Heap<Linux386>>();
  ASSERT_TRUE(heap->Init(os).ok());
  EXPECT_EQ(StatusOfChild([&os, &heap] {
              const auto own = std::make_unique<Heap<Linux386>>();
              if (!own->Init(os).ok() || !own->Allocate(PageCount{1}).ok()) return 1;
              heap.reset();
              return StatusOfChild([&own] { return own->Allocate(PageCount{1}).ok() ? 0 : 1; });
            }),
            0);
  EXPECT_TRUE(heap->Allocate(PageCount{1}).ok());
}

}  // namespace
}  // namespace pagealloc
