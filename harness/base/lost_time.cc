#include "harness/base/lost_time.h"

namespace pagealloc::bench {

LostTime WatchLostTime(const Clock& clock, std::chrono::nanoseconds time) {
  const double ns_per_tick = clock.calibration().ns_per_tick;
  const auto ticks = static_cast<std::uint64_t>(static_cast<double>(time.count()) / ns_per_tick);
  std::uint64_t now = clock.Begin();
  const std::uint64_t end = now + ticks;
  GapCounter counter(now, ns_per_tick);
  while (now < end) {
    now = clock.Begin();
    counter.Read(now);
  }
  return counter.Sum();
}

}  // namespace pagealloc::bench
