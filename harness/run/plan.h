/// plan.h: in which order the repetitions of all cells run.
///
///   warm-up    A B C | C B A ...       thrown away
///   abba       A B C | C B A | A B C | ...    a drift of the machine hits all cells alike
///   random     each round in an order of its own, from the seed
///   none       A A A ... B B B ... C C C ...   (each cell after its own warm-ups)
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

namespace pagealloc::bench {

enum class Interleave : std::uint8_t { kAbba, kRandom, kNone };

struct PlannedRun {
  std::size_t cell = 0;
  std::optional<std::uint64_t> rep;  ///< none: a warm-up, whose times are thrown away
  std::uint64_t seq = 0;             ///< place among the repetitions, warm-ups not counted

  friend bool operator==(const PlannedRun&, const PlannedRun&) = default;
};

struct PlanOptions {
  std::size_t cells = 0;
  std::uint64_t reps = 1;
  std::uint64_t warmups = 0;
  Interleave interleave = Interleave::kAbba;
  std::uint64_t seed = 1;  ///< for kRandom
};

std::vector<PlannedRun> MakePlan(const PlanOptions& options);

}  // namespace pagealloc::bench
