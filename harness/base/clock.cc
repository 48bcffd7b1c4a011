#include "harness/base/clock.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kCalibrationNs = 15'000'000;

std::uint64_t RawMonotonicNs() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC_RAW, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000U +
         static_cast<std::uint64_t>(now.tv_nsec);
}

/// One instant on both clocks.
struct Anchor {
  std::uint64_t ticks = 0;
  std::uint64_t raw_ns = 0;
};

/// The kernel's clock is read between two readings of ours. Of several tries the tightest is kept,
/// so an interrupt between the readings spoils a try, not the anchor.
Anchor ReadAnchor(const Clock& clock) {
  Anchor anchor;
  std::uint64_t tightest = ~std::uint64_t{0};
  for (int i = 0; i < 32; ++i) {
    const std::uint64_t before = clock.Begin();
    const std::uint64_t raw_ns = RawMonotonicNs();
    const std::uint64_t width = clock.End() - before;
    if (width < tightest) {
      tightest = width;
      anchor = {before + width / 2, raw_ns};
    }
  }
  return anchor;
}

/// About `iterations` cycles that no compiler removes.
void Spin(unsigned iterations) {
  for (unsigned i = 0; i < iterations; ++i) __asm__ volatile("" : "+r"(i));
}

double MeasureStepTicks(const Clock& clock) {
  // The work between readings varies, so the differences of a clock without steps are all
  // different, and those of a clock with steps are not.
  std::vector<std::uint64_t> differences(1 << 13);
  unsigned work = 0;
  for (std::uint64_t& difference : differences) {
    const std::uint64_t before = clock.Begin();
    Spin(work);
    difference = clock.Begin() - before;
    work = (work + 7) % 127;
  }
  return EstimateStepTicks(differences);
}

struct PairCost {
  double outside_ticks = 0;  ///< what the pair costs the program
  double inside_ticks = 0;   ///< what the pair reads
};

PairCost MeasurePair(const Clock& clock) {
  constexpr std::size_t kBatches = 31;
  constexpr unsigned kPairs = 256;
  std::array<double, kBatches> outside{};
  std::array<double, kBatches> inside{};
  for (std::size_t i = 0; i < kBatches; ++i) {
    std::uint64_t sum = 0;
    const std::uint64_t before = clock.Begin();
    for (unsigned pair = 0; pair < kPairs; ++pair) {
      const std::uint64_t begin = clock.Begin();
      sum += clock.End() - begin;
    }
    outside[i] = static_cast<double>(clock.End() - before) / kPairs;
    inside[i] = static_cast<double>(sum) / kPairs;
  }
  const auto median = [](std::array<double, kBatches>& values) {
    std::nth_element(values.begin(), values.begin() + kBatches / 2, values.end());
    return values[kBatches / 2];
  };
  return {median(outside), median(inside)};
}

#if defined(__x86_64__)
/// The TSC ticks at one rate, in deep sleep too (CPUID 8000'0007h, EDX bit 8), and RDTSCP exists.
bool TscIsInvariant() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  if (__get_cpuid(0x80000001U, &a, &b, &c, &d) == 0 || (d & (1U << 27)) == 0) return false;
  return __get_cpuid(0x80000007U, &a, &b, &c, &d) != 0 && (d & (1U << 8)) != 0;
}

/// Whether the kernel trusts the TSC enough to keep its own time by it. A guest of KVM or Hyper-V
/// does so through a page in which the hypervisor puts scale and offset.
bool KernelUsesTsc() {
  std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
  std::string name;
  file >> name;
  return name == "tsc" || name == "kvm-clock" || name == "hyperv_clocksource_tsc_page";
}
#endif

bool Has(ClockSource source) {
#if defined(__x86_64__)
  if (source == ClockSource::kTsc) return TscIsInvariant();
#elif defined(__aarch64__)
  if (source == ClockSource::kCntvct) return true;
#endif
  return source == ClockSource::kClockGettime;
}

}  // namespace

std::string_view ClockSourceName(ClockSource source) {
  switch (source) {
    case ClockSource::kTsc:
      return "tsc";
    case ClockSource::kCntvct:
      return "cntvct";
    case ClockSource::kClockGettime:
      break;
  }
  return "clock_gettime";
}

ClockSource Clock::BestSource() {
#if defined(__x86_64__)
  if (TscIsInvariant() && KernelUsesTsc()) return ClockSource::kTsc;
#elif defined(__aarch64__)
  return ClockSource::kCntvct;  // the architecture's own counter, always of one rate
#endif
  return ClockSource::kClockGettime;
}

Clock Clock::Calibrate() { return Calibrate(BestSource()); }

Clock Clock::Calibrate(ClockSource source) {
  PA_EXPECT(Has(source), source);
  Clock clock{ClockCalibration{.source = source}};
  const Anchor start = ReadAnchor(clock);
  const double step_ticks = MeasureStepTicks(clock);
  const PairCost pair = MeasurePair(clock);
  while (RawMonotonicNs() - start.raw_ns < kCalibrationNs) Spin(1000);
  const Anchor end = ReadAnchor(clock);

  ClockCalibration& result = clock.calibration_;
  if (source != ClockSource::kClockGettime) {  // whose ticks are nanoseconds by definition
    result.ns_per_tick = static_cast<double>(end.raw_ns - start.raw_ns) /
                         static_cast<double>(end.ticks - start.ticks);
  }
  result.step_ns = step_ticks * result.ns_per_tick;
  result.pair_ns = pair.outside_ticks * result.ns_per_tick;
  result.empty_ns = pair.inside_ticks * result.ns_per_tick;
  return clock;
}

std::uint64_t Clock::BatchFor(double op_ns) const {
  constexpr double kLargestBatch = 1 << 20;
  const double length_ns = std::max(100 * calibration_.step_ns, 20 * calibration_.pair_ns);
  const double ops = std::ceil(length_ns / std::max(op_ns, 0.1));
  return std::bit_ceil(static_cast<std::uint64_t>(std::clamp(ops, 1.0, kLargestBatch)));
}

double EstimateStepTicks(std::span<std::uint64_t> differences) {
  PA_EXPECT(!differences.empty());
  std::uint64_t divisor = 0;
  for (const std::uint64_t difference : differences) divisor = std::gcd(divisor, difference);
  if (divisor > 1) return static_cast<double>(divisor);  // a plain counter with steps

  // A scaled counter: 0, 25, 26, 51, 52, 78 are the multiples of 25.9, rounded. Groups of values
  // that are close are one multiple each; a group that spreads is no multiple of anything.
  constexpr std::uint64_t kSameGroup = 2;
  constexpr std::uint64_t kWidest = 4;
  std::sort(differences.begin(), differences.end());
  double step = 0;
  double previous_middle = 0;  // no time between two readings is always possible
  for (std::size_t first = 0; first < differences.size();) {
    std::size_t last = first;
    while (last + 1 < differences.size() &&
           differences[last + 1] - differences[last] <= kSameGroup) {
      ++last;
    }
    if (differences[last] - differences[first] > kWidest) return 1;
    const double middle = static_cast<double>(differences[first] + differences[last]) / 2;
    const double gap = middle - previous_middle;
    if (differences[first] > kSameGroup && (step == 0 || gap < step)) step = gap;
    previous_middle = middle;
    first = last + 1;
  }
  return std::max(step, 1.0);
}

}  // namespace pagealloc::bench
