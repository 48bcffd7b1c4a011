/// story.h: makes a finding readable where the steps of a program have no trace record.
///
/// A target tells each step before it runs, as a verb and numbers; a finding, or a crash, prints
/// what differed, the command that reproduces it, and all steps:
///
///   sbrk: finding at step 3: free 4096 2
///   what: free bytes: the allocator has 8192; the model 4096
///   reproduce: echo AAEC | base64 -d >finding && sbrk_replay finding
///   steps:
///   1 allocate 3
///   ...
///
/// A step costs some nanoseconds: words are made only when they are printed. One story at a time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::fuzz {

class Story {
 public:
  static constexpr std::size_t kMostNumbers = 6;

  /// @param target  name of the fuzz target, a literal
  /// @param input   the bytes that led here; both outlive the story
  Story(std::string_view target, std::span<const std::uint8_t> input);
  Story(const Story&) = delete;
  Story& operator=(const Story&) = delete;
  ~Story();

  /// What happens next. `verb` is a literal; numbers beyond kMostNumbers are dropped.
  void Step(const char* verb, std::initializer_list<std::uint64_t> numbers = {}) {
    Line line{verb, {}, std::min(numbers.size(), kMostNumbers)};
    std::copy_n(numbers.begin(), line.count, line.numbers.begin());
    lines_.push_back(line);
  }
  [[nodiscard]] std::size_t steps() const { return lines_.size(); }

  /// Everything about a finding, ready to print.
  [[nodiscard]] std::string Report(std::string_view what) const;
  /// Prints that and ends the process.
  [[noreturn]] void Stop(std::string_view what) const;

  /// Stops unless `text`, which says what differs, is empty.
  void Check(const std::string& text) const {
    if (!text.empty()) Stop(text);
  }
  /// Stops unless both are equal.
  void Expect(const char* what, std::uint64_t got, std::uint64_t want) const {
    if (got != want) StopDiffering(what, got, want);
  }
  void Expect(const char* what, bool holds) const {
    if (!holds) Stop(what);
  }
  /// Stops unless there is a text, all of it printable ASCII: what ends up in a terminal.
  void ExpectPrintable(const char* what, std::string_view text) const {
    const auto printable = [](char c) { return c >= ' ' && c <= '~'; };
    Expect(what, !text.empty() && std::all_of(text.begin(), text.end(), printable));
  }

 private:
  struct Line {
    const char* verb;
    std::array<std::uint64_t, kMostNumbers> numbers;
    std::size_t count;
  };

  [[noreturn]] void StopDiffering(const char* what, std::uint64_t got, std::uint64_t want) const;
  [[nodiscard]] static std::string Words(const Line& line);

  std::string_view target_;
  std::span<const std::uint8_t> input_;
  std::vector<Line> lines_;
};

}  // namespace pagealloc::fuzz
