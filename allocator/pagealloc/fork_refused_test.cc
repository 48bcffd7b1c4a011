// What is said where no handler for forks can be registered. This program has its own
// pthread_atfork(), which the linker prefers to the C library's; so it has no other tests.
#include <gtest/gtest.h>
#include <pthread.h>

#include <cerrno>
#include <cstdint>
#include <memory>

#include "pagealloc/background_scavenger.h"
#include "pagealloc/break_source.h"
#include "pagealloc/heap.h"
#include "pagealloc/sbrk_memory.h"
#include "testing/fake_memory.h"

extern "C" int pthread_atfork(void (*)(), void (*)(), void (*)()) noexcept { return ENOMEM; }

namespace pagealloc {
namespace {

TEST(ForksRefused, HeapSaysSoAndLeavesNothing) {
  testing::FakeMemory os;  // checks that everything comes back
  const auto heap = std::make_unique<Heap<>>();
  EXPECT_EQ(heap->Init(os, {.caches = 2}).error_number, ENOMEM);
}

TEST(ForksRefused, MemoryOfTheBreakGivesNone) {
  testing::FakeMemory os;
  EmulatedBreak source;
  const EmulatedBreak::Shape shape{ByteCount{1 << 20}, ByteCount{65536}, ByteCount{0},
                                   ByteCount{65536}};
  ASSERT_TRUE(source.Init(os, shape).ok());
  SbrkMemory memory(source);
  const OsMemory::Reservation plain = memory.Reserve(memory.page_size());
  EXPECT_EQ(plain.status.error_number, ENOMEM);
  EXPECT_EQ(plain.begin, nullptr);
  const OsMemory::Reservation aligned =
      memory.ReserveAligned(memory.page_size(), ByteCount{1 << 17});
  EXPECT_EQ(aligned.status.error_number, ENOMEM);
  EXPECT_EQ(aligned.begin, nullptr);
}

TEST(ForksRefused, BackgroundScavengerDoesNotStart) {
  testing::FakeMemory os;
  const auto heap = std::make_unique<Heap<>>();
  EXPECT_FALSE(heap->Init(os, {.caches = 0}).ok());
  BackgroundScavenger<Heap<>> background(*heap);
  EXPECT_EQ(background.Start().error_number, ENOMEM);
  background.Stop();
}

}  // namespace
}  // namespace pagealloc
