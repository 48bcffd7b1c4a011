#include "harness/run/region_meter.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdlib>

namespace pagealloc::bench {

RegionMeter::RegionMeter() : schedstat_(open("/proc/self/schedstat", O_RDONLY | O_CLOEXEC)) {
  start_ = SoFar();
  if (start_.lost_ns) total_.lost_ns = 0;
}

RegionMeter::~RegionMeter() {
  if (schedstat_ >= 0) close(schedstat_);
}

RegionCosts RegionMeter::SoFar() const {
  RegionCosts costs;
  std::array<char, 128> text{};
  if (schedstat_ >= 0 && pread(schedstat_, text.data(), text.size() - 1, 0) > 0) {
    // Field 2: nanoseconds that this process was ready to run and did not.
    char* end = nullptr;
    std::strtoull(text.data(), &end, 10);
    costs.lost_ns = static_cast<double>(std::strtoull(end, nullptr, 10));
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  costs.nivcsw = static_cast<std::uint64_t>(usage.ru_nivcsw);
  costs.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt);
  return costs;
}

void RegionMeter::Pause() {
  const RegionCosts now = SoFar();
  if (total_.lost_ns && now.lost_ns) *total_.lost_ns += *now.lost_ns - *start_.lost_ns;
  total_.nivcsw += now.nivcsw - start_.nivcsw;
  total_.minor_faults += now.minor_faults - start_.minor_faults;
}

void RegionMeter::Resume() { start_ = SoFar(); }

RegionCosts RegionMeter::Stop() {
  Pause();
  return total_;
}

}  // namespace pagealloc::bench
