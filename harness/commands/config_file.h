/// config_file.h: flags from a file in TOML, and the flags of a call as such a file.
///
///   reps = 5                                --reps 5
///   layout = ["linux-386", "wasm-1.26"]     -l linux-386 -l wasm-1.26
///   percentiles = [50, 99.9]                --percentiles 50,99.9
///   verify = false                          --no-verify
///   trace = ["a.pagetrace"]                 the words TRACE of replay
///
/// Keys are the long names of a command's flags, nothing else: an unknown one is an error. A flag
/// on the command line wins over its key. The file becomes words for the parser, so that every
/// check and every message is the same for both. harness/config/config_text.h has the text.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/commands/command.h"
#include "harness/report/environment.h"

namespace pagealloc::bench {

/// The words of --config and --print-config.
struct ConfigFlags {
  std::string file;
  bool print = false;
};
/// Declares the two flags, which every command with a configuration has.
void AddConfigFlags(CLI::App& app, ConfigFlags& flags);

/// The file that the parsed words of a command name; empty if none.
std::string ConfigFileOf(const CLI::App& app);

/// What a file says to a command.
struct ConfigWords {
  std::vector<std::string> words;             ///< for the command line, behind the command's name
  std::map<std::string, std::uint64_t> line;  ///< of each key in the file
};

/// Reads the text of a file for a command.
///
/// @param file  its name, for messages.
/// @param app   the command as parsed from the command line: flags that it got there are left out.
/// @return      a UsageError that begins with FILE:LINE.
absl::StatusOr<ConfigWords> ParseConfig(const std::string& file, std::string_view text,
                                        const CLI::App& app);
/// The same from the file itself, at most 1 MiB; a FileError if it cannot be read.
absl::StatusOr<ConfigWords> ReadConfig(const std::string& file, const CLI::App& app);

/// Puts FILE:LINE before an error about a flag that the file gave.
absl::Status InConfig(const std::string& file, const ConfigWords& config,
                      const absl::Status& error);

/// The flags of a parsed call as such a file: the same command with it does the same. What was not
/// given is a comment that shows the value used.
///
/// @param used  values by flag, where they are other than the words: a random seed, for instance.
/// @return      a UsageError for words that are not UTF-8, as TOML is.
absl::StatusOr<std::string> ConfigText(const CLI::App& app, const KeyValues& used);
/// What --print-config does with it.
absl::StatusOr<Task> PrintConfig(const CLI::App& app, const KeyValues& used);

}  // namespace pagealloc::bench
