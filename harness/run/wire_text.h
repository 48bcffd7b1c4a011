/// wire_text.h: a small text format for structs that go from one of our processes to another.
///
///   pagealloc-wire 1 checked      version and what it is
///   result_hash 8d3c...           key, space, value; keys in a fixed order
///   mismatch                      an empty value
///   end 3                         how many lines came before: a cut text is noticed
///
/// Writer and reader are the same program, so any difference is damage and is refused with a
/// reason; nothing is guessed. Backslash and newline in a value are written as \\ and \n.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::bench {

class WireWriter {
 public:
  explicit WireWriter(std::string_view type);

  void Text(std::string_view key, std::string_view value);
  void Number(std::string_view key, std::uint64_t value);
  void Real(std::string_view key, double value);  ///< reads back as exactly the same number

  /// The whole text. Call it once, last.
  std::string Finish();

 private:
  std::string text_;
  std::size_t lines_ = 0;
};

/// Reads the keys in the order in which they were written. The first thing that does not fit sets
/// error(); from then on every call returns an empty value, so one check at the end is enough.
class WireReader {
 public:
  /// Looks at the first and the last line only. `text` must outlive the reader.
  explicit WireReader(std::string_view text);

  /// What the text says it is; empty if it is no such text.
  [[nodiscard]] const std::string& type() const { return type_; }

  std::string Text(std::string_view key);
  std::uint64_t Number(std::string_view key);
  double Real(std::string_view key);
  bool Flag(std::string_view key);  ///< a number that is 0 or 1
  /// A number that must be below `end`: an enumerator or a count.
  std::uint64_t Below(std::string_view key, std::uint64_t end);

  /// Checks that nothing is left over.
  void Finish();
  /// "" or the first thing wrong, for a message.
  [[nodiscard]] const std::string& error() const { return error_; }
  /// Reports a value that is well-formed but makes no sense.
  void Refuse(std::string_view key, std::string_view reason);

 private:
  std::string type_;
  std::vector<std::string_view> lines_;  ///< between the first and the last
  std::size_t next_ = 0;
  std::string error_;
};

}  // namespace pagealloc::bench
