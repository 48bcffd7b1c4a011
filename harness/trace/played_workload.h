/// played_workload.h: workloads made and judged, for tests that look at what they do.
#pragma once

#include <cstdint>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "harness/trace/workload.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

constexpr ByteCount MiB(std::uint64_t n) { return ByteCount{n << 20}; }

/// The program; the test fails if there is none.
Program Make(const WorkloadRequest& request);

struct Played {
  Program program;
  Judgement judgement;
  std::vector<std::uint64_t> in_use;  ///< pages, after each measured operation
  double lowest_percent = 100, highest_percent = 0;
};

/// The program and what comes of it; the test fails if it is not legal.
Played Play(const WorkloadRequest& request);

}  // namespace pagealloc::bench
