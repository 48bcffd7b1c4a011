// Threads: a scavenger beside an allocating thread, and the background thread's own life.
#include "pagealloc/background_scavenger.h"

#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "pagealloc/heap_window.h"
#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/invariants.h"

namespace pagealloc {
namespace {

constexpr std::uint64_t kMs = 1'000'000;

/// Waits until it is so, 20 seconds at most.
template <class Condition>
bool Eventually(Condition&& condition) {
  for (int i = 0; i < 4000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

/// A PageAllocator of 64 MiB, its memory and its lock.
template <class Os>
class SharedHeap : public ::testing::Test {
 protected:
  using L = LinuxAmd64;
  using G = Geometry<L>;
  using Allocator = PageAllocator<L>;
  using Background = BackgroundScavenger<Scavenger<Allocator, std::mutex>>;
  static constexpr PageCount kPages{8192};

  void SetUp() override {
    const PageRange all = PageRange::Of(G::kHeapBasePage, kPages);
    const Address first = G::AddressOf(all.begin);
    ASSERT_TRUE(heap_->Init(os_).ok());
    heap_->set_release_units({PageCount{1}, PageCount{0}});  // a quantum is one, not a huge page
    ASSERT_TRUE(window_.Reserve(os_, first, BytesOf(kPages), Placement::kAnywhere).ok());
    ASSERT_TRUE(window_.Commit(first, BytesOf(kPages)).ok());
    ASSERT_TRUE(heap_->Grow(all).ok());
  }
  [[nodiscard]] std::byte* Host(PageOffset page) const { return window_.Host(G::AddressOf(page)); }
  std::optional<PageRange> Take(std::uint64_t pages) {
    const std::lock_guard guard(lock_);
    const auto got = heap_->Allocate(PageCount{pages});
    if (!got) return std::nullopt;
    return PageRange::Of(got->first, PageCount{pages});
  }
  void GiveBack(PageRange pages) {
    const std::lock_guard guard(lock_);
    heap_->Free(pages);
  }
  HeapStats Stats() {
    const std::lock_guard guard(lock_);
    return heap_->stats();
  }
  /// The rest of the heap was used, and is free.
  void MakeIdle() {
    const std::optional<PageRange> rest = Take(Stats().free.raw);
    ASSERT_TRUE(rest.has_value());
    GiveBack(*rest);
  }

  Os os_;
  std::unique_ptr<Allocator> heap_ = std::make_unique<Allocator>();
  HeapWindow window_;
  std::mutex lock_;
  Scavenger<Allocator, std::mutex> scavenger_{*heap_, window_, lock_};
};

/// Waits until the thread has looked at the heap and gone to sleep at least once from now on.
template <class Background>
bool LooksAgain(const Background& background) {
  for (int i = 0; i < 2; ++i) {  // the first sleep to end may have begun before
    const std::uint64_t slept = background.observe().sleep_ns;
    if (!Eventually([&] { return background.observe().sleep_ns > slept; })) return false;
  }
  return true;
}

using RealHeap = SharedHeap<MmapMemory>;
using FakeHeap = SharedHeap<testing::FakeMemory>;

// Stamps in the pages: memory that is released while someone owns it would lose them.
TEST_F(RealHeap, ScavengersBesideAnAllocatingThreadTakeNothingThatIsInUse) {
  std::atomic<bool> done{false};
  std::vector<std::thread> scavengers;
  for (const ScavengeMode mode :
       {ScavengeMode::kForced, ScavengeMode::kForced, ScavengeMode::kBackground}) {
    scavengers.emplace_back([this, mode, &done] {
      Scavenger scavenger(*heap_, window_, lock_);
      while (!done) static_cast<void>(scavenger.Scavenge(ByteCount{1 << 20}, mode));
    });
  }
  std::mt19937_64 random(1);
  std::vector<PageRange> held;
  for (int step = 0; step < 20'000; ++step) {
    if (held.size() < 200 || random() % 2 == 0) {
      if (const auto pages = Take(1 + random() % 40)) {
        std::memcpy(Host(pages->begin), &pages->begin.raw, 8);
        held.push_back(*pages);
      }
    } else {
      std::swap(held[HostSize(random() % held.size())], held.back());
      std::uint64_t stamp = 0;
      std::memcpy(&stamp, Host(held.back().begin), 8);
      ASSERT_EQ(stamp, held.back().begin.raw);
      GiveBack(held.back());
      held.pop_back();
    }
    if (step % 500 == 0) {
      const std::lock_guard guard(lock_);
      heap_->NextScavengeGeneration();
    }
  }
  done = true;
  for (std::thread& scavenger : scavengers) scavenger.join();
  Scavenger(*heap_, window_, lock_).ScavengeAll();
  EXPECT_EQ(heap_->stats().scavenged, heap_->stats().free) << "nothing was lost from the index";
  EXPECT_EQ(heap_->stats().held, PageCount{0});
  EXPECT_EQ(testing::CheckInvariants(*heap_), "");
}

TEST_F(RealHeap, BackgroundThreadReleasesDownToTheGoal) {
  const auto kept = Take(1000);
  MakeIdle();
  Background background(scavenger_,
                        {.keep_percent = 100, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  background.NextGeneration();
  EXPECT_TRUE(Eventually([&] { return Stats().scavenged == Stats().free; }));
  EXPECT_TRUE(Eventually([&] { return background.observe().sleeping; })) << "idle in the end";
  background.Stop();
  const Background::Observed seen = background.observe();
  EXPECT_EQ(seen.released, BytesOf(kPages - kept->size()));
  EXPECT_GE(seen.quanta, seen.released.raw / 65536);
  EXPECT_EQ(seen.refusals, 0u);
  EXPECT_GT(seen.work_ns, 0u);
  EXPECT_GT(seen.sleep_ns, 0u);
  EXPECT_EQ(testing::CheckInvariants(*heap_), "");
}

TEST_F(RealHeap, LimitIsEnforcedInTheSameGeneration) {
  MakeIdle();
  Background background(
      scavenger_,
      {.limit = BytesOf(PageCount{1000}), .cpu_share = 1, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return Stats().scavenged.raw >= kPages.raw - 1000; }));
  background.Stop();
  EXPECT_EQ(background.observe().released, BytesOf(kPages - PageCount{1000}));
}

TEST_F(RealHeap, ShareOfTheCpuIsABound) {
  MakeIdle();
  Background background(
      scavenger_,
      {.limit = ByteCount{0}, .cpu_share = 0.05, .quantum = kPageBytes, .idle_ns = kMs});
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return background.observe().work_ns > 5'000'000; }));
  background.Stop();
  const auto wall = std::chrono::nanoseconds(std::chrono::steady_clock::now() - begin).count();
  // The last piece of work has not been paid for yet.
  EXPECT_LE(static_cast<double>(background.observe().work_ns),
            0.05 * static_cast<double>(wall) + 2.5e6);
}

TEST_F(RealHeap, StopWakesASleepingThreadAtOnce) {
  Background background(scavenger_, {.idle_ns = 3'600'000 * kMs});
  for (int round = 0; round < 3; ++round) {  // and it can be started again
    ASSERT_TRUE(background.Start().ok());
    ASSERT_TRUE(Eventually([&] { return background.observe().sleeping; }));
    const auto begin = std::chrono::steady_clock::now();
    background.Stop();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
    EXPECT_FALSE(background.observe().sleeping);
  }
  background.Stop();  // nothing to stop
  ASSERT_TRUE(background.Start().ok());
  // The destructor stops it.
}

TEST_F(FakeHeap, RefusalsAreCountedAndNotRepeatedWithoutRest) {
  MakeIdle();
  os_.RefuseReleases(ENOMEM);
  Background background(scavenger_, {.limit = ByteCount{0}, .idle_ns = 20 * kMs});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return background.observe().refusals >= 3; }));
  background.Stop();
  const Background::Observed seen = background.observe();
  EXPECT_EQ(seen.released, ByteCount{0});
  EXPECT_EQ(seen.quanta, seen.refusals);
  EXPECT_GE(seen.sleep_ns, (seen.refusals - 1) * 20 * kMs);
  EXPECT_EQ(heap_->stats().free, kPages);
  EXPECT_EQ(testing::CheckInvariants(*heap_), "");
}

/// Has nothing that could be released, and much that should.
struct StubbornSubject {
  static HeapStats PageStats() {
    HeapStats stats;
    stats.grown = PageCount{100};
    return stats;
  }
  static void NextScavengeGeneration() {}
  void FlushCaches() { flushes.fetch_add(1); }
  template <class Stop>
  ScavengeResult Scavenge(ByteCount, ScavengeMode, Stop&&) {
    return {};
  }
  std::atomic<unsigned> flushes{0};
};

TEST(BackgroundScavenger, HasSeenNothingBeforeItStarts) {
  StubbornSubject subject;
  const BackgroundScavenger<StubbornSubject> background(subject);
  const auto seen = background.observe();
  EXPECT_EQ(seen.released, ByteCount{0});
  EXPECT_EQ(seen.quanta + seen.refusals + seen.work_ns + seen.sleep_ns + seen.generations, 0u);
  EXPECT_FALSE(seen.sleeping);
}

TEST(BackgroundScavenger, CachesAreFlushedWhereALimitCannotBeHeldOtherwise) {
  StubbornSubject subject;
  BackgroundScavenger<StubbornSubject> background(subject, {.limit = ByteCount{0}, .idle_ns = kMs});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return subject.flushes.load() >= 2; }));
}

TEST(BackgroundScavenger, CachesAreFlushedOnceAGeneration) {
  StubbornSubject subject;
  BackgroundScavenger<StubbornSubject> background(
      subject, {.keep_percent = 100, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return background.observe().quanta >= 1; }));
  EXPECT_EQ(subject.flushes.load(), 0u) << "no generation has ended";
  background.NextGeneration();
  EXPECT_TRUE(Eventually([&] { return subject.flushes.load() >= 1; }));
  const std::uint64_t quanta = background.observe().quanta;
  EXPECT_TRUE(Eventually([&] { return background.observe().quanta >= quanta + 2; }));
  background.Stop();
  EXPECT_EQ(subject.flushes.load(), 1u);
}

// A collector says when a generation ends, or the clock does.
TEST_F(RealHeap, GenerationsBeginByTheClock) {
  MakeIdle();
  Background background(
      scavenger_, {.keep_percent = 100, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 20 * kMs});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return Stats().scavenged == kPages; }));
  EXPECT_TRUE(Eventually([&] { return background.observe().generations >= 3; }));
}

// The goal is the highest use of two generations: of the one that is seen to end, and the next.
TEST_F(RealHeap, HighUseIsKeptForTwoGenerations) {
  const auto all = Take(kPages.raw);
  ASSERT_TRUE(all.has_value());
  Background background(scavenger_,
                        {.keep_percent = 100, .cpu_share = 1, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  ASSERT_TRUE(LooksAgain(background)) << "the thread never sees the high use";
  GiveBack(*all);
  ASSERT_TRUE(LooksAgain(background));
  EXPECT_EQ(background.observe().quanta, 0u) << "before the first generation ends";
  background.NextGeneration();
  ASSERT_TRUE(LooksAgain(background));
  EXPECT_EQ(background.observe().quanta, 0u) << "in the generation after the high use";
  background.NextGeneration();
  EXPECT_TRUE(Eventually([&] { return Stats().scavenged == kPages; }));
}

// Its stack would be larger than what addresses can say.
TEST_F(RealHeap, ThreadThatCannotBeMadeIsAStatus) {
  pthread_attr_t usual;
  pthread_attr_t larger;
  ASSERT_EQ(::pthread_getattr_default_np(&usual), 0);
  ASSERT_EQ(::pthread_attr_init(&larger), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&larger, SIZE_MAX / 8 * 7), 0);
  ASSERT_EQ(::pthread_setattr_default_np(&larger), 0);
  Background background(scavenger_);
  const OsStatus status = background.Start();
  EXPECT_EQ(::pthread_setattr_default_np(&usual), 0);
  EXPECT_EQ(status.call, OsCall::kThread);
  EXPECT_EQ(status.error_number, EAGAIN);
  background.Stop();  // nothing to stop
  EXPECT_TRUE(background.Start().ok()) << "it may be tried again";
  ::pthread_attr_destroy(&larger);
  ::pthread_attr_destroy(&usual);
}

/// The signals that this thread blocks, as bits.
std::uint64_t BlockedSignals() {
  sigset_t mask;
  EXPECT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &mask), 0);
  std::uint64_t bits = 0;
  for (int signal = 1; signal < 64; ++signal) {
    if (sigismember(&mask, signal) == 1) bits |= std::uint64_t{1} << signal;
  }
  return bits;
}

std::atomic<int> signals_handled{0};

// A signal to the process goes to any thread that does not block it: here nobody else is left.
TEST_F(RealHeap, ThreadTakesNoSignalsAndTheCallersMaskStays) {
  signals_handled = 0;
  struct sigaction count {};
  struct sigaction before {};
  count.sa_handler = [](int) { ++signals_handled; };
  ASSERT_EQ(::sigaction(SIGUSR1, &count, &before), 0);
  sigset_t none;
  sigset_t usr1;
  sigset_t mask;
  ::sigemptyset(&none);
  ::sigemptyset(&usr1);
  ::sigaddset(&usr1, SIGUSR1);
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &none, &mask), 0);
  Background background(scavenger_, {.idle_ns = kMs});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_EQ(BlockedSignals(), 0u);

  ASSERT_EQ(::pthread_sigmask(SIG_BLOCK, &usr1, nullptr), 0);  // after Start(): not inherited
  ASSERT_EQ(::kill(::getpid(), SIGUSR1), 0);
  EXPECT_TRUE(LooksAgain(background));  // would have run the handler meanwhile
  sigset_t pending;
  ASSERT_EQ(::sigpending(&pending), 0);
  EXPECT_EQ(sigismember(&pending, SIGUSR1), 1);
  EXPECT_EQ(signals_handled, 0);
  const timespec at_once{};
  EXPECT_EQ(::sigtimedwait(&usr1, nullptr, &at_once), SIGUSR1);
  background.Stop();
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, &mask, nullptr), 0);
  ASSERT_EQ(::sigaction(SIGUSR1, &before, nullptr), 0);
}

TEST_F(RealHeap, WithoutANewGenerationNothingFreedInItIsReleased) {
  MakeIdle();
  Background background(scavenger_, {.keep_percent = 100, .idle_ns = kMs, .generation_ns = 0});
  ASSERT_TRUE(background.Start().ok());
  EXPECT_TRUE(Eventually([&] { return background.observe().quanta >= 5; }));
  background.Stop();
  EXPECT_EQ(background.observe().released, ByteCount{0});
  EXPECT_EQ(background.observe().generations, 0u);
}

using RealHeapDeathTest = RealHeap;
TEST_F(RealHeapDeathTest, StartingTwiceBreaksTheContract) {
  Background background(scavenger_);
  EXPECT_DEATH(
      {
        static_cast<void>(background.Start());
        static_cast<void>(background.Start());
      },
      "contract broken: !running_");
}
TEST_F(RealHeapDeathTest, ImpossiblePolicyBreaksTheContractBeforeAnyThread) {
  EXPECT_DEATH(Background(scavenger_, {.cpu_share = 0}), "contract broken");
}

}  // namespace
}  // namespace pagealloc
