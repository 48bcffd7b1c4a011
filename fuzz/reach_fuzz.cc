/// reach: what the reach index is made of, against naive loops: lines of numbers with their maxima
/// (max_lanes.h), where free runs begin in the words of a bitmap (word_runs.h).
///
/// Input: operations of few bytes; the low 3 bits of the first say which.

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/max_lanes.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/word_runs.h"

namespace pagealloc::fuzz {
namespace {

/// Numbers at the borders of 15 bits, and small ones.
unsigned NumberFrom(ByteReader& in) {
  const unsigned code = in.Byte();
  if (code < 192) return code % 32 == 31 ? code * 170 : code % 32;
  constexpr std::array<unsigned, 8> kBorders{32767, 32766, 16384, 16383, 255, 256, 512, 511};
  return kBorders[code % kBorders.size()];
}

template <std::uint64_t kLanes>
class LanesRun {
  static constexpr auto& kShape = MaxLanes<kLanes>::kShape;

 public:
  explicit LanesRun(NarrowRun& run) : run_(run) {}

  void Set(ByteReader& in) {
    const std::size_t i = in.TwoBytes() % kLanes;
    const unsigned number = NumberFrom(in);
    const unsigned before = model_[i];
    const unsigned max_before = max_;
    model_[i] = number;
    max_ = number >= max_ ? number : *std::max_element(model_.begin(), model_.end());
    const unsigned changed = lanes_.Set(i, number);
    run_.Expect("MaxLanes::Set, levels (none)", changed == 0, number == before, {kLanes, i});
    if (max_ != max_before) {
      run_.Expect("MaxLanes::Set, levels", changed, kShape.levels, {kLanes, i, number});
    }
    run_.Expect("MaxLanes::max", lanes_.max(), max_, {kLanes, i, number, before});
  }

  void Ask(ByteReader& in) {
    const std::size_t from = in.TwoBytes() % (kLanes + 1);
    const unsigned number = std::max(1U, NumberFrom(in));
    std::size_t want = from;
    while (want < kLanes && model_[want] < number) ++want;
    std::uint64_t lines = 0;
    const std::uint64_t got = lanes_.FirstAtLeast(from, number, lines);
    run_.Expect("MaxLanes::FirstAtLeast", got, want, {kLanes, from, number});
    if (from == 0 && number <= max_) {
      std::size_t last = kLanes - 1;
      while (model_[last] == 0) --last;
      run_.Expect("MaxLanes::First", lanes_.First(number), want, {kLanes, number});
      run_.Expect("MaxLanes::First, under one line",
                  lanes_.First(number, MaxLanes<kLanes>::TopOf(want, last)), want,
                  {kLanes, number, last});
    }
    run_.Expect("MaxLanes::FirstAtLeast, lines at most", lines <= 2 * kShape.levels, 1,
                {kLanes, from, number, lines});
  }

  /// Every number of every level.
  void AskAll() const {
    if (max_ == 0 && lanes_.max() == 0) return;  // as it was at first
    std::array<unsigned, kLanes> level = model_;
    std::size_t count = kLanes;
    for (unsigned k = 0; k < kShape.levels; ++k) {
      run_.Expect("MaxLanes, lanes of a level", kShape.lanes[k], count, {kLanes, k});
      for (std::size_t i = 0; i < count; ++i) {
        run_.Expect("MaxLanes::AtLevel", lanes_.AtLevel(k, i), level[i], {kLanes, k, i});
      }
      const std::size_t above = (count + 31) / 32;
      for (std::size_t i = 0; i < above; ++i) {
        level[i] = *std::max_element(
            level.begin() + static_cast<std::ptrdiff_t>(i * 32),
            level.begin() + static_cast<std::ptrdiff_t>(std::min(count, i * 32 + 32)));
      }
      count = above;
    }
  }

 private:
  NarrowRun& run_;
  MaxLanes<kLanes> lanes_;
  std::array<unsigned, kLanes> model_{};
  unsigned max_ = 0;  // of the model
};

/// A line of 32 numbers, compared at once.
void AskLine(NarrowRun& run, ByteReader& in) {
  alignas(64) std::array<std::int16_t, 32> line{};
  const unsigned step = in.Byte() % 32U + 1;
  for (std::size_t i = 0; i < line.size() && !in.empty(); i += step) {
    line[i] = static_cast<std::int16_t>(NumberFrom(in));
  }
  const auto bound = static_cast<std::int16_t>(std::max(1U, NumberFrom(in)));
  std::uint32_t want = 0;
  for (unsigned i = 0; i < 32; ++i) want |= line[i] >= bound ? std::uint32_t{1} << i : 0U;
  const auto number = static_cast<std::uint64_t>(bound);
  run.Expect("LanesAtLeast", LanesAtLeast(line.data(), bound), want, {number});
  run.Expect("LanesAtLeastPortable", LanesAtLeastPortable(line.data(), bound), want, {number});
}

/// The runs of zeros of a chunk's bitmap.
void AskBits(NarrowRun& run, const std::array<std::uint64_t, WordRuns::kWords>& words,
             unsigned count) {
  PageBits<512> bits;
  WordRuns runs;
  std::array<unsigned, WordRuns::kWords> longest{};  // that begins in each word
  unsigned first = 512;                              // of `count` zeros
  for (unsigned w = 0; w < words.size(); ++w) bits.SetInWord(64 * w, words[w]);
  for (unsigned page = 0; page < 512; ++page) {
    const unsigned begin = page;
    while (page < 512 && !bits.Get(page)) ++page;
    longest[begin / 64] = std::max(longest[begin / 64], page - begin);
    if (page - begin >= count) first = std::min(first, begin);
  }
  unsigned most = 0;
  for (unsigned w = 0; w < words.size(); ++w) {
    const unsigned got = LongestBeginning(bits, w);
    run.Expect("LongestBeginning", got, longest[w], {w, words[w]});
    runs.Set(w, got);
    most = std::max(most, std::min(got, WordRuns::kMost));
  }
  for (unsigned w = 0; w < words.size(); ++w) {
    run.Expect("WordRuns::Get", runs.Get(w), std::min(longest[w], WordRuns::kMost), {w});
  }
  run.Expect("WordRuns::max", runs.max(), most, {words[0]});
  const unsigned word = runs.FirstAtLeast(count);
  run.Expect("WordRuns::FirstAtLeast", word, first / 64, {count, words[0]});
  if (word < WordRuns::kWords) {
    run.Expect("LowestBeginning", LowestBeginning(bits, word, count), first, {count, words[0]});
  }
}

class ReachRun {
 public:
  ReachRun(NarrowRun& run, std::span<const std::uint8_t> input) : run_(run), in_(input) {}

  void Go() {
    while (!in_.empty()) {
      run_.Next();
      const unsigned code = in_.Byte();
      switch (code % 8) {
        case 0:
        case 1:
          few_.Set(in_);
          break;
        case 2:
          many_.Set(in_);
          break;
        case 3:
          few_.Ask(in_);
          break;
        case 4:
          many_.Ask(in_);
          break;
        case 5:
          AskLine(run_, in_);
          break;
        case 6:
          words_[code / 8 % words_.size()] = WordFrom(in_, words_[code / 8 % words_.size()]);
          break;
        default:
          AskBits(run_, words_, in_.Byte() % WordRuns::kMost + 1U);
          break;
      }
    }
    few_.AskAll();
    many_.AskAll();
    one_.AskAll();
    AskBits(run_, words_, 2);
  }

 private:
  NarrowRun& run_;
  ByteReader in_;
  LanesRun<1> one_{run_};
  LanesRun<40> few_{run_};     // the last line is not full, two levels above
  LanesRun<1100> many_{run_};  // three levels above
  std::array<std::uint64_t, 8> words_{};
};

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 256));
  NarrowRun run("reach", input);
  ReachRun(run, input).Go();
  return 0;
}
