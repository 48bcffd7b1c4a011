/// clock.h: the harness's clock: cheap, fenced, calibrated, and honest about what it cannot see.
///
/// A timed region lies between Begin() and End(). Both wait for what comes before them, and nothing
/// that follows starts early, so no operation leaks out of its region:
///
///   ... earlier work | Begin() | the region | End() | later work ...
///                    lfence     lfence     rdtscp  lfence            (x86-64)
///
/// The counter is the CPU's (TSC with lfence/rdtscp, CNTVCT_EL0 with isb) where it ticks at one
/// rate and the kernel keeps time by it, otherwise clock_gettime(CLOCK_MONOTONIC). Ticks are its
/// unit; ToNs() makes nanoseconds of a difference. One calibration (about 20 ms) serves every
/// process of a run: a Clock can be built from the values that another process measured.
#pragma once

#include <cstdint>
#include <ctime>
#include <span>
#include <string_view>

#if defined(__x86_64__)
#include <x86intrin.h>
#endif

namespace pagealloc::bench {

enum class ClockSource : std::uint8_t { kClockGettime, kTsc, kCntvct };

/// "tsc", "cntvct" or "clock_gettime".
std::string_view ClockSourceName(ClockSource source);

/// What a calibration found. Plain data: it goes to the environment file and to child processes.
struct ClockCalibration {
  ClockSource source = ClockSource::kClockGettime;
  double ns_per_tick = 1;  ///< against CLOCK_MONOTONIC_RAW
  double step_ns = 1;      ///< smallest difference between two readings that are not equal
  double pair_ns = 0;      ///< what one Begin() and one End() cost the program (median)
  double empty_ns = 0;     ///< what End() - Begin() reads around nothing (median of means): the
                           ///< overhead to subtract from a timed region
};

class Clock {
 public:
  explicit Clock(const ClockCalibration& calibration) : calibration_(calibration) {}

  /// Picks the best source of this machine and calibrates it. Takes about 20 ms; a neighbour that
  /// takes the CPU away for part of that does not change the result by more than a few ppm.
  static Clock Calibrate();
  /// The same with a given source, which this machine must have (contract).
  static Clock Calibrate(ClockSource source);
  /// The source Calibrate() picks: a CPU counter only if it is invariant and the kernel uses it.
  static ClockSource BestSource();

  /// Start of a timed region, in ticks.
  [[nodiscard]] std::uint64_t Begin() const {
#if defined(__x86_64__)
    if (calibration_.source == ClockSource::kTsc) {
      _mm_lfence();
      const std::uint64_t ticks = __rdtsc();
      _mm_lfence();
      return ticks;
    }
#elif defined(__aarch64__)
    if (calibration_.source == ClockSource::kCntvct) return ReadCntvct();
#endif
    return MonotonicNs();
  }

  /// End of a timed region, in ticks; never smaller than the Begin() before it on the same CPU.
  [[nodiscard]] std::uint64_t End() const {
#if defined(__x86_64__)
    if (calibration_.source == ClockSource::kTsc) {
      unsigned cpu = 0;
      const std::uint64_t ticks = __rdtscp(&cpu);
      _mm_lfence();
      return ticks;
    }
#elif defined(__aarch64__)
    if (calibration_.source == ClockSource::kCntvct) return ReadCntvct();
#endif
    return MonotonicNs();
  }

  [[nodiscard]] double ToNs(std::uint64_t ticks) const {
    return static_cast<double>(ticks) * calibration_.ns_per_tick;
  }
  [[nodiscard]] const ClockCalibration& calibration() const { return calibration_; }

  /// How many operations one timed batch should hold (`--batch auto`): its length is at least 100
  /// clock steps and 20 times the cost of the pair around it.
  ///
  /// @param op_ns  estimate of one operation's cost, in ns; values under 0.1 count as 0.1.
  /// @return       1 .. 2^20, a power of two.
  [[nodiscard]] std::uint64_t BatchFor(double op_ns) const;

 private:
#if defined(__aarch64__)
  static std::uint64_t ReadCntvct() {
    std::uint64_t ticks;
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0\n\tisb" : "=r"(ticks)::"memory");
    return ticks;
  }
#endif
  static std::uint64_t MonotonicNs() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
           static_cast<std::uint64_t>(now.tv_nsec);
  }

  ClockCalibration calibration_;
};

/// The step of a counter, in ticks, from differences between readings (with varying work between
/// them). Readings that fall within two ticks of each other count as one, because a hypervisor that
/// scales the counter rounds; when they do not separate, the step is one tick.
///
/// @param differences  at least one; sorted in place.
/// @return             ticks, at least 1.
double EstimateStepTicks(std::span<std::uint64_t> differences);

}  // namespace pagealloc::bench
