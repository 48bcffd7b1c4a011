/// contract.h: what happens when a caller, or the library itself, breaks a rule.
///
///   PA_EXPECT(rule, values...)   our caller's mistake; checked in every build.
///   PA_ASSERT(rule, values...)   our own mistake; checked only where PAGEALLOC_CHECKED is 1.
///
/// Both print the rule as written, the values behind it and the place, then abort. Neither is for
/// trouble that can happen to a correct program: "no room" is a std::optional, the operating
/// system's refusals are error values. Printing allocates nothing.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>

#ifndef PAGEALLOC_CHECKED
#define PAGEALLOC_CHECKED 0  // the build sets it; see allocator/CMakeLists.txt
#endif

namespace pagealloc::internal {

/// Prints "<kind> broken: <rule> [values = v1, v2] at file:line" on stderr and aborts.
[[noreturn]] void StopBroken(const char* kind, const char* rule, const char* names,
                             std::initializer_list<std::uint64_t> values, const char* file,
                             int line) noexcept;

/// The number inside a unit (anything with `.raw`) or an integer, for printing only.
template <class T>
constexpr std::uint64_t ValueForMessage(const T& value) {
  if constexpr (requires { value.raw; }) {
    return static_cast<std::uint64_t>(value.raw);
  } else {
    return static_cast<std::uint64_t>(value);
  }
}

template <class... T>
[[noreturn, gnu::cold, gnu::noinline]] void Broken(const char* kind, const char* rule,
                                                   const char* names, const char* file, int line,
                                                   T... values) noexcept {
  StopBroken(kind, rule, names, {ValueForMessage(values)...}, file, line);
}

}  // namespace pagealloc::internal

// The rule comes first, then any number of values that explain it: PA_EXPECT(a < b, a, b).
#define PA_EXPECT(rule, ...)                                                      \
  (__builtin_expect(static_cast<bool>(rule), 1)                                   \
       ? static_cast<void>(0)                                                     \
       : ::pagealloc::internal::Broken("contract", #rule, #__VA_ARGS__, __FILE__, \
                                       __LINE__ __VA_OPT__(, ) __VA_ARGS__))

#if PAGEALLOC_CHECKED
#define PA_ASSERT(rule, ...)                                                       \
  (__builtin_expect(static_cast<bool>(rule), 1)                                    \
       ? static_cast<void>(0)                                                      \
       : ::pagealloc::internal::Broken("invariant", #rule, #__VA_ARGS__, __FILE__, \
                                       __LINE__ __VA_OPT__(, ) __VA_ARGS__))
#else
#define PA_ASSERT(rule, ...) static_cast<void>(0)
#endif
