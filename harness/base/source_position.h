/// source_position.h: where in a text file something went wrong, kept as a value.
///
/// Readers note the place, whoever prints puts it into words, once: RenderProblem() is the only
/// function that knows the form of a message.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pagealloc::bench {

/// A line of a file.
struct SourcePosition {
  std::string file;        ///< as the user named it; "-" is standard input
  std::uint64_t line = 0;  ///< counts from 1
  std::string text;        ///< the line, unescaped, without its end

  friend bool operator==(const SourcePosition&, const SourcePosition&) = default;
};

/// A line in a message is cut after this many characters, an escaped byte counted as four.
inline constexpr std::size_t kShownCharacters = 80;

/// The text in printable ASCII: every other byte as \xNN, cut at `most` characters. No escape is
/// cut in two.
[[nodiscard]] std::string PrintableLine(std::string_view text, std::size_t most = kShownCharacters);

/// "FILE:LINE: TEXT: reason. What to do."
///
/// @param reason  a clause, without a period at its end.
/// @param advice  a whole sentence, with its period.
[[nodiscard]] std::string RenderProblem(const SourcePosition& where, std::string_view reason,
                                        std::string_view advice);

}  // namespace pagealloc::bench
