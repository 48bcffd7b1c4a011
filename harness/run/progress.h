/// progress.h: how far a run is, on stderr, between repetitions only.
///
///   bar    [=====>              ] 12/40, 3 s left: churn size=1 | radix | linux-amd64
///   plain  a line for each finished cell
///
/// A bar is drawn on a terminal that can move its cursor; `auto` chooses. Nothing is drawn while
/// anything is timed, and before any other output Clear() takes the bar away.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace pagealloc::bench {

enum class ProgressMode : std::uint8_t { kAuto, kAlways, kNever, kPlain };

class Progress {
 public:
  /// @param total  repetitions, warm-ups included.
  Progress(std::FILE* stream, ProgressMode mode, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// Says what runs next.
  void Begin(std::string_view title);
  void EndRepetition();
  /// Says that a cell is done, with its result in words.
  void EndCell(std::string_view line);
  void Clear();

 private:
  enum class Style : std::uint8_t { kNone, kBar, kPlain };
  static Style Choose(std::FILE* stream, ProgressMode mode);

  std::FILE* stream_;
  Style style_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool drawn_ = false;
  std::chrono::steady_clock::time_point start_;
};

/// "[===>   ] 3/12, 5 s left: title", at most `columns` wide.
///
/// @param elapsed  since the first repetition began.
std::string ProgressBar(std::uint64_t done, std::uint64_t total, std::chrono::nanoseconds elapsed,
                        std::string_view title, std::size_t columns);

}  // namespace pagealloc::bench
