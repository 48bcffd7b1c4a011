#include "harness/run/interrupts.h"

#include <unistd.h>

namespace pagealloc::bench {
namespace {

volatile std::sig_atomic_t g_pending_interrupt = 0;

void Remember(int signal_number) {
  if (g_pending_interrupt == 0) g_pending_interrupt = signal_number;
}

void Exit(int signal_number) { _exit(128 + signal_number); }

void Handle(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  // No SA_RESTART: a read that waits for a child must return.
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

void ExitOnInterrupts() { Handle(Exit); }

void CatchInterrupts() { Handle(Remember); }

int PendingInterrupt() { return g_pending_interrupt; }

HeldInterrupts::HeldInterrupts() : before_() {
  sigset_t held;
  sigemptyset(&held);
  sigaddset(&held, SIGINT);
  sigaddset(&held, SIGTERM);
  sigprocmask(SIG_BLOCK, &held, &before_);
}

HeldInterrupts::~HeldInterrupts() { sigprocmask(SIG_SETMASK, &before_, nullptr); }

void HeldInterrupts::RestoreInChild() const {
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  sigprocmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace pagealloc::bench
