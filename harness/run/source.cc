#include "harness/run/source.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "harness/base/source_position.h"
#include "harness/run/place_check.h"
#include "harness/run/status_codes.h"
#include "harness/run/with_layout.h"
#include "harness/trace/trace_file.h"
#include "pagealloc/contract.h"
#include "pagealloc/heap_caches.h"
#include "pagealloc/layout.h"

namespace pagealloc::bench {
namespace {

// "corpora/golden/web.pagetrace.zst" is known as "web": rows of two machines must compare.
std::string TraceName(std::string name) {
  if (name == "-") return "stdin";
  name = name.substr(name.find_last_of('/') + 1);
  for (const std::string_view suffix : {".zst", ".pagetrace"}) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      name.resize(name.size() - suffix.size());
    }
  }
  return name;
}

}  // namespace

Source SourceOf(Program program, Judgement judgement) {
  Source source;
  source.columns.stream_hash = absl::StrFormat("%016x", program.stream_hash());
  source.heap_pages = PageCount{judgement.heap_end.raw};
  source.measured_ops = program.ops.size() - program.measured_from;
  source.unjudged_ops = program.ops.size() - judgement.judged;
  source.program = std::move(program);
  source.judgement = std::move(judgement);
  return source;
}

std::string Source::Title() const {
  if (columns.params.empty()) return columns.workload;
  return absl::StrCat(columns.workload, " ", columns.params);
}

void Source::ReleaseProgram() {
  PA_EXPECT(workload.has_value());
  program = Program{};
  judgement = Judgement{};
}

absl::StatusOr<Source> LoadTrace(const std::string& path) {
  absl::StatusOr<ParsedTrace> trace = ReadTraceFile(path);
  if (!trace.ok()) return FileError(std::string(trace.status().message()));
  Result<Judgement, TraceError> judgement = Judge(*trace);
  if (!judgement.ok()) return UsageError(judgement.error().Message());
  Source source = SourceOf(std::move(trace->program), std::move(judgement).value());
  source.columns.workload = TraceName(path);
  return source;
}

absl::StatusOr<Source> LoadWorkload(const WorkloadRequest& request) {
  // The kernel promises more memory than there is, and ends whoever uses it; so ask beforehand.
  const auto memory = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                      static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  constexpr std::uint64_t kBytesAnOp = sizeof(Op) + sizeof(Outcome);
  if (!request.smoke && request.ops > memory / kBytesAnOp) {
    return EnvironmentError(absl::StrCat(request.ops, " operations need ", kBytesAnOp,
                                         " bytes each, and this machine has ", memory >> 30,
                                         " GiB of memory. Give fewer with --ops, and repeat with "
                                         "--reps."));
  }
  OrProblem<Program> program = MakeWorkload(request);
  if (!program.ok()) return UsageError(program.error().sentence);
  // Minutes of the model's work; what it leaves out is said (Source::unjudged_ops).
  constexpr std::uint64_t kMostByteVisits = 100'000'000'000;
  Result<Judgement, TraceError> judgement = Judge(program.value(), {.max_visits = kMostByteVisits});
  if (!judgement.ok()) {
    return absl::InternalError(
        absl::StrCat("the generator of ", request.name,
                     " made an operation that is not legal: ", judgement.error().Message()));
  }
  Source source = SourceOf(std::move(program).value(), std::move(judgement).value());
  source.workload = request;
  source.columns.workload = request.name;
  source.columns.params = ParamText(request.params);
  source.columns.heap_bytes = BytesOf(source.judgement.grown).raw;
  source.columns.seed = request.seed;
  source.kind_block = source.program.kind_block;
  return source;
}

std::optional<std::string> Misfit(const Source& source, std::string_view layout) {
  std::optional<TraceError> misfit;
  const bool found = WithLayout(layout, [&]<Layout L>() {
    using G = Geometry<L>;
    misfit = FitsLayout(source.program, source.judgement, L::kName, G::kHeapEnd - G::kHeapBasePage,
                        G::kChunkPages);
  });
  PA_EXPECT(found);
  if (!misfit) return std::nullopt;
  return misfit->Message();
}

std::optional<std::string> MisfitForCaches(const Source& source) {
  // Before the first allocation nothing has been placed, so that a set-up may take and free ranges.
  bool placed = false;
  for (const Op& op : source.program.ops) {
    placed = placed || op.kind == OpKind::kAllocate;
    const bool range = op.kind == OpKind::kAllocateRange || op.kind == OpKind::kFreeRange;
    if (!NamesPages(op.kind) || (range && !placed)) continue;
    return RenderProblem(
        source.program.PositionOf(op),
        "this names pages, and with --cache per-cpu the caches decide where runs lie",
        "Leave --cache out, or choose a program of allocations and frees.");
  }
  return std::nullopt;
}

unsigned CachesFor(const Program& program) {
  std::uint32_t highest = 0;
  for (const Op& op : program.ops) {
    if (op.kind == OpKind::kAllocate && op.cpu != kNoCpu) highest = std::max(highest, op.cpu);
  }
  return std::min(highest, HeapCaches::kMaxCaches - 1) + 1;
}

OrProblem<std::vector<Program>> ProgramsOfOtherThreads(const WorkloadRequest& request,
                                                       unsigned threads) {
  std::vector<Program> programs;
  for (unsigned thread = 1; thread < threads; ++thread) {
    WorkloadRequest own = request;
    own.seed += thread * std::uint64_t{0x9e3779b97f4a7c15};
    OrProblem<Program> program = MakeWorkload(own);
    if (!program.ok()) return program.error();
    programs.push_back(std::move(program).value());
  }
  return programs;
}

PageCount HeapForCaches(const Source& source, std::string_view layout) {
  if (source.program.explicit_growth) return source.heap_pages;
  PageCount most;
  const bool found = WithLayout(
      layout, [&]<Layout L>() { most = Geometry<L>::kHeapEnd - Geometry<L>::kHeapBasePage; });
  PA_EXPECT(found);
  return std::min(PageCount{2 * source.heap_pages.raw}, most);
}

}  // namespace pagealloc::bench
