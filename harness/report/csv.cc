#include "harness/report/csv.h"

#include <algorithm>

namespace pagealloc::bench {

std::string CsvCell(std::string_view cell) {
  if (cell.find_first_of(",\"\r\n") == std::string_view::npos) return std::string(cell);
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + '"';
}

std::string CsvRecord(const std::vector<std::string>& cells) {
  std::string record;
  for (std::size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) record += ',';
    record += CsvCell(cells[i]);
  }
  return record + '\n';
}

std::optional<std::vector<std::string>> CsvReader::Next() {
  if (rest_.empty() || error_) return std::nullopt;
  record_line_ = next_line_;
  const auto fail = [&](const char* reason) {
    error_ = CsvError{record_line_, reason};
    return std::nullopt;
  };
  std::vector<std::string> cells(1);
  std::size_t at = 0;
  while (true) {  // one cell a turn
    std::string& cell = cells.back();
    if (at < rest_.size() && rest_[at] == '"') {
      for (++at;; ++at) {
        const std::size_t quote = rest_.find('"', at);
        if (quote == std::string_view::npos) return fail("a quoted cell does not end");
        cell += rest_.substr(at, quote - at);
        at = quote + 1;
        if (at == rest_.size() || rest_[at] != '"') break;
        cell += '"';
      }
    } else {
      const std::size_t end = std::min(rest_.find_first_of(",\"\r\n", at), rest_.size());
      cell = rest_.substr(at, end - at);
      at = end;
      if (at < rest_.size() && rest_[at] == '"') return fail("a quote stands inside a cell");
    }
    if (at < rest_.size() && rest_[at] == ',') {
      cells.emplace_back();
      ++at;
      continue;
    }
    break;
  }
  if (rest_.substr(at).starts_with("\r\n")) ++at;
  if (at < rest_.size() && rest_[at] != '\n') {
    return fail("a cell goes on behind its closing quote, or a carriage return stands alone");
  }
  at = std::min(at + 1, rest_.size());
  next_line_ += static_cast<std::uint64_t>(
      std::count(rest_.begin(), rest_.begin() + static_cast<std::ptrdiff_t>(at), '\n'));
  rest_.remove_prefix(at);
  return cells;
}

}  // namespace pagealloc::bench
