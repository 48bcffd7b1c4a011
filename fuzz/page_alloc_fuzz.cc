/// page_alloc: a program of operations on two tiny layouts, and on a shipped one where the header
/// says so; every result and everything inside against the model (page_alloc_program.h).

#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/run_program.h"
#include "fuzz/target.h"
#include "pagealloc/layout.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Short programs, because more of them are found in the same time: with 500 operations and twice
/// as many checked pages an input takes 1.5 times as long. A full check of a shipped layout costs
/// most of all.
template <Layout L>
constexpr Limits kLimits{.records = 100, .checked_pages = kIsTiny<L> ? 1 << 15 : 1 << 13};

template <Layout L>
void RunOn(const FuzzProgram& program, Input input) {
  g_operations +=
      RunProgram<L>("page_alloc", input, program, ArenaOf<L>(program.heap_start), kLimits<L>);
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc;           // NOLINT(*-build-using-namespace): one function
  using namespace pagealloc::testing;  // NOLINT(*-build-using-namespace)
  using fuzz::RunOn;
  const fuzz::Input input(bytes, size);
  const fuzz::FuzzProgram program = fuzz::DecodeOps(input);
  switch (program.tiny_pair) {
    case 0:
      RunOn<TinyWordChunks>(program, input);
      RunOn<TinyUneven>(program, input);
      break;
    case 1:
      RunOn<TinyOneRoot>(program, input);
      RunOn<TinyDeep>(program, input);
      break;
    case 2:
      RunOn<TinyUneven>(program, input);
      RunOn<TinyDeep>(program, input);
      break;
    default:
      RunOn<TinyWordChunks>(program, input);
      RunOn<TinyDeep>(program, input);
      break;
  }
  // Most inputs on tiny layouts alone: they run ten times as fast. page_alloc_large has them all.
  switch (program.shipped) {
    case 5:
      RunOn<LinuxAmd64>(program, input);
      break;
    case 6:
      RunOn<Linux386>(program, input);
      break;
    case 7:
      RunOn<Wasm126>(program, input);
      break;
    default:
      break;
  }
  return 0;
}
