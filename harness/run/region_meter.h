/// region_meter.h: what the kernel did to this process in a timed region.
#pragma once

#include "harness/run/cell.h"

namespace pagealloc::bench {

/// Counts from its construction to Stop(), but not between Pause() and Resume().
class RegionMeter {
 public:
  RegionMeter();
  ~RegionMeter();
  RegionMeter(const RegionMeter&) = delete;
  RegionMeter& operator=(const RegionMeter&) = delete;

  void Pause();
  void Resume();
  /// Call it once, not while paused.
  RegionCosts Stop();

 private:
  [[nodiscard]] RegionCosts SoFar() const;

  int schedstat_;  ///< open for as long as it measures: a pause costs one system call less
  RegionCosts total_;
  RegionCosts start_;
};

}  // namespace pagealloc::bench
