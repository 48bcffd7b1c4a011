#include "harness/ab/align.h"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

namespace pagealloc::bench {
namespace {

/// "k=v;k=v" as a map.
std::map<std::string, std::string> ParamsOf(std::string_view text) {
  std::map<std::string, std::string> params;
  while (!text.empty()) {
    const std::string_view param = text.substr(0, text.find(';'));
    text.remove_prefix(std::min(param.size() + 1, text.size()));
    const std::size_t equals = std::min(param.find('='), param.size());
    params.emplace(param.substr(0, equals), param.substr(std::min(equals + 1, param.size())));
  }
  return params;
}

std::string TextOf(const std::map<std::string, std::string>& params) {
  std::string text;
  for (const auto& [key, value] : params) {
    if (!text.empty()) text += ';';
    text.append(key).append("=").append(value);
  }
  return text;
}

/// The value that all rows have; nullopt if there are several.
template <class Get>
auto CommonOf(const ResultsFile& file, Get get)
    -> std::optional<std::decay_t<decltype(get(file.rows.front().result.cell))>> {
  if (file.rows.empty()) return std::nullopt;
  auto common = get(file.rows.front().result.cell);
  for (const ResultsFile::Row& row : file.rows) {
    if (get(row.result.cell) != common) return std::nullopt;
  }
  return common;
}

std::string Shown(const std::string& value) { return value.empty() ? "(none)" : value; }
std::string Shown(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "(none)";
}
std::string Shown(const std::optional<std::string>& value) { return value.value_or("(none)"); }

/// Gives `candidate` the base's value if both sides have one each, and these differ.
template <class Get, class Set>
void Align(const ResultsFile& base, ResultsFile& candidate, const std::string& what, Get get,
           Set set, std::vector<std::string>& differences) {
  const auto here = CommonOf(base, get);
  const auto there = CommonOf(candidate, get);
  if (!here || !there || *here == *there) return;
  differences.push_back(what + ' ' + Shown(*there).insert(0, Shown(*here) + " -> "));
  for (ResultsFile::Row& row : candidate.rows) set(row.result.cell, *here);
}

template <class T>
void AlignMember(const ResultsFile& base, ResultsFile& candidate, const std::string& what,
                 T CellColumns::*member, std::vector<std::string>& differences) {
  Align(
      base, candidate, what, [member](const CellColumns& cell) { return cell.*member; },
      [member](CellColumns& cell, const T& value) { cell.*member = value; }, differences);
}

void AlignParam(const ResultsFile& base, ResultsFile& candidate, const std::string& key,
                std::vector<std::string>& differences) {
  const auto get = [&key](const CellColumns& cell) -> std::optional<std::string> {
    const auto params = ParamsOf(cell.params);
    const auto found = params.find(key);
    if (found == params.end()) return std::nullopt;
    return found->second;
  };
  const auto set = [&key](CellColumns& cell, const std::optional<std::string>& value) {
    auto params = ParamsOf(cell.params);
    params.erase(key);
    if (value) params.emplace(key, *value);
    cell.params = TextOf(params);
  };
  Align(base, candidate, key, get, set, differences);
}

}  // namespace

std::vector<std::string> AlignRows(const ResultsFile& base, ResultsFile& candidate) {
  std::vector<std::string> differences;
  AlignMember(base, candidate, "allocator", &CellColumns::allocator, differences);
  AlignMember(base, candidate, "layout", &CellColumns::layout, differences);
  AlignMember(base, candidate, "heap_bytes", &CellColumns::heap_bytes, differences);
  AlignMember(base, candidate, "seed", &CellColumns::seed, differences);
  std::set<std::string> keys;
  for (const ResultsFile* file : {&base, static_cast<const ResultsFile*>(&candidate)}) {
    for (const ResultsFile::Row& row : file->rows) {
      for (const auto& [key, value] : ParamsOf(row.result.cell.params)) keys.insert(key);
    }
  }
  for (const std::string& key : keys) AlignParam(base, candidate, key, differences);
  return differences;
}

}  // namespace pagealloc::bench
