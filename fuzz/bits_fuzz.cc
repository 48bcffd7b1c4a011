/// bits: the bitmap of a chunk, of eight words and of one, against an array of bools.
///
/// Input: operations of one to six bytes. The first byte's low 4 bits are the operation; a range is
/// its first page, and a code of how far it goes or a count. Some operations ask; every 16
/// operations the whole bitmap is compared, and after the last one everything that a bitmap can
/// tell.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/page_bits.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;

template <unsigned kPages>
class BitsRun {
 public:
  explicit BitsRun(Input input) : input_(input), run_("bits", input) {}

  void Run() {
    ByteReader in(input_);
    while (!in.empty()) {
      run_.Next();
      Apply(in);
      if (run_.operations() % 16 == 0) AskWords();
    }
    AskEverything();
  }

 private:
  struct Range {
    unsigned first;
    unsigned count;
  };

  /// Prints what differs, with the model, and stops.
  void Expect(const char* what, std::uint64_t got, std::uint64_t want,
              std::initializer_list<std::uint64_t> arguments) const {
    run_.Expect(what, got, want, arguments, [this] {
      std::string text = "PageBits<" + std::to_string(kPages) + ">, model, 1 = allocated:";
      for (unsigned i = 0; i < kPages; ++i) {
        if (i % 64 == 0) text += '\n';
        text += model_[i] ? '1' : '0';
      }
      return text;
    });
  }

  static Range RangeFrom(ByteReader& in) {
    const unsigned first = in.TwoBytes() % kPages;
    const unsigned most = kPages - first;
    const unsigned how = in.Byte();
    switch (how % 4) {
      case 0:
        return {first, in.TwoBytes() % most + 1};
      case 1:
        return {first, 64 - first % 64};  // to the end of a word
      case 2:
        return {first, std::min(most, (how / 4 % 8 + 1) * 64)};  // as long as words
      default:
        return {first, most};
    }
  }

  void SetModel(Range range, bool value) {
    std::fill_n(model_.begin() + range.first, range.count, value);
  }
  /// Sets or clears those bits of the word of page i that are in `mask`.
  void SetModelWord(unsigned i, std::uint64_t mask, bool value) {
    for (unsigned k = 0; k < 64; ++k) {
      if ((mask >> k & 1) != 0) model_[i / 64 * 64 + k] = value;
    }
  }

  void Apply(ByteReader& in) {
    const unsigned code = in.Byte();
    switch (code % 16) {
      case 0: {
        const unsigned i = in.TwoBytes() % kPages;
        bits_.Set(i);
        model_[i] = true;
        return;
      }
      case 1: {
        const unsigned i = in.TwoBytes() % kPages;
        bits_.Clear(i);
        model_[i] = false;
        return;
      }
      case 2:
      case 3: {
        const Range range = RangeFrom(in);
        bits_.SetRange(range.first, range.count);
        return SetModel(range, true);
      }
      case 4:
      case 5: {
        const Range range = RangeFrom(in);
        bits_.ClearRange(range.first, range.count);
        return SetModel(range, false);
      }
      case 6: {
        const unsigned i = code / 16 * 64 % kPages;
        const std::uint64_t mask = PatternOf(in.Byte());
        bits_.SetInWord(i, mask);
        return SetModelWord(i, mask, true);
      }
      case 7: {
        const unsigned i = code / 16 * 64 % kPages;
        const std::uint64_t mask = PatternOf(in.Byte());
        bits_.ClearInWord(i, mask);
        return SetModelWord(i, mask, false);
      }
      case 8:
        bits_.SetAll();
        return SetModel({0, kPages}, true);
      case 9:
        bits_.ClearAll();
        return SetModel({0, kPages}, false);
      case 10:
        return AskCount(RangeFrom(in));
      case 11:
        return AskFind(in.TwoBytes() % (kPages + 2) + 1, 0);
      case 12: {
        const unsigned size = in.TwoBytes() % kPages + 1;
        return AskFind(size, in.Byte() * (kPages / 64) / 4 % kPages);
      }
      case 13:
        return AskZeros(in.TwoBytes() % (kPages + 1));
      case 14:
        return AskWords();
      default:
        AskSummary();
        return;
    }
  }

  void AskCount(Range range) {
    const auto ones =
        std::count(model_.begin() + range.first, model_.begin() + range.first + range.count, true);
    Expect("CountRange", bits_.CountRange(range.first, range.count),
           static_cast<std::uint64_t>(ones), {range.first, range.count});
  }

  void AskZeros(unsigned i) {
    unsigned below = 0;
    while (below < i && !model_[i - 1 - below]) ++below;
    unsigned above = 0;
    while (i + above < kPages && !model_[i + above]) ++above;
    Expect("ZerosBelow", bits_.ZerosBelow(i), below, {i});
    Expect("ZerosFrom", bits_.ZerosFrom(i), above, {i});
  }

  void AskWords() {
    const auto any = static_cast<unsigned>(run_.operations() % 64);
    for (unsigned w = 0; w < kPages / 64; ++w) {
      std::uint64_t word = 0;
      for (unsigned k = 0; k < 64; ++k) word |= std::uint64_t{model_[w * 64 + k]} << k;
      Expect("word", bits_.word(w), word, {w});
      Expect("WordOf", bits_.WordOf(w * 64 + any), word, {w});
    }
  }

  /// The first page at or above `from` that is as told; kPages if there is none.
  [[nodiscard]] unsigned NextPage(unsigned from, bool allocated) const {
    const void* const at = std::memchr(model_.data() + from, allocated ? 1 : 0, kPages - from);
    return at == nullptr ? kPages
                         : static_cast<unsigned>(static_cast<const bool*>(at) - model_.data());
  }

  FreeRuns AskSummary() {
    const FreeRuns got = bits_.Summarize();
    const unsigned start = NextPage(0, true);
    unsigned longest = 0;
    unsigned run = 0;  // where the last one begins
    for (unsigned at = start; at < kPages; at = NextPage(run, true)) {
      longest = std::max(longest, at - run);
      run = NextPage(at, false);
    }
    Expect("Summarize, start", got.start.raw, start, {});
    Expect("Summarize, max", got.max.raw, std::max(longest, kPages - run), {});
    Expect("Summarize, end", got.end.raw, kPages - run, {});
    return got;
  }

  /// A search may begin at a page only if nothing below it is free, which is made true first, on
  /// copies. Below `from` but inside its word everything counts as allocated, too.
  void AskFind(std::uint64_t count, unsigned from) {
    PageBits<kPages> bits = bits_;
    std::array<bool, kPages> model = model_;
    if (from > 0) bits.SetRange(0, from);
    std::fill_n(model.begin(), from, true);
    std::optional<unsigned> first;
    std::optional<unsigned> first_free;
    std::uint64_t run = 0;
    for (unsigned i = 0; i < kPages && !first; ++i) {
      run = model[i] ? 0 : run + 1;
      if (run == 1 && !first_free) first_free = i;
      if (run == count) first = i + 1 - static_cast<unsigned>(count);
    }
    std::uint64_t words = 0;
    const auto got = bits.Find(count, from, words);
    Expect("Find, found", got.has_value(), first.has_value(), {count, from});
    Expect("Find, words read at most", words <= kPages / 64 - from / 64, 1, {count, from});
    if (!got) return;
    Expect("Find, first", got->first, *first, {count, from});
    Expect("Find, first free", got->first_free, *first_free, {count, from});
  }

  /// Of a word, or of a run; and a page of every seven.
  [[nodiscard]] bool IsBorder(unsigned i) const {
    return i % 64 < 2 || i % 64 == 63 || i % 7 == 0 || model_[i] != model_[i - 1];
  }

  void AskEverything() {
    AskWords();
    for (unsigned i = 0; i < kPages; ++i) {
      if (IsBorder(i)) Expect("Get", bits_.Get(i), model_[i], {i});
    }
    const FreeRuns runs = AskSummary();
    std::uint64_t below = 0;
    for (unsigned i = 0; i <= kPages; ++i) {
      if (IsBorder(i)) Expect("ZerosBelow", bits_.ZerosBelow(i), below, {i});
      if (i < kPages) below = model_[i] ? 0 : below + 1;
    }
    std::uint64_t above = 0;
    for (unsigned i = kPages; i-- > 0;) {
      above = model_[i] ? 0 : above + 1;
      if (IsBorder(i)) Expect("ZerosFrom", bits_.ZerosFrom(i), above, {i});
    }
    for (const std::uint64_t count : {std::uint64_t{1}, runs.max.raw, runs.max.raw + 1}) {
      if (count != 0) AskFind(count, 0);
    }
    AskCount({0, kPages});
  }

  Input input_;
  NarrowRun run_;
  PageBits<kPages> bits_;
  std::array<bool, kPages> model_{};  // true = allocated
};

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  // Longer inputs say nothing that shorter ones do not.
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 1024));
  pagealloc::fuzz::BitsRun<512>(input).Run();
  pagealloc::fuzz::BitsRun<64>(input).Run();
  return 0;
}
