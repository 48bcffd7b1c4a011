#include "harness/run/execute.h"

#include <sched.h>
#include <sys/prctl.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/base/parse_units.h"
#include "harness/run/allocators.h"
#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/go_program.h"

namespace pagealloc::bench {
namespace {

absl::Status PrepareProcess(const CellOptions& options) {
  if (options.cpu) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(*options.cpu, &cpus);
    if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) {
      return absl::FailedPreconditionError(
          absl::StrCat("cannot pin the replay to CPU ", *options.cpu, ": ", std::strerror(errno),
                       ". Choose another with --cpu, or --cpu none."));
    }
  }
  if (options.huge_pages != HugePageMode::kInherit) {
    // Kernels without huge pages do not know the option; there is then nothing to switch off.
    const bool off = options.huge_pages == HugePageMode::kNever;
    prctl(PR_SET_THP_DISABLE, off ? 1 : 0, 0, 0, 0);
  }
  return absl::OkStatus();
}

absl::Status UnknownAllocator(const CellOptions& options) {
  return absl::InternalError(absl::StrCat("no allocator '", options.allocator, "' or layout '",
                                          options.layout, "', or no ", options.caches,
                                          " caches for it"));
}

// One for each thread.
std::vector<const Program*> ProgramsOf(const CellOptions& options, const Program& program,
                                       std::span<const Program> others) {
  PA_EXPECT(others.empty() || others.size() + 1 == options.threads, others.size(), options.threads);
  std::vector<const Program*> programs(options.threads, &program);
  for (std::size_t i = 0; i < others.size(); ++i) programs[i + 1] = &others[i];
  return programs;
}

}  // namespace

absl::Status RefusedMemory(const CellOptions& options, OsStatus status) {
  std::string advice = "Free some memory, or use a smaller heap or --memory simulate.";
  if (status.call == OsCall::kReserve && options.place_exact) {
    advice = "Leave --place exact out, or choose a layout whose addresses this machine has free.";
  }
  return absl::FailedPreconditionError(
      absl::StrCat("the operating system refused to ", status.call_name(), " ",
                   SizeText(status.bytes), ": ", std::strerror(status.error_number), ". ", advice));
}

absl::Status PassesDiffer(const CellOptions& options) {
  return absl::InternalError(absl::StrCat(options.allocator, " on ", options.layout,
                                          " placed pages differently in two passes over the same "
                                          "operations"));
}

absl::StatusOr<CheckedResult> ExecuteChecked(const CellOptions& options, const Program& program,
                                             const Judgement& judgement, bool verify,
                                             std::span<const Program> others) {
  PA_EXPECT(judgement.outcomes.size() == program.ops.size());
  if (absl::Status status = PrepareProcess(options); !status.ok()) return status;
  absl::StatusOr<CheckedResult> result = UnknownAllocator(options);
  if (IsHeap(options.allocator)) {
    CheckHeap(options, ProgramsOf(options, program, others), result);
  } else if (options.caches > 0) {
    if (options.allocator == "radix") CheckCaches(options, program, judgement, verify, result);
  } else if (options.allocator == "radix") {
    CheckRadix(options, program, judgement, verify, result);
  } else if (options.allocator == "reference") {
    CheckReference(options, program, judgement, verify, result);
  } else if (IsGo(options.allocator)) {
    CheckGo(options, program, judgement, verify, result);
  } else {
    CheckPeer(options, program, judgement, verify, result);
    CheckSystem(options, program, result);
  }
  return result;
}

absl::StatusOr<TimedResult> ExecuteTimed(const CellOptions& options, const Program& program,
                                         std::span<const Program> others) {
  if (absl::Status status = PrepareProcess(options); !status.ok()) return status;
  absl::StatusOr<TimedResult> result = UnknownAllocator(options);
  if (IsHeap(options.allocator)) {
    TimeHeap(options, ProgramsOf(options, program, others), result);
  } else if (options.caches > 0) {
    if (options.allocator == "radix") TimeCaches(options, program, result);
  } else if (options.allocator == "radix") {
    TimeRadix(options, program, result);
  } else if (options.allocator == "reference") {
    TimeReference(options, program, result);
  } else if (IsGo(options.allocator)) {
    TimeGo(options, program, result);
  } else {
    TimePeer(options, program, result);
    TimeSystem(options, program, result);
  }
  return result;
}

}  // namespace pagealloc::bench
