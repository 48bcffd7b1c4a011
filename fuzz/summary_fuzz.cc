/// summary: packed summaries and their merging, at the widths of all layouts, against run lists.
///
/// Input: a byte that chooses the layout, then operations. An operation makes what a block of
/// sibling entries covers as a list of runs, free and allocated in turn, each of a chosen length;
/// the list is the model: what it says of the whole block must be the merge of what it says of each
/// child. Every summary of a child is also packed and taken apart.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/layout.h"
#include "pagealloc/summary.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

/// Free runs, sorted, none empty, none touching.
using Runs = std::vector<PageRange>;

/// What the list says of some pages.
FreeRuns Between(const Runs& runs, std::uint64_t begin, std::uint64_t end) {
  FreeRuns found;
  for (const PageRange& run : runs) {
    const std::uint64_t first = std::max(run.begin.raw, begin);
    const std::uint64_t last = std::min(run.end.raw, end);
    if (first >= last) continue;
    const PageCount length{last - first};
    if (first == begin) found.start = length;
    if (last == end) found.end = length;
    found.max = std::max(found.max, length);
  }
  return found;
}

template <class L>
class SummaryRun {
  using G = Geometry<L>;
  using Word = Summary<L>;

 public:
  SummaryRun(NarrowRun& run, ByteReader& in) : run_(run), in_(in) {}

  void Go() {
    while (!in_.empty()) {
      run_.Next();
      const unsigned code = in_.Byte();
      // The entries below a parent at this level.
      Block(code % (G::kLevels - 1), code / 16);
    }
  }

 private:
  /// @param level    of the parent
  /// @param pattern  how the list begins: bit 0, with a free run
  void Block(unsigned level, unsigned pattern) {
    const std::uint64_t span = std::uint64_t{1} << G::kSpanPageBits[level + 1];
    const std::uint64_t count = std::uint64_t{1} << G::kIndexBits[level + 1];
    const Runs runs = MakeRuns(span, count, (pattern & 1) != 0);
    std::vector<Word> children(static_cast<std::size_t>(count));
    for (std::uint64_t i = 0; i < count; ++i) {
      const FreeRuns want = Between(runs, i * span, (i + 1) * span);
      const Word packed = Word::Pack(want);
      Compare("Pack", packed, want, {level, i});
      run_.Expect("none_free", packed.none_free(), want.max == PageCount{0}, {level, i});
      children[static_cast<std::size_t>(i)] = packed;
    }
    const FreeRuns want = Between(runs, 0, span * count);
    const Word merged = Word::Merge(children.data(), count, G::kSpanPageBits[level + 1]);
    Compare("Merge", merged, want, {level, count});
    if (want.max.raw == span * count) {
      Compare("OfFree", Word::OfFree(PageCount{span * count}), want, {level});
    }
  }

  /// Lengths of runs are a child's span or the whole block, a little more or less, or few pages.
  Runs MakeRuns(std::uint64_t span, std::uint64_t count, bool free) {
    Runs runs;
    const std::uint64_t all = span * count;
    std::uint64_t at = 0;
    while (at < all) {
      const unsigned code = in_.empty() ? 255 : in_.Byte();
      const std::uint64_t few = code / 8;
      std::uint64_t length = 1;
      switch (code % 8) {
        case 0:
          length = few + 1;
          break;
        case 1:
          length = span - at % span;  // to the border
          break;
        case 2:
          length = span * (few + 1);
          break;
        case 3:
          length = span - at % span + few;
          break;
        case 4:
          length = std::max<std::uint64_t>(span - at % span, few + 1) - few;
          break;
        case 5:
          length = in_.TwoBytes() % span + 1;
          break;
        case 6:
          length = std::max<std::uint64_t>(all - at, few + 1) - few;
          break;
        default:
          length = all - at;
          break;
      }
      const std::uint64_t end = std::min(all, at + length);
      if (free) runs.push_back({PageOffset{at}, PageOffset{end}});
      free = !free;
      at = end;
    }
    return runs;
  }

  /// @param where  the call's arguments
  void Compare(const char* what, Word got, FreeRuns want,
               std::initializer_list<std::uint64_t> where) {
    run_.Expect(what, got.start().raw, want.start.raw, where);
    run_.Expect(what, got.max().raw, want.max.raw, where);
    run_.Expect(what, got.end().raw, want.end.raw, where);
    run_.Expect(what, got.runs() == want, 1, where);
    // Packed by hand: the layout of the bits is part of what others read.
    const unsigned b = G::kFieldBits;
    const std::uint64_t word = want.max.raw >> b != 0
                                   ? std::uint64_t{1} << 63
                                   : want.start.raw | want.max.raw << b | want.end.raw << 2 * b;
    run_.Expect("word", got.word(), word, where);
    run_.Expect("FromWord", Word::FromWord(word) == got, 1, where);
  }

  NarrowRun& run_;
  ByteReader& in_;
};

template <class L>
void RunOn(NarrowRun& run, ByteReader& in) {
  SummaryRun<L>(run, in).Go();
}

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc;           // NOLINT(*-build-using-namespace): one function
  using namespace pagealloc::testing;  // NOLINT(*-build-using-namespace)
  using fuzz::RunOn;
  // Every width of a field that a layout has, and every shape of a block.
  constexpr std::array kRunOn{&RunOn<LinuxAmd64>,     &RunOn<Linux386>,   &RunOn<Wasm126>,
                              &RunOn<TinyWordChunks>, &RunOn<TinyUneven>, &RunOn<TinyOneRoot>,
                              &RunOn<TinyDeep>,       &RunOn<LinuxMips>};
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 256));
  fuzz::NarrowRun run("summary", input);
  fuzz::ByteReader in(input);
  kRunOn[in.Byte() % kRunOn.size()](run, in);
  return 0;
}
