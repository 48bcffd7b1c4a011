/// fibers.h: threads that run one at a time, in the order that an input says.
///
///   Fibers fibers(choose);
///   fibers.Run({first, second});      // each a function on a stack of its own
///   ... FiberMutex::lock() ...        // a point: any other fiber may go on from here
///
/// A fiber runs until it comes to a point: before a lock is taken and after it is given back, where
/// it waits, and where Fibers::Point() says so. There `choose` picks who goes on, so that the same
/// input gives the same interleaving, on any machine, under a debugger too. Two things end a run
/// as a finding: nobody can go on (deadlock), and nobody comes to an end (kMostPoints).
///
/// The stacks are ucontext's; the sanitizers are told about them. One Fibers at a time.
#pragma once

#include <ucontext.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace pagealloc::fuzz {

class Fibers {
 public:
  static constexpr std::uint64_t kMostPoints = 200'000;

  enum class End : std::uint8_t { kAllDone, kDeadlock, kNoProgress };

  /// @param choose  which of n fibers that can go on does: choose(n), asked at every point; n or
  ///                more: the one that has waited longest
  explicit Fibers(std::function<std::size_t(std::size_t)> choose) : choose_(std::move(choose)) {}
  Fibers(const Fibers&) = delete;
  Fibers& operator=(const Fibers&) = delete;
  ~Fibers();

  /// Runs all bodies to their ends. After another end than kAllDone the process must stop: stacks
  /// are given up in the middle.
  [[nodiscard]] End Run(std::vector<std::function<void()>> bodies);

  /// Others may run now. Nothing happens outside of Run().
  static void Point() { Wait(nullptr); }
  /// Goes on when *blocked is false; null: at once.
  static void Wait(const bool* blocked);
  /// Number of the fiber that runs; contract: one does.
  [[nodiscard]] static std::size_t Current();

  /// How many locks the fiber that runs has taken so far: who changes what others see took one.
  [[nodiscard]] static std::uint64_t LocksTaken();
  static void TookLock();

 private:
  static constexpr std::size_t kStackBytes = std::size_t{128} * 1024;

  struct Fiber {
    std::function<void()> body;
    std::unique_ptr<std::byte[]> stack;  // NOLINT(*-avoid-c-arrays)
    ucontext_t context{};
    const bool* blocked = nullptr;
    bool done = false;
    std::uint64_t last_run = 0;  ///< the point at which it ran last
    std::uint64_t locks = 0;
    void* sanitizer_stack = nullptr;  // AddressSanitizer's, while it does not run
    void* sanitizer_fiber = nullptr;  // ThreadSanitizer's
  };

  static void Enter();
  /// On its own: to the compiler getcontext() returns twice, and locals around it are suspect.
  [[gnu::noinline]] static void MakeContext(Fiber& fiber);
  void SwitchTo(Fiber& fiber);
  void SwitchBack(Fiber& fiber);

  std::function<std::size_t(std::size_t)> choose_;
  std::vector<Fiber> fibers_;
  std::size_t current_ = 0;
  ucontext_t main_{};
  const void* main_bottom_ = nullptr;  // as AddressSanitizer knows the stack of Run()
  std::size_t main_size_ = 0;
  void* main_fiber_ = nullptr;
};

/// A Mutex (pagealloc/mutex.h) for fibers.
class FiberMutex {
 public:
  // The names that std::lock_guard asks for.
  void lock() {  // NOLINT(readability-identifier-naming)
    Fibers::Point();
    while (held_) Fibers::Wait(&held_);
    held_ = true;
    Fibers::TookLock();
  }
  void unlock() {  // NOLINT(readability-identifier-naming)
    held_ = false;
    Fibers::Point();
  }
  static void Yield() { Fibers::Point(); }

 private:
  bool held_ = false;
};

}  // namespace pagealloc::fuzz
