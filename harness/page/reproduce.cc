#include "harness/page/reproduce.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstddef>
#include <sstream>
#include <utility>
#include <vector>

#include "harness/base/parse_units.h"
#include "harness/page/environment_json.h"
#include "harness/page/html.h"
#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::json;

/// "k=v;k=v", as pairs.
std::vector<std::pair<std::string, std::string>> ParamsOf(std::string_view params) {
  std::vector<std::pair<std::string, std::string>> pairs;
  while (!params.empty()) {
    const std::string_view pair = params.substr(0, params.find(';'));
    const std::size_t equals = std::min(pair.find('='), pair.size());
    pairs.emplace_back(pair.substr(0, equals), pair.substr(std::min(equals + 1, pair.size())));
    params.remove_prefix(std::min(pair.size() + 1, params.size()));
  }
  return pairs;
}

/// The name that rows give a trace: its file's, without folder and endings.
std::string_view TraceName(std::string_view path) {
  path.remove_prefix(std::min(path.find_last_of('/') + 1, path.size()));
  for (const std::string_view ending : {".zst", ".pagetrace"}) {
    if (path.ends_with(ending)) path.remove_suffix(ending.size());
  }
  return path;
}

/// The words of a call, and the traces of its configuration, that rows may call `workload`.
std::vector<std::string> TracePathsIn(const std::string& workload, const Json& environment) {
  std::vector<std::string> paths;
  const auto add = [&](const std::string& word) {
    const bool fits = word == workload || TraceName(word) == workload;
    if (fits && std::find(paths.begin(), paths.end(), word) == paths.end()) paths.push_back(word);
  };
  const Json arguments = environment.value("arguments", Json::array());
  for (const Json& word : arguments.is_array() ? arguments : Json::array()) {
    if (!word.is_string()) continue;
    const auto text = word.get<std::string>();
    add(text.starts_with("--trace=") ? text.substr(text.find('=') + 1) : text);
  }
  const Json config = environment.value("config", Json::object());
  if (!config.is_object() || !config.contains("trace") || !config["trace"].is_string()) {
    return paths;
  }
  std::istringstream traces(config["trace"].get<std::string>());
  for (std::string word; std::getline(traces, word, ',');) add(word);
  return paths;
}

std::string TracePath(const std::string& workload, const Json& environment) {
  const std::vector<std::string> paths = TracePathsIn(workload, environment);
  return paths.empty() ? workload + ".pagetrace" : paths.front();
}

/// Operations of a workload: the exact metrics are counted over all of them.
std::uint64_t OpsOf(const CellColumns& columns, const PageFile& file) {
  for (const ResultsFile::Row& row : file.results.rows) {
    if (row.result.metric == "metadata_bytes" && row.result.cell == columns) {
      return row.result.n.value_or(0);
    }
  }
  return 0;
}

}  // namespace

std::string ShellWord(std::string_view word) {
  const bool plain = !word.empty() && std::all_of(word.begin(), word.end(), [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 ||
           std::string_view("-_./=,:@+%").find(c) != std::string_view::npos;
  });
  if (plain) return std::string(word);
  std::string quoted = "'";
  for (const char c : word) {
    if (c == '\'') {
      quoted += "'\\''";
    } else {
      quoted += c;
    }
  }
  return quoted + "'";
}

std::string CommandFor(const CellColumns& columns, const PageFile& file) {
  const Json environment = EnvironmentJson(file.environment);
  std::string command = "pagealloc-bench " + ShellWord(columns.suite);
  const auto add = [&command](const std::string& flag, std::string_view value) {
    command.append(" ").append(flag).append(" ").append(ShellWord(value));
  };
  const Json config = environment.value("config", Json::object());
  const auto used = [&config](const char* key) {
    return config.is_object() && config.contains(key) && config[key].is_string()
               ? config[key].get<std::string>()
               : std::string();
  };
  if (columns.suite == "micro") {  // whose rows are not apart in their columns
    for (const char* flag : {"reps", "min-time"}) {
      if (!used(flag).empty()) add(Joined("--", flag), used(flag));
    }
    return command;
  }
  const bool generated = columns.seed.has_value();
  if (columns.suite == "run" || columns.suite == "count") {
    add(generated ? "-w" : "-t",
        generated ? columns.workload : TracePath(columns.workload, environment));
  } else if (columns.suite == "replay") {
    command.append(" ").append(ShellWord(TracePath(columns.workload, environment)));
  }
  for (const auto& [key, value] : ParamsOf(columns.params)) {
    const bool is_flag = key == "cache" || key == "threads" || key == "rate" || key == "arrival";
    if (is_flag) {
      add("--" + key, value);
    } else {
      add("-p", std::string(key).append("=").append(value));
    }
  }
  add("-a", columns.allocator);
  if (columns.layout != "host") add("-l", columns.layout);
  if (generated) {
    if (columns.heap_bytes) add("--heap", SizeText(ByteCount{*columns.heap_bytes}));
    if (const std::uint64_t ops = OpsOf(columns, file); ops > 0) add("--ops", std::to_string(ops));
    add("--seed", std::to_string(*columns.seed));
  }
  constexpr std::array<std::pair<const char*, const char*>, 9> kDefaults{
      {{"memory", "commit"},
       {"place", "auto"},
       {"reps", "20"},
       {"warmup", "1"},
       {"isolate", "process"},
       {"interleave", "abba"},
       {"timing", "both"},
       {"percentiles", "50,90,99,99.9"},
       {"thp", "never"}}};
  for (const auto& [key, usual] : kDefaults) {
    const std::string value = used(key);
    const bool implied =
        value == "response" ||
        (std::string_view(key) == "timing" && columns.params.find("threads=") != std::string::npos);
    if (!value.empty() && value != usual && !implied) add(Joined("--", key), value);
  }
  for (const char* key : {"smoke", "prefault"}) {
    if (used(key) == "true") command += Joined(" --", key);
  }
  if (used("verify") == "false") command += " --no-verify";
  return command;
}

std::vector<std::string> TracePaths(const std::string& workload, const PageFile& file) {
  return TracePathsIn(workload, EnvironmentJson(file.environment));
}

}  // namespace pagealloc::bench
