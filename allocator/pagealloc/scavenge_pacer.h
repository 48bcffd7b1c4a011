/// scavenge_pacer.h: when to scavenge, how much, and how long to rest afterwards.
///
/// Pure arithmetic, without clock, thread or heap: background_scavenger.h feeds it what it sees and
/// measures. Two goals: memory that is resident may exceed the highest use of the last two
/// generations by a share (background mode), and never a limit (forced mode, before all else). Work
/// is paid for with rest: after w ns of work at a share s of one CPU, w * (1 - s) / s ns. Rests are
/// put off until a millisecond is owed for, as short ones are longer than they should be. Sleeping
/// too long only makes the share smaller; nothing is caught up.
///
/// Go 1.26: the goals of gcPaceScavenger, a share of 1 % and quanta of 64 KiB; a controller there
/// aims at the share, here it is a bound.
#pragma once

#include <algorithm>
#include <cstdint>

#include "pagealloc/contract.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// What background scavenging may do.
struct ScavengePolicy {
  /// Resident memory to keep, in percent of the highest use: 100 to 1,000,000 (contract).
  std::uint64_t keep_percent = 110;
  ByteCount limit = kAllMemory;  ///< resident memory must not exceed it
  double cpu_share = 0.01;       ///< of one CPU, more than 0 and at most 1 (contract)
  ByteCount quantum{65536};      ///< released at a time
  /// How long to sleep when nothing is in excess: 1 to a day (contract).
  std::uint64_t idle_ns = 100'000'000;
  /// How often a new generation begins by itself; 0: never, the program says when (a collector).
  std::uint64_t generation_ns = 5'000'000'000;
};

class ScavengePacer {
 public:
  explicit ScavengePacer(const ScavengePolicy& policy) : policy_(policy) {
    PA_EXPECT(policy.keep_percent >= 100 && policy.keep_percent <= 1'000'000, policy.keep_percent);
    PA_EXPECT(policy.cpu_share > 0 && policy.cpu_share <= 1);
    PA_EXPECT(policy.quantum > ByteCount{0});
    PA_EXPECT(policy.idle_ns >= 1 && policy.idle_ns <= kLongestRestNs, policy.idle_ns);
  }

  /// What to release next: at most a quantum; 0 bytes: nothing is in excess.
  struct Plan {
    ByteCount bytes;
    ScavengeMode mode = ScavengeMode::kBackground;
  };
  [[nodiscard]] Plan Next(const HeapStats& stats) {
    peak_ = std::max(peak_, stats.in_use);
    const PageCount resident{stats.grown.raw - stats.scavenged.raw};
    if (BytesOf(resident) > policy_.limit) {
      return {std::min(BytesOf(resident) - policy_.limit, policy_.quantum), ScavengeMode::kForced};
    }
    const PageCount highest = std::max(peak_, last_peak_);
    // In this order, as pages times percent fits a word for every heap that fits an address space.
    const PageCount goal{highest.raw * policy_.keep_percent / 100};
    if (resident <= goal) return {};
    return {std::min(BytesOf(resident - goal), policy_.quantum), ScavengeMode::kBackground};
  }

  /// A new generation: the highest use of the one before the last is forgotten.
  void NextGeneration() {
    last_peak_ = peak_;
    peak_ = PageCount{0};
  }

  /// How long to rest after so much work; 0: go on, it is remembered.
  [[nodiscard]] std::uint64_t RestAfter(std::uint64_t work_ns) {
    owed_ns_ = work_ns > kLongestWorkNs - owed_ns_ ? kLongestWorkNs : owed_ns_ + work_ns;
    if (owed_ns_ < kLeastWorkNs) return 0;
    const double rest = static_cast<double>(owed_ns_) * (1 - policy_.cpu_share) / policy_.cpu_share;
    owed_ns_ = 0;
    return rest < static_cast<double>(kLongestRestNs) ? static_cast<std::uint64_t>(rest)
                                                      : kLongestRestNs;
  }

 private:
  static constexpr std::uint64_t kLeastWorkNs = 1'000'000;            // a millisecond
  static constexpr std::uint64_t kLongestWorkNs = 3'600'000'000'000;  // an hour: a clock went wrong
  static constexpr std::uint64_t kLongestRestNs = 24 * kLongestWorkNs;

  ScavengePolicy policy_;
  PageCount peak_;       // most pages in use in this generation, as far as was seen
  PageCount last_peak_;  // in the one before
  std::uint64_t owed_ns_ = 0;
};

}  // namespace pagealloc
