/// machine_check.h: what a machine and a build are like for measuring, and what to do about it.
///
/// A finding is one thing looked at. `run` and `replay` warn of what the environment alone says;
/// `doctor` looks at more, and for longer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/lost_time.h"
#include "harness/report/environment.h"

namespace pagealloc::bench {

struct Finding {
  std::string name;     ///< "governor"
  std::string value;    ///< "powersave", "not known here"
  std::string problem;  ///< a sentence; empty: fine
  std::string advice;   ///< what to do; empty when fine

  [[nodiscard]] bool fine() const { return problem.empty(); }
};

/// What the environment says: build, clock, governor, load.
std::vector<Finding> EnvironmentFindings(const Environment& environment);
/// The problems among them: what makes timings with this build on this machine doubtful.
std::vector<std::string> EnvironmentProblems(const Environment& environment);

/// CPU time since the machine started, in the kernel's ticks.
struct CpuTimes {
  std::uint64_t all = 0;
  std::uint64_t stolen = 0;  ///< by the hypervisor, for other guests
};

/// What is no part of the environment file. Empty: the machine does not say.
struct MachineState {
  LostTime lost;
  CpuTimes before, after;  ///< around the watch of `lost`
  std::string aslr;        ///< /proc/sys/kernel/randomize_va_space: "0", "1" or "2"
  std::string smt;         ///< "0" or "1"
  std::optional<bool> boost;
  std::optional<std::uint64_t> available_bytes;
};

/// Reads /proc/stat; zeros if the kernel does not say.
CpuTimes ReadCpuTimes(const std::string& root = "/");
/// Reads all but `lost`, `before` and `after`.
///
/// @param root  where /proc and /sys are looked for; tests pass a folder of their own.
MachineState ReadMachineState(const std::string& root = "/");

/// EnvironmentFindings() and those that need the state too.
std::vector<Finding> MachineFindings(const Environment& environment, const MachineState& state);

}  // namespace pagealloc::bench
