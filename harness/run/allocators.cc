#include "harness/run/allocators.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "harness/base/source_position.h"
#include "harness/run/go_program.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

std::optional<std::string> MisfitForGo(const Source& source) {
  const Op* const op = source.program.FirstOf({OpKind::kScavenge, OpKind::kNextGeneration});
  if (op == nullptr) return std::nullopt;
  return RenderProblem(source.program.PositionOf(*op),
                       "-a go does not scavenge: each version of Go does it in another way",
                       "Choose -a radix, or a program without 's' and 'n'.");
}

}  // namespace

const std::vector<AllocatorInfo>& AllAllocators() {
  static const std::vector<AllocatorInfo> kAllocators{
      {.name = "radix", .sentence = "the library: a radix tree of packed summaries over bitmaps"},
      {.name = "heap",
       .sentence = "the library's front end: threads, page caches, growth, real memory",
       .places = Places::kSystem,
       .thread_safe = true},
      {.name = "reference",
       .sentence = "the naive model: a byte a page, linear first fit; slow, and plainly right"},
      {.name = "go",
       .sentence = "the Go runtime's own page allocator, in a program built by tools/build-go-peer",
       .layouts = Layouts::kGo,
       .package = "golang-1.19-go"},
  };
  return kAllocators;
}

const AllocatorInfo& AllocatorNamed(std::string_view name) {
  const auto& all = AllAllocators();
  const auto found = std::find_if(all.begin(), all.end(),
                                  [name](const AllocatorInfo& info) { return info.name == name; });
  PA_EXPECT(found != all.end());
  return *found;
}

std::optional<std::string> WhyUnavailable(const AllocatorInfo& allocator, std::string_view layout) {
  if (allocator.layouts != Layouts::kGo) return std::nullopt;
  std::optional<std::string> why;
  for (const std::string_view one : kGoLayouts) {
    if (!layout.empty() && layout != one) continue;
    why = WhyNoGoProgram(one);
    if (!why) return std::nullopt;
  }
  return why;
}

std::optional<std::string> WrongLayout(const AllocatorInfo& allocator, std::string_view layout) {
  if (allocator.layouts != Layouts::kGo) return std::nullopt;
  if (std::find(kGoLayouts.begin(), kGoLayouts.end(), layout) != kGoLayouts.end()) {
    return std::nullopt;
  }
  return absl::StrCat("-a ", std::string(allocator.name), " has no layout ", std::string(layout),
                      ". Choose linux-amd64 or linux-386 with -l.");
}

std::optional<std::string> MisfitForAllocator(const AllocatorInfo& allocator,
                                              const Source& source) {
  if (allocator.layouts == Layouts::kGo) return MisfitForGo(source);
  if (allocator.places == Places::kSystem) return MisfitForHeap(source);
  return std::nullopt;
}

}  // namespace pagealloc::bench
