#include "fuzz/story.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "fuzz/finding.h"
#include "fuzz/on_crash.h"

namespace pagealloc::fuzz {
namespace {

const Story* g_story = nullptr;  // NOLINT(*-identifier-naming): what runs now, for a crash

void Print(std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = write(STDERR_FILENO, text.data(), text.size());
    if (done <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

void ReportCurrent() {
  const Story* const story = std::exchange(g_story, nullptr);
  if (story != nullptr) Print(story->Report("the process was stopped (see above)"));
}

}  // namespace

Story::Story(std::string_view target, std::span<const std::uint8_t> input)
    : target_(target), input_(input) {
  static const bool kInstalled = (OnCrash(ReportCurrent), true);
  static_cast<void>(kInstalled);
  g_story = this;
}

Story::~Story() { g_story = nullptr; }

std::string Story::Words(const Line& line) {
  std::string text = line.verb;
  for (std::size_t i = 0; i < line.count; ++i) {
    text += ' ';
    text += std::to_string(line.numbers[i]);
  }
  return text;
}

std::string Story::Report(std::string_view what) const {
  std::string text = "\n";
  text += target_;
  text += ": finding at step " + std::to_string(lines_.size()) + ": ";
  text += lines_.empty() ? "(start)" : Words(lines_.back());
  text += "\nwhat: ";
  text += what;
  text += "\nreproduce: echo " + Base64(input_) + " | base64 -d >finding && ";
  text += target_;
  text += "_replay finding\nsteps:\n";
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    text += std::to_string(i + 1);
    text += ' ';
    text += Words(lines_[i]);
    text += '\n';
  }
  return text;
}

void Story::Stop(std::string_view what) const {
  g_story = nullptr;
  Print(Report(what));
  std::abort();
}

void Story::StopDiffering(const char* what, std::uint64_t got, std::uint64_t want) const {
  Stop(Differ(what, {got}, {want}));
}

}  // namespace pagealloc::fuzz
