#include "harness/run/allocators.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "harness/base/source_position.h"
#include "harness/run/go_program.h"
#include "harness/run/malloc_library.h"
#include "harness/run/place_check.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

std::optional<std::string> MisfitForGo(const AllocatorInfo& allocator, const Source& source) {
  const Op* const op = source.program.FirstOf({OpKind::kScavenge, OpKind::kNextGeneration});
  if (op == nullptr) return std::nullopt;
  return RenderProblem(
      source.program.PositionOf(*op),
      absl::StrCat("-a ", std::string(allocator.name),
                   " does not scavenge: each version of Go does it in another way"),
      "Choose -a radix, or a program without 's' and 'n'.");
}

std::optional<std::string> MisfitForOwnPlaces(const AllocatorInfo& allocator,
                                              const Source& source) {
  const Program& program = source.program;
  const std::string name = absl::StrCat("-a ", std::string(allocator.name));
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const OpKind kind = program.ops[i].kind;
    // In a workload's set-up it says how large the heap may become.
    const bool grows = kind == OpKind::kGrow && allocator.places == Places::kSystem &&
                       !(source.workload && i < program.measured_from);
    const bool scavenges = kind == OpKind::kScavenge || kind == OpKind::kNextGeneration;
    const bool can_scavenge = IsHeap(allocator.name);
    if (!grows && kind != OpKind::kFind && !NamesPages(kind) && (!scavenges || can_scavenge)) {
      continue;
    }
    return RenderProblem(program.PositionOf(program.ops[i]),
                         grows ? name + " grows by itself, where the operating system has room"
                               : name + " decides where runs lie, and only allocates and frees",
                         "Choose -a radix, or a program of allocations and frees.");
  }
  return std::nullopt;
}

}  // namespace

const std::vector<AllocatorInfo>& AllAllocators() {
  static const std::vector<AllocatorInfo> kAllocators{
      {.name = "radix", .sentence = "the library: bitmaps under an index of free runs"},
      {.name = kHeap,
       .sentence = "the library's front end: threads, page caches, growth, real memory",
       .places = Places::kSystem,
       .thread_safe = true},
      {.name = kHeapLocked,
       .sentence = "the same without page caches: every request takes the heap's lock",
       .places = Places::kSystem,
       .thread_safe = true},
      {.name = "reference",
       .sentence = "the naive model: a byte a page, linear first fit; slow, and plainly right"},
      {.name = "go",
       .sentence = "the Go runtime's own page allocator, in a program built by tools/build-go-peer",
       .layouts = Layouts::kGo,
       .package = "golang-1.19-go"},
      {.name = kGoLocked,
       .sentence = "the same, each operation on the system stack and under the heap's lock",
       .layouts = Layouts::kGo,
       .package = "golang-1.19-go"},
      {.name = "jemalloc",
       .sentence = "aligned_alloc and free of jemalloc",
       .places = Places::kSystem,
       .layouts = Layouts::kNone,
       .package = MallocPackage("jemalloc")},
      {.name = "mimalloc",
       .sentence = "aligned_alloc and free of mimalloc",
       .places = Places::kSystem,
       .layouts = Layouts::kNone,
       .package = MallocPackage("mimalloc")},
      {.name = "tcmalloc",
       .sentence = "aligned_alloc and free of gperftools' tcmalloc",
       .places = Places::kSystem,
       .layouts = Layouts::kNone,
       .package = MallocPackage("tcmalloc")},
      {.name = "mmap",
       .sentence = "the kernel: mmap and munmap for each run",
       .places = Places::kSystem,
       .layouts = Layouts::kNone},
      {.name = "buddy",
       .sentence = "the binary buddy system; small, for comparison",
       .places = Places::kOwn,
       .layouts = Layouts::kNone},
      {.name = "best-fit-map",
       .sentence = "best fit with the standard library's trees; small, for comparison",
       .places = Places::kOwn,
       .layouts = Layouts::kNone},
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
  if (!MallocPackage(allocator.name).empty()) return WhyNoMalloc(allocator.name);
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
  if (allocator.layouts == Layouts::kGo) return MisfitForGo(allocator, source);
  if (allocator.places != Places::kModel) return MisfitForOwnPlaces(allocator, source);
  return std::nullopt;
}

}  // namespace pagealloc::bench
