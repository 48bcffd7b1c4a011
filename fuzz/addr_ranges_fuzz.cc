/// addr_ranges: the set of ranges against a set of chunks.
///
/// Input: a header byte (where the chunks lie), then operations: add a range if none of it is
/// there, with the operating system refusing the k-th call at times; ask about a chunk and about a
/// range. Chunks are few, so that ranges touch and join often.

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/address_ranges.h"
#include "testing/fake_memory.h"

namespace pagealloc::fuzz {
namespace {

class RangesRun {
  static constexpr unsigned kChunks = 256;
  static constexpr std::uint64_t kChunkPages = 512;
  using Range = AddressRanges::Range;

 public:
  RangesRun(NarrowRun& run, std::span<const std::uint8_t> input) : run_(run), in_(input) {}

  void Go() {
    // From page 0, or so that the last range ends at the last number there is.
    base_ = in_.Byte() % 2 == 0 ? 0 : ~std::uint64_t{0} - kChunks * kChunkPages;
    while (!in_.empty()) {
      run_.Next();
      const unsigned code = in_.Byte();
      const unsigned first = in_.Byte();
      const unsigned count = std::min(kChunks - first, code / 8 + 1);
      switch (code % 8) {
        case 0:
        case 1:
        case 2:
          Add(first, 1, 0);
          break;
        case 3:
        case 4:
          Add(first, count, 0);
          break;
        case 5:
          Add(first, 1, code / 8 % 4 + 1);
          break;
        default:
          Ask(first, count);
          break;
      }
      if (run_.operations() % 16 == 0) Compare();
    }
    Compare();
    for (unsigned i = 0; i < kChunks; i += 5) Ask(i, std::min(kChunks - i, 7U));
  }

 private:
  [[nodiscard]] PageOffset PageOf(unsigned chunk) const {
    return PageOffset{base_ + chunk * kChunkPages};
  }
  [[nodiscard]] bool Any(unsigned first, unsigned count) const {
    return std::any_of(model_.begin() + first, model_.begin() + first + count,
                       [](bool there) { return there; });
  }
  [[nodiscard]] bool All(unsigned first, unsigned count) const {
    return std::all_of(model_.begin() + first, model_.begin() + first + count,
                       [](bool there) { return there; });
  }

  /// @param refused  number of the call that is refused; 0: none
  void Add(unsigned first, unsigned count, unsigned refused) {
    if (Any(first, count)) return;
    const Range range{PageOf(first), PageOf(first + count)};
    if (refused != 0) os_.FailAfter(refused - 1, true);
    const bool prepared = ranges_.PrepareAdd(os_, range).ok();
    os_.NeverFail();
    if (!prepared) {
      run_.Expect("PrepareAdd, refused", refused != 0, 1, {first, count});
      Compare();
      run_.Expect("PrepareAdd, again", ranges_.PrepareAdd(os_, range).ok(), 1, {first, count});
    }
    ranges_.Add(range);
    std::fill_n(model_.begin() + first, count, true);
  }

  void Ask(unsigned first, unsigned count) {
    const PageOffset page = PageOf(first);
    const std::uint64_t inside = std::uint64_t{first} * 2 % kChunkPages;  // a page of the chunk
    const Range range{page, PageOf(first + count)};
    run_.Expect("Contains", ranges_.Contains(page), model_[first], {first});
    run_.Expect("Contains, a page inside", ranges_.Contains(page + PageCount{inside}),
                model_[first], {first, inside});
    run_.Expect("ContainsAll", ranges_.ContainsAll(range), All(first, count), {first, count});
    run_.Expect("Overlaps", ranges_.Overlaps(range), Any(first, count), {first, count});
    unsigned begins = 0;  // ranges that begin at or below the chunk
    for (unsigned i = 0; i <= first; ++i)
      begins += model_[i] && (i == 0 || !model_[i - 1]) ? 1U : 0U;
    run_.Expect("Successor", ranges_.Successor(page), begins, {first});
    unsigned next = first;
    while (next < kChunks && !model_[next]) ++next;
    const std::optional<PageOffset> got = ranges_.AtOrAbove(page);
    run_.Expect("AtOrAbove, found", got.has_value(), next < kChunks, {first});
    if (got) run_.Expect("AtOrAbove", got->raw, PageOf(next).raw, {first});
  }

  void Compare() {
    std::size_t number = 0;
    std::uint64_t total = 0;
    for (unsigned i = 0; i < kChunks;) {
      unsigned end = i;
      while (end < kChunks && model_[end]) ++end;
      if (end > i) {
        const std::span<const Range> got = ranges_.ranges();
        run_.Expect("ranges, at least", got.size() > number, 1, {number});
        run_.Expect("ranges, begin", got[number].begin.raw, PageOf(i).raw, {number});
        run_.Expect("ranges, end", got[number].end.raw, PageOf(end).raw, {number});
        total += (end - i) * kChunkPages;
        ++number;
      }
      i = end + 1;
    }
    run_.Expect("ranges", ranges_.ranges().size(), number, {});
    run_.Expect("empty", ranges_.empty(), number == 0, {});
    run_.Expect("total", ranges_.total(), total, {});
    run_.Expect("metadata, committed", ranges_.metadata().committed.raw, os_.committed().raw, {});
    run_.Expect("metadata, reserved", ranges_.metadata().reserved.raw, os_.reserved().raw, {});
  }

  NarrowRun& run_;
  ByteReader in_;
  std::uint64_t base_ = 0;
  testing::FakeMemory os_{ByteCount{512}};  // of 32 ranges, so that memory is taken several times
  AddressRanges ranges_;
  std::array<bool, kChunks> model_{};
};

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 512));
  NarrowRun run("addr_ranges", input);
  RangesRun(run, input).Go();
  return 0;
}
