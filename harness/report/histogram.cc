#include "harness/report/histogram.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

/// Takes a decimal number from the front of `text`.
bool TakeNumber(std::string_view& text, std::uint64_t& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool TakeChar(std::string_view& text, char wanted) {
  if (text.empty() || text.front() != wanted) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

void Histogram::Merge(const Histogram& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  max_ = std::max(max_, other.max_);
}

std::optional<std::uint64_t> Histogram::Percentile(double percent) const {
  PA_EXPECT(percent >= 0 && percent <= 100);
  if (count_ == 0) return std::nullopt;
  if (percent == 100) return max_;
  // Rounding in percent / 100 * count must not lift an exact rank (99.9 % of 1000 is 999).
  const double rank = std::ceil(percent / 100 * static_cast<double>(count_) - 1e-9);
  const std::uint64_t wanted =
      std::clamp<std::uint64_t>(static_cast<std::uint64_t>(std::max(rank, 1.0)), 1, count_);
  std::size_t index = 0;
  for (std::uint64_t seen = counts_[0]; seen < wanted; seen += counts_[index]) ++index;
  return std::min(LowestOf(index) + WidthOf(index) / 2, max_);
}

double Histogram::mean() const {
  return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

std::string Histogram::ToText() const {
  std::string text = "h1 ";
  text += std::to_string(sum_) + ' ' + std::to_string(max_);
  for (std::size_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    text += ' ' + std::to_string(i) + ':' + std::to_string(counts_[i]);
  }
  return text;
}

std::string Histogram::MergeText(std::string_view text) {
  Histogram parsed;
  if (!text.starts_with("h1 ")) return "the text does not begin with \"h1 \"";
  text.remove_prefix(3);
  if (!TakeNumber(text, parsed.sum_) || !TakeChar(text, ' ') || !TakeNumber(text, parsed.max_)) {
    return "the sum and the largest value are missing or too large";
  }
  std::uint64_t least_sum = 0;
  std::uint64_t most_sum = 0;
  std::size_t end_of_last = 0;
  while (!text.empty()) {
    std::uint64_t index = 0;
    std::uint64_t count = 0;
    if (!TakeChar(text, ' ') || !TakeNumber(text, index) || !TakeChar(text, ':') ||
        !TakeNumber(text, count)) {
      return "a bucket is not \" INDEX:COUNT\"";
    }
    if (index >= kBuckets) return "bucket " + std::to_string(index) + " does not exist";
    if (index < end_of_last) return "bucket " + std::to_string(index) + " is out of order";
    if (count == 0) return "bucket " + std::to_string(index) + " is empty";
    end_of_last = index + 1;
    parsed.counts_[index] = count;
    const std::uint64_t highest = LowestOf(index) + WidthOf(index) - 1;
    std::uint64_t product = 0;
    if (__builtin_add_overflow(parsed.count_, count, &parsed.count_) ||
        __builtin_mul_overflow(highest, count, &product) ||
        __builtin_add_overflow(most_sum, product, &most_sum)) {
      return "the counts are too large";
    }
    least_sum += LowestOf(index) * count;  // no larger than most_sum
  }
  if (parsed.sum_ < least_sum || parsed.sum_ > most_sum) return "the sum does not fit the buckets";
  const bool max_fits = parsed.count_ == 0
                            ? parsed.max_ == 0
                            : IndexOf(std::min(parsed.max_, kLargest)) == end_of_last - 1;
  if (!max_fits) return "the largest value does not fit the buckets";
  std::uint64_t total = 0;
  if (__builtin_add_overflow(count_, parsed.count_, &total) ||
      __builtin_add_overflow(sum_, parsed.sum_, &total)) {
    return "the counts are too large";
  }
  Merge(parsed);
  return "";
}

}  // namespace pagealloc::bench
