#include "harness/commands/report_maps.h"

#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "harness/page/page_data.h"
#include "harness/page/reproduce.h"
#include "harness/run/source.h"
#include "harness/trace/heap_map.h"
#include "harness/trace/workload.h"

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kMostOps = 2'000'000;
constexpr std::size_t kMostMaps = 4;
/// Beyond which no further map is drawn, so that there is room for numbers.
constexpr std::size_t kMostMapBytes = kMostPageBytes / 5;

/// Measured operations of a cell: the exact metrics are counted over all of them. 0: not known.
std::uint64_t OpsOf(const PageCell& cell) {
  for (const PageCell::OfFile& file : cell.files) {
    const ResultRow* const exact = file.Aggregate("all", "metadata_bytes");
    if (exact != nullptr && exact->n) return *exact->n;
  }
  return 0;
}

/// The request that a cell's program was made from. What `params` says beyond the workload's own
/// parameters is how it was run.
WorkloadRequest RequestOf(const PageCell& cell, const WorkloadInfo& workload) {
  const CellColumns& columns = cell.columns;
  WorkloadRequest request;
  request.name = columns.workload;
  request.heap = ByteCount{columns.heap_bytes.value_or(0)};
  request.seed = columns.seed.value_or(0);
  request.ops = OpsOf(cell);
  for (const std::string& param : std::vector<std::string>(absl::StrSplit(columns.params, ';'))) {
    const std::pair<std::string, std::string> pair = absl::StrSplit(param, absl::MaxSplits('=', 1));
    const auto has_name = [&pair](const auto& known) { return known.name == pair.first; };
    if (std::any_of(workload.params.begin(), workload.params.end(), has_name)) {
      request.params[pair.first] = pair.second;
    }
  }
  return request;
}

/// Files that may be the trace of a cell: as the run was told, from here and from where the results
/// are. Only plain files, since others may never end.
std::vector<std::string> TraceFiles(const PageCell& cell, const std::vector<PageFile>& files) {
  std::vector<std::string> found;
  for (const PageFile& file : files) {
    const std::filesystem::path folder = std::filesystem::path(file.name).parent_path();
    for (const std::string& path : TracePaths(cell.columns.workload, file)) {
      for (const std::string& tried : {path, (folder / path).string()}) {
        std::error_code error;
        const bool known = std::find(found.begin(), found.end(), tried) != found.end();
        if (!known && std::filesystem::is_regular_file(tried, error)) found.push_back(tried);
      }
    }
  }
  return found;
}

/// A program, and where it is from; or, without one, a sentence that says why it cannot be drawn.
struct Again {
  std::optional<Source> source;
  std::string note;
};

Again AgainFromTrace(const PageCell& cell, const std::vector<PageFile>& files) {
  const std::vector<std::string> paths = TraceFiles(cell, files);
  for (const std::string& path : paths) {
    absl::StatusOr<Source> source = LoadTrace(path);
    if (!source.ok() || source->columns.stream_hash != cell.columns.stream_hash) continue;
    return {*std::move(source), absl::StrCat("The trace ", path, ", read again.")};
  }
  const std::string why = paths.empty()
                              ? "its trace is not where it was"
                              : absl::StrCat(paths.front(), " is no longer the trace that was run");
  return {std::nullopt, absl::StrCat("No map of ", cell.columns.workload, ": ", why,
                                     ". pagealloc-bench map TRACE -o map.svg draws it.")};
}

Again ProgramOf(const PageCell& cell, const std::vector<PageFile>& files) {
  const std::string name = cell.columns.workload;
  if (const std::uint64_t ops = OpsOf(cell); ops > kMostOps) {
    return {std::nullopt,
            absl::StrCat("No map of ", name, ": its ", ops,
                         " operations take too long here. pagealloc-bench map draws it.")};
  }
  const WorkloadInfo* const workload = FindWorkload(name);
  if (workload == nullptr || !cell.columns.seed) return AgainFromTrace(cell, files);
  absl::StatusOr<Source> source = LoadWorkload(RequestOf(cell, *workload));
  if (source.ok() && source->columns.stream_hash == cell.columns.stream_hash) {
    return {*std::move(source), "The workload, made again from its seed."};
  }
  return {std::nullopt,
          absl::StrCat("No map of ", name, ": this version makes another program of that name.")};
}

/// Fewer cells where a heap is so cut up that a picture of many would be large.
std::string MapSvg(const Program& program) {
  constexpr std::size_t kMoments = 160;
  constexpr std::size_t kRows = 70;
  std::string svg = HeapMapSvg(MakeHeapMap(program, kMoments, kRows));
  if (svg.size() <= kMostMapBytes) return svg;
  return HeapMapSvg(MakeHeapMap(program, kMoments / 4, kRows));
}

}  // namespace

void AddMaps(PageInput& input) {
  std::vector<PageCell> cells = CellsOf(input.files);
  std::erase_if(cells, [](const PageCell& cell) { return cell.columns.stream_hash.empty(); });
  if (!input.comparisons.empty() && !input.comparisons.front().rows.empty()) {
    const std::string worst = KeyOf(input.comparisons.front().rows.front().cell);
    std::stable_partition(cells.begin(), cells.end(),
                          [&worst](const PageCell& cell) { return cell.key == worst; });
  }
  std::set<std::string> programs;
  std::size_t bytes = 0;
  std::size_t left = 0;
  for (const PageCell& cell : cells) {
    if (!programs.insert(cell.columns.stream_hash).second) continue;
    const bool full = input.maps.size() + input.map_notes.size() >= kMostMaps;
    if (full || bytes > kMostMapBytes) {
      ++left;
      continue;
    }
    Again again = ProgramOf(cell, input.files);
    if (!again.source) {
      input.map_notes.push_back(std::move(again.note));
      continue;
    }
    again.source->program.name = again.source->columns.workload;  // not the whole path
    HeapPicture map{again.source->Title(), std::move(again.note), MapSvg(again.source->program)};
    bytes += map.svg.size();
    input.maps.push_back(std::move(map));
  }
  if (left == 0) return;
  input.map_notes.push_back(absl::StrCat("Not drawn: ", left, left == 1 ? " program" : " programs",
                                         " more. pagealloc-bench map draws any."));
}

}  // namespace pagealloc::bench
