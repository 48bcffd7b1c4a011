#include "harness/report/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "harness/base/temporary_folder.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using ::testing::AnyOf;
using ::testing::IsEmpty;
using ::testing::MatchesRegex;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kCpuinfo[] = "/proc/cpuinfo";
constexpr char kThp[] = "/sys/kernel/mm/transparent_hugepage/enabled";
constexpr char kLoad[] = "/proc/loadavg";
constexpr char kGovernor[] = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
constexpr char kCache[] = "/sys/devices/system/cpu/cpu0/cache/index";

/// A folder with the files of /proc and /sys that a machine would show.
class FakeMachine : public testing::Test {
 protected:
  FakeMachine() {
    Put(kCpuinfo,
        "processor\t: 0\nvendor_id\t: Some\nmodel name\t: Some CPU @ 3.00GHz\ncache size\t: 1 "
        "KB\n\n"
        "processor\t: 1\nmodel name\t: Another CPU\n");
    Put("/proc/meminfo", "MemTotal:       16384256 kB\nMemFree:  1 kB\n");
    Put(kLoad, "0.52 0.58 0.59 1/389 12345\n");
    Put(kThp, "always [madvise] never\n");
    Put(kGovernor, "performance\n");
    Put("/sys/devices/system/clocksource/clocksource0/current_clocksource", "tsc\n");
    PutCache(0, "1", "Data", "32K", "0");
    PutCache(1, "3", "Unified", "32768K", "0-7");
  }

  void Put(const std::string& path, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(root_ + path).parent_path());
    std::ofstream(root_ + path) << text;
  }
  void PutCache(int index, const char* level, const char* type, const char* size,
                const char* shared) {
    const std::string folder = kCache + std::to_string(index);
    Put(folder + "/level", level);
    Put(folder + "/type", type);
    Put(folder + "/size", size);
    Put(folder + "/shared_cpu_list", shared);
  }
  Environment Read() {
    return ReadEnvironment({"pagealloc-bench", "run"}, {{"seed", "1"}},
                           {.source = ClockSource::kTsc, .step_ns = 10}, root_);
  }

  TemporaryFolder folder_;
  const std::string& root_ = folder_.path();
};

TEST_F(FakeMachine, IsReadFromProcAndSys) {
  const Environment found = Read();
  EXPECT_EQ(found.cpu_model, "Some CPU @ 3.00GHz");
  EXPECT_EQ(found.memory_bytes, 16384256ULL * 1024);
  EXPECT_EQ(found.load_average, "0.52 0.58 0.59");
  EXPECT_EQ(found.thp, "madvise");
  EXPECT_EQ(found.governor, "performance");
  EXPECT_EQ(found.clocksource, "tsc");
  ASSERT_THAT(found.caches, SizeIs(2));
  EXPECT_EQ(found.caches[1].level, 3U);
  EXPECT_EQ(found.caches[1].type, "Unified");
  EXPECT_EQ(found.caches[1].size, "32768K");
  EXPECT_EQ(found.caches[1].shared_with, "0-7");
  EXPECT_GE(found.cores, 1U);
}

TEST_F(FakeMachine, ArmCpusAreNamedByTheirNumbers) {
  Put(kCpuinfo, "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n");
  EXPECT_EQ(Read().cpu_model, "implementer 0x41 part 0xd0c");
}

TEST_F(FakeMachine, WhatTheMachineDoesNotSayStaysEmpty) {
  for (const auto& entry : std::filesystem::directory_iterator(root_)) remove_all(entry.path());
  Environment found = Read();
  EXPECT_EQ(found.cpu_model, "");
  EXPECT_EQ(found.memory_bytes, 0U);
  EXPECT_EQ(found.thp, "");
  EXPECT_EQ(found.load_average, "");
  EXPECT_THAT(found.caches, IsEmpty());
  EXPECT_THAT(found.env_id, MatchesRegex("[0-9a-f]{12}"));
  Put(kThp, "no brackets\n");
  Put(kLoad, "\n");
  Put("/proc/meminfo", "MemTotal:\n");
  Put(kCpuinfo, ":\n : \nmodel name\n");
  found = Read();
  EXPECT_EQ(found.thp, "");
  EXPECT_EQ(found.memory_bytes, 0U);
  EXPECT_EQ(found.cpu_model, "");
}

TEST_F(FakeMachine, EnvIdIgnoresWhatChangesFromRunToRun) {
  const std::string before = Read().env_id;
  EXPECT_THAT(before, MatchesRegex("[0-9a-f]{12}"));
  Put(kLoad, "9.99 9.99 9.99 1/1 1\n");
  const Environment later = ReadEnvironment(
      {"other", "arguments"}, {}, {.source = ClockSource::kTsc, .ns_per_tick = 0.4}, root_);
  EXPECT_EQ(later.env_id, before);
}

TEST_F(FakeMachine, EnvIdChangesWithWhatTimingsDependOn) {
  std::vector<std::string> ids{Read().env_id};
  const auto expect_new = [&](const char* what) {
    ids.push_back(Read().env_id);
    for (std::size_t i = 0; i + 1 < ids.size(); ++i) EXPECT_NE(ids[i], ids.back()) << what;
  };
  Put(kCpuinfo, "model name : Another CPU\n");
  expect_new("CPU");
  Put(kThp, "[always] madvise never\n");
  expect_new("THP");
  Put(kGovernor, "powersave\n");
  expect_new("governor");
  PutCache(1, "3", "Unified", "16384K", "0-7");
  expect_new("cache");
  const Environment other = ReadEnvironment({}, {}, {.source = ClockSource::kClockGettime}, root_);
  EXPECT_NE(other.env_id, ids.back()) << "clock";
}

TEST_F(FakeMachine, JsonHoldsEverything) {
  Environment environment = Read();
  environment.kernel = "Linux 6.1 x86_64";
  environment.cores = 8;
  environment.env_id = "0123456789ab";
  environment.clock = {.source = ClockSource::kTsc,
                       .ns_per_tick = 0.5,
                       .step_ns = 10,
                       .pair_ns = 22,
                       .empty_ns = 11.25};
  environment.build = {.version = "0.1.0",
                       .commit = "abc",
                       .build_type = "Release",
                       .compiler = "GNU 12.2.0",
                       .flags = "-O3",
                       .libraries = {{"zstd", "1.5.4"}}};
  const std::string text = ToJson(environment);
  EXPECT_EQ(nlohmann::json::parse(text), nlohmann::json::parse(R"({
    "env_id": "0123456789ab",
    "arguments": ["pagealloc-bench", "run"],
    "config": {"seed": "1"},
    "kernel": "Linux 6.1 x86_64",
    "cpu": {"model": "Some CPU @ 3.00GHz", "cores": 8, "caches": [
      {"level": 1, "type": "Data", "size": "32K", "shared_with": "0"},
      {"level": 3, "type": "Unified", "size": "32768K", "shared_with": "0-7"}]},
    "memory_bytes": 16777478144,
    "clock": {"source": "tsc", "kernel_clocksource": "tsc", "ns_per_tick": 0.5, "step_ns": 10.0,
              "pair_ns": 22.0, "empty_ns": 11.25},
    "thp": "madvise",
    "governor": "performance",
    "load_average": "0.52 0.58 0.59",
    "build": {"version": "0.1.0", "commit": "abc", "type": "Release", "compiler": "GNU 12.2.0",
              "flags": "-O3", "libraries": {"zstd": "1.5.4"}}
  })"));
  EXPECT_EQ(text.back(), '\n');
}

TEST_F(FakeMachine, ArgumentsThatAreNoUtf8DoNotBreakTheJson) {
  Environment environment = Read();
  environment.arguments = {
      "bad\xff"
      "byte"};
  const auto json = nlohmann::json::parse(ToJson(environment));
  EXPECT_EQ(json["arguments"][0],
            "bad\xEF\xBF\xBD"
            "byte");  // U+FFFD
}

TEST(ReadEnvironment, TellsNoHostName) {
  std::array<char, 256> host{};
  ASSERT_EQ(gethostname(host.data(), host.size() - 1), 0);
  const std::string name = host.data();
  if (name.size() < 4) return;  // too short to be told from other text
  EXPECT_EQ(ToJson(ReadEnvironment({}, {}, {})).find('"' + name), std::string::npos);
}

TEST(ThisBuild, KnowsVersionCompilerCommitAndLibraries) {
  const BuildInfo build = ThisBuild();
  EXPECT_THAT(build.version, MatchesRegex("[0-9]+\\.[0-9]+\\.[0-9]+"));
  EXPECT_THAT(build.commit, AnyOf("unknown", MatchesRegex("[0-9a-f]{12}(-dirty)?")));
  EXPECT_THAT(build.build_type, Not(IsEmpty()));
#if defined(__clang__)
  EXPECT_THAT(build.compiler, MatchesRegex("Clang [0-9.]+"));
#else
  EXPECT_THAT(build.compiler, MatchesRegex("GNU [0-9.]+"));
#endif
  for (const auto& [name, version] : build.libraries) {
    EXPECT_THAT(version, MatchesRegex("[0-9]+\\.[0-9.]+")) << name;
  }
  EXPECT_THAT(build.libraries, SizeIs(4));
}

}  // namespace
}  // namespace pagealloc::bench
