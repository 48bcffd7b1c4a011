// Threads at work on one heap. Every page that a thread holds bears its mark, so a page that was
// given twice is seen by its owner, and by ThreadSanitizer. PAGEALLOC_THREADS_SECONDS sets the
// length.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "pagealloc/background_scavenger.h"
#include "pagealloc/heap.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"
#include "testing/mapped_memory.h"

namespace pagealloc {
namespace {

constexpr unsigned kThreads = 10;

double Seconds() {
  const char* const text = std::getenv("PAGEALLOC_THREADS_SECONDS");
  return text == nullptr ? 1 : std::strtod(text, nullptr);
}

/// One thread's share of the random program.
class Worker {
 public:
  Worker(Heap<>& heap, unsigned number) : heap_(heap), number_(number), random_(number) {}

  void RunUntil(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) Step();
    heap_.FreeBatch(CheckedRuns(runs_.size()));
  }
  [[nodiscard]] std::uint64_t allocations() const { return allocations_; }
  [[nodiscard]] std::uint64_t refusals() const { return refusals_; }
  [[nodiscard]] const char* defect() const { return defect_; }

 private:
  std::uint64_t Draw(std::uint64_t below) { return random_() % below; }

  void Step() {
    const std::uint64_t dice = Draw(1000);
    if (dice < 400) {
      Keep(heap_.Allocate(PageCount{1 + (Draw(4) == 0 ? Draw(15) : 0)}));
    } else if (dice < 440) {
      Keep(heap_.Allocate(PageCount{16 + Draw(200)}));
    } else if (dice < 460) {
      const ByteCount alignment{kPageBytes.raw << Draw(8)};
      const HeapAllocation got = heap_.Allocate(PageCount{1 + Draw(20)}, alignment);
      if (reinterpret_cast<std::uintptr_t>(got.memory) % alignment.raw != 0) Report("alignment");
      Keep(got);
    } else if (dice < 470 && !runs_.empty()) {
      // Where something of ours ends; whether it is free is up to the others.
      const HeapRun& run = runs_[HostSize(Draw(runs_.size()))].run;
      Keep(heap_.AllocateAt(static_cast<std::byte*>(run.memory) + BytesOf(run.pages).raw,
                            PageCount{1 + Draw(3)}));
    } else if (dice < 980 - Draw(40) && !runs_.empty()) {
      std::swap(runs_[HostSize(Draw(runs_.size()))], runs_.back());
      const HeapRun run = CheckedRuns(1).front();
      heap_.Free(run.memory, run.pages);
    } else if (dice < 996) {
      heap_.FreeBatch(CheckedRuns(HostSize(Draw(runs_.size() + 1))));
    } else if (dice < 997) {
      heap_.FlushCaches();
    } else if (dice < 998) {
      if (!heap_.ReleaseMemory(ByteCount{Draw(1 << 20)}).status.ok()) Report("release");
    } else {
      const HeapStatistics s = heap_.Stats();
      if (s.grown != s.in_use + s.cached + s.held + s.padding + s.free) Report("statistics");
    }
  }

  void Keep(const HeapAllocation& got) {
    if (!got.ok()) {
      if (!got.no_room()) Report("refused");
      ++refusals_;
      return;
    }
    ++allocations_;
    Held held{{got.memory, got.pages}, (std::uint64_t{number_ + 1} << 48) + allocations_};
    for (std::uint64_t i = 0; i < got.pages.raw; ++i) {
      std::uint64_t* const words = Words(held.run, i);
      if (got.zeroed && (words[0] != 0 || words[kLast] != 0)) Report("not zero");
      words[0] = words[kLast] = held.mark + i;
    }
    runs_.push_back(held);
  }

  /// Takes the last `count` runs out of the list; their marks must be there.
  const std::vector<HeapRun>& CheckedRuns(std::size_t count) {
    batch_.clear();
    for (; count > 0; --count) {
      const Held held = runs_.back();
      runs_.pop_back();
      for (std::uint64_t i = 0; i < held.run.pages.raw; ++i) {
        const std::uint64_t* const words = Words(held.run, i);
        if (words[0] != held.mark + i || words[kLast] != held.mark + i) Report("foreign mark");
      }
      batch_.push_back(held.run);
    }
    return batch_;
  }

  struct Held {
    HeapRun run;
    std::uint64_t mark;  // of the first page; the next one's is one more
  };
  static constexpr std::size_t kLast = kPageBytes.raw / sizeof(std::uint64_t) - 1;

  static std::uint64_t* Words(const HeapRun& run, std::uint64_t page) {
    return static_cast<std::uint64_t*>(run.memory) + page * (kLast + 1);
  }
  void Report(const char* what) {
    if (defect_ == nullptr) defect_ = what;
  }

  Heap<>& heap_;
  unsigned number_;
  std::mt19937_64 random_;
  std::vector<Held> runs_;
  std::vector<HeapRun> batch_;
  std::uint64_t allocations_ = 0;
  std::uint64_t refusals_ = 0;
  const char* defect_ = nullptr;
};

/// Runs kThreads workers, and a background scavenger if there is a policy for one; the heap must be
/// whole and empty afterwards.
void RunWorkers(const HeapOptions& options, double seconds,
                const std::optional<ScavengePolicy>& policy = std::nullopt) {
  MmapMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, options).ok());
  BackgroundScavenger<Heap<>> background(*heap, policy.value_or(ScavengePolicy{}));
  if (policy) {
    ASSERT_TRUE(background.Start().ok());
  }
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    workers.push_back(std::make_unique<Worker>(*heap, i));
    threads.emplace_back([&stop, worker = workers.back().get()] { worker->RunUntil(stop); });
  }
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  background.Stop();

  std::uint64_t allocations = 0;
  std::uint64_t refusals = 0;
  for (const auto& worker : workers) {
    EXPECT_STREQ(worker->defect(), nullptr);
    allocations += worker->allocations();
    refusals += worker->refusals();
  }
  EXPECT_GT(allocations, 1000u);
  HeapStatistics stats = heap->Stats();
  EXPECT_EQ(stats.in_use, PageCount{0});
  EXPECT_EQ(stats.grown, stats.cached + stats.padding + stats.free);
  heap->FlushCaches();
  stats = heap->Stats();
  EXPECT_EQ(stats.cached, PageCount{0});
  EXPECT_EQ(stats.grown, stats.padding + stats.free);
  EXPECT_LE(BytesOf(stats.grown), options.max_bytes);
  EXPECT_EQ(testing::CheckInvariants(testing::HeapAccess::pages(*heap)), "");
  ::testing::Test::RecordProperty("allocations", std::to_string(allocations));
  ::testing::Test::RecordProperty("no_room", std::to_string(refusals));
  if (!policy) return;
  const auto seen = background.observe();
  EXPECT_GT(seen.released, ByteCount{0});
  EXPECT_EQ(seen.refusals, 0u);
  ::testing::Test::RecordProperty("background_released", std::to_string(seen.released.raw));
  std::printf(
      "%llu allocations; in the background %llu MiB released in %llu quanta, %llu "
      "generations; chunks collapsed %llu times\n",
      static_cast<unsigned long long>(allocations),
      static_cast<unsigned long long>(seen.released.raw >> 20),
      static_cast<unsigned long long>(seen.quanta),
      static_cast<unsigned long long>(seen.generations),
      static_cast<unsigned long long>(stats.huge_pages.collapses));
}

TEST(HeapThreads, RandomProgramLosesAndDoublesNoPage) { RunWorkers({.caches = 4}, Seconds() / 2); }

TEST(HeapThreads, RandomProgramAtTheLimitAndWithARandomStart) {
  RunWorkers({.max_bytes = ByteCount{16u << 20}, .caches = 3, .random_seed = 99}, Seconds() / 4);
}

TEST(HeapThreads, RandomProgramWithoutCaches) {
  RunWorkers({.max_bytes = ByteCount{32u << 20}, .caches = 0}, Seconds() / 4);
}

// PAGEALLOC_THREADS_SECONDS=60 heap_threads_test --gtest_filter='*Background*' is the long run.
TEST(HeapThreads, RandomProgramBesideABackgroundScavenger) {
  RunWorkers({.caches = 4, .huge_pages = HugePageUse::kDenseChunks}, Seconds(),
             ScavengePolicy{.keep_percent = 100,
                            .limit = ByteCount{16u << 20},
                            .cpu_share = 0.5,
                            .idle_ns = 1'000'000,
                            .generation_ns = 20'000'000});
}

// As many free pages as threads, each of which holds one at the same time: the first cache that is
// filled takes all of them, so the others find theirs only there.
TEST(HeapThreads, NoRoomIsExactWhileOthersHoldCaches) {
  MmapMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, {.max_bytes = ByteCount{4u << 20}, .caches = kThreads}).ok());
  ASSERT_TRUE(heap->Allocate(PageCount{512 - kThreads}).ok());
  std::atomic<std::uint64_t> failures = 0;
  std::barrier all_at_once(kThreads);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (int round = 0; round < 100; ++round) {
        const HeapAllocation got = heap->Allocate(PageCount{1}, i);
        if (!got.ok()) ++failures;
        all_at_once.arrive_and_wait();
        if (got.ok()) heap->Free(got.memory, PageCount{1});
        all_at_once.arrive_and_wait();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0u);
}

/// Takes its time to give memory back, and says when it is at it.
class SlowMemory final : public testing::MappedMemory {
 public:
  OsStatus Release(std::byte* begin, ByteCount size) override {
    releasing = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    return MappedMemory::Release(begin, size);
  }

  std::atomic<bool> releasing = false;
};

// Pages whose memory is being given back are not free for that moment, but there is room.
TEST(HeapThreads, NoRoomIsExactWhileMemoryIsGivenBack) {
  SlowMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, {.max_bytes = ByteCount{4u << 20}, .caches = 1}).ok());
  for (int round = 0; round < 20; ++round) {
    const HeapAllocation got = heap->Allocate(PageCount{512});
    ASSERT_TRUE(got.ok());
    heap->Free(got.memory, got.pages);
    os.releasing = false;
    std::thread releasing([&heap] { static_cast<void>(heap->ReleaseAll()); });
    while (!os.releasing) std::this_thread::yield();
    const HeapAllocation meanwhile = heap->Allocate(PageCount{512});
    EXPECT_TRUE(meanwhile.ok()) << "round " << round;
    releasing.join();
    if (meanwhile.ok()) heap->Free(meanwhile.memory, meanwhile.pages);
  }
}

}  // namespace
}  // namespace pagealloc
