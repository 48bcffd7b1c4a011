/// workload_generators.h: the functions behind the catalogue of workloads.
///
/// Each writes set-up, StartMeasuring(), and measured operations until the script is done. Values
/// of parameters were checked against the catalogue before; what a generator refuses is a
/// combination of parameters, or a heap that is too small for them.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/problem.h"
#include "harness/trace/random.h"
#include "harness/trace/workload.h"
#include "harness/trace/workload_script.h"

namespace pagealloc::bench {

/// What a generator is called with.
struct WorkloadContext {
  WorkloadScript& script;
  const ParamSet& params;  ///< every parameter of the workload
  std::uint64_t seed;      ///< of the user
  Random random;           ///< seeded from seed, name and parameters

  [[nodiscard]] std::uint64_t Number(const std::string& name) const;
  [[nodiscard]] Sizes SizesOf(const std::string& name) const;
  [[nodiscard]] const std::string& Word(const std::string& name) const;
};

/// "1-16" or "16", as ParamKind::kSizes has it: nullopt if it is neither, or high < low.
std::optional<Sizes> ParseSizes(std::string_view text);

/// nullopt: the script is written.
using Generator = std::optional<Problem> (*)(WorkloadContext&);

std::optional<Problem> MakeHot(WorkloadContext& context);
std::optional<Problem> MakeSequential(WorkloadContext& context);
std::optional<Problem> MakeChurn(WorkloadContext& context);  ///< churn and large
std::optional<Problem> MakeSawtooth(WorkloadContext& context);
std::optional<Problem> MakeSwissCheese(WorkloadContext& context);
std::optional<Problem> MakeGoSpans(WorkloadContext& context);
std::optional<Problem> MakeFindOnly(WorkloadContext& context);
std::optional<Problem> MakeAllocRangeOnly(WorkloadContext& context);
// In workload_generators_shapes.cc:
std::optional<Problem> MakeLifo(WorkloadContext& context);
std::optional<Problem> MakeFifo(WorkloadContext& context);
std::optional<Problem> MakePhases(WorkloadContext& context);
std::optional<Problem> MakeHuge(WorkloadContext& context);
std::optional<Problem> MakeGrow(WorkloadContext& context);
std::optional<Problem> MakeCache(WorkloadContext& context);
std::optional<Problem> MakeAdversary(WorkloadContext& context);
std::optional<Problem> MakeNoRoom(WorkloadContext& context);
std::optional<Problem> MakeScavenge(WorkloadContext& context);

/// All measured operations are of one kind.
void MeasureOneKind(WorkloadScript& script);

/// Says that a heap is too small for the parameters.
Problem TooSmall(std::string_view what, PageCount have, std::uint64_t need);

/// The generator of a workload of the catalogue.
Generator GeneratorOf(const WorkloadInfo& workload);

/// Values of go-spans' parameters; its tables stand in workload_go_spans.cc.
inline constexpr std::array<std::string_view, 3> kGoSpanMixes{"tools", "all", "http"};
inline constexpr std::array<std::string_view, 5> kGoSpanLifetimes{"http", "gofmt", "compiler",
                                                                  "json", "map-cache"};

/// The value of a parameter in its shortest form ("016" is "16", "4-4" is "4"). An error names the
/// nearest parameter, or the values that are allowed.
OrProblem<std::string> CheckParam(const WorkloadInfo& workload, std::string_view name,
                                  std::string_view value);

/// For a name (or a glob, or a set) that no workload has.
Problem UnknownWorkload(std::string_view name);

}  // namespace pagealloc::bench
