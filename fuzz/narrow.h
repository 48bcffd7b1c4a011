/// narrow.h: what targets over a few functions share: counting, comparing and reporting.
///
/// Such a target compares what a function gives with what a loop gives, so there is no program to
/// write down: the report says the call with its arguments, both answers, and how to see it again.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"

namespace pagealloc::fuzz {

/// One input of one target.
class NarrowRun {
 public:
  NarrowRun(std::string_view target, std::span<const std::uint8_t> input)
      : target_(target), input_(input) {}

  /// Adds its operations to CheckedOperations().
  ~NarrowRun();
  NarrowRun(const NarrowRun&) = delete;
  NarrowRun& operator=(const NarrowRun&) = delete;

  /// A new operation begins.
  void Next() { ++operation_; }
  [[nodiscard]] std::uint64_t operations() const { return operation_; }

  /// Stops with a report if the two differ.
  ///
  /// @param what       the function, and the type that it belongs to
  /// @param arguments  what it was called with
  /// @param state      called for what else there is to say: () -> std::string
  template <class State>
  void Expect(const char* what, std::uint64_t got, std::uint64_t want,
              std::initializer_list<std::uint64_t> arguments, State&& state) const {
    if (got != want) [[unlikely]] {
      Differs(what, got, want, arguments, state());
    }
  }
  void Expect(const char* what, std::uint64_t got, std::uint64_t want,
              std::initializer_list<std::uint64_t> arguments) const {
    Expect(what, got, want, arguments, [] { return std::string(); });
  }

 private:
  [[noreturn]] void Differs(const char* what, std::uint64_t got, std::uint64_t want,
                            std::initializer_list<std::uint64_t> arguments,
                            const std::string& state) const;

  std::string_view target_;
  std::span<const std::uint8_t> input_;
  std::uint64_t operation_ = 0;
};

/// The next word of 64 pages: eight bytes as they are, a pattern, or the last word a little
/// changed. One to nine bytes of input.
[[nodiscard]] std::uint64_t WordFrom(ByteReader& in, std::uint64_t last);

}  // namespace pagealloc::fuzz
