#include "harness/config/config_text.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/base/source_position.h"
#include "harness/report/results_csv.h"
#include "nlohmann/json.hpp"
#include "toml++/toml.h"

namespace pagealloc::bench {
namespace {

/// A single value as a word; nothing if it is none: a date, a table, a list in a list, inf, nan.
std::optional<std::string> WordOf(const toml::node& node) {
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::to_string(number->get());
  if (const auto* number = node.as_floating_point(); number && std::isfinite(number->get())) {
    return ShortestNumber(number->get());
  }
  return std::nullopt;
}

std::string Joined(const std::vector<std::string>& words, std::string_view between) {
  std::string joined;
  for (const std::string& word : words) {
    if (&word != words.data()) joined += between;
    joined += word;
  }
  return joined;
}

/// Reads one file; the first error is kept.
class Reader {
 public:
  Reader(std::span<const ConfigKey> keys, std::string_view whose) : keys_(keys), whose_(whose) {}

  Result<ConfigEntries, ConfigError> Read(const toml::table& table) {
    for (const auto& [key, value] : table) Add(std::string(key.str()), key.source(), value);
    if (error_) return *std::move(error_);
    return std::move(entries_);
  }

 private:
  void Refuse(const toml::source_region& at, std::string sentence) {
    // Tables are sorted by key; the user reads the file from the top.
    if (error_ && at.begin.line >= error_->line) return;
    error_ = ConfigError{at.begin.line, std::move(sentence)};
  }

  void Add(const std::string& name, const toml::source_region& at, const toml::node& value) {
    const auto key = std::find_if(keys_.begin(), keys_.end(),
                                  [&name](const ConfigKey& one) { return one.name == name; });
    if (key == keys_.end()) return RefuseKey(name, at);
    ConfigEntry& entry = entries_[name];
    entry.line = at.begin.line;
    if (key->kind == ConfigKind::kSwitch) {
      const auto* const given = value.as_boolean();
      if (given == nullptr) return Refuse(at, name + " is either true or false.");
      entry.words = {given->get() ? "true" : "false"};
    } else if (const toml::array* const list = value.as_array()) {
      for (const toml::node& item : *list) {
        std::optional<std::string> word = WordOf(item);
        if (!word) return RefuseValue(name, item.source());
        entry.words.push_back(*std::move(word));
      }
      if (key->kind == ConfigKind::kValue) entry.words = {Joined(entry.words, ",")};
    } else if (std::optional<std::string> word = WordOf(value)) {
      entry.words = {*std::move(word)};
    } else {
      return RefuseValue(name, at);
    }
  }

  void RefuseKey(const std::string& name, const toml::source_region& at) {
    std::vector<std::string_view> known;
    known.reserve(keys_.size());
    for (const ConfigKey& key : keys_) known.push_back(key.name);
    std::string keys = "keys are the ";
    keys.append(whose_).append(", without dashes");
    Refuse(at, UnknownName("key", known, PrintableLine(name), keys));
  }

  void RefuseValue(const std::string& name, const toml::source_region& at) {
    Refuse(at, name + " is a text, a number (not inf or nan) or a list of them.");
  }

  std::span<const ConfigKey> keys_;
  std::string_view whose_;
  ConfigEntries entries_;
  std::optional<ConfigError> error_;
};

/// A TOML string: JSON's escapes are a part of TOML's. Nothing if it is not UTF-8.
std::optional<std::string> Quoted(const std::string& text) {
  try {
    std::string quoted = nlohmann::json(text).dump();
    for (std::size_t at = 0; (at = quoted.find('\x7f', at)) != std::string::npos;) {
      quoted.replace(at, 1, "\\u007f");
    }
    return quoted;
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

/// A number where that says the same as the text.
std::optional<std::string> Value(const std::string& text) {
  const OrProblem<std::uint64_t> number = ParseNumber(text);
  const bool plain =
      number.ok() && number.value() >> 63 == 0 && std::to_string(number.value()) == text;
  return plain ? text : Quoted(text);
}

std::optional<std::string> List(const std::vector<std::string>& words) {
  std::vector<std::string> items;
  items.reserve(words.size());
  for (const std::string& word : words) {
    std::optional<std::string> item = Quoted(word);
    if (!item) return std::nullopt;
    items.push_back(*std::move(item));
  }
  std::string list = "[";
  return list.append(Joined(items, ", ")).append("]");
}

std::optional<std::string> ValueOf(const ConfigSetting& setting) {
  const std::vector<std::string>& words = setting.words;
  switch (setting.key.kind) {
    case ConfigKind::kSwitch:
      return words.empty() ? "false" : words.back();
    case ConfigKind::kValue:
      return Value(words.empty() ? "" : words.back());
    case ConfigKind::kList:
      break;
  }
  return List(words);
}

}  // namespace

Result<ConfigEntries, ConfigError> ParseConfigText(std::string_view text,
                                                   std::span<const ConfigKey> keys,
                                                   std::string_view whose) {
  try {
    return Reader(keys, whose).Read(toml::parse(text));
  } catch (const toml::parse_error& error) {
    constexpr std::size_t kMostShown = 400;
    return ConfigError{error.source().begin.line, PrintableLine(error.description(), kMostShown) +
                                                      ". A line is KEY = VALUE, in TOML."};
  }
}

OrProblem<std::string> WriteConfigText(std::string_view title,
                                       std::span<const ConfigSetting> settings) {
  std::string text = "# ";
  text.append(title).append(
      "\n# Keys are flags. What is commented out was not given; it shows what is used then.\n");
  std::string_view group;
  for (const ConfigSetting& setting : settings) {
    if (setting.group != group) {
      group = setting.group;
      text.append("\n# ").append(group).append("\n");
    }
    const std::optional<std::string> value = ValueOf(setting);
    if (!value) {
      return Problem{"the value of " + setting.key.name +
                     " is not UTF-8, as a configuration file is."};
    }
    if (!setting.given) text += "# ";
    text.append(setting.key.name).append(" = ").append(*value).append("\n");
  }
  return text;
}

}  // namespace pagealloc::bench
