#include "harness/page/html.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace pagealloc::bench {
namespace {

constexpr const char* kMicro = " \xc2\xb5s";
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

std::string Decimals(double value, int digits) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return text.data();
}

/// Bytes of the character of XML at the start of `text`; 0 if there is none.
std::size_t CharacterSize(std::string_view text) {
  const auto byte = [text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  if (byte(0) < 0x80) {
    const bool allowed = byte(0) >= 0x20 || byte(0) == '\t' || byte(0) == '\n' || byte(0) == '\r';
    return allowed ? 1 : 0;
  }
  const std::size_t size = byte(0) < 0xc2 ? 0 : byte(0) < 0xe0 ? 2 : byte(0) < 0xf0 ? 3 : 4;
  if (size == 0 || byte(0) > 0xf4 || size > text.size()) return 0;
  std::uint32_t code = byte(0) & (0x7fU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) return 0;
    code = code << 6 | (byte(i) & 0x3fU);
  }
  const bool longer = (size == 3 && code < 0x800) || (size == 4 && code < 0x1'0000);
  const bool no_character = (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff;
  return longer || no_character || code > 0x10'ffff ? 0 : size;
}

struct Scale {
  double least;
  double divisor;
  const char* name;
};

template <std::size_t kCount>
std::string Scaled(double value, const std::array<Scale, kCount>& scales) {
  const Scale* fitting = &scales.back();
  for (const Scale& scale : scales) {
    if (std::fabs(value) >= scale.least) {
      fitting = &scale;
      break;
    }
  }
  return Rounded(value / fitting->divisor) + " " + fitting->name;
}

}  // namespace

std::string Escaped(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t size = CharacterSize(text);
    switch (text[0]) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += size == 0 ? kReplacement : text.substr(0, size);
    }
    text.remove_prefix(size == 0 ? 1 : size);
  }
  return escaped;
}

std::string Element(std::string_view name, std::string_view attributes, std::string_view content) {
  std::string element = "<";
  element.append(name).append(attributes.empty() ? "" : " ").append(attributes).append(">");
  return element.append(content).append("</").append(name).append(">");
}

std::string Rounded(double value) {
  const double size = std::fabs(value);
  if (value == std::floor(value) && size < 1e15) return Decimals(value, 0);
  return Decimals(value, size < 0.9995 ? 3 : size < 9.995 ? 2 : size < 99.95 ? 1 : 0);
}

std::string Coordinate(double value) {
  std::string text = Decimals(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text == "-0" ? "0" : text;
}

std::string TickText(double value, std::string_view unit) {
  // 1000 ns is 1 us on an axis, where all digits but the first are zeros.
  if (unit == "ns" && value >= 1e3 && value < 1e4) return Joined(Rounded(value / 1e3), kMicro);
  return ValueText(value, unit);
}

std::string ValueText(double value, std::string_view unit) {
  if (unit == "ns") {
    return Scaled(value,
                  std::array<Scale, 4>{
                      {{1e9, 1e9, "s"}, {1e6, 1e6, "ms"}, {1e4, 1e3, kMicro + 1}, {0, 1, "ns"}}});
  }
  if (unit == "bytes") {
    constexpr double kKib = 1024;
    return Scaled(value, std::array<Scale, 4>{{{kKib * kKib * kKib, kKib * kKib * kKib, "GiB"},
                                               {kKib * kKib, kKib * kKib, "MiB"},
                                               {kKib, kKib, "KiB"},
                                               {0, 1, "B"}}});
  }
  if (unit == "1/s") {
    return Scaled(value,
                  std::array<Scale, 3>{{{1e6, 1e6, "M/s"}, {1e3, 1e3, "k/s"}, {0, 1, "/s"}}});
  }
  return Rounded(value);
}

std::string RatioText(double ratio) {
  if (ratio == 1) return "0 %";
  if (ratio >= 2 || ratio <= 0.5) return "\xc3\x97 " + Rounded(ratio);
  const double percent = (ratio - 1) * 100;
  const std::string digits = Decimals(std::fabs(percent), std::fabs(percent) < 9.95 ? 1 : 0);
  return (percent < 0 ? "\xe2\x88\x92" : "+") + digits + " %";
}

}  // namespace pagealloc::bench
