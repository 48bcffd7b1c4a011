/// arrivals.h: when the operations of an open loop should start.
///
/// A closed loop starts an operation when the last one is done, so that a slow one delays the rest
/// and hides how long they waited. In an open loop (--rate) the starts are planned before the clock
/// runs, and a response time counts from the planned start, however late the real one was:
///
///   planned   0    |1    |2    |3    |4              fixed: equal gaps; Poisson: exponential gaps
///   executed       [==1=====][=2=][=3=]|=4=]
///   response       |---1-----|
///                        |--2-----|                  2 and 3 waited: their time in the queue
///                        counts
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pagealloc::bench {

enum class Arrival : std::uint8_t {
  kFixed,    ///< as a clock ticks
  kPoisson,  ///< as independent users come
};

/// "fixed" or "poisson".
std::string_view ArrivalName(Arrival arrival);

/// What --rate, --arrival and --seed ask for.
struct OpenLoop {
  double ops_per_s = 0;  ///< above 0
  Arrival arrival = Arrival::kFixed;
  std::uint64_t seed = 1;  ///< of the gaps of kPoisson

  friend bool operator==(const OpenLoop&, const OpenLoop&) = default;
};

/// The planned starts of `count` operations, in ticks from the start of the timed region, in order.
/// The first lies one gap behind it, so that the last lies at count / ops_per_s (on average).
/// Rounding does not add up.
///
/// @param ns_per_tick  of the clock, above 0.
std::vector<std::uint64_t> PlanArrivals(std::size_t count, const OpenLoop& loop,
                                        double ns_per_tick);

/// How an open loop went.
struct OpenLoopTime {
  std::uint64_t ops = 0;
  double planned_ns = 0;  ///< from the start to the last planned start
  double elapsed_ns = 0;  ///< from the start until the last operation was done

  [[nodiscard]] double achieved_ops_per_s() const;
  /// Whether the operations ended little later than they were planned to start: at most 5 %. A
  /// queue that grows ends later, and its response times say how long the run was, not how long
  /// an operation takes.
  [[nodiscard]] bool kept_up() const;

  friend bool operator==(const OpenLoopTime&, const OpenLoopTime&) = default;
};

}  // namespace pagealloc::bench
