// results/schema-1.json, which other programs read, says what the code and the README say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "harness/report/results_csv.h"
#include "harness/report/run_report.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using nlohmann::json;
using ::testing::Contains;
using ::testing::ElementsAre;

json Schema() {
  std::ifstream file(PAGEALLOC_SOURCE "/results/schema-1.json");
  return json::parse(file, nullptr, false);
}

json Column(const std::string& name) {
  const json schema = Schema();
  for (const json& column : schema["columns"]) {
    if (column["name"] == name) return column;
  }
  ADD_FAILURE() << name;
  return {};
}

TEST(ResultsSchema, HasTheColumnsOfTheFileInTheirOrder) {
  const json schema = Schema();
  ASSERT_TRUE(schema.is_object());
  EXPECT_EQ(schema["schema"], kSchema);
  ASSERT_EQ(schema["columns"].size(), ResultColumns().size());
  for (std::size_t i = 0; i < ResultColumns().size(); ++i) {
    const json& column = schema["columns"][i];
    EXPECT_EQ(column["name"], std::string(ResultColumns()[i].name)) << i;
    const bool number = column["type"] == "integer" || column["type"] == "number";
    EXPECT_EQ(number, ResultColumns()[i].is_number) << column["name"];
    EXPECT_THAT((std::vector<std::string>{"string", "integer", "number", "date-time"}),
                Contains(column["type"].get<std::string>()));
    EXPECT_FALSE(column["meaning"].get<std::string>().empty());
    EXPECT_EQ(column["empty"] == true, column.contains("empty_when")) << column["name"];
  }
}

TEST(ResultsSchema, SaysWhichCellsMayBeEmptyAsTheReadmeDoes) {
  std::ifstream file(PAGEALLOC_SOURCE "/harness/report/README.md");
  std::size_t columns = 0;
  for (std::string line; std::getline(file, line) && columns < ResultColumns().size();) {
    const std::string name(ResultColumns()[columns].name);
    if (!line.starts_with("| `" + name + "` |")) continue;
    EXPECT_EQ(line.ends_with("| never |"), Column(name)["empty"] == false) << name;
    ++columns;
  }
  EXPECT_EQ(columns, ResultColumns().size());
}

TEST(ResultsSchema, NamesEveryValueThatTheCodeWrites) {
  std::vector<std::string> statuses;
  for (const RowStatus status :
       {RowStatus::kOk, RowStatus::kNoisy, RowStatus::kTruncated, RowStatus::kSkipped}) {
    statuses.emplace_back(StatusName(status));
  }
  EXPECT_EQ(Column("status")["enum"], json(statuses));
  EXPECT_THAT(Column("better")["enum"], ElementsAre("lower", "higher", "exact", "info"));
  const json metrics = Schema()["metrics"];
  ASSERT_EQ(metrics.size(), AllMetrics().size());
  for (std::size_t i = 0; i < AllMetrics().size(); ++i) {
    const MetricInfo& info = AllMetrics()[i];
    EXPECT_EQ(metrics[i]["name"], std::string(info.name));
    EXPECT_EQ(metrics[i]["unit"], std::string(info.unit)) << info.name;
    EXPECT_EQ(metrics[i]["better"], std::string(info.better)) << info.name;
    EXPECT_EQ(metrics[i]["meaning"], std::string(info.sentence)) << info.name;
    EXPECT_THAT(Column("unit")["enum"], Contains(json(std::string(info.unit))));
    EXPECT_THAT(Column("better")["enum"], Contains(json(std::string(info.better))));
  }
}

}  // namespace
}  // namespace pagealloc::bench
