/// histogram.h: a log-linear histogram of times, for millions of values in fixed memory.
///
/// Values below 256 have a bucket each. Above, each power of two is cut into 128 buckets of equal
/// width, so a bucket is at most 1/128 of its values wide, and its middle is at most 0.4 % off:
///
///   value    0 ... 255 | 256 ... 511 | 512 ... 1023 | ...      up to 2^40 - 1 (18 minutes in ns)
///   width        1     |      2      |      4       | ...      34 KiB of counters in all
///
/// The unit is the caller's (ticks or ns). Recording allocates nothing and has no loop. Not
/// thread-safe: one histogram a thread, merged at the end. Idea: HdrHistogram, by Gil Tene.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pagealloc::bench {

class Histogram {
 public:
  static constexpr unsigned kSubBucketBits = 7;
  static constexpr unsigned kValueBits = 40;
  static constexpr std::uint64_t kLargest = (std::uint64_t{1} << kValueBits) - 1;

  /// Counts one value. Values above kLargest count as kLargest; only max() still knows them.
  void Record(std::uint64_t value) {
    const std::uint64_t counted = std::min(value, kLargest);
    ++counts_[IndexOf(counted)];
    ++count_;
    sum_ += counted;
    max_ = std::max(max_, value);
  }

  /// Adds the values of `other` to this one.
  void Merge(const Histogram& other);

  /// The value at a rank (nearest rank): the smallest recorded value that at least `percent` per
  /// cent of all values do not exceed, up to the bucket's width. 100 gives max() exactly.
  ///
  /// @param percent  0 .. 100 (contract); 0 gives the lowest bucket that has a value.
  /// @return         within 0.4 % of the recorded value and exact below 256; nullopt when empty.
  [[nodiscard]] std::optional<std::uint64_t> Percentile(double percent) const;

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t max() const { return max_; }  ///< exact; 0 when empty
  [[nodiscard]] double mean() const;                        ///< exact; 0 when empty

  /// One line of text without a newline: "h1 SUM MAX INDEX:COUNT ...", buckets in order, only those
  /// that hold something.
  [[nodiscard]] std::string ToText() const;

  /// Adds what ToText() wrote elsewhere. Anything ToText() cannot have written is refused, and so
  /// is a count that does not fit.
  ///
  /// @return  "" or the reason; then nothing changed.
  [[nodiscard]] std::string MergeText(std::string_view text);

  friend bool operator==(const Histogram&, const Histogram&) = default;

 private:
  static constexpr unsigned kExactBits = kSubBucketBits + 1;
  static constexpr std::uint64_t kExactMask = (std::uint64_t{1} << kExactBits) - 1;
  static constexpr std::size_t kBuckets = std::size_t{kValueBits - kSubBucketBits + 1}
                                          << kSubBucketBits;

  // 300 = 1'0010'1100: drop shift = 1 bit, keep 128 + 22; each shift has 128 buckets of its own.
  static constexpr std::size_t IndexOf(std::uint64_t value) {
    const unsigned shift = static_cast<unsigned>(std::bit_width(value | kExactMask)) - kExactBits;
    return (std::size_t{shift} << kSubBucketBits) + static_cast<std::size_t>(value >> shift);
  }
  // The values of bucket `index` are [LowestOf(index), LowestOf(index) + WidthOf(index)).
  static constexpr std::uint64_t WidthOf(std::size_t index) {
    return index <= kExactMask ? 1 : std::uint64_t{1} << ((index >> kSubBucketBits) - 1);
  }
  static constexpr std::uint64_t LowestOf(std::size_t index) {
    if (index <= kExactMask) return index;
    constexpr std::uint64_t kSubBuckets = std::uint64_t{1} << kSubBucketBits;
    return (kSubBuckets + index % kSubBuckets) * WidthOf(index);
  }

  std::array<std::uint64_t, kBuckets> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
  std::uint64_t max_ = 0;
};

}  // namespace pagealloc::bench
