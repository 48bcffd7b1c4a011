#include "harness/trace/workload.h"

#include <algorithm>
#include <utility>

#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/trace/workload_generators.h"

namespace pagealloc::bench {
namespace {

constexpr ByteCount kSmokeHeap{std::uint64_t{64} << 20};
constexpr std::uint64_t kSmokeOps = 2'000;
/// Every workload can do something with its default parameters.
constexpr ByteCount kSmallestHeap{std::uint64_t{16} << 20};
/// Generators follow the heap page by page (first_fit.h) with 32-bit counts.
constexpr ByteCount kLargestHeap{std::uint64_t{1} << 43};
/// Programs are held in memory, 40 bytes an operation.
constexpr std::uint64_t kMostOps = std::uint64_t{1} << 31;

std::string SizesText(Sizes sizes) {
  std::string text = std::to_string(sizes.low);
  if (sizes.high != sizes.low) text.append("-").append(std::to_string(sizes.high));
  return text;
}

/// "a number from 1 to 99"
std::string AllowedValues(const ParamInfo& param) {
  const std::string range =
      " from " + std::to_string(param.min) + " to " + std::to_string(param.max);
  switch (param.kind) {
    case ParamKind::kNumber:
      return "a number" + range;
    case ParamKind::kSizes:
      return "pages" + range + ", as one number (16) or a range (1-16)";
    case ParamKind::kWord:
      break;
  }
  std::string words = "one of";
  for (std::size_t i = 0; i < param.words.size(); ++i) {
    words.append(i == 0 ? " " : ", ").append(param.words[i]);
  }
  return words;
}

Problem NotAllowed(const WorkloadInfo& workload, const ParamInfo& param, std::string_view value) {
  std::string sentence = "'";
  sentence.append(value).append("' is no value of ").append(workload.name).append("'s parameter ");
  sentence.append(param.name).append(", ").append(param.sentence).append(". Give ");
  sentence.append(AllowedValues(param));
  if (param.kind == ParamKind::kWord) {
    sentence.append("; the nearest is '").append(NearestName(param.words, value)).append("'");
  }
  return {sentence.append(".")};
}

Problem UnknownParam(const WorkloadInfo& workload, std::string_view name) {
  std::vector<std::string_view> names;
  for (const ParamInfo& param : workload.params) names.push_back(param.name);
  return {UnknownName("parameter of workload " + std::string(workload.name), names, name,
                      "see pagealloc-bench list workloads")};
}

Problem WithPlace(const WorkloadRequest& request, const Problem& problem) {
  return {"workload " + request.name + " (" + ParamText(request.params) + "): " + problem.sentence};
}

}  // namespace

std::optional<Sizes> ParseSizes(std::string_view text) {
  const std::size_t dash = text.find('-');
  const auto low = ParseNumber(text.substr(0, dash));
  const auto high = dash == std::string_view::npos ? low : ParseNumber(text.substr(dash + 1));
  if (!low.ok() || !high.ok() || high.value() < low.value()) return std::nullopt;
  return Sizes{low.value(), high.value()};
}

OrProblem<std::string> CheckParam(const WorkloadInfo& workload, std::string_view name,
                                  std::string_view value) {
  const auto param = std::find_if(workload.params.begin(), workload.params.end(),
                                  [&](const ParamInfo& p) { return p.name == name; });
  if (param == workload.params.end()) return UnknownParam(workload, name);
  const auto in_range = [&](std::uint64_t n) { return param->min <= n && n <= param->max; };
  switch (param->kind) {
    case ParamKind::kNumber:
      if (const auto number = ParseNumber(value); number.ok() && in_range(number.value())) {
        return std::to_string(number.value());
      }
      break;
    case ParamKind::kSizes:
      if (const auto sizes = ParseSizes(value);
          sizes && in_range(sizes->low) && in_range(sizes->high)) {
        return SizesText(*sizes);
      }
      break;
    case ParamKind::kWord:
      if (std::find(param->words.begin(), param->words.end(), value) != param->words.end()) {
        return std::string(value);
      }
      break;
  }
  return NotAllowed(workload, *param, value);
}

std::uint64_t WorkloadContext::Number(const std::string& name) const {
  return ParseNumber(params.at(name)).value();
}

Sizes WorkloadContext::SizesOf(const std::string& name) const {
  return ParseSizes(params.at(name))
      .value();  // NOLINT(bugprone-unchecked-optional-access): checked
}

const std::string& WorkloadContext::Word(const std::string& name) const { return params.at(name); }

std::string ParamText(const ParamSet& params) {
  std::string text;
  for (const auto& [name, value] : params) {
    if (!text.empty()) text.push_back(';');
    text.append(name).append("=").append(value);
  }
  return text;
}

OrProblem<Program> MakeWorkload(const WorkloadRequest& request) {
  const WorkloadInfo* workload = FindWorkload(request.name);
  if (workload == nullptr) return UnknownWorkload(request.name);
  ParamSet params;
  for (const ParamInfo& param : workload->params) {
    params[std::string(param.name)] = param.fallback;
  }
  for (const auto& [name, value] : request.params) {
    auto checked = CheckParam(*workload, name, value);
    if (!checked.ok()) return checked.error();
    params[name] = std::move(checked).value();
  }
  ByteCount heap = request.heap.raw == 0 ? workload->heap : request.heap;
  std::uint64_t ops = request.ops == 0 ? workload->ops : request.ops;
  if (request.smoke) {
    heap = std::min(heap, kSmokeHeap);
    ops = std::min(ops, kSmokeOps);
  }
  if (heap < kSmallestHeap || heap > kLargestHeap) {
    return Problem{"a heap of " + SizeText(heap) + " is too " +
                   (heap < kSmallestHeap ? "small" : "large") +
                   " for a workload. Give --heap from " + SizeText(kSmallestHeap) + " to " +
                   SizeText(kLargestHeap) + "."};
  }
  if (ops > kMostOps) {
    return Problem{std::to_string(ops) +
                   " operations are too many to hold in memory. Give --ops up to " +
                   std::to_string(kMostOps) + ", and repeat with --reps."};
  }
  const PageCount pages{(heap.raw >> kPageBits) & ~(kDefaultChunkPages.raw - 1)};

  const std::string text = ParamText(params);
  WorkloadScript script(pages, ops);
  WorkloadContext context{script, params, request.seed,
                          Random(SubSeed(request.seed, request.name + " " + text))};
  if (const auto problem = GeneratorOf(*workload)(context)) {
    return WithPlace({.name = request.name, .params = params}, *problem);
  }
  PA_EXPECT(script.done());
  Program program = std::move(script.program());
  program.name = request.name;
  program.meta = {{"source", "pagealloc-bench workload " + request.name},
                  {"params", text},
                  {"seed", std::to_string(request.seed)}};
  return program;
}

}  // namespace pagealloc::bench
