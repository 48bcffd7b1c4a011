#include "harness/run/console.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

void PrintLine(std::string_view prefix, std::string_view text) {
  std::string line(prefix);
  line += text;
  line += '\n';
  std::fputs(line.c_str(), stderr);
}

}  // namespace

void Console::Detail(std::string_view text) const {
  if (loudness_ == Loudness::kVerbose) PrintLine("", text);
}

void Console::Note(std::string_view text) const {
  if (loudness_ != Loudness::kErrorsOnly) PrintLine("", text);
}

void Console::Warning(std::string_view text) const {
  if (loudness_ != Loudness::kErrorsOnly) PrintLine("warning: ", text);
}

void PrintError(const absl::Status& error) {
  PrintLine("", std::string(error.message()));
  if (IsBug(error)) {
    PrintLine("",
              "This is a bug. Please report it with the command line and what "
              "`pagealloc-bench --version` prints.");
  }
}

absl::Status WriteResult(std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(STDOUT_FILENO, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      return absl::OkStatus();
    } else if (errno != EINTR) {
      return FileError(
          absl::StrCat("cannot write to standard output: ", std::strerror(errno), "."));
    }
  }
  return absl::OkStatus();
}

bool MayColor(int fd) {
  const char* const no_color = std::getenv("NO_COLOR");
  const char* const term = std::getenv("TERM");
  return isatty(fd) != 0 && (no_color == nullptr || *no_color == '\0') && term != nullptr &&
         std::string_view(term) != "dumb";
}

}  // namespace pagealloc::bench
