#include "harness/run/wire_text.h"

#include <array>
#include <charconv>
#include <system_error>

namespace pagealloc::bench {
namespace {

constexpr std::string_view kFirstWords = "pagealloc-wire 1 ";

std::string Escaped(std::string_view value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\') {
      text += "\\\\";
    } else if (c == '\n') {
      text += "\\n";
    } else {
      text += c;
    }
  }
  return text;
}

bool Unescape(std::string_view text, std::string& value) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      value += text[i];
      continue;
    }
    if (++i == text.size()) return false;
    if (text[i] != '\\' && text[i] != 'n') return false;
    value += text[i] == 'n' ? '\n' : '\\';
  }
  return true;
}

template <class Value>
bool Parse(std::string_view text, Value& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

template <class Value>
std::string Printed(Value value) {
  std::array<char, 32> buffer{};
  const auto [end, error] = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return error == std::errc{} ? std::string(buffer.data(), end) : std::string();
}

}  // namespace

WireWriter::WireWriter(std::string_view type) {
  text_ = kFirstWords;
  text_ += type;
  text_ += '\n';
}

void WireWriter::Text(std::string_view key, std::string_view value) {
  text_ += key;
  text_ += ' ';
  text_ += Escaped(value);
  text_ += '\n';
  ++lines_;
}

void WireWriter::Number(std::string_view key, std::uint64_t value) { Text(key, Printed(value)); }

void WireWriter::Real(std::string_view key, double value) { Text(key, Printed(value)); }

std::string WireWriter::Finish() {
  text_ += "end ";
  text_ += Printed(lines_);
  text_ += '\n';
  return std::move(text_);
}

WireReader::WireReader(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t newline = text.find('\n');
    if (newline == std::string_view::npos) {
      error_ = "its last line is cut";
      return;
    }
    lines.push_back(text.substr(0, newline));
    text.remove_prefix(newline + 1);
  }
  if (lines.empty()) {
    error_ = "it is empty";
    return;
  }
  if (lines.front().substr(0, kFirstWords.size()) != kFirstWords) {
    error_ = "its first line is not one of ours";
    return;
  }
  type_ = lines.front().substr(kFirstWords.size());
  constexpr std::string_view kEnd = "end ";
  std::uint64_t count = 0;
  if (lines.size() < 2 || lines.back().substr(0, kEnd.size()) != kEnd ||
      !Parse(lines.back().substr(kEnd.size()), count) || count != lines.size() - 2) {
    error_ = "lines are missing";
    return;
  }
  lines_.assign(lines.begin() + 1, lines.end() - 1);
}

void WireReader::Refuse(std::string_view key, std::string_view reason) {
  if (!error_.empty()) return;
  error_ = key;
  error_ += ": ";
  error_ += reason;
}

std::string WireReader::Text(std::string_view key) {
  if (!error_.empty()) return "";
  if (next_ == lines_.size()) {
    Refuse(key, "missing");
    return "";
  }
  const std::string_view line = lines_[next_++];
  std::string value;
  if (line.size() <= key.size() || line.substr(0, key.size()) != key || line[key.size()] != ' ') {
    Refuse(key, "another key stands in its place");
  } else if (!Unescape(line.substr(key.size() + 1), value)) {
    Refuse(key, "a broken escape");
  }
  return error_.empty() ? value : "";
}

std::uint64_t WireReader::Number(std::string_view key) {
  std::uint64_t value = 0;
  const std::string text = Text(key);
  if (error_.empty() && !Parse(text, value)) Refuse(key, "not a number");
  return error_.empty() ? value : 0;
}

double WireReader::Real(std::string_view key) {
  double value = 0;
  const std::string text = Text(key);
  if (error_.empty() && !Parse(text, value)) Refuse(key, "not a number");
  return error_.empty() ? value : 0;
}

bool WireReader::Flag(std::string_view key) { return Below(key, 2) == 1; }

std::uint64_t WireReader::Below(std::string_view key, std::uint64_t end) {
  const std::uint64_t value = Number(key);
  if (error_.empty() && value >= end) Refuse(key, "out of range");
  return error_.empty() ? value : 0;
}

void WireReader::Finish() {
  if (error_.empty() && next_ != lines_.size()) Refuse(lines_[next_], "a line too many");
}

}  // namespace pagealloc::bench
