#include "harness/compare/comparison.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "harness/report/rows_for_tests.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// A results file under construction.
struct File {
  File() { file.runs.emplace_back(); }

  ResultRow& Add(const std::string& workload, const std::string& metric, double value,
                 std::size_t rep = 0) {
    file.rows.push_back({kSchema, 0, RowForTest(workload, metric, value, rep)});
    return file.rows.back().result;
  }
  /// Twenty repetitions around `ns`.
  void AddTimes(const std::string& workload, double ns) {
    for (std::size_t rep = 0; rep < 20; ++rep) {
      Add(workload, "batch_ns", ns * (1 + 0.0001 * static_cast<double>(rep * 7 % 20)), rep);
    }
  }

  ResultsFile file;
};

Comparison Of(const File& base, const File& candidate, CompareOptions options = {}) {
  return Compare({"base.csv", &base.file}, {"new.csv", &candidate.file}, options);
}

Gate GateFor(const Comparison& comparison) { return GateOf(comparison, {}); }

std::vector<std::string> Verdicts(const Comparison& comparison) {
  std::vector<std::string> lines;
  for (const ComparedRow& row : comparison.rows) {
    lines.push_back(row.cell.workload + ' ' + row.metric + ' ' +
                    std::string(VerdictName(row.verdict)));
  }
  return lines;
}

TEST(Compare, MatchesRowsAndSortsTheWorstFirst) {
  File base;
  File candidate;
  base.Add("steady", "words_scanned", 100);
  candidate.Add("steady", "words_scanned", 100);
  base.Add("better", "words_scanned", 100);
  candidate.Add("better", "words_scanned", 90);
  base.Add("worse", "words_scanned", 100);
  candidate.Add("worse", "words_scanned", 101);
  base.Add("worst", "words_scanned", 100);
  candidate.Add("worst", "words_scanned", 200);
  base.Add("gone", "words_scanned", 100);
  candidate.Add("fresh", "words_scanned", 100);
  base.Add("memory", "metadata_bytes", 1000);
  candidate.Add("memory", "metadata_bytes", 1009);
  const Comparison comparison = Of(base, candidate);
  EXPECT_THAT(Verdicts(comparison),
              ElementsAre("worst words_scanned regressed", "worse words_scanned regressed",
                          "gone words_scanned missing", "memory metadata_bytes exact-changed",
                          "better words_scanned improved", "fresh words_scanned added",
                          "steady words_scanned same"));
  EXPECT_EQ(comparison.in_common, 5U);
  EXPECT_EQ(comparison.counts[static_cast<std::size_t>(Verdict::kRegressed)], 2U);
  EXPECT_EQ(GateFor(comparison), Gate::kFailed);
}

TEST(Compare, JudgesTimesByTheFastestQuarterOfTheRepetitions) {
  File base;
  File candidate;
  base.AddTimes("churn", 100);
  candidate.AddTimes("churn", 105);
  const Comparison comparison = Of(base, candidate);
  ASSERT_EQ(comparison.rows.size(), 1U);
  const ComparedRow& row = comparison.rows.front();
  EXPECT_EQ(row.verdict, Verdict::kRegressed);
  EXPECT_EQ(row.stat, "fastest_quarter");
  EXPECT_EQ(row.base_n, 20U);
  EXPECT_NEAR(*row.ratio, 1.05, 1e-9);
  EXPECT_GT(row.interval->low, 1.04);
  EXPECT_LT(*row.adjusted_p, 0.001);
  // Two files were recorded apart, so that times do not fail the build unless they are named.
  EXPECT_FALSE(row.gated);
  EXPECT_EQ(GateFor(comparison), Gate::kPassed);
  CompareOptions options;
  options.gate = {"batch_ns"};
  EXPECT_EQ(GateFor(Of(base, candidate, options)), Gate::kFailed);
  options.thresholds["batch_ns"] = 6;
  EXPECT_EQ(Of(base, candidate, options).rows.front().verdict, Verdict::kSame);
}

TEST(Compare, PrefersRepetitionsToTheRowOverThem) {
  File base;
  base.AddTimes("churn", 100);
  ResultRow& over_all = base.Add("churn", "batch_ns", 77);
  over_all.rep.reset();
  over_all.stat = "fastest_quarter";
  EXPECT_NEAR(*Of(base, base).rows.front().base, 100, 0.1);
  // Alone it is one value, of which nothing can be said.
  File bare;
  bare.file.rows.push_back({kSchema, 0, over_all});
  const Comparison comparison = Of(bare, base);
  ASSERT_EQ(comparison.rows.size(), 1U);
  EXPECT_EQ(comparison.rows.front().base, 77);
  EXPECT_EQ(comparison.rows.front().verdict, Verdict::kUnclear);
}

TEST(Compare, KeepsPercentilesApart) {
  File base;
  for (const char* stat : {"p50", "p99"}) base.Add("hot", "service_ns", 10).stat = stat;
  EXPECT_EQ(Of(base, base).rows.size(), 2U);
}

TEST(Compare, LeavesOutWhatHasNoDirectionOrNoValue) {
  File base;
  base.Add("hot", "null_op_ns", 10);
  ResultRow& skipped = base.Add("hot", "batch_ns", 10);
  skipped.value.reset();
  skipped.status = RowStatus::kSkipped;
  EXPECT_THAT(Of(base, base).rows, IsEmpty());
}

TEST(Compare, TellsRowsWhoseOperationsDiffer) {
  File base;
  File candidate;
  base.Add("churn", "words_scanned", 100);
  candidate.Add("churn", "words_scanned", 500).cell.stream_hash = "0ther";
  candidate.file.rows.back().result.result_hash = "beef";
  const Comparison comparison = Of(base, candidate);
  EXPECT_EQ(comparison.rows.front().verdict, Verdict::kIncomparable);
  EXPECT_THAT(comparison.rows.front().note, HasSubstr("stream_hash"));
  // Other operations give other results: that is no change of behaviour.
  EXPECT_THAT(comparison.changed_behaviour, IsEmpty());
  EXPECT_EQ(GateFor(comparison), Gate::kNotComparable);  // nothing in common
}

TEST(Compare, FindsChangedBehaviour) {
  File base;
  File candidate;
  base.Add("churn", "words_scanned", 100);
  candidate.Add("churn", "words_scanned", 100).result_hash = "beef";
  const Comparison comparison = Of(base, candidate);
  EXPECT_THAT(comparison.changed_behaviour, ElementsAre("churn radix linux-amd64"));
  EXPECT_EQ(GateFor(comparison), Gate::kNotComparable);
  EXPECT_EQ(GateOf(comparison, {.fail_on = {}, .allow_behaviour_change = true}), Gate::kPassed);
  candidate.file.rows.back().result.result_hash.clear();  // not deterministic: not compared
  EXPECT_EQ(GateFor(Of(base, candidate)), Gate::kPassed);
}

TEST(Compare, AdjustsGatedRowsAsOneFamily) {
  File base;
  File candidate;
  for (const char* name : {"a", "b", "c"}) {
    base.AddTimes(name, 100);
    candidate.AddTimes(name, 100);
  }
  base.AddTimes("d", 100);
  candidate.AddTimes("d", 110);
  for (std::size_t rep = 0; rep < 20; ++rep) {
    for (File* file : {&base, &candidate}) file->Add("a", "ops_per_s", 1000, rep);
  }
  // Not gated: the four rows of the metric. Gated: all five.
  const ComparedRow row = Of(base, candidate).rows.front();
  EXPECT_EQ(row.cell.workload, "d");
  EXPECT_NEAR(*row.adjusted_p, 4 * *row.p, 1e-15);
  CompareOptions options;
  options.gate = {"batch_ns", "ops_per_s"};
  const ComparedRow gated = Of(base, candidate, options).rows.front();
  EXPECT_NEAR(*gated.adjusted_p, 5 * *gated.p, 1e-15);
}

TEST(Compare, TakesRoundsInPairs) {
  File base;
  File candidate;
  for (std::size_t rep = 0; rep < 20; ++rep) {
    const double ns = 100 + 10 * static_cast<double>(rep % 7);  // what the machine did in a round
    base.Add("churn", "batch_ns", ns, rep);
    candidate.Add("churn", "batch_ns", ns * 1.01, 19 - rep).rep = rep;
  }
  CompareOptions options;
  options.pairing = Pairing::kRounds;
  const ComparedRow row = Of(base, candidate, options).rows.front();
  EXPECT_EQ(row.verdict, Verdict::kSame);
  EXPECT_NEAR(*row.round_ratio, 1.01, 1e-9);
  EXPECT_NEAR(row.round_interval->high, 1.01, 1e-9);
  const ComparedRow apart = Of(base, candidate).rows.front();
  EXPECT_EQ(apart.verdict, Verdict::kUnclear);
  EXPECT_FALSE(apart.round_ratio);
}

// A warm-up that was disturbed can give a kind of operation a time of its own in a round or two.
TEST(Compare, DoesNotMissWhatAFewRoundsHad) {
  File base;
  base.Add("always", "words_scanned", 1);
  File candidate = base;
  for (std::size_t rep = 0; rep < 4; ++rep) base.Add("seldom", "batch_ns", 10, rep);
  CompareOptions options;
  EXPECT_EQ(Of(base, candidate, options).rows.front().verdict, Verdict::kMissing);
  options.pairing = Pairing::kRounds;
  EXPECT_EQ(Of(base, candidate, options).rows.front().verdict, Verdict::kUnclear);
  base.Add("seldom", "batch_ns", 10, 4);
  EXPECT_EQ(Of(base, candidate, options).rows.front().verdict, Verdict::kMissing);
}

TEST(Compare, GivesGeometricMeansOverRowsOfBothSides) {
  File base;
  File candidate;
  base.Add("a", "words_scanned", 100);
  candidate.Add("a", "words_scanned", 200);
  base.Add("b", "words_scanned", 100);
  candidate.Add("b", "words_scanned", 50);
  base.Add("gone", "words_scanned", 1);
  const Comparison comparison = Of(base, candidate);
  ASSERT_EQ(comparison.geometric_means.size(), 1U);
  EXPECT_EQ(comparison.geometric_means[0].rows, 2U);
  EXPECT_DOUBLE_EQ(comparison.geometric_means[0].ratio, 1);
}

TEST(Compare, WarnsOfOtherEnvironments) {
  File base;
  File candidate;
  base.Add("a", "words_scanned", 100);
  candidate.Add("a", "words_scanned", 100);
  base.file.runs[0].env_id = "1111";
  candidate.file.runs[0].env_id = "2222";
  EXPECT_THAT(Of(base, candidate).warnings, ElementsAre(HasSubstr("environment")));
  base.file.runs[0].cpu = "fast";
  candidate.file.runs[0].cpu = "slow";
  EXPECT_THAT(Of(base, candidate).warnings,
              ElementsAre(HasSubstr("the CPU differs: fast in base.csv")));
}

TEST(Compare, SaysHowManyRepetitionsWouldDo) {
  File base;
  for (std::size_t rep = 0; rep < 4; ++rep) base.Add("a", "batch_ns", 100, rep);
  EXPECT_THAT(Of(base, base).warnings, ElementsAre(HasSubstr("fewer than 5")));
  File many;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    for (std::size_t rep = 0; rep < 5; ++rep) many.Add(name, "batch_ns", 100, rep);
  }
  // The smallest p of 5 and 5 values is 2 / 252; times 7 rows that is more than 0.05.
  EXPECT_THAT(Of(many, many).warnings, ElementsAre(HasSubstr("fewer than 6")));
}

TEST(GateOf, CountsWhatItIsToldTo) {
  File base;
  File candidate;
  base.Add("a", "words_scanned", 100);
  candidate.Add("a", "words_scanned", 90);
  const Comparison improved = Of(base, candidate);
  EXPECT_EQ(GateOf(improved, {}), Gate::kPassed);
  EXPECT_EQ(GateOf(improved, {.fail_on = {Verdict::kImproved}}), Gate::kFailed);
  for (std::size_t rep = 0; rep < 3; ++rep) base.Add("a", "batch_ns", 100, rep);
  for (std::size_t rep = 0; rep < 3; ++rep) candidate.Add("a", "batch_ns", 200, rep);
  CompareOptions options;
  options.gate = {"batch_ns"};
  const Comparison unclear = Of(base, candidate, options);
  EXPECT_EQ(GateOf(unclear, {}), Gate::kPassed);
  EXPECT_EQ(GateOf(unclear, {.fail_on = {Verdict::kUnclear}}), Gate::kUnclear);
}

TEST(DefaultThreshold, IsThatOfTheDocumentation) {
  EXPECT_EQ(DefaultThreshold("instructions"), 1);
  EXPECT_EQ(DefaultThreshold("metadata_bytes"), 1);
  EXPECT_EQ(DefaultThreshold("words_scanned"), 0);
  EXPECT_EQ(DefaultThreshold("batch_ns"), 2);
  EXPECT_EQ(DefaultThreshold("service_ns"), 10);
  EXPECT_THAT(ExactMetrics(), ElementsAre("instructions", "metadata_bytes", "summary_updates",
                                          "summary_visits", "words_scanned"));
}

}  // namespace
}  // namespace pagealloc::bench
