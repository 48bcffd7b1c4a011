/// work_counters.h: how much work the search structure did; a policy that costs nothing when off.
#pragma once

#include <cstdint>

namespace pagealloc {

/// Counts what is read and written. Plain numbers, one thread at a time.
struct WorkCounters {
  std::uint64_t bitmap_words_scanned = 0;   ///< by searches, and for the length of runs
  std::uint64_t index_lines_read = 0;       ///< by searches: 32 entries of the reach index each
  std::uint64_t index_entries_written = 0;  ///< lanes and maxima that got another number

  void WordsScanned(std::uint64_t n) { bitmap_words_scanned += n; }
  void IndexRead(std::uint64_t lines) { index_lines_read += lines; }
  void IndexWritten(std::uint64_t entries) { index_entries_written += entries; }

  friend bool operator==(const WorkCounters&, const WorkCounters&) = default;
};

/// Counts nothing; every call compiles away.
struct NoCounters {
  static void WordsScanned(std::uint64_t) {}
  static void IndexRead(std::uint64_t) {}
  static void IndexWritten(std::uint64_t) {}
};

}  // namespace pagealloc
