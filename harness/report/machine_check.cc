#include "harness/report/machine_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <utility>

#include "harness/report/results_csv.h"

namespace pagealloc::bench {
namespace {

constexpr const char* kNotKnown = "not known here";
/// A repetition that loses as much of its time is noisy.
constexpr double kMostLost = 0.05;
constexpr double kCoarseStepNs = 100;
constexpr std::uint64_t kLeastMemory = std::uint64_t{1} << 30;

template <class... Values>
std::string Format(const char* format, Values... values) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), format, values...);
  return text.data();
}

std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string TimeText(double ns) {
  if (ns < 1e4) return Format("%.0f ns", ns);
  return ns < 1e7 ? Format("%.0f us", ns / 1e3) : Format("%.0f ms", ns / 1e6);
}

/// A finding with its problem and advice only if `bad`.
Finding Find(std::string name, std::string value, bool bad, std::string problem,
             std::string advice) {
  Finding finding{std::move(name), std::move(value), {}, {}};
  if (bad) {
    finding.problem = std::move(problem);
    finding.advice = std::move(advice);
  }
  return finding;
}

std::string OrNotKnown(const std::string& value) { return value.empty() ? kNotKnown : value; }

double StolenShare(const MachineState& state) {
  const std::uint64_t all = state.after.all - std::min(state.after.all, state.before.all);
  const std::uint64_t stolen =
      state.after.stolen - std::min(state.after.stolen, state.before.stolen);
  return all == 0 ? 0 : static_cast<double>(stolen) / static_cast<double>(all);
}

}  // namespace

std::vector<Finding> EnvironmentFindings(const Environment& environment) {
  const std::string& build = environment.build.build_type;
  const ClockCalibration& clock = environment.clock;
  const std::string clock_text = std::string(ClockSourceName(clock.source)) +
                                 Format(", %.0f ns for a pair of readings", clock.pair_ns);
  const double load = std::strtod(environment.load_average.c_str(), nullptr);
  const auto cores = static_cast<double>(std::max<std::uint64_t>(environment.cores, 1));
  return {
      Find("build", build, build != "Release",
           "this is a " + build + " build: its timings say nothing about a Release build.",
           "Build with `cmake --preset release`."),
      Find("clock", clock_text, clock.source == ClockSource::kClockGettime,
           "the CPU's counter cannot be trusted here; clock_gettime is used instead.",
           "Let the kernel keep time by the counter, if it can: write tsc to "
           "/sys/devices/system/clocksource/clocksource0/current_clocksource. Otherwise believe "
           "batch_ns only."),
      Find("governor", OrNotKnown(environment.governor),
           !environment.governor.empty() && environment.governor != "performance",
           "the CPU's frequency governor is " + environment.governor +
               ": its speed may change during the run.",
           "Choose performance: `cpupower frequency-set -g performance`."),
      Find("load", OrNotKnown(environment.load_average), load > 0.5 * cores,
           "the machine is busy (load average " + environment.load_average + " on " +
               std::to_string(environment.cores) + " CPUs).",
           "Wait, or stop what runs."),
  };
}

std::vector<std::string> EnvironmentProblems(const Environment& environment) {
  std::vector<std::string> problems;
  for (Finding& finding : EnvironmentFindings(environment)) {
    if (!finding.fine()) problems.push_back(std::move(finding.problem));
  }
  return problems;
}

CpuTimes ReadCpuTimes(const std::string& root) {
  // "cpu  user nice system idle iowait irq softirq steal guest guest_nice"; guests count as users.
  std::istringstream words(FirstLine(root + "/proc/stat"));
  std::string name;
  words >> name;
  CpuTimes times;
  std::uint64_t value = 0;
  constexpr int kStolen = 7;
  for (int i = 0; i <= kStolen && words >> value; ++i) {
    times.all += value;
    if (i == kStolen) times.stolen = value;
  }
  return times;
}

MachineState ReadMachineState(const std::string& root) {
  const std::string cpus = root + "/sys/devices/system/cpu/";
  MachineState state;
  state.aslr = FirstLine(root + "/proc/sys/kernel/randomize_va_space");
  state.smt = FirstLine(cpus + "smt/active");
  if (const std::string off = FirstLine(cpus + "intel_pstate/no_turbo"); !off.empty()) {
    state.boost = off == "0";
  } else if (const std::string on = FirstLine(cpus + "cpufreq/boost"); !on.empty()) {
    state.boost = on == "1";
  }
  std::ifstream meminfo(root + "/proc/meminfo");
  std::string name;
  std::uint64_t kib = 0;
  for (std::string line; std::getline(meminfo, line);) {
    std::istringstream words(line);
    if (words >> name >> kib && name == "MemAvailable:") state.available_bytes = kib * 1024;
  }
  return state;
}

std::vector<Finding> MachineFindings(const Environment& environment, const MachineState& state) {
  std::vector<Finding> findings = EnvironmentFindings(environment);
  const auto add = [&findings](const char* name, std::string value, bool bad, const char* problem,
                               const char* advice) {
    findings.push_back(Find(name, std::move(value), bad, problem, advice));
  };
  const double step_ns = environment.clock.step_ns;
  add("clock step", ShortestNumber(std::round(step_ns * 100) / 100) + " ns",
      step_ns > kCoarseStepNs, "operations timed one by one come out in coarse steps.",
      "Believe batch_ns; service_ns shows only what is slower than the step.");
  add("lost time",
      Format("%.1f %% of %.0f ms, in %llu gaps above 1 us, the longest ", 100 * state.lost.share(),
             state.lost.watched_ns / 1e6, static_cast<unsigned long long>(state.lost.gaps)) +
          TimeText(state.lost.longest_ns),
      state.lost.share() > kMostLost,
      "more than a twentieth of this CPU's time goes to something else.",
      "Stop what else runs, or choose another CPU with --cpu. If that does not help, more --reps "
      "do: the fastest quarter of the repetitions counts.");
  add("steal", state.after.all == 0 ? kNotKnown : Format("%.1f %%", 100 * StolenShare(state)),
      StolenShare(state) > kMostLost, "the hypervisor gives this machine's CPUs to others.",
      "Use a machine of your own, or more --reps.");
  add("CPUs", std::to_string(environment.cores), environment.cores == 1,
      "there is one CPU, so that everything else on the machine interrupts.",
      "Give this process a CPU that nothing else uses.");
  add("SMT",
      state.smt.empty()  ? kNotKnown
      : state.smt == "1" ? "on"
                         : "off",
      state.smt == "1", "what runs on the other thread of a core slows this one.",
      "Leave the sibling of the measuring CPU idle, or write off to "
      "/sys/devices/system/cpu/smt/control.");
  add("boost",
      !state.boost   ? kNotKnown
      : *state.boost ? "on"
                     : "off",
      state.boost.value_or(false),
      "the CPU's speed depends on how warm it is and on what its neighbours do.",
      "Write 1 to /sys/devices/system/cpu/intel_pstate/no_turbo, or 0 to "
      "/sys/devices/system/cpu/cpufreq/boost.");
  // `always` does no harm: runs switch huge pages off unless --thp says otherwise.
  add("THP", OrNotKnown(environment.thp), false, "", "");
  // Each repetition is a process of its own and draws places anew, so chance averages out.
  add("ASLR",
      state.aslr.empty()  ? kNotKnown
      : state.aslr == "0" ? "off"
                          : "on",
      state.aslr == "0",
      "every process lies at the same addresses: one lucky or unlucky place looks like the rule.",
      "Write 2 to /proc/sys/kernel/randomize_va_space, or start without `setarch -R`.");
  const std::uint64_t available = state.available_bytes.value_or(0);
  add("memory",
      state.available_bytes
          ? Format("%.1f GiB available", static_cast<double>(available) / (1 << 30))
          : kNotKnown,
      state.available_bytes && available < kLeastMemory,
      "little memory is left: what is measured may be swapped out.",
      "Stop what uses it, or use smaller heaps (--heap).");
  return findings;
}

}  // namespace pagealloc::bench
