#include "harness/commands/config_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "harness/base/problem.h"
#include "harness/config/config_text.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr std::array<std::string_view, 4> kNoKeys{"help", "config", "print-config", "version"};

/// The key of an option: its long name, or that of a word without dashes. Empty: it has none.
std::string KeyOf(const CLI::Option& option) {
  const std::string key = option.get_lnames().empty() ? absl::AsciiStrToLower(option.get_name())
                                                      : option.get_lnames().front();
  return std::find(kNoKeys.begin(), kNoKeys.end(), key) == kNoKeys.end() ? key : "";
}

ConfigKey KeyFor(const CLI::Option& option, std::string name) {
  const bool is_switch = option.get_expected_max() == 0;
  const bool is_list = option.get_items_expected_max() > 1;
  return {std::move(name), is_switch ? ConfigKind::kSwitch
                           : is_list ? ConfigKind::kList
                                     : ConfigKind::kValue};
}

/// What a key says, as words of the command line.
void AddWords(const CLI::Option& option, const std::string& key,
              const std::vector<std::string>& said, std::vector<std::string>& words) {
  for (const std::string& word : said) {
    if (option.get_lnames().empty()) {
      words.push_back(word);
    } else if (word.empty()) {  // which is no value behind a '='
      words.insert(words.end(), {"--" + key, word});
    } else {  // what begins with a dash is a value only there
      words.push_back(absl::StrCat("--", key, "=", word));
    }
  }
}

std::string CommandName(const CLI::App& app) {
  const CLI::App* const parent = app.get_parent();
  return parent == nullptr ? app.get_name()
                           : absl::StrCat(CommandName(*parent), " ", app.get_name());
}

}  // namespace

void AddConfigFlags(CLI::App& app, ConfigFlags& flags) {
  app.add_option("--config", flags.file, "take flags from this TOML file; those given here win")
      ->type_name("FILE")
      ->group("Output");
  app.add_flag("--print-config", flags.print, "print the flags as such a file, and run nothing")
      ->group("Output");
}

std::string ConfigFileOf(const CLI::App& app) {
  const CLI::Option* const option = app.get_option_no_throw("--config");
  return option == nullptr || option->count() == 0 ? "" : option->results().back();
}

absl::StatusOr<ConfigWords> ParseConfig(const std::string& file, std::string_view text,
                                        const CLI::App& app) {
  std::vector<ConfigKey> keys;
  std::map<std::string, const CLI::Option*> options;
  for (const CLI::Option* option : app.get_options()) {
    const std::string key = KeyOf(*option);
    if (key.empty()) continue;
    keys.push_back(KeyFor(*option, key));
    options[key] = option;
  }
  const Result<ConfigEntries, ConfigError> parsed =
      ParseConfigText(text, keys, absl::StrCat("flags of ", app.get_name()));
  if (!parsed.ok()) {
    return UsageError(absl::StrCat(file, ":", parsed.error().line, ": ", parsed.error().sentence));
  }
  ConfigWords config;
  for (const auto& [key, entry] : parsed.value()) {
    config.line[key] = entry.line;
    const CLI::Option& option = *options.at(key);
    // The command line wins.
    if (option.count() == 0) AddWords(option, key, entry.words, config.words);
  }
  return config;
}

absl::StatusOr<ConfigWords> ReadConfig(const std::string& file, const CLI::App& app) {
  constexpr std::size_t kMost = 1 << 20;
  errno = 0;
  std::ifstream in(file, std::ios::binary);
  std::string text(kMost + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A folder opens, and fails to be read.
  if (in.bad() || !in.eof()) {
    const bool too_long = in.gcount() > static_cast<std::streamsize>(kMost);
    return FileError(absl::StrCat(
        "cannot read ", file, ": ",
        too_long ? "it is longer than 1 MiB, which no configuration is" : std::strerror(errno),
        "."));
  }
  text.resize(static_cast<std::size_t>(in.gcount()));
  return ParseConfig(file, text, app);
}

absl::Status InConfig(const std::string& file, const ConfigWords& config,
                      const absl::Status& error) {
  const std::string message(error.message());
  for (const auto& [key, line] : config.line) {
    if (!message.starts_with(absl::StrCat("--", key, ":"))) continue;
    return absl::Status(error.code(), absl::StrCat(file, ":", line, ": ", message));
  }
  return error;
}

absl::StatusOr<std::string> ConfigText(const CLI::App& app, const KeyValues& used) {
  std::vector<ConfigSetting> settings;
  for (const CLI::Option* option : app.get_options()) {
    const std::string key = KeyOf(*option);
    const bool given = option->count() > 0;
    if (key.empty() || (option->get_group().empty() && !given)) continue;  // not for users
    const auto value_used = std::find_if(used.begin(), used.end(),
                                         [&key](const auto& one) { return one.first == key; });
    std::vector<std::string> words = option->results();
    if (value_used != used.end() && (!given || key == "seed")) words = {value_used->second};
    ConfigKey config_key = KeyFor(*option, key);
    if (!given && config_key.kind == ConfigKind::kList && words == std::vector<std::string>{""}) {
      words.clear();  // the default of a list that has none
    }
    if (given && config_key.kind == ConfigKind::kSwitch) {
      words = {option->as<bool>() ? "true" : "false"};  // "1", "on" and others say the same
    }
    settings.push_back({std::move(config_key), option->get_group(), given, std::move(words)});
  }
  OrProblem<std::string> text =
      WriteConfigText(absl::StrCat(CommandName(app), " --config FILE"), settings);
  if (!text.ok()) return UsageError(absl::StrCat("--print-config: ", text.error().sentence));
  return std::move(text).value();
}

absl::StatusOr<Task> PrintConfig(const CLI::App& app, const KeyValues& used) {
  absl::StatusOr<std::string> text = ConfigText(app, used);
  if (!text.ok()) return text.status();
  return [text = *std::move(text)] { return WriteResult(text); };
}

}  // namespace pagealloc::bench
