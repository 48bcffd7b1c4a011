/// canary: page_alloc on an allocator that has a bug, planted here: a fuzzer that does not find it
/// within seconds is a fuzzer that finds nothing.
///
/// The bug: when all pages of a heap of several pieces are free again, the index forgets one page
/// of the highest chunk's run. It needs growth with a gap, allocations, and every one of them
/// freed.

#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/run_program.h"
#include "fuzz/target.h"
#include "pagealloc/layout.h"
#include "testing/allocator_access.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

struct ForgetsAPage {
  bool was_used = false;

  template <class Allocator>
  void After(std::size_t /*record*/, Allocator& allocator) {
    using Access = testing::AllocatorAccess;
    using G = Geometry<typename Allocator::LayoutType>;
    was_used = was_used || allocator.stats().in_use > PageCount{0};
    if (!was_used || allocator.stats().in_use > PageCount{0}) return;
    if (allocator.ranges().ranges().size() < 2) return;
    const auto& highest = allocator.ranges().ranges().back();
    const ChunkIndex chunk = G::ChunkOf(highest.begin);
    auto& block = Access::chunks(allocator).BlockAt(chunk);
    const std::size_t i = Access::chunks(allocator).IndexInBlock(chunk);
    block.reach.Set(i, block.reach.Get(i) - 1);
    was_used = false;
  }
};

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  using Tiny = pagealloc::testing::TinyUneven;
  const std::span<const std::uint8_t> input(bytes, size);
  const FuzzProgram program = DecodeOps(input);
  g_operations +=
      RunProgram<Tiny, ForgetsAPage>("canary", input, program, ArenaOf<Tiny>(program.heap_start));
  return 0;
}
