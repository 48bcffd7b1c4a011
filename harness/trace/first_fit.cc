#include "harness/trace/first_fit.h"

#include <algorithm>
#include <bit>

namespace pagealloc::bench {
namespace {

constexpr std::uint64_t kWordPages = 64;

/// Bits [from, to) of a word, to <= 64 and from < to.
constexpr std::uint64_t Bits(std::uint64_t from, std::uint64_t to) {
  return (~std::uint64_t{0} >> (kWordPages - (to - from))) << from;
}

std::uint32_t LongestRun(std::uint64_t word) {
  // Each step shortens every run of ones by one.
  std::uint32_t length = 0;
  for (; word != 0; word &= word << 1) ++length;
  return length;
}

/// Lowest bit at which `want` ones begin; there is such a run, and want <= 64.
unsigned FindInWord(std::uint64_t word, std::uint64_t want) {
  for (std::uint64_t missing = want - 1; missing > 0; --missing) word &= word >> 1;
  return static_cast<unsigned>(std::countr_zero(word));
}

}  // namespace

FirstFit::FirstFit(PageCount pages)
    : pages_(pages),
      free_(static_cast<std::size_t>((pages.raw + kWordPages - 1) / kWordPages)),
      leaves_(std::bit_ceil(free_.size())),
      nodes_(2 * leaves_, Node{0, 0, 0}) {
  PA_EXPECT(pages.raw >= 1 && pages.raw < (std::uint64_t{1} << 31), pages);
  in_use_ = pages;
  Set({PageOffset{0}, PageOffset{pages.raw}}, Mark::kFree);
}

bool FirstFit::taken(PageOffset page) const {
  PA_EXPECT(page.raw < pages_.raw, page);
  return (free_[static_cast<std::size_t>(page.raw / kWordPages)] >> (page.raw % kWordPages) & 1) ==
         0;
}

std::optional<PageOffset> FirstFit::Allocate(PageCount want) {
  PA_EXPECT(want.raw >= 1);
  const auto first = Find(want.raw);
  if (first) Set(PageRange::Of(*first, want), Mark::kTaken);
  return first;
}

std::optional<FirstFit::Block> FirstFit::TakeBlock() {
  const auto lowest = Find(1);
  if (!lowest) return std::nullopt;
  const std::uint64_t word = lowest->raw / kWordPages;
  const Block block{PageOffset{word * kWordPages}, free_[static_cast<std::size_t>(word)]};
  SetBlock(block, Mark::kTaken);
  return block;
}

void FirstFit::ReturnBlock(const Block& block) { SetBlock(block, Mark::kFree); }

void FirstFit::SetBlock(const Block& block, Mark mark) {
  // A run of ones at a time.
  for (std::uint64_t left = block.pages; left != 0;) {
    const auto first = static_cast<std::uint64_t>(std::countr_zero(left));
    const auto length = static_cast<std::uint64_t>(std::countr_one(left >> first));
    Set(PageRange::Of(block.first + PageCount{first}, PageCount{length}), mark);
    left &= ~Bits(first, first + length);
  }
}

void FirstFit::Take(PageRange pages) { Set(pages, Mark::kTaken); }

void FirstFit::Free(PageRange pages) { Set(pages, Mark::kFree); }

std::optional<PageOffset> FirstFit::Find(std::uint64_t want) const {
  if (nodes_[1].longest < want) return std::nullopt;
  std::size_t node = 1;
  std::uint64_t first = 0;  // page at which the node's span begins
  std::uint64_t span = leaves_ * kWordPages;
  while (node < leaves_) {
    const Node& left = nodes_[2 * node];
    const Node& right = nodes_[2 * node + 1];
    span /= 2;
    if (left.longest >= want) {
      node = 2 * node;
    } else if (std::uint64_t{left.end} + right.start >= want) {
      return PageOffset{first + span - left.end};
    } else {
      node = 2 * node + 1;
      first += span;
    }
  }
  return PageOffset{first + FindInWord(free_[node - leaves_], want)};
}

void FirstFit::Set(PageRange pages, Mark mark) {
  PA_EXPECT(pages.begin < pages.end && pages.end.raw <= pages_.raw, pages.begin, pages.end);
  std::size_t low = static_cast<std::size_t>(pages.begin.raw / kWordPages);
  std::size_t high = static_cast<std::size_t>((pages.end.raw - 1) / kWordPages);
  for (std::size_t w = low; w <= high; ++w) {
    const std::uint64_t word_begin = w * kWordPages;
    const std::uint64_t from = std::max(pages.begin.raw, word_begin) - word_begin;
    const std::uint64_t to = std::min(pages.end.raw, word_begin + kWordPages) - word_begin;
    const std::uint64_t bits = Bits(from, to);
    std::uint64_t& word = free_[w];
    PA_EXPECT((word & bits) == (mark == Mark::kTaken ? bits : 0), word_begin, pages.begin);
    word ^= bits;
    nodes_[leaves_ + w] = {static_cast<std::uint32_t>(std::countr_one(word)), LongestRun(word),
                           static_cast<std::uint32_t>(std::countl_one(word))};
  }
  if (mark == Mark::kTaken) {
    in_use_ += pages.size();
  } else {
    in_use_ -= pages.size();
  }
  low += leaves_;
  high += leaves_;
  std::uint32_t half = kWordPages;
  while (low > 1) {
    low /= 2;
    high /= 2;
    for (std::size_t node = low; node <= high; ++node) {
      const Node& left = nodes_[2 * node];
      const Node& right = nodes_[2 * node + 1];
      nodes_[node] = {
          left.start == half ? half + right.start : left.start,
          std::max({left.longest, right.longest, left.end + right.start}),
          right.end == half ? half + left.end : right.end,
      };
    }
    half *= 2;
  }
}

}  // namespace pagealloc::bench
