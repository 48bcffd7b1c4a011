#include "harness/micro/micro_child.h"

#include <benchmark/benchmark.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/run/cell_wire.h"
#include "harness/run/isolation.h"
#include "harness/run/wire_text.h"

namespace pagealloc::bench {
namespace {

/// Keeps the runs instead of printing them.
class Reporter final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context& /*context*/) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    runs_.insert(runs_.end(), runs.begin(), runs.end());
  }
  [[nodiscard]] const std::vector<Run>& runs() const { return runs_; }

 private:
  std::vector<Run> runs_;
};

void SetFlags(std::vector<std::string> words) {
  words.insert(words.begin(), "pagealloc-bench");
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int argc = static_cast<int>(words.size());
  benchmark::Initialize(&argc, argv.data());
}

// A regular expression for the text and nothing else, whatever the flavour.
std::string Exactly(const std::string& text) {
  std::string pattern = "^";
  for (const char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    pattern += letter ? std::string(1, c) : std::string{'[', c, ']'};
  }
  return pattern + "$";
}

absl::StatusOr<MicroResult> Execute(const std::string& name, const std::string& seconds) {
  SetFlags({absl::StrCat("--benchmark_filter=", Exactly(name)),
            absl::StrCat("--benchmark_min_time=", seconds)});
  Reporter reporter;
  benchmark::RunSpecifiedBenchmarks(&reporter);
  if (reporter.runs().size() != 1) {
    return absl::InternalError(absl::StrCat(reporter.runs().size(), " runs of ", name, ", not 1"));
  }
  const benchmark::BenchmarkReporter::Run& run = reporter.runs().front();
  if (run.error_occurred) return absl::InternalError(absl::StrCat(name, ": ", run.error_message));
  MicroResult result;
  result.iterations = static_cast<std::uint64_t>(run.iterations);
  result.operations = result.iterations;
  // The library gives items as a rate over CPU time; where there is none, a loop is an operation.
  if (const auto items = run.counters.find("items_per_second"); items != run.counters.end()) {
    result.operations =
        static_cast<std::uint64_t>(std::llround(items->second.value * run.cpu_accumulated_time));
  }
  result.operations = std::max<std::uint64_t>(result.operations, 1);
  result.ns = run.real_accumulated_time * 1e9 / static_cast<double>(result.operations);
  return result;
}

}  // namespace

std::vector<std::string> MicroBenchmarks() {
  SetFlags({"--benchmark_list_tests=true"});
  std::ostringstream names;
  Reporter reporter;
  reporter.SetOutputStream(&names);
  reporter.SetErrorStream(&names);
  benchmark::RunSpecifiedBenchmarks(&reporter);
  std::vector<std::string> list;
  std::istringstream lines(names.str());
  for (std::string line; std::getline(lines, line);) list.push_back(line);
  return list;
}

absl::StatusOr<MicroResult> RunMicroBenchmark(const std::string& name,
                                              std::chrono::nanoseconds min_time,
                                              std::optional<unsigned> cpu) {
  const absl::StatusOr<std::string> text = RunReexecuted(
      {std::string(kMicroArgument), name, absl::StrCat(static_cast<double>(min_time.count()) / 1e9),
       cpu ? absl::StrCat(*cpu) : "none"});
  if (!text.ok()) return text.status();
  WireReader in(*text);
  if (in.type() == "error") return DecodeTimed(*text).status();
  MicroResult result;
  result.ns = in.Real("ns");
  result.operations = in.Number("operations");
  result.iterations = in.Number("iterations");
  in.Finish();
  if (in.type() == "micro" && in.error().empty()) return result;
  return absl::InternalError(absl::StrCat("a message between processes is damaged: ", in.error()));
}

std::string AnswerMicro(const std::vector<std::string>& arguments) {
  const std::string& cpu = arguments.at(4);
  if (cpu != "none") {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(std::strtoul(cpu.c_str(), nullptr, 10), &cpus);
    sched_setaffinity(0, sizeof(cpus), &cpus);  // without it the times are only less steady
  }
  const absl::StatusOr<MicroResult> result = Execute(arguments.at(2), arguments.at(3));
  if (!result.ok()) return EncodeError(result.status());
  WireWriter out("micro");
  out.Real("ns", result->ns);
  out.Number("operations", result->operations);
  out.Number("iterations", result->iterations);
  return out.Finish();
}

}  // namespace pagealloc::bench
