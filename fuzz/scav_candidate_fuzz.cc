/// scav_candidate: which pages of a chunk are to be released, against a naive scan; chunks of eight
/// words and of one.
///
/// Input: operations. They change words of the two bitmaps, or ask: from which page, how many pages
/// at most, in units of what size, with huge pages of what size.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/chunk.h"

namespace pagealloc::fuzz {
namespace {

template <unsigned kPages>
class CandidateRun {
  using Run = typename Chunk<kPages>::Run;

 public:
  CandidateRun(NarrowRun& run, std::span<const std::uint8_t> input) : run_(run), in_(input) {}

  void Go() {
    while (!in_.empty()) {
      run_.Next();
      const unsigned code = in_.Byte();
      const unsigned w = code / 4 % (kPages / 64);
      switch (code % 4) {
        case 0:
          Set(chunk_.allocated, w);
          break;
        case 1:
          Set(chunk_.scavenged, w);
          break;
        default:
          Ask();
          break;
      }
    }
    Ask();
  }

 private:
  // A place of its own in each caller: g++ 12 takes the copies for 64 and 512 pages for one, and
  // warns of accesses beyond the smaller.
  [[gnu::always_inline]] void Set(PageBits<kPages>& bits, unsigned w) {
    const std::uint64_t word = WordFrom(in_, bits.word(w));
    bits.ClearInWord(w * 64, ~std::uint64_t{0});
    bits.SetInWord(w * 64, word);
  }

  void Ask() {
    const unsigned from = kPages - 1 - in_.TwoBytes() % kPages;
    const unsigned sizes = in_.Byte();
    const ReleaseUnits units{
        PageCount{std::uint64_t{1} << sizes % 7U},
        PageCount{sizes / 7U % 16U == 0 ? 0 : std::uint64_t{1} << sizes / 7U % 16U}};
    const std::uint64_t code = in_.TwoBytes();
    const PageCount most{code == 0xffff ? ~std::uint64_t{0} : code % (kPages + 2)};
    const std::optional<Run> got = chunk_.FindScavengeCandidate(from, most, units);
    const std::optional<Run> want = Naive(from, most.raw, units);
    const auto expect = [&](const char* what, std::uint64_t g, std::uint64_t w) {
      run_.Expect(what, g, w, {kPages, from, most.raw, units.page.raw, units.huge.raw},
                  [this] { return Map(); });
    };
    expect("FindScavengeCandidate, found", got.has_value(), want.has_value());
    if (!got) return;
    expect("FindScavengeCandidate, first", got->first, want->first);
    expect("FindScavengeCandidate, count", got->count, want->count);
  }

  [[nodiscard]] bool Usable(unsigned first, unsigned count) const {
    for (unsigned i = first; i < first + count; ++i) {
      if (chunk_.allocated.Get(i) || chunk_.scavenged.Get(i)) return false;
    }
    return true;
  }

  /// Unit by unit, downwards from the word of `from`.
  [[nodiscard]] std::optional<Run> Naive(unsigned from, std::uint64_t most,
                                         ReleaseUnits units) const {
    const auto unit = static_cast<unsigned>(units.page.raw);
    unsigned end = from / 64 * 64 + 64;
    while (end > 0 && !Usable(end - unit, unit)) end -= unit;
    if (end == 0) return std::nullopt;
    unsigned lowest = end - unit;  // of the run
    while (lowest > 0 && Usable(lowest - unit, unit)) lowest -= unit;
    unsigned first = end - unit;
    while (first > lowest && end - first < most) first -= unit;
    // A huge page that is free as a whole is not split.
    const std::uint64_t huge = units.huge.raw;
    if (huge > unit && huge <= kPages) {
      for (auto page = static_cast<unsigned>(kPages - huge);; page -= static_cast<unsigned>(huge)) {
        const bool free_as_a_whole = page >= lowest && page + huge <= end;
        const bool split = page < first && first < page + huge;
        if (free_as_a_whole && split) {
          first = page;
          break;
        }
        if (page < huge) break;
      }
    }
    return Run{first, end - first};
  }

  [[nodiscard]] std::string Map() const {
    std::string text = "pages, # allocated, s scavenged:";
    for (unsigned i = 0; i < kPages; ++i) {
      if (i % 64 == 0) text += '\n';
      text += chunk_.allocated.Get(i) ? '#' : chunk_.scavenged.Get(i) ? 's' : '.';
    }
    return text;
  }

  NarrowRun& run_;
  ByteReader in_;
  Chunk<kPages> chunk_{};
};

}  // namespace

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 256));
  NarrowRun run("scav_candidate", input);
  CandidateRun<512>(run, input).Go();
  CandidateRun<64>(run, input).Go();
  return 0;
}
