#include "harness/run/callgrind.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "harness/base/temporary_folder.h"
#include "harness/run/isolation.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

class OpenFile {
 public:
  OpenFile(const std::string& path, int flags) : fd_(open(path.c_str(), flags | O_CLOEXEC, 0600)) {}
  ~OpenFile() {
    if (fd_ >= 0) close(fd_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::string TextOf(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

absl::Status NoRoom(const TemporaryFolder& folder, int error) {
  return FileError(absl::StrCat("cannot write to the temporary folder ", folder.path(), ": ",
                                std::strerror(error), ". Make room, or name another in TMPDIR."));
}

// Always the same few, so that the stack begins at the same address. Functions of shared libraries
// are looked up at the start, not when they are first called.
std::vector<std::string> FixedEnvironment() {
  std::vector<std::string> environment{"PATH=/usr/bin:/bin", "LC_ALL=C", "LD_BIND_NOW=1"};
  for (const char* name : {"LD_LIBRARY_PATH", "VALGRIND_LIB"}) {
    if (const char* value = std::getenv(name)) {
      environment.push_back(absl::StrCat(name, "=", value));
    }
  }
  return environment;
}

// The next word of a line, and what is left behind the space that ends it; nullopt behind the last.
std::optional<std::string_view> NextWord(std::optional<std::string_view>& line) {
  if (!line) return std::nullopt;
  const std::size_t end = line->find(' ');
  const std::string_view word = line->substr(0, end);
  line = end == std::string_view::npos ? std::nullopt : std::optional(line->substr(end + 1));
  return word;
}

// Adds what a line "PLACE COST..." says: a cost for each event; those left out at its end are 0.
bool AddCosts(std::optional<std::string_view> line, std::optional<std::string_view> events,
              Counts& counts) {
  NextWord(line);
  if (!line) return false;
  while (const std::optional<std::string_view> cost = NextWord(line)) {
    const std::optional<std::string_view> event = NextWord(events);
    std::uint64_t more = 0;
    const auto [stop, error] = std::from_chars(cost->data(), cost->data() + cost->size(), more);
    if (!event || error != std::errc{} || stop != cost->data() + cost->size()) return false;
    if (event == "Ir") counts.instructions += more;
    if (event == "Bcm" || event == "Bim") counts.branches_missed += more;
  }
  return true;
}

std::string OwnPath() {
  std::string path(4096, '\0');
  const ssize_t size = readlink("/proc/self/exe", path.data(), path.size());
  path.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return path;
}

}  // namespace

std::optional<std::vector<CountedFunction>> ParseCallgrind(std::string_view text) {
  // "events: Ir Bc Bcm Bi Bim": instructions; conditional branches, missed; indirect ones, missed.
  // Lines of a function: "fn=(7) name" or, once the name is known, "fn=(7)"; then "16 400", a place
  // and what was executed there, or "cfn=(8) name", "calls=1 16", and the same for a call. What is
  // 0 to the end of a line is left out.
  std::string_view events;
  std::map<std::string, std::string, std::less<>> names;
  std::map<std::string, Counts, std::less<>> costs;
  Counts* cost = nullptr;
  bool whole = false;
  const auto id_of = [&names](std::string_view value) {
    const std::size_t end = value.find(')');
    std::string id(value.substr(0, end));
    if (end != std::string_view::npos && end + 2 < value.size()) names[id] = value.substr(end + 2);
    return id;
  };
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    const bool ended = end != std::string_view::npos;
    text.remove_prefix(ended ? end + 1 : text.size());
    if (line.starts_with("events: ")) {
      events = line.substr(8);
    } else if (line.starts_with("fn=")) {
      cost = &costs[id_of(line.substr(3))];
    } else if (line.starts_with("cfn=")) {
      id_of(line.substr(4));
    } else if (line.starts_with("totals: ")) {
      whole = ended;
    } else if (cost != nullptr && !line.empty() &&
               std::strchr("+-*0123456789", line[0]) != nullptr) {
      if (!AddCosts(line, events, *cost)) return std::nullopt;
    }
  }
  if (!whole) return std::nullopt;
  std::vector<CountedFunction> functions;
  functions.reserve(costs.size());
  for (const auto& [id, counts] : costs) functions.push_back({names[id], counts});
  return functions;
}

absl::StatusOr<std::string> FindValgrind() {
  const char* const path = std::getenv("PATH");
  for (const auto& folder : absl::StrSplit(path != nullptr ? path : "/usr/bin", ':')) {
    std::string candidate = absl::StrCat(folder.empty() ? "." : folder, "/valgrind");
    if (access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return EnvironmentError(
      "cannot count instructions: there is no valgrind in $PATH. Install Debian's package valgrind "
      "(apt-get install valgrind), or measure times with run.");
}

absl::StatusOr<std::string> ValgrindVersion(const std::string& valgrind) {
  ForeignProgram program;
  program.path = valgrind;
  program.arguments = {"--version"};
  program.environment = FixedEnvironment();
  const absl::StatusOr<std::string> text = RunForeign(program);
  if (text.ok()) return std::string(absl::StripSuffix(*text, "\n"));
  if (text.status().code() == absl::StatusCode::kCancelled) return text.status();
  return EnvironmentError(absl::StrCat("cannot count instructions: ", valgrind,
                                       " --version: ", std::string(text.status().message()),
                                       ". Install Debian's package valgrind again."));
}

absl::StatusOr<CountedRun> CountFunctions(const std::string& valgrind, const std::string& argument,
                                          const std::string& input, const std::string& pattern) {
  const TemporaryFolder folder;
  if (folder.error()) return NoRoom(folder, folder.error().value());
  const OpenFile log(folder.File("log"), O_WRONLY | O_CREAT);
  if (log.fd() < 0) return NoRoom(folder, errno);
  ForeignProgram program;
  program.path = valgrind;
  program.arguments = {"-q",
                       "--tool=callgrind",
                       "--branch-sim=yes",
                       "--callgrind-out-file=" + folder.File("counts"),
                       "--collect-atstart=no",
                       "--toggle-collect=" + pattern,
                       OwnPath(),
                       argument};
  program.environment = FixedEnvironment();
  program.standard_input = input;
  program.standard_error = log.fd();
  program.fixed_addresses = true;
  absl::StatusOr<std::string> output = RunForeign(program);
  if (!output.ok()) {
    if (!IsBug(output.status())) return output.status();
    return absl::InternalError(absl::StrCat(std::string(output.status().message()),
                                            " under valgrind, which said:\n",
                                            TextOf(folder.File("log"))));
  }
  CountedRun run;
  run.output = *std::move(output);
  std::optional<std::vector<CountedFunction>> functions =
      ParseCallgrind(TextOf(folder.File("counts")));
  if (!functions) return NoRoom(folder, ENOSPC);
  run.functions = *std::move(functions);
  return run;
}

}  // namespace pagealloc::bench
