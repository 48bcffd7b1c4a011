/// result.h: a value, or why there is none; for the layers that do without Abseil.
#pragma once

#include <utility>
#include <variant>

#include "pagealloc/contract.h"

namespace pagealloc::bench {

/// Either a T or an E, never both and never neither.
template <class T, class E>
class Result {
 public:
  // Both convert, so that a function returns a value or an error as it is.
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT(*-explicit-*)
  Result(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(*-explicit-*)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }

  /// Contract: ok().
  [[nodiscard]] const T& value() const& {
    PA_EXPECT(ok());
    return *std::get_if<0>(&state_);
  }
  [[nodiscard]] T&& value() && {
    PA_EXPECT(ok());
    return std::move(*std::get_if<0>(&state_));
  }
  /// Contract: !ok().
  [[nodiscard]] const E& error() const {
    PA_EXPECT(!ok());
    return *std::get_if<1>(&state_);
  }

 private:
  std::variant<T, E> state_;
};

}  // namespace pagealloc::bench
