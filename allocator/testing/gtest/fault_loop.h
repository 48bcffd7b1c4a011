/// fault_loop.h: refuses the k-th call to the operating system, k = 1, 2, ..., until none is hit.
///
/// Each k is tried twice: refused once, and refused from then on. The step builds everything anew,
/// arms the memory, works, and judges; it returns false when it got by without a fault. All faults
/// of a program are counted, printed, and must be as many as the test says at least. AllOrNothing()
/// is the loop for an operation that must leave everything as before or as after, never between.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
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

/// Memory that cannot be returned stops nothing; the first other refusal is the one that is told.
inline void ExpectFirstTold(const OsStatus& status, const FaultyMemory& os) {
  const auto told = std::find_if(os.faults().begin(), os.faults().end(), [](const OsStatus& fault) {
    return fault.call != OsCall::kUnreserve;
  });
  EXPECT_EQ(status.ok(), told == os.faults().end());
  if (status.ok() || told == os.faults().end()) return;
  EXPECT_EQ(status.call, told->call);
  EXPECT_EQ(status.error_number, told->error_number);
  EXPECT_EQ(status.bytes, told->bytes);
}

/// There may be a way around a refusal; one that is told was made.
inline void ExpectOneTold(const OsStatus& status, const FaultyMemory& os) {
  const bool made = std::any_of(os.faults().begin(), os.faults().end(), [&](const auto& fault) {
    return fault.call == status.call && fault.error_number == status.error_number &&
           fault.bytes == status.bytes;
  });
  EXPECT_TRUE(status.ok() || made) << status.call_name() << ", errno " << status.error_number;
}

/// Refuses each call of one operation in turn. When it says so, everything is as before, and the
/// operation works when it is repeated; in the end everything is as if nothing had been refused.
///
/// @param make     make() -> std::unique_ptr<World>, always the same one; it has a FaultyMemory
///                 `os`, and its destructor finds leaks. One world at a time.
/// @param operate  operate(World&) -> OsStatus
/// @param look     look(World&) -> State: what must be the same. a == b: all of it;
///                 a.SameHeap(b): but for memory that is held for a retry
/// @param told     told(OsStatus, const FaultyMemory&) judges what the operation said
/// @return         how many calls there were to refuse
template <class Make, class Operate, class Look, class Told>
std::uint64_t AllOrNothing(Make&& make, Operate&& operate, Look&& look, Told&& told) {
  auto reference = make();
  const auto before = look(*reference);
  reference.reset();
  reference = make();
  EXPECT_TRUE(operate(*reference).ok());
  const auto after = look(*reference);
  reference.reset();
  return ForEachFault([&](const PlannedFault& fault) {
    const auto world = make();
    fault.Arm(world->os);
    const OsStatus status = operate(*world);
    world->os.NeverFail();
    const bool hit = !world->os.faults().empty();
    told(status, world->os);
    if (!status.ok()) {
      EXPECT_TRUE(look(*world).SameHeap(before)) << "neither before nor after";
      EXPECT_TRUE(operate(*world).ok()) << "refused again";
    }
    EXPECT_TRUE(look(*world) == after);
    return hit;
  });
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
