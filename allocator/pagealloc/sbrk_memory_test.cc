#include "pagealloc/sbrk_memory.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <random>
#include <thread>
#include <vector>

#include "testing/fake_memory.h"
#include "testing/gtest/child_process.h"
#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

using testing::FakeMemory;
using testing::IsZero;

constexpr std::size_t kPage = 4096;
constexpr ByteCount kOne{kPage};
constexpr ByteCount kTwo{2 * kPage};

class SbrkMemoryTest : public ::testing::Test {
 protected:
  SbrkMemoryTest() {
    const EmulatedBreak::Shape shape{ByteCount{512 * kPage}, kOne, ByteCount{0},
                                     ByteCount{1 << 16}};
    EXPECT_TRUE(source_.Init(os_, shape).ok());
    memory_.emplace(source_);
  }
  std::byte* ReserveOrDie(ByteCount size) {
    const OsMemory::Reservation got = memory_->Reserve(size);
    EXPECT_TRUE(got.status.ok());
    return got.begin;
  }

  FakeMemory os_;
  EmulatedBreak source_;
  std::optional<SbrkMemory> memory_;
};

TEST_F(SbrkMemoryTest, ReservedMemoryIsUsableAtOnceAndZeroWhenCommitted) {
  std::byte* const block = ReserveOrDie(kTwo);
  EXPECT_TRUE(memory_->Commit(block, kTwo).ok());
  EXPECT_TRUE(memory_->HintHugePages(block, kTwo, HugePages::kPrefer).ok());
  EXPECT_TRUE(IsZero(block, 2 * kPage));
  EXPECT_EQ(memory_->stats().live, kTwo);
}

TEST_F(SbrkMemoryTest, ReleasedMemoryReadsAsZero) {
  std::byte* const block = ReserveOrDie(kTwo);
  std::memset(block, 1, 2 * kPage);
  EXPECT_TRUE(memory_->Release(block + kPage, kOne).ok());
  EXPECT_TRUE(IsZero(block + kPage, kPage));
  EXPECT_EQ(block[kPage - 1], std::byte{1});
}

TEST_F(SbrkMemoryTest, FaultedMemoryIsZeroWhenItIsCommittedAgain) {
  std::byte* const block = ReserveOrDie(kTwo);
  std::memset(block, 1, 2 * kPage);
  EXPECT_TRUE(memory_->Fault(block, kOne).ok());
  EXPECT_TRUE(memory_->Commit(block, kOne).ok());
  EXPECT_TRUE(IsZero(block, kPage));
  EXPECT_EQ(block[kPage], std::byte{1});
}

TEST_F(SbrkMemoryTest, ReturnedMemoryIsHandedOutAgainAsZero) {
  std::byte* const low = ReserveOrDie(kTwo);
  std::byte* const high = ReserveOrDie(kOne);
  std::memset(low, 1, 2 * kPage);
  EXPECT_TRUE(memory_->Unreserve(low, kTwo).ok());
  EXPECT_EQ(memory_->stats().free, kTwo);
  EXPECT_EQ(ReserveOrDie(kTwo), low);
  EXPECT_TRUE(IsZero(low, 2 * kPage));
  EXPECT_TRUE(memory_->Unreserve(high, kOne).ok());
  EXPECT_EQ(memory_->stats().tail, kOne);
}

TEST_F(SbrkMemoryTest, OnlyTheEndOfTheMemoryIsAPlaceThatCanBeAskedFor) {
  std::byte* const low = ReserveOrDie(kTwo);
  ReserveOrDie(kOne);
  EXPECT_TRUE(memory_->Unreserve(low, kTwo).ok());
  std::byte* const end = memory_->allocator().bloc();
  for (std::byte* const at : {low, end + kPage, end - kPage}) {
    const OsMemory::Reservation got = memory_->Reserve(kOne, at);
    EXPECT_EQ(got.status.error_number, EEXIST);
    EXPECT_EQ(got.begin, nullptr);
    EXPECT_EQ(os_.committed(), ByteCount{3 * kPage}) << "the break moved all the same";
  }
  EXPECT_EQ(memory_->Reserve(kOne, end).begin, end) << "not the free block below";
}

TEST_F(SbrkMemoryTest, EndThatSomebodyElseTookIsRefused) {
  ReserveOrDie(kOne);
  std::byte* const end = memory_->allocator().bloc();
  ASSERT_EQ(source_.MoveAsSomebodyElse(kOne), end);
  EXPECT_EQ(memory_->Reserve(kOne, end).status.error_number, EEXIST);
  EXPECT_EQ(memory_->stats().live, kOne);
  EXPECT_EQ(ReserveOrDie(kOne), end + kPage);
}

TEST_F(SbrkMemoryTest, ReserveAlignedGivesAlignedMemory) {
  ReserveOrDie(kOne);
  const OsMemory::Reservation got = memory_->ReserveAligned(kTwo, ByteCount{1 << 16});
  ASSERT_TRUE(got.status.ok());
  EXPECT_EQ(reinterpret_cast<std::uintptr_t>(got.begin) % (1 << 16), 0u);
}

TEST_F(SbrkMemoryTest, RefusalIsTheSources) {
  const OsMemory::Reservation got = memory_->Reserve(ByteCount{513 * kPage});
  EXPECT_EQ(got.status.call, OsCall::kReserve);
  EXPECT_EQ(got.status.error_number, ENOMEM);
  EXPECT_EQ(got.begin, nullptr);
}

TEST_F(SbrkMemoryTest, PartsOfPagesBreakTheContract) {
  std::byte* const block = ReserveOrDie(kTwo);
  const char* const rule = "contract broken: size\\.raw > 0";
  EXPECT_DEATH(static_cast<void>(memory_->Reserve(ByteCount{100})), rule);
  EXPECT_DEATH(static_cast<void>(memory_->Commit(block + 8, kOne)), rule);
  EXPECT_DEATH(static_cast<void>(memory_->Release(block, ByteCount{100})), rule);
  EXPECT_DEATH(static_cast<void>(memory_->Fault(block, ByteCount{0})), rule);
  EXPECT_DEATH(static_cast<void>(memory_->Unreserve(block, ByteCount{1})), rule);
}

// Each thread owns what it got: nobody else writes there, and in the end all of it comes back.
TEST_F(SbrkMemoryTest, ThreadsTakeAndReturnDisjointBlocks) {
  const auto work = [this](unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::pair<std::byte*, std::size_t>> mine;
    const auto mark = static_cast<std::byte>(seed);
    const auto give_back = [&] {
      const auto [begin, size] = mine.back();
      mine.pop_back();
      EXPECT_TRUE(*begin == mark && std::memcmp(begin, begin + 1, size - 1) == 0);
      EXPECT_TRUE(memory_->Unreserve(begin, ByteCount{size}).ok());
    };
    for (int i = 0; i < 400; ++i) {
      const std::size_t size = (1 + random() % 4) * kPage;
      const OsMemory::Reservation got = random() % 8 == 0
                                            ? memory_->ReserveAligned(ByteCount{size}, kTwo)
                                            : memory_->Reserve(ByteCount{size});
      if (got.status.ok()) {
        EXPECT_TRUE(IsZero(got.begin, size));
        std::memset(got.begin, static_cast<int>(seed), size);
        mine.emplace_back(got.begin, size);
      }
      if (mine.size() > 20 || (!mine.empty() && random() % 2 == 0)) give_back();
      EXPECT_LE(memory_->stats().free.raw, 512 * kPage);
    }
    while (!mine.empty()) give_back();
  };
  std::vector<std::thread> threads;
  for (unsigned seed = 1; seed <= 4; ++seed) threads.emplace_back(work, seed);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(memory_->stats().live, ByteCount{0});
  EXPECT_EQ(memory_->allocator().bloc(), memory_->allocator().first()) << "all joined the tail";
  testing::SbrkChecker checker;
  EXPECT_EQ(checker.Check(memory_->allocator(), {}), "");
}

/// Sends a thread to the memory while all locks are held for a fork.
class Intruder final : public ForkParticipant {
 public:
  Intruder() { EXPECT_TRUE(JoinForks().ok()); }  // before the memory: its locks are taken later
  ~Intruder() override { LeaveForks(); }

  const SbrkMemory* memory = nullptr;
  std::atomic<bool> came_in = false;
  bool came_in_before_the_fork = false;
  std::thread thread;

 private:
  void LockForFork() override {
    thread = std::thread([this] {
      EXPECT_EQ(memory->stats().live, kOne);
      came_in = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));  // would be enough
    came_in_before_the_fork = came_in;
  }
  void UnlockAfterFork() override {}
};

TEST_F(SbrkMemoryTest, NobodyComesInDuringAFork) {
  memory_.reset();
  Intruder intruder;
  intruder.memory = &memory_.emplace(source_);
  ReserveOrDie(kOne);
  EXPECT_EQ(testing::StatusOfChild([this] { return memory_->stats().live == kOne ? 0 : 1; }), 0);
  EXPECT_FALSE(intruder.came_in_before_the_fork);
  intruder.thread.join();
  EXPECT_TRUE(intruder.came_in);
}

}  // namespace
}  // namespace pagealloc
