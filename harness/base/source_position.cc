#include "harness/base/source_position.h"

namespace pagealloc::bench {

std::string PrintableLine(std::string_view text, std::size_t most) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string shown;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool printable = byte >= 0x20 && byte <= 0x7e;
    if (shown.size() + (printable ? 1 : 4) > most) break;
    if (printable) {
      shown += c;
    } else {
      shown += "\\x";
      shown += kHex[byte >> 4];
      shown += kHex[byte & 15];
    }
  }
  return shown;
}

std::string RenderProblem(const SourcePosition& where, std::string_view reason,
                          std::string_view advice) {
  std::string message = where.file;
  message += ':';
  message += std::to_string(where.line);
  message += ": ";
  message += PrintableLine(where.text);
  message += ": ";
  message += reason;
  message += ". ";
  message += advice;
  return message;
}

}  // namespace pagealloc::bench
