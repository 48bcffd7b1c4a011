/// environment.h: where a run's numbers come from: machine, kernel, build, clock.
///
/// Collected once at the start of a run, written beside the results as NAME.env.json. It names no
/// host and no user. `env_id` is a short hash of the parts that stay the same from run to run on
/// one machine with one build configuration (CPU, caches, cores, kernel, clock source, THP,
/// governor, compiler, flags), so equal ids mean that timings may be compared; load, arguments and
/// commit are no part of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/clock.h"

namespace pagealloc::bench {

using KeyValues = std::vector<std::pair<std::string, std::string>>;

/// What the build system knew. Texts that were not known say "unknown".
struct BuildInfo {
  std::string version{};     ///< the project's, such as "0.1.0"
  std::string commit{};      ///< 12 hex digits, with "-dirty" when files differed from it
  std::string build_type{};  ///< "Release", with "+checked", "+address,undefined" as built
  std::string compiler{};    ///< "GNU 12.2.0"
  std::string flags{};       ///< the flags of the build type and of the user
  KeyValues libraries{};     ///< name and version of what the program links
};

/// This program's.
BuildInfo ThisBuild();

struct CpuCache {
  std::uint64_t level = 0;
  std::string type;         ///< "Data", "Instruction", "Unified"
  std::string size;         ///< as the kernel prints it, such as "1024K"
  std::string shared_with;  ///< CPU list, such as "0-1"
};

/// Empty texts and vectors mean that the machine does not say.
struct Environment {
  std::vector<std::string> arguments;  ///< argv, the program first
  KeyValues config;                    ///< every flag with the value that was used
  std::string kernel;                  ///< "Linux 6.1.0-26-amd64 x86_64"
  std::string cpu_model;
  std::uint64_t cores = 0;       ///< CPUs that this process may run on
  std::vector<CpuCache> caches;  ///< of CPU 0
  std::uint64_t memory_bytes = 0;
  std::string thp;           ///< transparent huge pages: "always", "madvise" or "never"
  std::string governor;      ///< cpufreq governor of CPU 0
  std::string clocksource;   ///< the kernel's
  std::string load_average;  ///< "0.52 0.58 0.59", at the start
  ClockCalibration clock;
  BuildInfo build;
  std::string env_id;  ///< 12 hex digits, see above
};

/// Reads the machine's state. Never fails: what cannot be read stays empty.
///
/// @param root  where /proc and /sys are looked for; tests pass a folder of their own.
Environment ReadEnvironment(std::vector<std::string> arguments, KeyValues config,
                            const ClockCalibration& clock, const std::string& root = "/");

/// The text of NAME.env.json: one JSON object, indented, a newline at the end.
std::string ToJson(const Environment& environment);

}  // namespace pagealloc::bench
