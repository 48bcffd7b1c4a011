#include "harness/run/plan.h"

#include <algorithm>
#include <numeric>

#include "harness/trace/random.h"

namespace pagealloc::bench {

std::vector<PlannedRun> MakePlan(const PlanOptions& options) {
  std::vector<PlannedRun> plan;
  std::uint64_t seq = 0;
  // Round r of all: the first `warmups` are the warm-ups.
  const auto add = [&](std::size_t cell, std::uint64_t round) {
    if (round < options.warmups) {
      plan.push_back({cell, std::nullopt, 0});
    } else {
      plan.push_back({cell, round - options.warmups, seq++});
    }
  };
  const std::uint64_t rounds = options.warmups + options.reps;
  if (options.interleave == Interleave::kNone) {
    for (std::size_t cell = 0; cell < options.cells; ++cell) {
      for (std::uint64_t round = 0; round < rounds; ++round) add(cell, round);
    }
    return plan;
  }
  std::vector<std::size_t> order(options.cells);
  std::iota(order.begin(), order.end(), std::size_t{0});
  Random random(SubSeed(options.seed, "order of repetitions"));
  for (std::uint64_t round = 0; round < rounds; ++round) {
    if (options.interleave == Interleave::kRandom) {
      random.Shuffle(order);
    } else if (round > 0) {
      std::reverse(order.begin(), order.end());
    }
    for (const std::size_t cell : order) add(cell, round);
  }
  return plan;
}

}  // namespace pagealloc::bench
