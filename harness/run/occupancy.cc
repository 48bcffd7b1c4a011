#include "harness/run/occupancy.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <map>
#include <vector>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// The pages that live, a bit each; only chunks with such pages exist.
class LivePages {
 public:
  void Take(PageRange pages) {
    Change(pages, [](std::uint64_t& word, std::uint64_t bits) { word |= bits; });
    live_ += pages.size().raw;
  }
  void Give(PageRange pages) {
    Change(pages, [](std::uint64_t& word, std::uint64_t bits) { word &= ~bits; });
    live_ -= pages.size().raw;
  }
  void TakeMask(PageOffset block, std::uint64_t mask) { EachRun(block, mask, &LivePages::Take); }
  void GiveMask(PageOffset block, std::uint64_t mask) { EachRun(block, mask, &LivePages::Give); }

  [[nodiscard]] std::uint64_t live() const { return live_; }
  /// Pages from the lowest that lives to the highest.
  [[nodiscard]] std::uint64_t span() const {
    if (chunks_.empty()) return 0;
    const auto& [lowest, low_words] = *chunks_.begin();
    const auto& [highest, high_words] = *chunks_.rbegin();
    const auto low =
        std::find_if(low_words.begin(), low_words.end(), [](auto w) { return w != 0; });
    const auto high =
        std::find_if(high_words.rbegin(), high_words.rend(), [](auto w) { return w != 0; });
    const std::uint64_t begin = lowest * kChunkPages +
                                64 * static_cast<std::uint64_t>(low - low_words.begin()) +
                                static_cast<std::uint64_t>(std::countr_zero(*low));
    const std::uint64_t end = (highest + 1) * kChunkPages -
                              64 * static_cast<std::uint64_t>(high - high_words.rbegin()) -
                              static_cast<std::uint64_t>(std::countl_zero(*high));
    return end - begin;
  }

 private:
  static constexpr std::uint64_t kChunkPages = 512;
  using Words = std::array<std::uint64_t, kChunkPages / 64>;

  template <class ChangeWord>
  void Change(PageRange pages, ChangeWord change) {
    for (std::uint64_t at = pages.begin.raw; at < pages.end.raw;) {
      const std::uint64_t chunk = at / kChunkPages;
      const std::uint64_t end = std::min(pages.end.raw, (chunk + 1) * kChunkPages);
      const auto entry = chunks_.try_emplace(chunk).first;
      for (std::uint64_t from = at; from < end;) {
        const std::uint64_t count = std::min(end - from, 64 - from % 64);
        change(entry->second[from % kChunkPages / 64], ~std::uint64_t{0} >> (64 - count)
                                                                                << from % 64);
        from += count;
      }
      const Words& words = entry->second;
      if (std::all_of(words.begin(), words.end(), [](auto w) { return w == 0; })) {
        chunks_.erase(entry);
      }
      at = end;
    }
  }

  void EachRun(PageOffset block, std::uint64_t mask, void (LivePages::*change)(PageRange)) {
    for (std::uint64_t page = 0; page < 64; ++page) {
      if ((mask >> page & 1) == 0) continue;
      (this->*change)(PageRange::Of(block + PageCount{page}, PageCount{1}));
    }
  }

  std::map<std::uint64_t, Words> chunks_;
  std::uint64_t live_ = 0;
};

class Follower {
 public:
  Follower(const Program& program, PageOffset origin)
      : origin_(origin.raw), runs_(program.id_count) {}

  void Follow(const Op& op, const Outcome& outcome) {
    const PageOffset named{origin_ + op.at.raw};
    switch (op.kind) {
      case OpKind::kAllocate: {
        PageRange& run = runs_[op.id];
        run = {};
        if (outcome.first == Outcome::kNone) return;
        run = PageRange::Of(PageOffset{origin_ + outcome.first}, op.count);
        return pages_.Take(run);
      }
      case OpKind::kFree:
        return pages_.Give(runs_[op.id]);
      case OpKind::kAllocateRange:
        return pages_.Take(PageRange::Of(named, op.count));
      case OpKind::kFreeRange:
        return pages_.Give(PageRange::Of(named, op.count));
      case OpKind::kTakeCache:
        if (outcome.first != Outcome::kNone) {
          pages_.TakeMask(PageOffset{origin_ + outcome.first}, outcome.mask);
        }
        return;
      case OpKind::kReturnCache:
        return pages_.GiveMask(named, op.mask);
      default:
        return;
    }
  }
  [[nodiscard]] const LivePages& pages() const { return pages_; }

 private:
  const std::uint64_t origin_;
  std::vector<PageRange> runs_;  ///< by ID
  LivePages pages_;
};

}  // namespace

Occupancy OccupancyOf(const Program& program, std::span<const Outcome> outcomes,
                      PageOffset origin) {
  PA_EXPECT(outcomes.size() == program.ops.size(), outcomes.size(), program.ops.size());
  constexpr std::uint64_t kMoments = 64;
  // Odd, so that programs that take and give in turn are not met after the one or the other only.
  const std::uint64_t step = (program.ops.size() - program.measured_from) / kMoments | 1U;
  Follower follower(program, origin);
  double span = 0;
  double live = 0;
  double moments = 0;
  Occupancy occupancy;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    follower.Follow(program.ops[i], outcomes[i]);
    if (i < program.measured_from) continue;
    const OpKind kind = program.ops[i].kind;
    const bool request = kind == OpKind::kAllocate || kind == OpKind::kTakeCache;
    if (request && outcomes[i].first == Outcome::kNone) ++occupancy.no_room;
    if ((i - program.measured_from) % step != step - 1) continue;
    span += static_cast<double>(follower.pages().span());
    live += static_cast<double>(follower.pages().live());
    ++moments;
  }
  if (moments == 0) return occupancy;
  const auto bytes = [moments](double pages) {
    return BytesOf(PageCount{static_cast<std::uint64_t>(std::llround(pages / moments))});
  };
  occupancy.span = bytes(span);
  occupancy.live = bytes(live);
  return occupancy;
}

}  // namespace pagealloc::bench
