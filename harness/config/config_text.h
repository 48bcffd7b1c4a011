/// config_text.h: the text of a configuration file, in TOML, to words and back.
///
///   reps = 5                                "5"
///   layout = ["linux-386", "wasm-1.26"]     "linux-386", "wasm-1.26"
///   percentiles = [50, 99.9]                "50,99.9": a list for a flag with one value
///   verify = false                          "false"
///
/// Which keys there are and what their words mean is the caller's: commands/config_file.h knows the
/// flags. What is written reads back as the same words.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/problem.h"
#include "harness/base/result.h"

namespace pagealloc::bench {

enum class ConfigKind : std::uint8_t {
  kSwitch,  ///< true or false
  kValue,   ///< one word
  kList,    ///< any number of words
};

struct ConfigKey {
  std::string name;
  ConfigKind kind;
};

/// What a file says about a key.
struct ConfigEntry {
  std::vector<std::string> words;
  std::uint64_t line = 0;  ///< counts from 1
};
using ConfigEntries = std::map<std::string, ConfigEntry>;  // by key

/// The first thing in a file that is wrong.
struct ConfigError {
  std::uint64_t line = 0;  ///< counts from 1
  std::string sentence;    ///< what is wrong and what to do, in printable ASCII
};

/// Reads the text of a file.
///
/// @param keys   all that may occur.
/// @param whose  what the keys belong to, for the message about another: "flags of run".
[[nodiscard]] Result<ConfigEntries, ConfigError> ParseConfigText(std::string_view text,
                                                                 std::span<const ConfigKey> keys,
                                                                 std::string_view whose);

/// A key with its words, as a file shows it.
struct ConfigSetting {
  ConfigKey key;
  std::string group;               ///< a comment above the first of its group
  bool given = false;              ///< otherwise it becomes a comment
  std::vector<std::string> words;  ///< of a switch or a value the last one counts
};

/// The text of a file that says this.
///
/// @param title  the first line, a comment.
/// @return       a Problem where a word is not UTF-8, as TOML is.
[[nodiscard]] OrProblem<std::string> WriteConfigText(std::string_view title,
                                                     std::span<const ConfigSetting> settings);

}  // namespace pagealloc::bench
