// doctor_command.cc: `doctor`: what is wrong with this machine for measuring.
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "harness/base/clock.h"
#include "harness/base/lost_time.h"
#include "harness/commands/all_commands.h"
#include "harness/commands/measure_flags.h"
#include "harness/commands/resolver.h"
#include "harness/report/environment.h"
#include "harness/report/machine_check.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

constexpr const char* kDoctorPurpose =
    "Says what is wrong with this machine for measuring, and what to do about it.\n"
    "\n"
    "Examples:\n"
    "  pagealloc-bench doctor\n"
    "  pagealloc-bench doctor --cpu 1\n"
    "  pagealloc-bench doctor --format json\n"
    "  pagealloc-bench doctor --strict-env && pagealloc-bench run -o nightly.csv\n";

struct DoctorOptions {
  bool json = false;
  bool strict = false;
  std::optional<unsigned> cpu;
};

std::vector<Finding> Examine(const DoctorOptions& options) {
  const Clock clock = Clock::Calibrate();
  // Before this process is pinned: the CPUs are those that a run may choose from.
  const Environment environment = ReadEnvironment({}, {}, clock.calibration());
  MachineState state = ReadMachineState();
  if (options.cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(*options.cpu, &cpus);
    // Not being pinned shows as lost time, which is the truth then.
    static_cast<void>(sched_setaffinity(0, sizeof(cpus), &cpus));
  }
  state.before = ReadCpuTimes();
  state.lost = WatchLostTime(clock, std::chrono::milliseconds(200));
  state.after = ReadCpuTimes();
  return MachineFindings(environment, state);
}

std::string Table(const std::vector<Finding>& findings) {
  std::size_t name_width = 0;
  std::size_t value_width = 0;
  for (const Finding& finding : findings) {
    name_width = std::max(name_width, finding.name.size());
    value_width = std::max(value_width, finding.value.size());
  }
  std::string table;
  std::string advice;
  for (const Finding& finding : findings) {
    absl::StrAppend(&table, finding.name, std::string(name_width - finding.name.size() + 2, ' '),
                    finding.value, std::string(value_width - finding.value.size() + 2, ' '),
                    finding.fine() ? "fine" : "not fine", "\n");
    if (finding.fine()) continue;
    absl::StrAppend(&advice, "\n", finding.name, ": ", finding.problem, "\n  ", finding.advice,
                    "\n");
  }
  return table + (advice.empty() ? "\nNothing is wrong with this machine.\n" : advice);
}

std::string JsonText(const std::vector<Finding>& findings) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  bool fine = true;
  for (const Finding& finding : findings) {
    fine = fine && finding.fine();
    list.push_back({{"name", finding.name},
                    {"value", finding.value},
                    {"fine", finding.fine()},
                    {"problem", finding.problem},
                    {"advice", finding.advice}});
  }
  const nlohmann::ordered_json json{{"fine", fine}, {"findings", list}};
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::Status Doctor(const DoctorOptions& options) {
  const std::vector<Finding> findings = Examine(options);
  absl::Status written = WriteResult(options.json ? JsonText(findings) : Table(findings));
  if (!written.ok() || !options.strict) return written;
  std::string names;
  for (const Finding& finding : findings) {
    if (!finding.fine()) absl::StrAppend(&names, names.empty() ? "" : ", ", finding.name);
  }
  if (names.empty()) return written;
  return EnvironmentError(absl::StrCat("--strict-env refuses this machine: ", names, "."));
}

class DoctorCommand final : public CliCommand {
 public:
  CLI::App* Add(CLI::App& parent) override {
    CLI::App* app = parent.add_subcommand("doctor", kDoctorPurpose);
    AddTableOrJson(*app, format_);
    app->add_option("--cpu", cpu_, "watch this CPU: a number, auto (as run takes it) or none")
        ->type_name("N")
        ->capture_default_str();
    app->add_flag("--strict-env", strict_, "end with status 5 if something is not fine");
    return app;
  }

  absl::StatusOr<Task> Resolve(const CLI::App& app, const std::vector<std::string>&) override {
    if (absl::Status status = RefuseEmptyWords(app); !status.ok()) return status;
    DoctorOptions options;
    options.strict = strict_;
    Resolver resolver;
    resolver.Pick("--format", format_, kTableOrJson, options.json);
    resolver.Cpu("--cpu", cpu_, options.cpu);
    if (!resolver.status().ok()) return resolver.status();
    return [options] { return Doctor(options); };
  }

 private:
  std::string format_ = "table";
  std::string cpu_ = "auto";
  bool strict_ = false;
};

}  // namespace

std::unique_ptr<CliCommand> MakeDoctorCommand() { return std::make_unique<DoctorCommand>(); }

}  // namespace pagealloc::bench
