#include "harness/report/environment.h"

#include <sys/utsname.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "nlohmann/json.hpp"

namespace pagealloc::bench {
namespace {

using Json = nlohmann::ordered_json;

/// A file's first line; empty if it cannot be read.
std::string FirstLine(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// The value of "name : value" lines as /proc writes them; empty if there is none.
std::string FieldOf(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::size_t name_end = line.find_last_not_of(" \t", colon == 0 ? 0 : colon - 1) + 1;
    if (std::string_view(line).substr(0, name_end) != name) continue;
    const std::size_t value = line.find_first_not_of(" \t", colon + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

/// x86 names its model; 64-bit Arm gives numbers, which are as good for telling machines apart.
std::string CpuModel(const std::string& cpuinfo) {
  if (std::string model = FieldOf(cpuinfo, "model name"); !model.empty()) return model;
  const std::string implementer = FieldOf(cpuinfo, "CPU implementer");
  if (implementer.empty()) return "";
  return "implementer " + implementer + " part " + FieldOf(cpuinfo, "CPU part");
}

std::vector<CpuCache> Caches(const std::string& folder) {
  std::vector<CpuCache> caches;
  for (int i = 0;; ++i) {
    const std::string index = folder + "/index" + std::to_string(i) + "/";
    CpuCache cache;
    cache.type = FirstLine(index + "type");
    if (cache.type.empty()) return caches;
    const std::string level = FirstLine(index + "level");
    std::from_chars(level.data(), level.data() + level.size(), cache.level);
    cache.size = FirstLine(index + "size");
    cache.shared_with = FirstLine(index + "shared_cpu_list");
    caches.push_back(std::move(cache));
  }
}

std::uint64_t MemoryBytes(const std::string& meminfo) {
  const std::string total = FieldOf(meminfo, "MemTotal");  // "16384256 kB"
  std::uint64_t kib = 0;
  std::from_chars(total.data(), total.data() + total.size(), kib);
  return kib * 1024;
}

/// "always [madvise] never" says that madvise is chosen.
std::string Bracketed(const std::string& choices) {
  const std::size_t open = choices.find('[');
  const std::size_t close = choices.find(']', open);
  if (open == std::string::npos || close == std::string::npos) return "";
  return choices.substr(open + 1, close - open - 1);
}

/// "0.52 0.58 0.59 1/389 12345": the three averages.
std::string LoadAverage(const std::string& line) {
  std::istringstream words(line);
  std::string one;
  std::string five;
  std::string fifteen;
  if (!(words >> one >> five >> fifteen)) return "";
  return one + ' ' + five + ' ' + fifteen;
}

std::string Kernel() {
  utsname names{};
  if (uname(&names) != 0) return "";
  return std::string(names.sysname) + ' ' + names.release + ' ' + names.machine;
}

/// 48 bits of FNV-1a over texts that are each ended by a zero byte.
class ShortHash {
 public:
  void Add(std::string_view text) {
    for (const char c : text) AddByte(static_cast<unsigned char>(c));
    AddByte(0);
  }
  [[nodiscard]] std::string Hex() const {
    std::array<char, 13> text{};
    std::snprintf(text.data(), text.size(), "%012llx",
                  static_cast<unsigned long long>((hash_ ^ (hash_ >> 48)) & 0xffff'ffff'ffffU));
    return text.data();
  }

 private:
  void AddByte(unsigned char byte) { hash_ = (hash_ ^ byte) * 0x100'0000'01b3U; }
  std::uint64_t hash_ = 0xcbf2'9ce4'8422'2325U;
};

std::string EnvId(const Environment& environment) {
  ShortHash hash;
  for (const std::string& part :
       {environment.kernel, environment.cpu_model, std::to_string(environment.cores),
        environment.thp, environment.governor, environment.clocksource,
        std::string(ClockSourceName(environment.clock.source)), environment.build.build_type,
        environment.build.compiler, environment.build.flags}) {
    hash.Add(part);
  }
  for (const CpuCache& cache : environment.caches) {
    hash.Add(std::to_string(cache.level) + cache.type + cache.size);
  }
  return hash.Hex();
}

Json ToObject(const KeyValues& values) {
  Json object = Json::object();
  for (const auto& [key, value] : values) object[key] = value;
  return object;
}

}  // namespace

Environment ReadEnvironment(std::vector<std::string> arguments, KeyValues config,
                            const ClockCalibration& clock, const std::string& root) {
  const std::string cpus = root + "/sys/devices/system/cpu";
  Environment environment;
  environment.arguments = std::move(arguments);
  environment.config = std::move(config);
  environment.kernel = Kernel();
  environment.cpu_model = CpuModel(root + "/proc/cpuinfo");
  environment.cores = std::thread::hardware_concurrency();  // honours the affinity mask
  environment.caches = Caches(cpus + "/cpu0/cache");
  environment.memory_bytes = MemoryBytes(root + "/proc/meminfo");
  environment.thp = Bracketed(FirstLine(root + "/sys/kernel/mm/transparent_hugepage/enabled"));
  environment.governor = FirstLine(cpus + "/cpu0/cpufreq/scaling_governor");
  environment.clocksource =
      FirstLine(root + "/sys/devices/system/clocksource/clocksource0/current_clocksource");
  environment.load_average = LoadAverage(FirstLine(root + "/proc/loadavg"));
  environment.clock = clock;
  environment.build = ThisBuild();
  environment.env_id = EnvId(environment);
  return environment;
}

std::string ToJson(const Environment& environment) {
  Json caches = Json::array();
  for (const CpuCache& cache : environment.caches) {
    caches.push_back({{"level", cache.level},
                      {"type", cache.type},
                      {"size", cache.size},
                      {"shared_with", cache.shared_with}});
  }
  const ClockCalibration& clock = environment.clock;
  const BuildInfo& build = environment.build;
  const Json json = {
      {"env_id", environment.env_id},
      {"arguments", environment.arguments},
      {"config", ToObject(environment.config)},
      {"kernel", environment.kernel},
      {"cpu", {{"model", environment.cpu_model}, {"cores", environment.cores}, {"caches", caches}}},
      {"memory_bytes", environment.memory_bytes},
      {"clock",
       {{"source", ClockSourceName(clock.source)},
        {"kernel_clocksource", environment.clocksource},
        {"ns_per_tick", clock.ns_per_tick},
        {"step_ns", clock.step_ns},
        {"pair_ns", clock.pair_ns},
        {"empty_ns", clock.empty_ns}}},
      {"thp", environment.thp},
      {"governor", environment.governor},
      {"load_average", environment.load_average},
      {"build",
       {{"version", build.version},
        {"commit", build.commit},
        {"type", build.build_type},
        {"compiler", build.compiler},
        {"flags", build.flags},
        {"libraries", ToObject(build.libraries)}}},
  };
  // Arguments are bytes, JSON is UTF-8: what is none becomes U+FFFD instead of an exception.
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace pagealloc::bench
