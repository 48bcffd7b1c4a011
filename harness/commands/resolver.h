/// resolver.h: how the words of flags become values.
///
/// Each call looks at one flag. The first thing wrong is kept, so that a list of flags reads as a
/// list; values of refused flags stay as they were.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"

namespace pagealloc::bench {

/// A word and what it stands for.
template <class Value>
using Choice = std::pair<std::string_view, Value>;

/// What `--format` takes where there is a table for people and JSON for programs; true: JSON.
inline constexpr std::array<Choice<bool>, 2> kTableOrJson{{{"table", false}, {"json", true}}};
/// Declares that flag. `format` holds the default.
void AddTableOrJson(CLI::App& app, std::string& format);

class Resolver {
 public:
  /// The first refusal: a UsageError.
  [[nodiscard]] const absl::Status& status() const { return status_; }
  void Refuse(std::string_view flag, const std::string& sentence);

  template <class Value, std::size_t kCount>
  void Pick(std::string_view flag, const std::string& text,
            const std::array<Choice<Value>, kCount>& choices, Value& value) {
    std::vector<std::string_view> names;
    for (const auto& [name, choice] : choices) {
      names.push_back(name);
      if (name != text) continue;
      value = choice;
      return;
    }
    RefuseName(flag, names, text);
  }

  /// @param least, most  what the number must lie between, inclusive.
  void Number(std::string_view flag, const std::string& text, std::uint64_t least,
              std::uint64_t& value, std::uint64_t most = std::numeric_limits<std::uint64_t>::max());

  /// Names of `what` ("layout"), each of which must be known; one given twice counts once.
  void Names(std::string_view what, const std::vector<std::string>& given,
             const std::vector<std::string_view>& known, std::vector<std::string>& value);

  /// Numbers from 0 to 100, separated by commas; one given twice counts once.
  void Percentiles(std::string_view flag, const std::string& text, std::vector<double>& value);

  /// "none", "auto" (the last that this process may use) or a number.
  void Cpu(std::string_view flag, const std::string& text, std::optional<unsigned>& value);

  /// A number or "random".
  void Seed(std::string_view flag, const std::string& text, std::uint64_t& value);

  void MustBeUtf8(std::string_view flag, std::string_view text);

 private:
  void RefuseName(std::string_view flag, const std::vector<std::string_view>& names,
                  const std::string& text);

  absl::Status status_;
};

}  // namespace pagealloc::bench
