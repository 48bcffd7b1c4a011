#include "pagealloc/mutex.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <thread>

namespace pagealloc {
namespace {

TEST(CountingMutex, KeepsThreadsApartAndCountsTurns) {
  CountingMutex mutex;
  std::uint64_t turns = 0;  // a race, were it not for the mutex
  std::array<std::thread, 4> threads;
  for (std::thread& thread : threads) {
    thread = std::thread([&] {
      for (int i = 0; i < 5000; ++i) {
        const std::lock_guard hold(mutex);
        ++turns;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const std::lock_guard hold(mutex);
  EXPECT_EQ(turns, 20000u);
  EXPECT_EQ(mutex.taken(), 20001u);
}

}  // namespace
}  // namespace pagealloc
