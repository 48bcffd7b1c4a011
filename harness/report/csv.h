/// csv.h: RFC 4180 in both directions: commas, CRLF or LF, quotes doubled inside quotes.
/// Standard library only; any byte string may be read, none crashes the reader.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pagealloc::bench {

/// Why a text is no CSV, or no results file, and where.
struct CsvError {
  std::uint64_t line = 0;  ///< 1-based; the line on which the record starts
  std::string reason;      ///< a sentence
};

/// `cell` as it stands in a record: quoted only where it must be (comma, quote, CR, LF).
std::string CsvCell(std::string_view cell);

/// Cells joined by commas, ended by LF.
std::string CsvRecord(const std::vector<std::string>& cells);

/// Reads a text record by record.
class CsvReader {
 public:
  explicit CsvReader(std::string_view text) : rest_(text) {}

  /// The next record's cells, unquoted; nullopt at the end and on error.
  std::optional<std::vector<std::string>> Next();
  /// Set when Next() stopped before the end.
  [[nodiscard]] const std::optional<CsvError>& error() const { return error_; }
  /// The line on which the record that Next() gave last began, 1-based.
  [[nodiscard]] std::uint64_t line() const { return record_line_; }

 private:
  std::string_view rest_;
  std::uint64_t next_line_ = 1;
  std::uint64_t record_line_ = 0;
  std::optional<CsvError> error_;
};

}  // namespace pagealloc::bench
