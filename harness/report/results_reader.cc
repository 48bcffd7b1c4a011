#include "harness/report/results_reader.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "harness/files/compression.h"
#include "harness/files/read_file.h"

namespace pagealloc::bench {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;
constexpr std::string_view kPartial = ".partial";

absl::Status NoResults(const std::string& path, const std::string& reason) {
  return absl::InvalidArgumentError("cannot read results: " + path + ": " + reason);
}

}  // namespace

absl::StatusOr<ResultsFile> ReadResults(const std::string& path, bool allow_partial) {
  std::string_view name = path;
  if (name.ends_with(kPartial)) {
    if (!allow_partial) {
      return NoResults(path,
                       "an interrupted run left it, so that rows are missing. Run again, or "
                       "read what there is with --allow-partial.");
    }
    name.remove_suffix(kPartial.size());
  }
  absl::StatusOr<std::string> bytes = ReadBytes(path, kMostBytes);
  if (!bytes.ok()) {
    return absl::Status(bytes.status().code(),
                        "cannot read results: " + std::string(bytes.status().message()) + ".");
  }
  std::string text;
  if (!name.ends_with(".zst")) {
    text = *std::move(bytes);
  } else if (const std::optional<std::string> damage = Decompress(*bytes, kMostBytes, text)) {
    return NoResults(path, "the file does not decompress: " + *damage +
                               ". Copy it again, or test it with: zstd -t FILE.");
  }
  if (text.size() > kMostBytes)
    return NoResults(path, "it has more than 1 GiB. Split it by run_id.");
  std::variant<ResultsFile, CsvError> parsed = ParseResults(text);
  if (const CsvError* const error = std::get_if<CsvError>(&parsed)) {
    return absl::InvalidArgumentError(path + ":" + std::to_string(error->line) + ": " +
                                      error->reason +
                                      ". Give a file that run or replay wrote with -o.");
  }
  ResultsFile file = std::get<ResultsFile>(std::move(parsed));
  const auto other = std::find_if(file.rows.begin(), file.rows.end(),
                                  [](const auto& row) { return row.schema != kSchema; });
  if (other != file.rows.end()) {
    return NoResults(path, "it is of schema " + std::to_string(other->schema) +
                               ", and this program knows schema " + std::to_string(kSchema) +
                               ". Use the program that wrote it.");
  }
  return file;
}

}  // namespace pagealloc::bench
