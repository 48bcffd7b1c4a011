/// work_counters.h: how much work the search structure did; a policy that costs nothing when off.
#pragma once

#include <array>
#include <cstdint>

namespace pagealloc {

/// Counts words and entries read and written. Plain numbers, one thread at a time.
struct WorkCounters {
  static constexpr unsigned kMaxLevels = 8;

  std::uint64_t bitmap_words_scanned = 0;                     ///< by searches and by summaries
  std::array<std::uint64_t, kMaxLevels> summaries_read = {};  ///< entries, per level, root first
  std::uint64_t summary_updates = 0;                          ///< entries written with a new value

  void WordsScanned(std::uint64_t n) { bitmap_words_scanned += n; }
  void SummariesRead(unsigned level, std::uint64_t n) { summaries_read[level] += n; }
  void SummaryUpdated(std::uint64_t n) { summary_updates += n; }

  [[nodiscard]] std::uint64_t summary_visits() const {
    std::uint64_t sum = 0;
    for (const std::uint64_t n : summaries_read) sum += n;
    return sum;
  }
  friend bool operator==(const WorkCounters&, const WorkCounters&) = default;
};

/// Counts nothing; every call compiles away.
struct NoCounters {
  static void WordsScanned(std::uint64_t) {}
  static void SummariesRead(unsigned, std::uint64_t) {}
  static void SummaryUpdated(std::uint64_t) {}
};

}  // namespace pagealloc
