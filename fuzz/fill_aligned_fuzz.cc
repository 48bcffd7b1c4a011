/// fill_aligned: every aligned group of bits that holds a one is filled, against a loop.
///
/// Input: the byte of the group's size, then a word (narrow.h), again and again.

#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/page_bits.h"

namespace pagealloc::fuzz {
namespace {

std::uint64_t NaiveFill(std::uint64_t bits, unsigned group) {
  std::uint64_t filled = 0;
  for (unsigned first = 0; first < 64; first += group) {
    bool any = false;
    for (unsigned i = first; i < first + group; ++i) any = any || (bits >> i & 1) != 0;
    for (unsigned i = first; any && i < first + group; ++i) filled |= std::uint64_t{1} << i;
  }
  return filled;
}

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 256));
  NarrowRun run("fill_aligned", input);
  ByteReader in(input);
  std::uint64_t word = 0;
  while (!in.empty()) {
    run.Next();
    const unsigned group = 1U << in.Byte() % 7U;
    word = WordFrom(in, word);
    run.Expect("FillAligned", pagealloc::FillAligned(word, group), NaiveFill(word, group),
               {word, group});
  }
  return 0;
}
