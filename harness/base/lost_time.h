/// lost_time.h: how much of a CPU's time this process does not get, seen from inside.
///
/// A loop that does nothing but read the clock reads it every few tens of nanoseconds. Where two
/// readings lie further apart, something else had the CPU: another process, an interrupt, or, under
/// a hypervisor, another guest, of which the kernel knows nothing.
///
///   readings  | | | | | | |              | | | | |     | | | |
///                          \--- gap ----/         \gap/              gaps: above 1 us
#pragma once

#include <chrono>
#include <cstdint>

#include "harness/base/clock.h"

namespace pagealloc::bench {

/// What a stretch of watching saw.
struct LostTime {
  double watched_ns = 0;
  double lost_ns = 0;     ///< sum of the gaps
  double longest_ns = 0;  ///< gap
  std::uint64_t gaps = 0;

  /// Of the watched time, from 0 to 1.
  [[nodiscard]] double share() const { return watched_ns > 0 ? lost_ns / watched_ns : 0; }
};

/// Adds up gaps between readings of a clock.
class GapCounter {
 public:
  static constexpr double kGapNs = 1000;

  /// @param first  the first reading, in ticks.
  GapCounter(std::uint64_t first, double ns_per_tick)
      : first_(first),
        last_(first),
        ns_per_tick_(ns_per_tick),
        shortest_(static_cast<std::uint64_t>(kGapNs / ns_per_tick)) {}

  /// One more reading, not before the last.
  void Read(std::uint64_t ticks) {
    const std::uint64_t gap = ticks - last_;
    last_ = ticks;
    if (gap <= shortest_) [[likely]]
      return;
    ++gaps_;
    lost_ += gap;
    if (gap > longest_) longest_ = gap;
  }

  [[nodiscard]] LostTime Sum() const {
    const auto ns = [this](std::uint64_t ticks) {
      return static_cast<double>(ticks) * ns_per_tick_;
    };
    return {ns(last_ - first_), ns(lost_), ns(longest_), gaps_};
  }

 private:
  std::uint64_t first_;
  std::uint64_t last_;
  double ns_per_tick_;
  std::uint64_t shortest_;  ///< gaps are longer than this
  std::uint64_t lost_ = 0;
  std::uint64_t longest_ = 0;
  std::uint64_t gaps_ = 0;
};

/// Watches for `time`, on the CPU that the kernel chooses; keeps it busy meanwhile.
LostTime WatchLostTime(const Clock& clock, std::chrono::nanoseconds time);

}  // namespace pagealloc::bench
