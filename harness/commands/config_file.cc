#include "harness/commands/config_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/report/results_csv.h"
#include "harness/run/console.h"
#include "harness/run/status_codes.h"
#include "nlohmann/json.hpp"
#include "toml++/toml.h"

namespace pagealloc::bench {
namespace {

constexpr std::array<std::string_view, 4> kNoKeys{"help", "config", "print-config", "version"};

/// The key of an option: its long name, or that of a word without dashes. Empty: it has none.
std::string KeyOf(const CLI::Option& option) {
  const std::string key = option.get_lnames().empty() ? absl::AsciiStrToLower(option.get_name())
                                                      : option.get_lnames().front();
  return std::find(kNoKeys.begin(), kNoKeys.end(), key) == kNoKeys.end() ? key : "";
}

bool IsFlag(const CLI::Option& option) { return option.get_expected_max() == 0; }
bool IsList(const CLI::Option& option) { return option.get_items_expected_max() > 1; }

const CLI::Option* OptionOf(const CLI::App& app, std::string_view key) {
  for (const CLI::Option* option : app.get_options()) {
    if (!key.empty() && KeyOf(*option) == key) return option;
  }
  return nullptr;
}

/// A single value as a word; nothing if it is none: a date, a table, a list in a list.
std::optional<std::string> WordOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return absl::StrCat(number->get());
  if (const auto* number = node.as_floating_point()) return ShortestNumber(number->get());
  return std::nullopt;
}

/// Reads one file; the first error is kept.
class Reader {
 public:
  Reader(const std::string& file, const CLI::App& app) : file_(file), app_(app) {}

  absl::StatusOr<ConfigWords> Read(const toml::table& table) {
    for (const auto& [key, value] : table) Add(std::string(key.str()), key.source(), value);
    if (!error_.ok()) return error_;
    return std::move(config_);
  }

  absl::Status Refusal(const toml::source_region& at, const std::string& sentence) const {
    return UsageError(absl::StrCat(file_, ":", at.begin.line, ": ", sentence));
  }

 private:
  void Refuse(const toml::source_region& at, const std::string& sentence) {
    // Tables are sorted by key; the user reads the file from the top.
    if (!error_.ok() && at.begin.line >= error_line_) return;
    error_ = Refusal(at, sentence);
    error_line_ = at.begin.line;
  }

  void Add(const std::string& key, const toml::source_region& at, const toml::node& value) {
    const CLI::Option* const option = OptionOf(app_, key);
    if (option == nullptr) return RefuseKey(key, at);
    config_.line[key] = static_cast<int>(at.begin.line);
    std::vector<std::string> words;
    if (IsFlag(*option)) {
      const auto* const given = value.as_boolean();
      if (given == nullptr) return Refuse(at, absl::StrCat(key, " is either true or false."));
      words.emplace_back(given->get() ? "true" : "false");
    } else if (const toml::array* const list = value.as_array()) {
      for (const toml::node& item : *list) {
        const std::optional<std::string> word = WordOf(item);
        if (!word) return RefuseValue(key, item.source());
        words.push_back(*word);
      }
      if (!IsList(*option)) words = {absl::StrJoin(words, ",")};
    } else if (const std::optional<std::string> word = WordOf(value)) {
      words.push_back(*word);
    } else {
      return RefuseValue(key, at);
    }
    if (option->count() > 0) return;  // the command line wins
    for (const std::string& word : words) AddWord(*option, key, word);
  }

  void AddWord(const CLI::Option& option, const std::string& key, const std::string& word) {
    if (option.get_lnames().empty()) {
      config_.words.push_back(word);
    } else if (word.empty()) {  // which is no value behind a '='
      config_.words.insert(config_.words.end(), {"--" + key, word});
    } else {  // what begins with a dash is a value only there
      config_.words.push_back(absl::StrCat("--", key, "=", word));
    }
  }

  void RefuseKey(const std::string& key, const toml::source_region& at) {
    std::vector<std::string> keys;
    for (const CLI::Option* option : app_.get_options()) {
      if (const std::string known = KeyOf(*option); !known.empty()) keys.push_back(known);
    }
    Refuse(at, UnknownName(
                   "key", std::vector<std::string_view>(keys.begin(), keys.end()), key,
                   absl::StrCat("keys are the flags of ", app_.get_name(), ", without dashes")));
  }

  void RefuseValue(const std::string& key, const toml::source_region& at) {
    Refuse(at, absl::StrCat(key, " is a text, a number or a list of them."));
  }

  const std::string& file_;
  const CLI::App& app_;
  ConfigWords config_;
  absl::Status error_;
  std::uint64_t error_line_ = 0;
};

/// A TOML string. JSON's escapes are a part of TOML's.
absl::StatusOr<std::string> Quoted(const std::string& key, const std::string& text) {
  try {
    std::string quoted = nlohmann::json(text).dump();
    for (std::size_t at = 0; (at = quoted.find('\x7f', at)) != std::string::npos;) {
      quoted.replace(at, 1, "\\u007f");
    }
    return quoted;
  } catch (const nlohmann::json::exception&) {
    return UsageError(absl::StrCat("--print-config: the value of ", key,
                                   " is not UTF-8, as a configuration file is."));
  }
}

/// A number where that says the same as the text.
absl::StatusOr<std::string> Value(const std::string& key, const std::string& text) {
  const OrProblem<std::uint64_t> number = ParseNumber(text);
  const bool plain =
      number.ok() && number.value() >> 63 == 0 && absl::StrCat(number.value()) == text;
  return plain ? text : Quoted(key, text);
}

absl::StatusOr<std::string> ValueOf(const CLI::Option& option, const std::string& key,
                                    const std::vector<std::string>& words) {
  if (IsFlag(option)) return words.empty() ? "false" : words.back();
  if (!IsList(option)) return Value(key, words.empty() ? "" : words.back());
  std::vector<std::string> items;
  for (const std::string& word : words) {
    if (word.empty()) continue;  // the default of a list that has none
    const absl::StatusOr<std::string> item = Quoted(key, word);
    if (!item.ok()) return item.status();
    items.push_back(*item);
  }
  return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
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
  Reader reader(file, app);
  try {
    return reader.Read(toml::parse(text, std::string_view(file)));
  } catch (const toml::parse_error& error) {
    return reader.Refusal(error.source(), absl::StrCat(std::string(error.description()),
                                                       ". A line is KEY = VALUE, in TOML."));
  }
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
  std::string text = absl::StrCat("# ", CommandName(app),
                                  " --config FILE\n# Keys are flags. What is commented out was not "
                                  "given; it shows what is used then.\n");
  std::string group;
  for (const CLI::Option* option : app.get_options()) {
    const std::string key = KeyOf(*option);
    if (key.empty()) continue;
    if (option->get_group().empty() && option->count() == 0) continue;  // not for users
    if (option->get_group() != group) {
      group = option->get_group();
      absl::StrAppend(&text, "\n# ", group, "\n");
    }
    const auto value_used = std::find_if(used.begin(), used.end(),
                                         [&key](const auto& one) { return one.first == key; });
    std::vector<std::string> words = option->results();
    const bool given = option->count() > 0;
    const bool replace = value_used != used.end() && (!given || key == "seed");
    if (replace) words = {value_used->second};
    absl::StatusOr<std::string> value = ValueOf(*option, key, words);
    if (!value.ok()) return value.status();
    absl::StrAppend(&text, given ? "" : "# ", key, " = ", *value, "\n");
  }
  return text;
}

absl::StatusOr<Task> PrintConfig(const CLI::App& app, const KeyValues& used) {
  absl::StatusOr<std::string> text = ConfigText(app, used);
  if (!text.ok()) return text.status();
  return [text = *std::move(text)] { return WriteResult(text); };
}

}  // namespace pagealloc::bench
