#include "harness/measure/cells.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "harness/report/results_csv.h"
#include "harness/run/allocators.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

// Programs stay in memory between loading and checking up to this many operations in all (about
// 1.3 GB); beyond, a workload is made twice rather than the machine run out of memory.
constexpr std::size_t kOpsKept = 20'000'000;

// What a path leads to, so that two names of one file are known as such.
std::string RealPath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path real = std::filesystem::canonical(path, error);
  return path == "-" || error ? path : real.string();
}

// Another trace of the same base name is known by its path, or where even that is taken by a number
// behind it: rows of two traces must be told apart.
std::string UnusedName(const std::string& name, const std::string& path,
                       std::set<std::string>& used) {
  if (used.insert(name).second) return name;
  if (used.insert(path).second) return path;
  std::size_t number = 2;
  while (!used.insert(absl::StrCat(path, "#", number)).second) ++number;
  return absl::StrCat(path, "#", number);
}

void NoteExpectations(const Console& console, const Source& source, std::string_view where) {
  const std::vector<Op>& ops = source.program.ops;
  const auto expects = [](const Op& op) { return op.expect != Expect::kNothing; };
  if (std::none_of(ops.begin(), ops.end(), expects)) return;
  console.Note(absl::StrCat("note: ", source.Title(), ": what its records expect is not compared ",
                            std::string(where)));
}

// Adds a source, made one for page caches or threads if they are asked for. A workload that cannot
// run with caches is left out.
absl::Status AddSource(const MeasureOptions& options, const Console& console, Source source,
                       Cells& all) {
  // Rows with and without must be told apart.
  ParamSet params = source.workload ? source.workload->params : ParamSet{};
  if (options.per_cpu_caches) {
    if (const std::optional<std::string> why = MisfitForCaches(source)) {
      if (!source.workload) return UsageError(*why);
      console.Note(absl::StrCat("note: skipped with --cache per-cpu: ", *why));
      return absl::OkStatus();
    }
    NoteExpectations(console, source, "with --cache per-cpu: the caches decide where runs lie");
    params["cache"] = "per-cpu";
  }
  if (options.open_loop) {
    params["rate"] = ShortestNumber(options.open_loop->ops_per_s);
    params["arrival"] = ArrivalName(options.open_loop->arrival);
  }
  if (options.threads > 1) params["threads"] = absl::StrCat(options.threads);
  source.columns.params = ParamText(params);
  all.sources.push_back(std::move(source));
  return absl::OkStatus();
}

CellOptions OptionsOfCell(const MeasureOptions& options, const Clock& clock, const Source& source,
                          const AllocatorInfo& allocator, const std::string& layout) {
  CellOptions cell;
  cell.allocator = std::string(allocator.name);
  cell.layout = layout;
  if (options.per_cpu_caches) cell.caches = CachesFor(source.program);
  cell.memory = options.memory;
  cell.place_exact = options.place_exact;
  cell.prefault = options.prefault;
  cell.slowdown_percent = options.slowdown_percent;
  cell.huge_pages = options.huge_pages;
  cell.cpu = options.cpu;
  cell.time_batches = options.time_batches;
  cell.time_ops = options.time_ops;
  cell.open_loop = options.open_loop;
  // No operation of any allocator costs less than 2 ns; a warm-up says more (TimeRepetition).
  cell.batch = options.batch.value_or(clock.BatchFor(2));
  cell.batches_by_kind = source.kind_block >= clock.BatchFor(2);
  cell.heap_pages = options.per_cpu_caches ? HeapForCaches(source, layout) : source.heap_pages;
  if (allocator.places == Places::kOwn && !source.program.explicit_growth) {
    // Scattered runs, and more pages than were asked for: it needs more than the judge saw.
    cell.heap_pages = PageCount{4 * source.heap_pages.raw};
  }
  if (allocator.layouts == Layouts::kGo) cell.memory = HeapMemory::kSimulate;
  if (allocator.places == Places::kSystem) {
    // It maps its own memory, as much as a workload grows its heap, for each thread.
    cell.memory = HeapMemory::kSimulate;
    cell.threads = options.threads;
    const bool bounded = source.program.explicit_growth;
    cell.heap_pages =
        PageCount{bounded ? options.threads * source.heap_pages.raw : std::uint64_t{0}};
  }
  cell.clock = clock.calibration();
  return cell;
}

// Those of the allocators asked for that can run a source. A workload that one cannot run is left
// out there; a trace is refused.
absl::StatusOr<std::vector<const AllocatorInfo*>> AllocatorsFor(const MeasureOptions& options,
                                                                const Console& console,
                                                                const Source& source) {
  std::vector<const AllocatorInfo*> able;
  std::map<std::string, std::vector<std::string>> left_out;  // by reason
  for (const std::string& name : options.allocators) {
    const AllocatorInfo& allocator = AllocatorNamed(name);
    if (const std::optional<std::string> why = MisfitForAllocator(allocator, source)) {
      if (!source.workload) return UsageError(*why);
      left_out[absl::StrReplaceAll(*why, {{absl::StrCat("-a ", name), "-a $"}})].push_back(name);
      continue;
    }
    if (allocator.places != Places::kModel) {
      NoteExpectations(console, source,
                       absl::StrCat("on ", name, ", which decides where runs lie"));
    }
    able.push_back(&allocator);
  }
  for (const auto& [why, names] : left_out) {
    const std::string listed = absl::StrJoin(names, ",");
    console.Note(absl::StrCat("note: skipped on ", listed, ": ",
                              absl::StrReplaceAll(why, {{"-a $", "-a " + listed}})));
  }
  return able;
}

void AddCell(const MeasureOptions& options, CellOptions cell_options, const Console& console,
             std::size_t source_index, Cells& all) {
  Cell cell;
  cell.source = source_index;
  cell.columns = all.sources[source_index].columns;
  cell.columns.suite = options.suite;
  cell.columns.allocator = cell_options.allocator;
  cell.columns.layout = cell_options.layout;
  cell.options = std::move(cell_options);
  // Traces have names of their own, but -p may spell one parameter set in two ways.
  const bool known = std::any_of(all.cells.begin(), all.cells.end(), [&cell](const Cell& other) {
    return other.columns == cell.columns;
  });
  if (known) {
    console.Note(absl::StrCat("note: ", all.Title(cell), " was named twice; it runs once"));
  } else {
    all.cells.push_back(std::move(cell));
  }
}

absl::Status AddCells(const MeasureOptions& options, const Clock& clock, const Console& console,
                      std::size_t source_index, Cells& all) {
  const Source& source = all.sources[source_index];
  const auto allocators = AllocatorsFor(options, console, source);
  if (!allocators.ok()) return allocators.status();
  for (const std::string& layout : options.layouts) {
    if (const std::optional<std::string> why = Misfit(source, layout)) {
      if (options.layouts_named) return UsageError(*why);
      console.Note(absl::StrCat("note: skipped on ", layout, ": ", *why));
      continue;
    }
    for (const AllocatorInfo* allocator : *allocators) {
      if (allocator->layouts == Layouts::kNone || WrongLayout(*allocator, layout)) continue;
      AddCell(options, OptionsOfCell(options, clock, source, *allocator, layout), console,
              source_index, all);
    }
  }
  for (const AllocatorInfo* allocator : *allocators) {
    if (allocator->layouts != Layouts::kNone) continue;
    AddCell(options, OptionsOfCell(options, clock, source, *allocator, std::string(kNoLayout)),
            console, source_index, all);
  }
  return absl::OkStatus();
}

// Before anything is read: every allocator that is asked for is there, on all its layouts.
absl::Status CheckAllocators(const MeasureOptions& options, const Console& console) {
  for (const std::string& name : options.allocators) {
    const AllocatorInfo& allocator = AllocatorNamed(name);
    if (allocator.layouts == Layouts::kNone) {
      if (const auto why_not = WhyUnavailable(allocator, kNoLayout)) return UsageError(*why_not);
      continue;
    }
    for (const std::string& layout : options.layouts) {
      if (const std::optional<std::string> why = WrongLayout(allocator, layout)) {
        console.Note(absl::StrCat("note: ", *why));
      } else if (const std::optional<std::string> why_not = WhyUnavailable(allocator, layout)) {
        return UsageError(*why_not);
      }
    }
    if (allocator.layouts == Layouts::kGo && !options.memory_named) {
      console.Note(absl::StrCat("note: -a ", name, " maps no heap, so none is mapped for others ",
                                "either (--memory simulate)"));
    } else if (allocator.layouts == Layouts::kGo && options.memory != HeapMemory::kSimulate) {
      console.Warning(absl::StrCat("-a ", name,
                                   " maps no heap, and others do: what growth costs "
                                   "compares with --memory simulate only."));
    }
  }
  return absl::OkStatus();
}

// Rows stay in memory to the end, some 30 KB for each repetition.
absl::Status RefuseTooManyRuns(const MeasureOptions& options, std::size_t cells) {
  constexpr std::uint64_t kMostRuns = 100'000;
  const std::uint64_t rounds = std::max(options.reps, options.warmups);
  if (rounds <= kMostRuns / cells) return absl::OkStatus();
  return UsageError(absl::StrCat(options.reps >= options.warmups ? "--reps" : "--warmup", ": ",
                                 rounds, " for each of ", cells, " cells are more than ", kMostRuns,
                                 " runs. Give fewer, or select fewer cells."));
}

}  // namespace

std::string Cells::Title(const Cell& cell) const {
  return absl::StrCat(SourceOf(cell).Title(), " | ", cell.options.allocator, " | ",
                      cell.options.layout);
}

absl::StatusOr<Cells> LoadCells(const MeasureOptions& options, const Clock& clock,
                                const Console& console) {
  if (absl::Status status = CheckAllocators(options, console); !status.ok()) return status;
  Cells all;
  std::set<std::string> files;
  std::set<std::string> names;
  for (const std::string& path : options.traces) {
    if (!files.insert(RealPath(path)).second) {
      console.Note(absl::StrCat("note: ", path, " was named twice; it runs once"));
      continue;
    }
    absl::StatusOr<Source> source = LoadTrace(path);
    if (!source.ok()) return source.status();
    source->columns.workload = UnusedName(source->columns.workload, path, names);
    if (absl::Status status = AddSource(options, console, *std::move(source), all); !status.ok()) {
      return status;
    }
  }
  for (const WorkloadRequest& request : options.workloads) {
    absl::StatusOr<Source> source = LoadWorkload(request);
    if (!source.ok()) return source.status();
    if (absl::Status status = AddSource(options, console, *std::move(source), all); !status.ok()) {
      return status;
    }
  }
  if (all.sources.empty()) {
    return UsageError("--cache: none of these workloads can run with page caches. Choose others.");
  }
  std::size_t ops = 0;
  for (std::size_t i = 0; i < all.sources.size(); ++i) {
    absl::Status status = AddCells(options, clock, console, i, all);
    if (!status.ok()) return status;
    Source& source = all.sources[i];
    ops += source.program.ops.size();
    if (source.workload && all.sources.size() > 1 && ops > kOpsKept) source.ReleaseProgram();
  }
  if (all.cells.empty()) {
    return UsageError(
        "nothing is left to run: no allocator and layout of those asked for can run any of these "
        "traces and workloads. Name others with -a and -l.");
  }
  if (options.Timed()) {
    absl::Status status = RefuseTooManyRuns(options, all.cells.size());
    if (!status.ok()) return status;
  }
  return all;
}

}  // namespace pagealloc::bench
