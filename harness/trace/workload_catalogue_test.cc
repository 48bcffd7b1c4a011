#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> Select(std::vector<std::string> patterns,
                                std::vector<std::string> exclude = {}) {
  const auto selected = SelectWorkloads(patterns, exclude);
  if (!selected.ok()) return {selected.error().sentence};
  std::vector<std::string> names;
  for (const WorkloadSelection& selection : selected.value()) {
    names.push_back(std::string(selection.workload->name) + (selection.full ? " full" : ""));
  }
  return names;
}

std::vector<std::string> Expand(std::string_view workload, const ParamGrid& given,
                                bool full = false) {
  const auto sets = ExpandParams({FindWorkload(workload), full}, given);
  if (!sets.ok()) return {sets.error().sentence};
  std::vector<std::string> texts;
  for (const ParamSet& set : sets.value()) texts.push_back(ParamText(set));
  return texts;
}

TEST(Catalogue, NamesAreUniqueAndEverythingIsExplained) {
  std::set<std::string_view> names;
  for (const WorkloadInfo& workload : Workloads()) {
    EXPECT_TRUE(names.insert(workload.name).second) << workload.name;
    EXPECT_FALSE(workload.sentence.empty()) << workload.name;
    for (const ParamInfo& param : workload.params) {
      EXPECT_FALSE(param.sentence.empty()) << workload.name << " " << param.name;
      EXPECT_EQ(param.words.empty(), param.kind != ParamKind::kWord);
    }
    EXPECT_EQ(FindWorkload(workload.name), &workload);
  }
  EXPECT_EQ(FindWorkload("no such"), nullptr);
}

TEST(Catalogue, DefaultsAndFullSetsAreAllowedValues) {
  for (const WorkloadInfo& workload : Workloads()) {
    const auto fallback = ExpandParams({&workload, false}, {});
    ASSERT_TRUE(fallback.ok()) << fallback.error().sentence;
    ASSERT_EQ(fallback.value().size(), 1U) << workload.name;
    EXPECT_EQ(fallback.value()[0].size(), workload.params.size());
    const auto full = ExpandParams({&workload, true}, {});
    ASSERT_TRUE(full.ok()) << full.error().sentence;
    EXPECT_NE(std::find(full.value().begin(), full.value().end(), fallback.value()[0]),
              full.value().end())
        << workload.name << ": @full contains what @quick runs";
  }
}

TEST(SelectWorkloads, KnowsSetsAndGlobsInTheCataloguesOrder) {
  EXPECT_EQ(Select({"@full"}).size(), Workloads().size());
  EXPECT_THAT(Select({"@quick"}), AllOf(Contains("churn"), Not(Contains("adversary"))));
  EXPECT_THAT(Select({"*-only", "hot"}), ElementsAre("hot", "find-only", "alloc-range-only"));
  EXPECT_THAT(Select({"h?t"}), ElementsAre("hot"));
  EXPECT_THAT(Select({"*-*-*"}), ElementsAre("alloc-range-only"));
  EXPECT_THAT(Select({"hot", "h*", "hot"}), ElementsAre("hot", "huge"));
}

TEST(SelectWorkloads, LeavesOutWhatIsExcluded) {
  EXPECT_THAT(Select({"@full"}, {"s*", "*-*", "*o*", "*a*"}),
              ElementsAre("churn full", "huge full"));
  EXPECT_THAT(Select({"churn", "@quick"}, {"@quick"}),
              ElementsAre(HasSubstr("no workload is left")));
}

TEST(SelectWorkloads, NamesTheNearestForAPatternThatMatchesNothing) {
  EXPECT_THAT(Select({"hot", "chrun"}),
              ElementsAre("unknown workload 'chrun'. The nearest is 'churn'; see pagealloc-bench "
                          "list workloads."));
  EXPECT_THAT(Select({"@fast"}), ElementsAre(HasSubstr("The nearest is '@full'")));
  EXPECT_THAT(Select({"@quick"}, {"lagre"}), ElementsAre(HasSubstr("'large'")));
}

TEST(ExpandParams, TakesTheCrossProductOfWhatIsGivenAndFallbacksElsewhere) {
  EXPECT_THAT(Expand("churn", {}), ElementsAre("occupancy=90;sizes=1-16"));
  EXPECT_THAT(Expand("churn", {{"occupancy", {"50", "99"}}, {"sizes", {"1", "8-16"}}}),
              ElementsAre("occupancy=50;sizes=1", "occupancy=50;sizes=8-16", "occupancy=99;sizes=1",
                          "occupancy=99;sizes=8-16"));
}

TEST(ExpandParams, FullLeavesGivenParametersAlone) {
  EXPECT_EQ(Expand("churn", {}, true).size(), 9U);
  EXPECT_THAT(
      Expand("churn", {{"occupancy", {"7"}}}, true),
      ElementsAre("occupancy=7;sizes=1", "occupancy=7;sizes=1-16", "occupancy=7;sizes=1-256"));
}

TEST(ExpandParams, SameValuesInOtherWordsAreOneCell) {
  EXPECT_THAT(Expand("churn", {{"sizes", {"4", "4-4", "04"}}}),
              ElementsAre("occupancy=90;sizes=4"));
}

TEST(ExpandParams, NamesTheNearestParameterOrTheAllowedValues) {
  EXPECT_THAT(Expand("churn", {{"occupany", {"50"}}}),
              ElementsAre(HasSubstr("The nearest is 'occupancy'")));
  EXPECT_THAT(Expand("churn", {{"occupancy", {"50", "500"}}}),
              ElementsAre(HasSubstr("Give a number from 1 to 99.")));
  EXPECT_THAT(Expand("go-spans", {{"lifetimes", {"jsno"}}}),
              ElementsAre(HasSubstr("the nearest is 'json'")));
  EXPECT_THAT(Expand("churn", {{"occupancy", {}}}), ElementsAre(HasSubstr("'' is no value")));
}

}  // namespace
}  // namespace pagealloc::bench
