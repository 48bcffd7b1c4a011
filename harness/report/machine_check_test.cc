#include "harness/report/machine_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "harness/base/temporary_folder.h"

namespace pagealloc::bench {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Environment GoodEnvironment() {
  Environment environment;
  environment.build.build_type = "Release";
  environment.clock = {ClockSource::kTsc, 0.4, 100, 22, 12};
  environment.governor = "performance";
  environment.load_average = "1.00 0.58 0.59";
  environment.cores = 2;
  environment.thp = "always";
  return environment;
}

MachineState GoodState() {
  MachineState state;
  state.lost = {2e8, 1e7, 4.2e6, 57};
  state.before = {1'000, 10};
  state.after = {1'040, 12};
  state.aslr = "2";
  state.smt = "0";
  state.boost = false;
  state.available_bytes = std::uint64_t{1} << 30;
  return state;
}

std::vector<std::string> Problems(const Environment& environment, const MachineState& state) {
  std::vector<std::string> names;
  for (const Finding& finding : MachineFindings(environment, state)) {
    EXPECT_NE(finding.value, "") << finding.name;
    EXPECT_EQ(finding.advice.empty(), finding.fine()) << finding.name;
    if (!finding.fine()) names.push_back(finding.name);
  }
  return names;
}

Finding Named(const std::string& name, const MachineState& state) {
  for (Finding& finding : MachineFindings(GoodEnvironment(), state)) {
    if (finding.name == name) return finding;
  }
  ADD_FAILURE() << name;
  return {};
}

// Every number of the good machine lies on the good side of its limit, and of the bad one beyond.
TEST(MachineCheck, AGoodMachineHasNoProblems) {
  EXPECT_THAT(Problems(GoodEnvironment(), GoodState()), IsEmpty());
  EXPECT_THAT(EnvironmentProblems(GoodEnvironment()), IsEmpty());
}

TEST(MachineCheck, EachThingThatIsWrongIsFoundByItself) {
  const auto environment = [](auto change) {
    Environment changed = GoodEnvironment();
    change(changed);
    return Problems(changed, GoodState());
  };
  EXPECT_THAT(environment([](Environment& e) { e.build.build_type = "Debug"; }),
              ElementsAre("build"));
  EXPECT_THAT(environment([](Environment& e) { e.build.build_type = "Release+checked"; }),
              ElementsAre("build"));
  EXPECT_THAT(environment([](Environment& e) { e.clock.source = ClockSource::kClockGettime; }),
              ElementsAre("clock"));
  EXPECT_THAT(environment([](Environment& e) { e.clock.step_ns = 100.5; }),
              ElementsAre("clock step"));
  EXPECT_THAT(environment([](Environment& e) { e.governor = "powersave"; }),
              ElementsAre("governor"));
  EXPECT_THAT(environment([](Environment& e) { e.load_average = "1.01 0 0"; }),
              ElementsAre("load"));
  EXPECT_THAT(environment([](Environment& e) {
                e.cores = 1;
                e.load_average = "0.5 0 0";
              }),
              ElementsAre("CPUs"));
  const auto state = [](auto change) {
    MachineState changed = GoodState();
    change(changed);
    return Problems(GoodEnvironment(), changed);
  };
  EXPECT_THAT(state([](MachineState& s) { s.lost.lost_ns = 1.01e7; }), ElementsAre("lost time"));
  EXPECT_THAT(state([](MachineState& s) { s.after.stolen = 13; }), ElementsAre("steal"));
  EXPECT_THAT(state([](MachineState& s) { s.aslr = "0"; }), ElementsAre("ASLR"));
  EXPECT_THAT(state([](MachineState& s) { s.smt = "1"; }), ElementsAre("SMT"));
  EXPECT_THAT(state([](MachineState& s) { s.boost = true; }), ElementsAre("boost"));
  EXPECT_THAT(state([](MachineState& s) { --*s.available_bytes; }), ElementsAre("memory"));
}

TEST(MachineCheck, WhatIsNotKnownIsFine) {
  Environment environment = GoodEnvironment();
  environment.governor = environment.load_average = environment.thp = "";
  EXPECT_THAT(Problems(environment, MachineState{}), IsEmpty());
}

TEST(MachineCheck, ValuesHaveTheirUnits) {
  EXPECT_EQ(Named("lost time", GoodState()).value,
            "5.0 % of 200 ms, in 57 gaps above 1 us, the longest 4200 us");
  EXPECT_EQ(Named("steal", GoodState()).value, "5.0 %");
  EXPECT_EQ(Named("clock step", GoodState()).value, "100 ns");
  EXPECT_THAT(Named("clock", GoodState()).value, HasSubstr("22 ns"));
}

TEST(MachineCheck, TheStateIsReadFromProcAndSys) {
  const TemporaryFolder folder;
  const std::string& root = folder.path();
  const auto put = [&root](const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root + path).parent_path());
    std::ofstream(root + path) << text;
  };
  EXPECT_EQ(ReadMachineState(root).aslr, "");
  EXPECT_EQ(ReadCpuTimes(root).all, 0U);
  put("/proc/stat", "cpu  1 2 3 4 5 6 7 80 900 1000\ncpu0 1 1 1 1 1 1 1 1 1 1\n");
  put("/proc/meminfo", "MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:   1234 kB\n");
  put("/proc/sys/kernel/randomize_va_space", "2\n");
  put("/sys/devices/system/cpu/smt/active", "1\n");
  put("/sys/devices/system/cpu/cpufreq/boost", "0\n");
  EXPECT_EQ(ReadCpuTimes(root).all, 108U);
  EXPECT_EQ(ReadCpuTimes(root).stolen, 80U);
  MachineState state = ReadMachineState(root);
  EXPECT_EQ(state.available_bytes, 1234U * 1024);
  EXPECT_EQ(state.aslr, "2");
  EXPECT_EQ(state.smt, "1");
  EXPECT_EQ(state.boost, false);
  put("/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
  EXPECT_EQ(ReadMachineState(root).boost, true);
}

}  // namespace
}  // namespace pagealloc::bench
