#include "harness/commands/resolver.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <random>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "harness/base/nearest_name.h"
#include "harness/base/parse_units.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const auto lead = static_cast<unsigned char>(text[0]);
    const std::size_t size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (size > text.size() || (lead >= 0x80 && lead < 0xc2) || lead > 0xf4) return false;
    std::uint32_t code = size == 1 ? lead : lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if ((byte & 0xc0U) != 0x80) return false;
      code = code << 6 | (byte & 0x3fU);
    }
    // Written longer than needed, halves of a pair, beyond the last.
    const bool longer = (size == 3 && code < 0x800) || (size == 4 && code < 0x1'0000);
    if (longer || (code >= 0xd800 && code < 0xe000) || code > 0x10'ffff) return false;
    text.remove_prefix(size);
  }
  return true;
}

std::vector<unsigned> AllowedCpus() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  std::vector<unsigned> cpus;
  if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0) return cpus;
  for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

}  // namespace

void AddTableOrJson(CLI::App& app, std::string& format) {
  app.add_option("--format", format, "table or json")->capture_default_str();
}

void Resolver::Refuse(std::string_view flag, const std::string& sentence) {
  if (status_.ok()) status_ = UsageError(absl::StrCat(std::string(flag), ": ", sentence));
}

void Resolver::RefuseName(std::string_view flag, const std::vector<std::string_view>& names,
                          const std::string& text) {
  const std::vector<std::string> words(names.begin(), names.end());
  Refuse(flag, UnknownName("value", names, text,
                           absl::StrCat("it is one of ", absl::StrJoin(words, ", "))));
}

void Resolver::Number(std::string_view flag, const std::string& text, std::uint64_t least,
                      std::uint64_t& value, std::uint64_t most) {
  const OrProblem<std::uint64_t> number = ParseNumber(text);
  if (!number.ok()) {
    Refuse(flag, number.error().sentence);
  } else if (number.value() < least) {
    Refuse(flag, absl::StrCat(text, " is too small: it is at least ", least, "."));
  } else if (number.value() > most) {
    Refuse(flag, absl::StrCat(text, " is too large: it is at most ", most, "."));
  } else {
    value = number.value();
  }
}

void Resolver::Names(std::string_view what, const std::vector<std::string>& given,
                     const std::vector<std::string_view>& known, std::vector<std::string>& value) {
  for (const std::string& name : given) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      if (status_.ok()) {
        status_ = UsageError(UnknownName(
            what, known, name, absl::StrCat("see pagealloc-bench list ", std::string(what), "s")));
      }
      return;
    }
    if (std::find(value.begin(), value.end(), name) == value.end()) value.push_back(name);
  }
}

void Resolver::Percentiles(std::string_view flag, const std::string& text,
                           std::vector<double>& value) {
  for (const std::string& item : std::vector<std::string>(absl::StrSplit(text, ','))) {
    double percent = 0;
    const auto [end, error] = std::from_chars(item.data(), item.data() + item.size(), percent);
    // Written so that NaN is refused too.
    const bool fits =
        error == std::errc{} && end == item.data() + item.size() && percent >= 0 && percent <= 100;
    if (!fits) {
      Refuse(flag, absl::StrCat("'", item, "' is not a number from 0 to 100."));
      return;
    }
    percent += 0.0;  // -0 is 0
    if (std::find(value.begin(), value.end(), percent) == value.end()) value.push_back(percent);
  }
  constexpr std::size_t kMost = 100;  // each is a row for each kind of each repetition
  if (value.size() > kMost) {
    Refuse(flag, absl::StrCat("these are ", value.size(), "; give at most ", kMost, "."));
  }
}

void Resolver::Cpu(std::string_view flag, const std::string& text, std::optional<unsigned>& value) {
  if (text == "none") return;
  const std::vector<unsigned> cpus = AllowedCpus();
  if (text == "auto") {
    // The last one: the first often serves the machine's interrupts.
    if (!cpus.empty()) value = cpus.back();
    return;
  }
  std::uint64_t number = 0;
  Number(flag, text, 0, number);
  if (!status_.ok()) return;
  if (std::find(cpus.begin(), cpus.end(), number) == cpus.end()) {
    Refuse(flag, absl::StrCat("this process may not use CPU ", text, "; it may use ",
                              absl::StrJoin(cpus, ", "), "."));
    return;
  }
  value = static_cast<unsigned>(number);
}

void Resolver::Seed(std::string_view flag, const std::string& text, std::uint64_t& value) {
  if (text != "random") {
    Number(flag, text, 0, value);
    return;
  }
  std::random_device device;
  // 53 bits, which every reader of numbers keeps.
  value = (std::uint64_t{device()} << 21) ^ device();
  value &= (std::uint64_t{1} << 53) - 1;
}

void Resolver::MustBeUtf8(std::string_view flag, std::string_view text) {
  if (!IsUtf8(text)) Refuse(flag, "this is not UTF-8, as a results file is.");
}

}  // namespace pagealloc::bench
