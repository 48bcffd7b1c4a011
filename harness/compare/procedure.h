/// procedure.h: when `ab` looks at its data, and when it stops. Standard library only.
///
/// Rounds are looked at after 10, 20, 40 and 80 of them (a smaller limit cuts the list). Looking
/// several times gives chance several opportunities, so each look gets its share of alpha
/// (Bonferroni). A regression in times that a look finds must show again in new rounds alone: as
/// many as there were, at most 20. If it does not, the rounds stay, and the next look judges all of
/// them.
///
///     rounds 0       10              20
///            |-------| look: regressed
///                    |-------|  the repeat: regressed again -> stop, or not -> unclear so far
///                            |----------------| 40: the last look
///
/// It stops as soon as every gated time or rate is same, improved, or regressed and confirmed.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/compare/comparison.h"

namespace pagealloc::bench {

inline constexpr std::size_t kMostRounds = 80;

/// Numbers of rounds after which to look: 10, doubled up to `most`, which is the last.
std::vector<std::size_t> LooksUpTo(std::size_t most);

class AbProcedure {
 public:
  /// @param options  alpha is that of the whole procedure; pairing is set to kRounds.
  /// @param most     rounds without the repeats; at least 1 (contract).
  AbProcedure(CompareOptions options, std::size_t most);

  /// How many rounds there must be for the next Look(); nullopt: it is over.
  [[nodiscard]] std::optional<std::size_t> wanted() const { return wanted_; }
  /// Whether the rounds up to wanted() are a repeat.
  [[nodiscard]] bool confirming() const { return !suspects_.empty(); }

  /// @param base, candidate  rows of all rounds so far, with `rep` as the round's number from 0.
  void Look(const Side& base, const Side& candidate);

  /// After the last look, or at any time for what is known so far: rows that regressed and were not
  /// confirmed are unclear.
  [[nodiscard]] Comparison Result(const Side& base, const Side& candidate) const;

 private:
  /// A row's name.
  using Name = std::string;

  [[nodiscard]] Comparison Judge(const Side& base, const Side& candidate) const;
  void Confirm(const Side& base, const Side& candidate);
  void LookAgainAfter(std::size_t rounds);

  CompareOptions options_;
  std::vector<std::size_t> looks_;
  std::optional<std::size_t> wanted_;
  std::size_t repeat_from_ = 0;  ///< the first round of the repeat
  std::set<Name> suspects_;      ///< rows that must regress again
  std::set<Name> confirmed_;
};

}  // namespace pagealloc::bench
