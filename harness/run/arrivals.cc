#include "harness/run/arrivals.h"

#include <cmath>

#include "harness/trace/random.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// From the open interval (0, 1), so that its logarithm is finite and not 0.
double Uniform(Random& random) {
  constexpr double kStep = 1.0 / static_cast<double>(std::uint64_t{1} << 53);
  return (static_cast<double>(random.Next() >> 11) + 0.5) * kStep;
}

}  // namespace

std::string_view ArrivalName(Arrival arrival) {
  return arrival == Arrival::kFixed ? "fixed" : "poisson";
}

std::vector<std::uint64_t> PlanArrivals(std::size_t count, const OpenLoop& loop,
                                        double ns_per_tick) {
  PA_EXPECT(loop.ops_per_s > 0 && ns_per_tick > 0);
  const double mean_gap = 1e9 / loop.ops_per_s / ns_per_tick;
  Random random(SubSeed(loop.seed, "arrivals"));
  std::vector<std::uint64_t> starts;
  starts.reserve(count);
  double gaps = 0;  // of mean length
  for (std::size_t i = 0; i < count; ++i) {
    gaps += loop.arrival == Arrival::kFixed ? 1 : -std::log(Uniform(random));
    starts.push_back(static_cast<std::uint64_t>(std::llround(gaps * mean_gap)));
  }
  return starts;
}

double OpenLoopTime::achieved_ops_per_s() const {
  return elapsed_ns > 0 ? static_cast<double>(ops) * 1e9 / elapsed_ns : 0;
}

bool OpenLoopTime::kept_up() const {
  constexpr double kLate = 1.05;
  return elapsed_ns <= kLate * planned_ns;
}

}  // namespace pagealloc::bench
