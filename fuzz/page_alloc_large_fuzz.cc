/// page_alloc_large: a program on a shipped layout, 32 or 64 bits: heaps of many pieces, at the
/// ends of the address space and over the borders of the chunk map's blocks, and free runs so long
/// that the index knows only that they are long (arena.h).

#include <array>
#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/run_program.h"
#include "fuzz/target.h"
#include "pagealloc/layout.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// A full check of these heaps takes some hundred microseconds.
constexpr Limits kLimits{.records = 1000, .checked_pages = 1 << 16};

template <Layout L>
void RunOn(const FuzzProgram& program, Input input) {
  const Arena arena = LargeArenaOf<L>(program.heap_start);
  g_operations += RunProgram<L>("page_alloc_large", input, program, arena, kLimits);
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc;  // NOLINT(*-build-using-namespace): one function
  using fuzz::RunOn;
  // All but linux-arm, which is linux-386 by another name, and linux-arm64, which differs from
  // linux-amd64 in the address of page 0 only.
  constexpr std::array kRunOn{&RunOn<LinuxAmd64>, &RunOn<LinuxAmd64La57>, &RunOn<AixPpc64>,
                              &RunOn<IosArm64>,   &RunOn<Linux386>,       &RunOn<LinuxMips>,
                              &RunOn<Wasm125>,    &RunOn<Wasm126>};
  const fuzz::Input input(bytes, size);
  const fuzz::FuzzProgram program = fuzz::DecodeOps(input);
  kRunOn[program.shipped](program, input);
  return 0;
}
