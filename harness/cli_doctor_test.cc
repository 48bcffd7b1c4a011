// doctor through the real program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "harness/program_under_test.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::HasSubstr;
using ::testing::IsSupersetOf;
using Json = nlohmann::json;

class CliDoctor : public ProgramTest {};

TEST_F(CliDoctor, SaysOfEachThingWhetherItIsFineAndWhatToDo) {
  const Ended ended = Bench({"doctor", "--format", "json"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(ended.err, "");
  const Json json = Json::parse(ended.out);
  std::set<std::string> names;
  bool fine = true;
  for (const Json& finding : json["findings"]) {
    names.insert(finding["name"]);
    EXPECT_NE(finding["value"], "");
    EXPECT_EQ(finding["advice"] == "", finding["fine"].get<bool>());
    EXPECT_EQ(finding["problem"] == "", finding["fine"].get<bool>());
    fine = fine && finding["fine"].get<bool>();
  }
  EXPECT_EQ(json["fine"], fine);
  EXPECT_THAT(names, IsSupersetOf({"build", "clock", "clock step", "lost time", "load", "steal",
                                   "governor", "THP", "ASLR", "CPUs"}));
}

TEST_F(CliDoctor, StrictRefusesWhatIsNotFineAfterSayingIt) {
  const Ended table = Bench({"doctor"});
  EXPECT_EQ(table.exit_status, 0);
  EXPECT_THAT(table.out, HasSubstr("lost time"));
  const Ended strict = Bench({"doctor", "--strict-env", "--format", "json"});
  if (Json::parse(strict.out)["fine"].get<bool>()) {
    EXPECT_EQ(strict.exit_status, 0) << strict.err;
  } else {
    EXPECT_EQ(strict.exit_status, 5) << strict.out;
    EXPECT_THAT(strict.err, HasSubstr("--strict-env refuses this machine: "));
  }
}

TEST_F(CliDoctor, RefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Bench({"doctor", "now"}).exit_status, 2);
  EXPECT_THAT(Bench({"doctor", "--format", "jsn"}).err, HasSubstr("The nearest is 'json'"));
  EXPECT_THAT(Bench({"doctor", "--cpu", "99999"}).err, HasSubstr("CPU 99999"));
  EXPECT_EQ(Bench({"doctor", "--cpu", ""}).exit_status, 2);
}

TEST_F(CliDoctor, KeepsToTheRulesOfStandardOutput) {
  CallOptions closed;
  closed.stdout_closed_at_once = true;
  EXPECT_EQ(Bench({"doctor"}, closed).exit_status, 0);
  CallOptions full;
  full.stdout_path = "/dev/full";
  const Ended ended = Bench({"doctor", "--strict-env"}, full);
  EXPECT_EQ(ended.exit_status, 4);
  EXPECT_THAT(ended.err, HasSubstr("cannot write to standard output"));
}

}  // namespace
}  // namespace pagealloc::bench
