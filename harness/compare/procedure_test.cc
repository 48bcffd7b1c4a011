// How often the rule errs on a machine that is disturbed as ours is: by simulation, from fixed
// seeds.
#include "harness/compare/procedure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace pagealloc::bench {
namespace {

/// A machine with neighbours. A repetition takes its true time and a little more or less; while a
/// neighbour is at work, which lasts for several repetitions of either side, it takes up to much
/// longer, never shorter.
class Machine {
 public:
  struct Neighbour {
    double comes;  ///< the chance that it begins to work before a repetition
    double stays;  ///< the chance that it goes on
    double adds;   ///< in the mean, as a share; exponential
  };
  /// At work a quarter of the time, for 3.3 repetitions.
  static constexpr Neighbour kUsual{0.1, 0.7, 0.1};
  /// At work half of the time, for 10 repetitions, as another virtual machine on the same core.
  static constexpr Neighbour kBusy{0.1, 0.9, 0.4};

  Machine(std::uint64_t seed, Neighbour neighbour) : random_(seed), neighbour_(neighbour) {}

  double Time(double true_ns) {
    disturbed_ = Chance(disturbed_ ? neighbour_.stays : neighbour_.comes);
    double ns = true_ns * (1 + 0.003 * Normal());
    if (disturbed_) ns *= 1 - neighbour_.adds * std::log(1 - Uniform());
    return ns;
  }

 private:
  double Uniform() { return static_cast<double>(random_() >> 11) * 0x1p-53; }
  bool Chance(double share) { return Uniform() < share; }
  // Of twelve uniform numbers: the same with every standard library, unlike normal_distribution.
  double Normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += Uniform();
    return sum;
  }

  std::mt19937_64 random_;
  Neighbour neighbour_;
  bool disturbed_ = false;
};

/// Runs the whole procedure on simulated rounds.
class SimulatedAb {
 public:
  /// @param rows  rows in all, of which the first is slower by `slowdown` (0.03: 3 %).
  SimulatedAb(std::uint64_t seed, std::size_t rows, double slowdown, Machine::Neighbour neighbour)
      : machine_(seed, neighbour), rows_(rows), slowdown_(slowdown) {
    base_.runs.emplace_back();
    candidate_.runs.emplace_back();
  }

  Comparison Run() {
    CompareOptions options;
    options.gate.insert("batch_ns");
    AbProcedure procedure(options, kMostRounds);
    while (procedure.wanted()) {
      while (rounds_ < *procedure.wanted()) Round();
      procedure.Look(base(), candidate());
    }
    return procedure.Result(base(), candidate());
  }

  [[nodiscard]] std::size_t rounds() const { return rounds_; }

 private:
  [[nodiscard]] Side base() const { return {"base", &base_}; }
  [[nodiscard]] Side candidate() const { return {"candidate", &candidate_}; }

  void Round() {
    for (const bool candidate_turn : {rounds_ % 2 != 0, rounds_ % 2 == 0}) {  // ABBA
      ResultsFile& file = candidate_turn ? candidate_ : base_;
      for (std::size_t i = 0; i < rows_; ++i) {
        const double slower = candidate_turn && i == 0 ? 1 + slowdown_ : 1;
        CellColumns cell;
        cell.workload = std::to_string(i);
        ResultRow row = MakeRow(cell, "all", "batch_ns", machine_.Time(100 * slower));
        row.rep = rounds_;
        file.rows.push_back({kSchema, 0, std::move(row)});
      }
    }
    ++rounds_;
  }

  Machine machine_;
  const std::size_t rows_;
  const double slowdown_;
  std::size_t rounds_ = 0;
  ResultsFile base_, candidate_;
};

struct Tally {
  int alarms = 0;        ///< comparisons with at least one regressed row
  int improvements = 0;  ///< with at least one improved row
  double rounds = 0;     ///< in the mean
};

Tally Simulate(int tries, std::size_t rows, double slowdown,
               Machine::Neighbour neighbour = Machine::kUsual) {
  Tally tally;
  for (int i = 0; i < tries; ++i) {
    SimulatedAb ab(static_cast<std::uint64_t>(i) + 1, rows, slowdown, neighbour);
    const Comparison comparison = ab.Run();
    if (comparison.counts[static_cast<std::size_t>(Verdict::kRegressed)] > 0) ++tally.alarms;
    if (comparison.counts[static_cast<std::size_t>(Verdict::kImproved)] > 0) ++tally.improvements;
    tally.rounds += static_cast<double>(ab.rounds()) / tries;
  }
  std::printf("%zu rows, %+.0f %%: %d regressed and %d improved of %d, after %.0f rounds\n", rows,
              slowdown * 100, tally.alarms, tally.improvements, tries, tally.rounds);
  return tally;
}

// At most 1 % of comparisons of a program with itself may end otherwise than quietly; most end at
// the first look.
TEST(AbProcedure, RaisesNoAlarmWithoutAChange) {
  constexpr int kTries = 300;
  const Tally one_row = Simulate(kTries, 1, 0);
  EXPECT_LE(one_row.alarms + one_row.improvements, kTries / 100);
  EXPECT_LT(one_row.rounds, 13);
  const Tally ten_rows = Simulate(60, 10, 0);
  EXPECT_LE(ten_rows.alarms + ten_rows.improvements, 1);
}

// A change of 3 % is found in at least 90 %, alone and among nine rows without one.
TEST(AbProcedure, FindsThreePercent) {
  constexpr int kTries = 100;
  const Tally one_row = Simulate(kTries, 1, 0.03);
  EXPECT_GE(one_row.alarms, kTries * 90 / 100);
  EXPECT_EQ(one_row.improvements, 0);
  EXPECT_GE(Simulate(30, 10, 0.03).alarms, 27);
  EXPECT_GE(Simulate(kTries, 1, -0.03).improvements, kTries * 90 / 100);
}

// Where half of all repetitions are disturbed, for long and by much, verdicts take more rounds.
TEST(AbProcedure, IsRightBesideABusyNeighbour) {
  const Tally same = Simulate(100, 2, 0, Machine::kBusy);
  EXPECT_LE(same.alarms + same.improvements, 1);
  const Tally slower = Simulate(100, 2, 0.05, Machine::kBusy);
  EXPECT_GE(slower.alarms, 98);
  EXPECT_EQ(slower.improvements, 0);
}

TEST(LooksUpTo, DoublesAndEndsWithTheLimit) {
  using Looks = std::vector<std::size_t>;
  EXPECT_EQ(LooksUpTo(40), (Looks{10, 20, 40}));
  EXPECT_EQ(LooksUpTo(30), (Looks{10, 20, 30}));
  EXPECT_EQ(LooksUpTo(10), (Looks{10}));
  EXPECT_EQ(LooksUpTo(3), (Looks{3}));
}

/// Rounds of one row, without chance.
class PlannedAb {
 public:
  explicit PlannedAb(double alpha = kAlpha) : procedure_(Options(alpha), kMostRounds) {
    base_.runs.emplace_back();
    candidate_.runs.emplace_back();
  }

  /// Adds rounds up to the next look, in which the sides take so many times as long; looks.
  void LookWith(double candidate_factor, double base_factor = 1) {
    for (; rounds_ < *procedure_.wanted(); ++rounds_) {
      for (const bool is_base : {true, false}) {
        const double ns = 100 + 0.01 * static_cast<double>(rounds_ % 7);
        ResultRow row =
            MakeRow({}, "all", "batch_ns", ns * (is_base ? base_factor : candidate_factor));
        row.rep = rounds_;
        (is_base ? base_ : candidate_).rows.push_back({kSchema, 0, std::move(row)});
      }
    }
    procedure_.Look({"base", &base_}, {"candidate", &candidate_});
  }

  [[nodiscard]] const AbProcedure& procedure() const { return procedure_; }
  [[nodiscard]] ComparedRow Row() const {
    return procedure_.Result({"base", &base_}, {"candidate", &candidate_}).rows.front();
  }

 private:
  static CompareOptions Options(double alpha) {
    CompareOptions options;
    options.gate.insert("batch_ns");
    options.alpha = alpha;
    return options;
  }

  AbProcedure procedure_;
  std::size_t rounds_ = 0;
  ResultsFile base_, candidate_;
};

TEST(AbProcedure, StopsAtTheFirstLookWhenAllIsTheSame) {
  PlannedAb ab;
  EXPECT_EQ(ab.procedure().wanted(), 10U);
  ab.LookWith(1);
  EXPECT_EQ(ab.procedure().wanted(), std::nullopt);
  EXPECT_EQ(ab.Row().verdict, Verdict::kSame);
}

// Of ten rounds, two of the 1024 ways to swap differ as much, and of twenty 1 in 10,000 of those
// tried: with four looks, 0.004 lies between four times the one and the other.
TEST(AbProcedure, EachLookHasItsShareOfAlpha) {
  PlannedAb ab(0.004);
  ab.LookWith(1.05);
  EXPECT_EQ(ab.Row().verdict, Verdict::kUnclear);
  EXPECT_FALSE(ab.procedure().confirming());
  EXPECT_EQ(ab.procedure().wanted(), 20U);
  ab.LookWith(1.05);
  EXPECT_TRUE(ab.procedure().confirming());
}

TEST(AbProcedure, ConfirmsARegressionBeforeItIsDeclared) {
  PlannedAb ab;
  ab.LookWith(1.05);
  EXPECT_TRUE(ab.procedure().confirming());
  EXPECT_EQ(ab.procedure().wanted(), 20U);
  EXPECT_EQ(ab.Row().verdict, Verdict::kUnclear);
  ab.LookWith(1.05);
  EXPECT_EQ(ab.procedure().wanted(), std::nullopt);
  EXPECT_EQ(ab.Row().verdict, Verdict::kRegressed);
}

TEST(AbProcedure, TakesBackWhatARepeatDoesNotConfirm) {
  PlannedAb ab;
  ab.LookWith(1.05);
  ab.LookWith(1);  // the repeat
  EXPECT_FALSE(ab.procedure().confirming());
  EXPECT_EQ(ab.procedure().wanted(), 40U);
  EXPECT_NE(ab.Row().verdict, Verdict::kRegressed);
  ab.LookWith(1);
  EXPECT_EQ(ab.procedure().wanted(), std::nullopt);
  EXPECT_NE(ab.Row().verdict, Verdict::kRegressed);
}

// The base was lucky in the first rounds. All rounds together still look like a regression, so that
// only the new ones can tell.
TEST(AbProcedure, RepeatsWithNewRoundsAlone) {
  PlannedAb ab;
  ab.LookWith(1, 0.9);
  ASSERT_TRUE(ab.procedure().confirming());
  ab.LookWith(1);
  EXPECT_FALSE(ab.procedure().confirming());
  EXPECT_EQ(ab.procedure().wanted(), 40U);
}

TEST(AbProcedure, DeclaresAnImprovementAtOnce) {
  PlannedAb ab;
  ab.LookWith(0.95);
  EXPECT_EQ(ab.procedure().wanted(), std::nullopt);
  EXPECT_EQ(ab.Row().verdict, Verdict::kImproved);
}

}  // namespace
}  // namespace pagealloc::bench
