/// background_scavenger.h: a thread that gives excess memory back, slowly.
///
///   look at the heap --> nothing in excess --> sleep idle_ns
///                    --> release a quantum --> rest, so that a share of one CPU is not exceeded
///
/// What is in excess, and how long to rest, is ScavengePacer's business. Work is the thread's own
/// CPU time, the kernel's part of it included. Stop() wakes the thread from any sleep and waits for
/// no more than one step. The heap's lock is free during calls to the operating system.
///
/// Works on a Heap, or on a Scavenger (a PageAllocator, its window and its lock). Threads: Start()
/// and Stop() from one at a time; observe() and NextGeneration() from any. The thread takes no
/// signals; its stack is libc's. Errors: a thread that cannot be made is an OsStatus; a refused
/// release is counted, its pages stay free, and the thread sleeps before it tries again.
///
/// Forks: the child has no such thread, whatever it was doing. There this object is as after
/// Stop(), its counters are those of the moment of the fork, and Start() makes a thread if the
/// child wants one. Nobody waits for the lost thread. Go: bgscavenge.
#pragma once

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include <atomic>
#include <cstdint>

#include "pagealloc/contract.h"
#include "pagealloc/fork_safety.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/scavenge_pacer.h"
#include "pagealloc/scavenger.h"

namespace pagealloc {

/// @tparam Subject  has PageStats(), NextScavengeGeneration(), FlushCaches() and Scavenge(target,
///                  mode, stop), all of which take the heap's locks themselves: Heap and Scavenger
template <class Subject>
class BackgroundScavenger final : private ForkParticipant {
 public:
  /// What the thread has done so far. The numbers are exact one by one, not together.
  struct Observed {
    ByteCount released;
    std::uint64_t quanta;       ///< pieces of work, whatever they released
    std::uint64_t refusals;     ///< of the operating system
    std::uint64_t work_ns;      ///< CPU time of the pieces
    std::uint64_t sleep_ns;     ///< resting and idle
    std::uint64_t generations;  ///< begun, by itself and by NextGeneration()
    bool sleeping;              ///< now
  };

  /// `subject` must outlive this object. Who calls Start(), Stop() or NextGeneration() does not
  /// hold the heap's lock.
  explicit BackgroundScavenger(Subject& subject, const ScavengePolicy& policy = {})
      : subject_(subject), policy_(policy) {
    static_cast<void>(ScavengePacer(policy));  // its contract, in the caller's thread
    InitWake();
  }
  BackgroundScavenger(const BackgroundScavenger&) = delete;
  BackgroundScavenger& operator=(const BackgroundScavenger&) = delete;
  ~BackgroundScavenger() {
    Stop();
    LeaveForks();
    ::pthread_cond_destroy(&wake_);
    ::pthread_mutex_destroy(&mutex_);
  }

  /// Starts the thread. Not while it runs (contract); after Stop() again.
  OsStatus Start() {
    if (!joined_forks_) {
      if (const OsStatus status = JoinForks(); !status.ok()) return status;
      joined_forks_ = true;
    }
    ::pthread_mutex_lock(&mutex_);
    PA_EXPECT(!running_);
    stop_.store(false, kOrder);
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);  // the thread begins with this mask
    const int error = ::pthread_create(&thread_, nullptr, &Main, this);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    running_ = error == 0;
    ::pthread_mutex_unlock(&mutex_);
    return error == 0 ? OsStatus::Ok() : OsStatus{OsCall::kThread, error, ByteCount{0}};
  }

  /// Ends the thread and waits for it. Nothing happens if it does not run.
  void Stop() {
    ::pthread_mutex_lock(&mutex_);
    const bool running = running_;
    stop_.store(true, kOrder);
    ::pthread_cond_signal(&wake_);
    ::pthread_mutex_unlock(&mutex_);
    if (!running) return;
    ::pthread_join(thread_, nullptr);
    ::pthread_mutex_lock(&mutex_);
    running_ = false;
    ::pthread_mutex_unlock(&mutex_);
  }

  /// A new generation for the heap's scavenge index and for the goal.
  void NextGeneration() {
    subject_.NextScavengeGeneration();
    generations_.fetch_add(1, kOrder);
  }

  [[nodiscard]] Observed observe() const {
    return {ByteCount{released_.load(kOrder)},
            quanta_.load(kOrder),
            refusals_.load(kOrder),
            work_ns_.load(kOrder),
            sleep_ns_.load(kOrder),
            generations_.load(kOrder),
            sleeping_.load(kOrder)};
  }

 private:
  static constexpr std::memory_order kOrder = std::memory_order_relaxed;
  static constexpr std::uint64_t kSecondNs = 1'000'000'000;

  void LockForFork() override { ::pthread_mutex_lock(&mutex_); }
  void UnlockAfterFork() override { ::pthread_mutex_unlock(&mutex_); }
  void UnlockInChild() override {
    running_ = false;
    sleeping_.store(false, kOrder);
    // Made anew: to destroy it with a waiter that never leaves would hang.
    InitWake();
    ::pthread_mutex_unlock(&mutex_);
  }

  void InitWake() {
    pthread_condattr_t attributes;
    ::pthread_condattr_init(&attributes);
    ::pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    ::pthread_cond_init(&wake_, &attributes);
    ::pthread_condattr_destroy(&attributes);
  }

  static void* Main(void* self) {
    static_cast<BackgroundScavenger*>(self)->Run();
    return nullptr;
  }

  void Run() {
    ScavengePacer pacer(policy_);
    std::uint64_t seen_generations = generations_.load(kOrder);
    std::uint64_t generation_began = Now(CLOCK_MONOTONIC);
    while (!stop_.load(kOrder)) {
      const std::uint64_t now = Now(CLOCK_MONOTONIC);
      if (policy_.generation_ns != 0 && now - generation_began >= policy_.generation_ns) {
        generation_began = now;
        NextGeneration();
      }
      for (const std::uint64_t all = generations_.load(kOrder); seen_generations != all;) {
        ++seen_generations;
        pacer.NextGeneration();
        subject_.FlushCaches();  // of processors that are idle, they would keep memory for ever
      }
      const ScavengePacer::Plan plan = pacer.Next(subject_.PageStats());
      if (plan.bytes == ByteCount{0}) {
        Sleep(policy_.idle_ns);
        continue;
      }
      const std::uint64_t begin = Now(CLOCK_THREAD_CPUTIME_ID);
      const ScavengeResult result =
          subject_.Scavenge(plan.bytes, plan.mode, [this] { return stop_.load(kOrder); });
      const std::uint64_t work = Now(CLOCK_THREAD_CPUTIME_ID) - begin;
      released_.fetch_add(result.released.raw, kOrder);
      quanta_.fetch_add(1, kOrder);
      work_ns_.fetch_add(work, kOrder);
      if (!result.status.ok()) refusals_.fetch_add(1, kOrder);
      const std::uint64_t rest = pacer.RestAfter(work);
      if (rest > 0) Sleep(rest);
      // Nothing that may be released, or nothing that can be: it is no use to ask again at once.
      if (result.released == ByteCount{0}) {
        if (plan.mode == ScavengeMode::kForced) subject_.FlushCaches();
        Sleep(policy_.idle_ns);
      }
    }
  }

  /// Sleeps so long, or until Stop().
  void Sleep(std::uint64_t ns) {
    const std::uint64_t begin = Now(CLOCK_MONOTONIC);
    const std::uint64_t end = begin + ns;
    const timespec until{static_cast<time_t>(end / kSecondNs), static_cast<long>(end % kSecondNs)};
    ::pthread_mutex_lock(&mutex_);
    sleeping_.store(true, kOrder);
    int outcome = 0;
    while (!stop_.load(kOrder) && outcome == 0) {
      outcome = ::pthread_cond_timedwait(&wake_, &mutex_, &until);
    }
    sleeping_.store(false, kOrder);
    ::pthread_mutex_unlock(&mutex_);
    sleep_ns_.fetch_add(Now(CLOCK_MONOTONIC) - begin, kOrder);
  }

  [[nodiscard]] static std::uint64_t Now(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * kSecondNs +
           static_cast<std::uint64_t>(now.tv_nsec);
  }

  Subject& subject_;
  const ScavengePolicy policy_;

  pthread_t thread_{};
  bool joined_forks_ = false;
  // Never held together with the heap's lock. The condition needs a plain pthread_mutex_t.
  pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
  pthread_cond_t wake_;
  bool running_ = false;           // under mutex_
  std::atomic<bool> stop_{false};  // set under mutex_, so that no sleep misses it
  std::atomic<std::uint64_t> released_{0};
  std::atomic<std::uint64_t> quanta_{0};
  std::atomic<std::uint64_t> refusals_{0};
  std::atomic<std::uint64_t> work_ns_{0};
  std::atomic<std::uint64_t> sleep_ns_{0};
  std::atomic<std::uint64_t> generations_{0};
  std::atomic<bool> sleeping_{false};
};

}  // namespace pagealloc
