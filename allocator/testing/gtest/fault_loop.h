/// fault_loop.h: refuses the k-th call to the operating system, k = 1, 2, ..., until none is hit.
///
/// Each k is tried twice: refused once, and refused from then on. The step builds everything anew,
/// arms the memory, works, and judges; it returns false when it got by without a fault. All faults
/// of a program are counted, printed, and must be as many as the test says at least.
#pragma once

#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>

#include "testing/faulty_memory.h"

namespace pagealloc::testing {

/// Which call is refused, and how.
struct PlannedFault {
  std::uint64_t nth;
  FaultyMemory::Repeat repeat;
  int error_number;

  void Arm(FaultyMemory& os) const { os.FailCall(nth, repeat, error_number); }
};

/// Sum over all loops of the program.
inline std::uint64_t& FaultsInjected() {
  static std::uint64_t total = 0;
  return total;
}

/// Calls step(fault) until it returns false, or a test failed. How many calls there were to refuse.
template <class Step>
std::uint64_t ForEachFault(Step&& step) {
  std::uint64_t most = 0;
  for (const auto repeat : {FaultyMemory::Repeat::kOnce, FaultyMemory::Repeat::kForEver}) {
    const bool once = repeat == FaultyMemory::Repeat::kOnce;
    for (std::uint64_t k = 1; !::testing::Test::HasFailure(); ++k) {
      SCOPED_TRACE(::testing::Message() << "call " << k << (once ? " once" : " and all later"));
      if (!step(PlannedFault{k, repeat, once ? EAGAIN : ENOMEM})) {
        most = k - 1;
        break;
      }
      ++FaultsInjected();
    }
  }
  return most;
}

/// Prints the sum at the program's end and holds it against a minimum, if all tests ran.
class FaultCount : public ::testing::Environment {
 public:
  explicit FaultCount(std::uint64_t at_least) : at_least_(at_least) {}
  void TearDown() override {
    std::printf("faults injected: %llu\n", static_cast<unsigned long long>(FaultsInjected()));
    const bool all = ::testing::GTEST_FLAG(filter) == "*";
    EXPECT_GE(FaultsInjected(), all ? at_least_ : 0);
  }

 private:
  std::uint64_t at_least_;
};

}  // namespace pagealloc::testing
