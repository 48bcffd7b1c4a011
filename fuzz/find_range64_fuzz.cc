/// find_range64: the lowest run of N ones in a word, and where all such runs begin, against a loop.
///
/// Input: the byte of N, then a word (narrow.h), again and again.

#include <algorithm>
#include <cstdint>
#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/page_bits.h"

namespace pagealloc::fuzz {
namespace {

/// A one wherever `count` ones begin.
std::uint64_t NaiveStarts(std::uint64_t bits, std::uint64_t count) {
  std::uint64_t starts = 0;
  std::uint64_t run = 0;  // ones from bit i upwards
  for (unsigned i = 64; i-- > 0;) {
    run = (bits >> i & 1) != 0 ? run + 1 : 0;
    if (run >= count) starts |= std::uint64_t{1} << i;
  }
  return starts;
}

unsigned NaiveLowest(std::uint64_t bits, std::uint64_t count) {
  std::uint64_t run = 0;
  for (unsigned i = 0; i < 64; ++i) {
    run = (bits >> i & 1) != 0 ? run + 1 : 0;
    if (run == count) return i + 1 - static_cast<unsigned>(count);
  }
  return 64;
}

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 256));
  NarrowRun run("find_range64", input);
  ByteReader in(input);
  std::uint64_t word = 0;
  while (!in.empty()) {
    run.Next();
    const std::uint64_t code = in.Byte();
    // Mostly lengths that a word can hold, up to 66; sometimes one that no table has room for.
    const std::uint64_t count = code == 255 ? ~std::uint64_t{0} : code % 66 + 1;
    word = WordFrom(in, word);
    run.Expect("RunStarts64", pagealloc::RunStarts64(word, count), NaiveStarts(word, count),
               {word, count});
    run.Expect("LowestRun64", pagealloc::LowestRun64(word, count), NaiveLowest(word, count),
               {word, count});
  }
  return 0;
}
