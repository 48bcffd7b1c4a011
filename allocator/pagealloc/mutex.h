/// mutex.h: a POSIX mutex that throws nothing.
///
/// std::mutex reports trouble by exceptions, which this library is built without; here a failing
/// call is a broken contract. Works with std::lock_guard and std::unique_lock. Not recursive. It
/// may be unlocked in the child of a fork() by the thread that locked it before (fork_safety.h).
///
/// Mutex is also the policy of what waits for other threads: lock(), unlock(), Yield(). Heap takes
/// it as a template parameter, so that a test can decide who runs (fuzz/fibers.h).
#pragma once

#include <pthread.h>
#include <sched.h>

#include <cstdint>
#include <mutex>  // std::lock_guard and std::unique_lock, for users

#include "pagealloc/contract.h"

namespace pagealloc {

class Mutex {
 public:
  Mutex() = default;
  Mutex(const Mutex&) = delete;
  Mutex& operator=(const Mutex&) = delete;
  ~Mutex() { static_cast<void>(::pthread_mutex_destroy(&mutex_)); }

  // The names that std::lock_guard asks for.
  void lock() {  // NOLINT(readability-identifier-naming)
    const int error = ::pthread_mutex_lock(&mutex_);
    PA_EXPECT(error == 0, error);
  }
  void unlock() {  // NOLINT(readability-identifier-naming)
    const int error = ::pthread_mutex_unlock(&mutex_);
    PA_EXPECT(error == 0, error);
  }
  /// Lets others run, for who waits for what has no lock.
  static void Yield() { static_cast<void>(::sched_yield()); }

 private:
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
};

/// A mutex that counts how often it was taken: what contention costs begins with this number.
template <class M>
class CountingLock {
 public:
  void lock() {  // NOLINT(readability-identifier-naming)
    mutex_.lock();
    ++taken_;
  }
  void unlock() { mutex_.unlock(); }  // NOLINT(readability-identifier-naming)
  /// Only the thread that holds the mutex may ask.
  [[nodiscard]] std::uint64_t taken() const { return taken_; }

 private:
  M mutex_;
  std::uint64_t taken_ = 0;
};
using CountingMutex = CountingLock<Mutex>;

}  // namespace pagealloc
