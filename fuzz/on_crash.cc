#include "fuzz/on_crash.h"

#include <array>
#include <csignal>
#include <cstddef>
#include <utility>

#include "pagealloc/contract.h"

// Of the sanitizers' runtime, where one is linked.
// NOLINTNEXTLINE(bugprone-reserved-identifier, readability-identifier-naming)
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace pagealloc::fuzz {
namespace {

constexpr std::array<int, 5> kSignals{SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};

/// What OnCrash() and the handlers share.
struct Handlers {
  std::array<void (*)(), 4> reporters{};
  std::size_t count = 0;
  std::array<struct sigaction, kSignals.size()> before{};
};
Handlers g_handlers;  // NOLINT(*-identifier-naming): a global that may change

void RunReporters() {
  // Only once: a reporter may crash itself, and abort() may follow on a report.
  const std::size_t count = std::exchange(g_handlers.count, 0);
  for (std::size_t i = 0; i < count; ++i) g_handlers.reporters[i]();
}

void OnSignal(int signal, siginfo_t* info, void* context) {
  RunReporters();
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    if (kSignals[i] != signal) continue;
    const struct sigaction& before = g_handlers.before[i];
    // What was there before gets its turn now, and again should the process go on.
    sigaction(signal, &before, nullptr);
    if ((before.sa_flags & SA_SIGINFO) != 0) {
      before.sa_sigaction(signal, info, context);
    } else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) {
      before.sa_handler(signal);
    } else {
      raise(signal);  // taken when this handler returns
    }
  }
}

}  // namespace

void OnCrash(void (*reporter)()) {
  PA_EXPECT(g_handlers.count < g_handlers.reporters.size(), g_handlers.count);
  const bool first = g_handlers.count == 0;
  g_handlers.reporters[g_handlers.count++] = reporter;
  if (!first) return;
  for (std::size_t i = 0; i < kSignals.size(); ++i) {
    struct sigaction action {};
    action.sa_sigaction = OnSignal;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(kSignals[i], &action, &g_handlers.before[i]);
  }
}

void OnSanitizerDeath() {
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(RunReporters);
}

}  // namespace pagealloc::fuzz
