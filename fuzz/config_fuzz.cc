/// config: any bytes as a configuration file, with the dictionary config.dict, and as the words of
/// one.
///
/// Keys of each kind, named as some of `run` are. Accepted: what is written of it reads back as the
/// same words, and written again it is the same text; so it is with the words that no file gave,
/// which become comments. Refused: a line of the text and a sentence in printable characters. Words
/// are refused only where they are not UTF-8.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/story.h"
#include "fuzz/target.h"
#include "harness/config/config_text.h"

namespace pagealloc::fuzz {
namespace {

using bench::ConfigEntries;
using bench::ConfigEntry;
using bench::ConfigKey;
using bench::ConfigKind;
using bench::ConfigSetting;
using Words = std::vector<std::string>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

const std::array<ConfigKey, 7>& Keys() {
  static const std::array<ConfigKey, 7> kKeys{{{"workload", ConfigKind::kList},
                                               {"layout", ConfigKind::kList},
                                               {"reps", ConfigKind::kValue},
                                               {"percentiles", ConfigKind::kValue},
                                               {"label", ConfigKind::kValue},
                                               {"verify", ConfigKind::kSwitch},
                                               {"smoke", ConfigKind::kSwitch}}};
  return kKeys;
}

auto Parse(std::string_view text) { return bench::ParseConfigText(text, Keys(), "flags of run"); }

/// Whether the bytes are characters, each in its shortest form, none of them half of a pair.
bool IsUtf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto byte = [&](std::size_t i) {
      return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned first = byte(at);
    const std::size_t length = first < 0x80             ? 1
                               : (first & 0xE0) == 0xC0 ? 2
                               : (first & 0xF0) == 0xE0 ? 3
                               : (first & 0xF8) == 0xF0 ? 4
                                                        : 0;
    if (length == 0) return false;
    std::uint32_t code = length == 1 ? first : first & (0x7FU >> length);
    for (std::size_t i = 1; i < length; ++i) {
      if ((byte(at + i) & 0xC0) != 0x80) return false;
      code = code << 6 | (byte(at + i) & 0x3F);
    }
    constexpr std::array<std::uint32_t, 5> kLowest{0, 0, 0x80, 0x800, 0x10000};
    if (code < kLowest[length] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) {
      return false;
    }
    at += length;
  }
  return true;
}

/// Every key: with the words that a file gave it, or as what is used without.
std::vector<ConfigSetting> Settings(const ConfigEntries& entries) {
  std::vector<ConfigSetting> settings;
  settings.reserve(Keys().size());
  for (const ConfigKey& key : Keys()) {
    const auto entry = entries.find(key.name);
    const bool given = entry != entries.end();
    // What is not given must stay a comment whatever it is: here the title of the others.
    const Words unused{key.kind == ConfigKind::kSwitch ? "true" : "a\nreps = 1\n"};
    const char* const group = key.kind == ConfigKind::kSwitch ? "Check" : "What";
    settings.push_back({key, group, given, given ? entry->second.words : unused});
  }
  return settings;
}

bool SameWords(const ConfigEntries& a, const ConfigEntries& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second.words == y.second.words;
  });
}

/// Writes what was read and reads it again.
void CheckWritten(Story& story, const ConfigEntries& entries) {
  story.Step("write and parse again", {entries.size()});
  const auto written = bench::WriteConfigText("title", Settings(entries));
  story.Expect("what was read cannot be written", written.ok());
  const auto again = Parse(written.value());
  story.Expect("what was written is refused", again.ok());
  story.Expect("what was written says other words", SameWords(entries, again.value()));
  const auto twice = bench::WriteConfigText("title", Settings(again.value()));
  story.Expect("written twice, it differs", twice.ok() && twice.value() == written.value());
  g_operations += entries.size() + 1;
}

void CheckText(Story& story, std::string_view text) {
  story.Step("parse");
  const auto parsed = Parse(text);
  const auto lines = static_cast<std::uint64_t>(std::count(text.begin(), text.end(), '\n')) + 1;
  if (!parsed.ok()) {
    story.Expect("the line of a mistake is one of the text",
                 parsed.error().line >= 1 && parsed.error().line <= lines);
    story.ExpectPrintable("a sentence that can be printed", parsed.error().sentence);
    story.Expect("a sentence ends", parsed.error().sentence.back() == '.');
    ++g_operations;
    return;
  }
  for (const auto& [name, entry] : parsed.value()) {
    const auto key =
        std::find_if(Keys().begin(), Keys().end(),
                     [&name = name](const ConfigKey& one) { return one.name == name; });
    story.Expect("a key that is not known", key != Keys().end());
    story.Expect("the line of a key is one of the text", entry.line >= 1 && entry.line <= lines);
    story.Expect("one word, or a list of them",
                 key->kind == ConfigKind::kList || entry.words.size() == 1);
    story.Expect("a switch is true or false", key->kind != ConfigKind::kSwitch ||
                                                  entry.words.front() == "true" ||
                                                  entry.words.front() == "false");
  }
  CheckWritten(story, parsed.value());
}

/// The bytes as a value, and their lines as a list.
void CheckWords(Story& story, const std::string& text) {
  Words lines(1);
  for (const char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  ConfigEntries entries;
  entries["label"] = ConfigEntry{{text}, 1};
  entries["workload"] = ConfigEntry{std::move(lines), 2};
  story.Step("write words", {text.size()});
  if (IsUtf8(text)) {
    CheckWritten(story, entries);
  } else {
    const auto written = bench::WriteConfigText("title", Settings(entries));
    story.Expect("what is not UTF-8 was written", !written.ok());
    story.ExpectPrintable("a sentence that can be printed", written.error().sentence);
  }
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  namespace fuzz = pagealloc::fuzz;
  fuzz::Story story("config", {bytes, size});
  const std::string text(bytes, bytes + size);
  fuzz::CheckText(story, text);
  fuzz::CheckWords(story, text);
  return 0;
}
