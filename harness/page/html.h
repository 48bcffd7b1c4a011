/// html.h: text as HTML: escaped, and numbers as people read them. Standard library only.
///
/// A page is written as XML that browsers take for HTML, so that tests can parse it: every element
/// is closed, and the only entities are those that Escaped() makes.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pagealloc::bench {

/// The parts as one text.
template <class... Parts>
std::string Joined(const Parts&... parts) {
  std::string text;
  (text.append(std::string_view(parts)), ...);
  return text;
}

/// For text and for values of attributes. What is no UTF-8, or no character of XML, becomes U+FFFD.
std::string Escaped(std::string_view text);

/// <name attributes>content</name>; `content` is HTML already.
std::string Element(std::string_view name, std::string_view attributes, std::string_view content);

/// Three digits or more, whole numbers without a point: "0.123", "12.3", "1234", "7".
std::string Rounded(double value);
/// A coordinate with one decimal at most: "12.3", "7".
std::string Coordinate(double value);
/// With the unit that fits: "12.3 ns", "4.56 ms", "120 KiB", "7.88 M/s", "1234567".
///
/// @param unit  of schema 1: "ns", "bytes", "1/s", "count", "count/op".
std::string ValueText(double value, std::string_view unit);
/// The same for the numbers of an axis.
std::string TickText(double value, std::string_view unit);
/// A change as people say it: "+3.4 %", "-12 %", "x 2.31"; "0 %" for 1.
std::string RatioText(double ratio);

}  // namespace pagealloc::bench
