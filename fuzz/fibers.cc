#include "fuzz/fibers.h"

#include <algorithm>
#include <utility>

#include "pagealloc/contract.h"

// Of the sanitizers' runtimes, where one is linked.
extern "C" {
// NOLINTBEGIN(bugprone-reserved-identifier, readability-identifier-naming)
__attribute__((weak)) void __sanitizer_start_switch_fiber(void** save, const void* bottom,
                                                          std::size_t size);
__attribute__((weak)) void __sanitizer_finish_switch_fiber(void* saved, const void** bottom_old,
                                                           std::size_t* size_old);
__attribute__((weak)) void* __tsan_get_current_fiber();
__attribute__((weak)) void* __tsan_create_fiber(unsigned flags);
__attribute__((weak)) void __tsan_destroy_fiber(void* fiber);
__attribute__((weak)) void __tsan_switch_to_fiber(void* fiber, unsigned flags);
// NOLINTEND(bugprone-reserved-identifier, readability-identifier-naming)
}

namespace pagealloc::fuzz {
namespace {

Fibers* g_running = nullptr;  // NOLINT(*-identifier-naming): makecontext passes no pointer

void StartSwitch(void** save, const void* bottom, std::size_t size) {
  if (__sanitizer_start_switch_fiber != nullptr) {
    __sanitizer_start_switch_fiber(save, bottom, size);
  }
}
void FinishSwitch(void* saved, const void** bottom_old, std::size_t* size_old) {
  if (__sanitizer_finish_switch_fiber != nullptr) {
    __sanitizer_finish_switch_fiber(saved, bottom_old, size_old);
  }
}
void SwitchThread(void* fiber) {
  if (__tsan_switch_to_fiber != nullptr) __tsan_switch_to_fiber(fiber, 0);
}

}  // namespace

Fibers::~Fibers() {
  for (const Fiber& fiber : fibers_) {
    if (fiber.sanitizer_fiber != nullptr) __tsan_destroy_fiber(fiber.sanitizer_fiber);
  }
}

Fibers::End Fibers::Run(std::vector<std::function<void()>> bodies) {
  PA_EXPECT(g_running == nullptr && fibers_.empty());
  g_running = this;
  fibers_.resize(bodies.size());
  if (__tsan_get_current_fiber != nullptr) main_fiber_ = __tsan_get_current_fiber();
  for (std::size_t i = 0; i < bodies.size(); ++i) {
    Fiber& fiber = fibers_[i];
    fiber.body = std::move(bodies[i]);
    fiber.stack = std::make_unique_for_overwrite<std::byte[]>(kStackBytes);  // NOLINT(*-c-arrays)
    MakeContext(fiber);
    if (__tsan_create_fiber != nullptr) fiber.sanitizer_fiber = __tsan_create_fiber(0);
  }
  End end = End::kNoProgress;
  std::vector<std::size_t> ready;
  for (std::uint64_t points = 0; points < kMostPoints; ++points) {
    ready.clear();
    bool left = false;
    for (std::size_t i = 0; i < fibers_.size(); ++i) {
      const Fiber& fiber = fibers_[i];
      left = left || !fiber.done;
      if (!fiber.done && (fiber.blocked == nullptr || !*fiber.blocked)) ready.push_back(i);
    }
    if (ready.empty()) {
      end = left ? End::kDeadlock : End::kAllDone;
      break;
    }
    const std::size_t chosen = ready.size() == 1 ? 0 : choose_(ready.size());
    current_ = chosen < ready.size()
                   ? ready[chosen]
                   : *std::min_element(ready.begin(), ready.end(), [this](auto a, auto b) {
                       return fibers_[a].last_run < fibers_[b].last_run;
                     });
    fibers_[current_].last_run = points + 1;
    SwitchTo(fibers_[current_]);
  }
  g_running = nullptr;
  return end;
}

void Fibers::Wait(const bool* blocked) {
  if (g_running == nullptr) return;
  Fiber& fiber = g_running->fibers_[g_running->current_];
  fiber.blocked = blocked;
  g_running->SwitchBack(fiber);
}

std::size_t Fibers::Current() {
  PA_EXPECT(g_running != nullptr);
  return g_running->current_;
}

std::uint64_t Fibers::LocksTaken() {
  return g_running == nullptr ? 0 : g_running->fibers_[g_running->current_].locks;
}

void Fibers::TookLock() {
  if (g_running != nullptr) ++g_running->fibers_[g_running->current_].locks;
}

void Fibers::MakeContext(Fiber& fiber) {
  PA_EXPECT(::getcontext(&fiber.context) == 0);
  fiber.context.uc_stack.ss_sp = fiber.stack.get();
  fiber.context.uc_stack.ss_size = kStackBytes;
  fiber.context.uc_link = nullptr;
  ::makecontext(&fiber.context, Enter, 0);
}

void Fibers::SwitchTo(Fiber& fiber) {
  void* saved = nullptr;
  StartSwitch(&saved, fiber.stack.get(), kStackBytes);
  SwitchThread(fiber.sanitizer_fiber);
  PA_EXPECT(::swapcontext(&main_, &fiber.context) == 0);
  FinishSwitch(saved, nullptr, nullptr);
}

void Fibers::SwitchBack(Fiber& fiber) {
  StartSwitch(fiber.done ? nullptr : &fiber.sanitizer_stack, main_bottom_, main_size_);
  SwitchThread(main_fiber_);
  PA_EXPECT(::swapcontext(&fiber.context, &main_) == 0);
  FinishSwitch(fiber.sanitizer_stack, &main_bottom_, &main_size_);
}

void Fibers::Enter() {
  Fibers& all = *g_running;
  FinishSwitch(nullptr, &all.main_bottom_, &all.main_size_);
  Fiber& fiber = all.fibers_[all.current_];
  fiber.body();
  fiber.done = true;
  all.SwitchBack(fiber);
}

}  // namespace pagealloc::fuzz
