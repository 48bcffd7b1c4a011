/// interrupts.h: Ctrl-C and SIGTERM: at once where there is nothing to save, later as a value that
/// is looked at between repetitions.
#pragma once

#include <csignal>

namespace pagealloc::bench {

/// From now on SIGINT and SIGTERM end the process at once, with 130 or 143.
void ExitOnInterrupts();

/// From now on SIGINT and SIGTERM are remembered instead.
void CatchInterrupts();

/// The first of these signals that came, or 0.
int PendingInterrupt();

/// Holds SIGINT and SIGTERM back while it lives, so that none slips between a look at
/// PendingInterrupt() and a call that waits; `waiting_mask()` lets them through inside that call.
class HeldInterrupts {
 public:
  HeldInterrupts();
  ~HeldInterrupts();
  HeldInterrupts(const HeldInterrupts&) = delete;
  HeldInterrupts& operator=(const HeldInterrupts&) = delete;

  [[nodiscard]] const sigset_t& waiting_mask() const { return before_; }
  /// In a forked child: the signals end it again, as they end any program.
  void RestoreInChild() const;

 private:
  sigset_t before_;
};

}  // namespace pagealloc::bench
