/// workload.h: synthetic workloads, made from a name, parameters, a heap size and a seed.
///
/// A workload becomes a Program: set-up operations (before Program::measured_from) that bring the
/// heap into the state the workload is about, and exactly `ops` measured ones. The same request
/// gives the same operations with every compiler and on every machine: the generator has a random
/// number generator of its own, computes with integers only, and seeds each workload with a hash of
/// seed, name and parameters, so that adding a workload or a parameter changes no other.
///
///   Workloads() --SelectWorkloads("@quick")--> selections --ExpandParams("occupancy=50,90")-->
///   parameter sets --MakeWorkload(heap, ops, seed)--> Program
///
/// Every program grows its heap by explicit records and is legal on any allocator that places by
/// address-ordered first fit: a generator knows which of its allocations fail (first_fit.h) and
/// never frees those. The catalogue with all parameters stands in workload_catalogue.cc.
/// Standard library only.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/problem.h"
#include "harness/trace/program.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// What a parameter's value may be.
enum class ParamKind : std::uint8_t {
  kNumber,  ///< `50`: from min to max
  kSizes,   ///< `16` or `1-16`: pages, both ends from min to max
  kWord,    ///< one of `words`
};

struct ParamInfo {
  std::string_view name;
  ParamKind kind = ParamKind::kNumber;
  std::uint64_t min = 0, max = 0;             ///< kNumber, kSizes
  std::span<const std::string_view> words{};  ///< kWord
  std::string_view fallback;                  ///< the value where none is given
  std::string_view full;                      ///< values of the set @full, comma-separated
  std::string_view sentence;
};

struct WorkloadInfo {
  std::string_view name;
  std::string_view sentence;  ///< what `list workloads` prints
  std::span<const ParamInfo> params;
  bool quick = true;           ///< in the set @quick
  bool has_trace_form = true;  ///< false: its operations have no record, --record must refuse
  ByteCount heap{std::uint64_t{1} << 30};  ///< where none is asked for; every layout holds 1 GiB
  std::uint64_t ops = 200'000;  ///< where none are asked for: 10 to 50 ms at 50 to 250 ns
};

/// All workloads, in the order in which they are listed and run.
std::span<const WorkloadInfo> Workloads();
/// nullptr if there is none of this name.
const WorkloadInfo* FindWorkload(std::string_view name);

/// Sorted, so that `k=v;k=v` is the same text for the same parameters.
using ParamSet = std::map<std::string, std::string>;
using ParamGrid = std::map<std::string, std::vector<std::string>>;  ///< `-p K=V[,V]`

/// `k=v;k=v`, the column `params` of a results file.
std::string ParamText(const ParamSet& params);

/// Workloads that a `-w` list asked for.
struct WorkloadSelection {
  const WorkloadInfo* workload;
  bool full =
      false;  ///< came in by @full: parameters that -p leaves open take all values of that set
};

/// Each pattern is `@quick`, `@full`, or a glob (`*` and `?`) over names; workloads that match one
/// of `exclude` are left out. In the catalogue's order, each at most once; full wins over not full.
/// A pattern that matches nothing is an error that names the nearest workload; so is an empty rest.
OrProblem<std::vector<WorkloadSelection>> SelectWorkloads(std::span<const std::string> patterns,
                                                          std::span<const std::string> exclude);

/// The cross product of `given`, and of the fallbacks (or full sets) of the parameters it leaves
/// open; every set names every parameter of the workload. An error names the nearest parameter that
/// exists, or the values that are allowed. Keys in the order of the parameters' names, the last
/// varying fastest.
OrProblem<std::vector<ParamSet>> ExpandParams(const WorkloadSelection& selection,
                                              const ParamGrid& given);

struct WorkloadRequest {
  std::string name{};
  ParamSet params{};      ///< missing ones take their fallback
  ByteCount heap{0};      ///< rounded down to whole chunks; 0: the workload's own
  std::uint64_t ops = 0;  ///< measured operations; 0: the workload's own
  std::uint64_t seed = 1;
  bool smoke = false;  ///< at most 64 MiB of heap and 2,000 operations
};

/// The program of a workload: chunk-pages 512, explicit growth, offsets from 0. An error names the
/// nearest workload or parameter, the values that are allowed, or the smallest heap.
/// Occupancy, where a workload has it, is a percentage of the heap's pages. How large heaps are
/// filled, and how many operations of set-up that costs, is said in README.md, "Workloads".
OrProblem<Program> MakeWorkload(const WorkloadRequest& request);

}  // namespace pagealloc::bench
