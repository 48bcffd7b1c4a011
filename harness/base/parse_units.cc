#include "harness/base/parse_units.h"

#include <array>
#include <limits>
#include <optional>

namespace pagealloc::bench {
namespace {

struct Unit {
  std::string_view name;  // lower case
  std::uint64_t size;
};

constexpr std::array kSizeUnits{
    Unit{"b", 1},
    Unit{"kib", std::uint64_t{1} << 10},
    Unit{"mib", std::uint64_t{1} << 20},
    Unit{"gib", std::uint64_t{1} << 30},
    Unit{"tib", std::uint64_t{1} << 40},
    Unit{"kb", 1'000},
    Unit{"mb", 1'000'000},
    Unit{"gb", 1'000'000'000},
    Unit{"tb", 1'000'000'000'000},
};

constexpr std::array kDurationUnits{
    Unit{"ns", 1},
    Unit{"us", 1'000},
    Unit{"ms", 1'000'000},
    Unit{"s", 1'000'000'000},
    Unit{"m", 60'000'000'000},
    Unit{"min", 60'000'000'000},
    Unit{"h", 3'600'000'000'000},
};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

/// value * 10 + digit, if it fits.
std::optional<std::uint64_t> Append(std::uint64_t value, char digit) {
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(value, std::uint64_t{10}, &result) ||
      __builtin_add_overflow(result, static_cast<std::uint64_t>(digit - '0'), &result)) {
    return std::nullopt;
  }
  return result;
}

template <std::size_t N>
std::optional<std::uint64_t> UnitNamed(std::string_view name, const std::array<Unit, N>& units) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  for (const Unit& unit : units) {
    if (unit.name == lower) return unit.size;
  }
  return std::nullopt;
}

/// Text cut into its digits before the point, those after it, and what follows.
struct Parts {
  std::string_view whole;
  std::string_view fraction;
  std::string_view unit;
  bool has_point = false;
};

Parts Split(std::string_view text) {
  Parts parts;
  std::size_t at = 0;
  while (at < text.size() && IsDigit(text[at])) ++at;
  parts.whole = text.substr(0, at);
  if (at < text.size() && text[at] == '.') {
    parts.has_point = true;
    const std::size_t begin = ++at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    parts.fraction = text.substr(begin, at - begin);
  }
  parts.unit = text.substr(at);
  return parts;
}

/// whole.fraction * unit if that is a whole number below 2^64.
std::optional<std::uint64_t> Multiply(const Parts& parts, std::uint64_t unit) {
  std::uint64_t value = 0;
  for (char digit : parts.whole) {
    const auto next = Append(value, digit);
    if (!next) return std::nullopt;
    value = *next;
  }
  std::uint64_t result = 0;
  if (__builtin_mul_overflow(value, unit, &result)) return std::nullopt;
  // The fraction as numerator / denominator of a unit: only an exact share of it is accepted.
  std::uint64_t numerator = 0;
  std::uint64_t denominator = 1;
  for (char digit : parts.fraction) {
    const auto next = Append(numerator, digit);
    if (!next || __builtin_mul_overflow(denominator, std::uint64_t{10}, &denominator)) {
      return std::nullopt;
    }
    numerator = *next;
  }
  std::uint64_t scaled = 0;
  if (__builtin_mul_overflow(numerator, unit, &scaled) || scaled % denominator != 0 ||
      __builtin_add_overflow(result, scaled / denominator, &result)) {
    return std::nullopt;
  }
  return result;
}

Problem Bad(std::string_view what, std::string_view text, std::string_view advice) {
  std::string sentence = "'";
  sentence.append(text).append("' is no ").append(what).append(". ").append(advice);
  return {std::move(sentence)};
}

}  // namespace

OrProblem<std::uint64_t> ParseNumber(std::string_view text) {
  constexpr std::string_view kAdvice = "Write decimal digits, at most 18446744073709551615.";
  if (text.empty()) return Bad("number", text, kAdvice);
  std::uint64_t value = 0;
  for (char c : text) {
    if (!IsDigit(c)) return Bad("number", text, kAdvice);
    const auto next = Append(value, c);
    if (!next) return Bad("number", text, kAdvice);
    value = *next;
  }
  return value;
}

OrProblem<ByteCount> ParseSize(std::string_view text) {
  constexpr std::string_view kAdvice =
      "Write a number and a unit, for example 64MiB, 1.5GiB, 4096B: whole bytes below 2^64.";
  const Parts parts = Split(text);
  if (parts.whole.empty() || (parts.has_point && parts.fraction.empty())) {
    return Bad("size", text, kAdvice);
  }
  const auto unit = parts.unit.empty() ? std::uint64_t{1} : UnitNamed(parts.unit, kSizeUnits);
  if (!unit) return Bad("size", text, kAdvice);
  const auto bytes = Multiply(parts, *unit);
  if (!bytes) return Bad("size", text, kAdvice);
  return ByteCount{*bytes};
}

OrProblem<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  constexpr std::string_view kAdvice =
      "Write a number and a unit, for example 500ms, 1.5s, 2min: ns, us, ms, s, min or h.";
  if (text == "0") return std::chrono::nanoseconds{0};
  const Parts parts = Split(text);
  if (parts.whole.empty() || (parts.has_point && parts.fraction.empty())) {
    return Bad("duration", text, kAdvice);
  }
  const auto unit = UnitNamed(parts.unit, kDurationUnits);
  if (!unit) return Bad("duration", text, kAdvice);
  const auto ns = Multiply(parts, *unit);
  if (!ns || *ns > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return Bad("duration", text, kAdvice);
  }
  return std::chrono::nanoseconds{static_cast<std::int64_t>(*ns)};
}

std::string SizeText(ByteCount bytes) {
  constexpr std::array<std::string_view, 5> kNames{"B", "KiB", "MiB", "GiB", "TiB"};
  std::size_t name = 0;
  std::uint64_t value = bytes.raw;
  while (value != 0 && value % 1024 == 0 && name + 1 < kNames.size()) {
    value /= 1024;
    ++name;
  }
  return std::to_string(value).append(kNames[name]);
}

}  // namespace pagealloc::bench
