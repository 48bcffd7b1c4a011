// The files that results/bench/ keeps are what they say: readable, whole, and with the environment
// they were made in.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "harness/report/aggregate.h"
#include "harness/report/results_reader.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::vector<std::string> KeptFiles() {
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(PAGEALLOC_SOURCE "/results/bench")) {
    const std::string path = entry.path().string();
    if (path.ends_with(".csv") || path.ends_with(".csv.zst")) files.push_back(path);
  }
  return files;
}

std::string WithoutEndings(std::string path) {
  for (const std::string_view ending : {".zst", ".csv"}) {
    if (path.ends_with(ending)) path.resize(path.size() - ending.size());
  }
  return path;
}

std::string TextOf(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

bool SameTotal(const ResultRow& a, const ResultRow& b) {
  return a.cell == b.cell && a.op == b.op && a.metric == b.metric && a.stat == b.stat &&
         a.unit == b.unit && a.n == b.n && a.status == b.status && a.result_hash == b.result_hash &&
         a.value.has_value() == b.value.has_value() &&
         (!a.value || std::abs(*a.value - *b.value) <= 1e-9 * std::abs(*a.value));
}

TEST(ReferenceResults, AreThere) { EXPECT_GE(KeptFiles().size(), 3U); }

TEST(ReferenceResults, AreOneRunEachWithItsEnvironment) {
  for (const std::string& path : KeptFiles()) {
    SCOPED_TRACE(path);
    const absl::StatusOr<ResultsFile> file = ReadResults(path, false);
    ASSERT_TRUE(file.ok()) << file.status();
    ASSERT_EQ(file->runs.size(), 1U);
    EXPECT_FALSE(file->rows.empty());
    const json environment =
        json::parse(TextOf(WithoutEndings(path) + ".env.json"), nullptr, false);
    ASSERT_TRUE(environment.is_object());
    EXPECT_EQ(environment["env_id"], file->runs.front().env_id);
    EXPECT_EQ(environment["build"]["commit"], file->runs.front().commit);
    EXPECT_EQ(file->runs.front().commit.find("dirty"), std::string::npos);
  }
}

// Totals over the repetitions are recomputed from the repetitions that the file holds.
TEST(ReferenceResults, HaveTheTotalsOfTheirRepetitions) {
  for (const std::string& path : KeptFiles()) {
    SCOPED_TRACE(path);
    const absl::StatusOr<ResultsFile> file = ReadResults(path, false);
    ASSERT_TRUE(file.ok()) << file.status();
    std::vector<ResultRow> repetitions;
    std::vector<ResultRow> totals;
    for (const ResultsFile::Row& row : file->rows) {
      // Percentiles over all operations that were timed one by one; no repetition tells them.
      const bool pooled = row.result.metric == "service_ns" || row.result.metric == "null_op_ns";
      if (!row.result.rep && pooled) continue;
      (row.result.rep ? repetitions : totals).push_back(row.result);
    }
    const std::vector<ResultRow> again = AggregateRows(repetitions);
    ASSERT_EQ(totals.size(), again.size());
    for (const ResultRow& expected : again) {
      EXPECT_TRUE(
          std::any_of(totals.begin(), totals.end(),
                      [&expected](const ResultRow& total) { return SameTotal(total, expected); }))
          << expected.cell.workload << ' ' << expected.metric;
    }
  }
}

// A page beside the files says how each was made.
TEST(ReferenceResults, AreNamedInTheReadmeBesideThem) {
  for (const std::string& path : KeptFiles()) {
    const std::string readme = TextOf(fs::path(path).parent_path() / "README.md");
    EXPECT_THAT(readme, ::testing::HasSubstr("-o " + fs::path(path).filename().string())) << path;
  }
}

}  // namespace
}  // namespace pagealloc::bench
