#include "harness/run/progress.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"

namespace pagealloc::bench {
namespace {

std::size_t Columns(int fd) {
  winsize size{};
  if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

std::string TimeLeft(std::chrono::nanoseconds left) {
  const auto seconds = static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::duration_cast<std::chrono::seconds>(left).count()));
  if (seconds < 120) return absl::StrCat(seconds, " s left");
  return absl::StrCat((seconds + 59) / 60, " min left");
}

}  // namespace

std::string ProgressBar(std::uint64_t done, std::uint64_t total, std::chrono::nanoseconds elapsed,
                        std::string_view title, std::size_t columns) {
  constexpr std::uint64_t kWidth = 20;
  const std::uint64_t filled = total == 0 ? kWidth : kWidth * std::min(done, total) / total;
  std::string bar = absl::StrCat("[", std::string(filled, '='));
  if (filled < kWidth) absl::StrAppend(&bar, ">", std::string(kWidth - filled - 1, ' '));
  absl::StrAppend(&bar, "] ", done, "/", total);
  if (done > 0 && done < total) {
    const double ratio = static_cast<double>(total - done) / static_cast<double>(done);
    const auto left = std::chrono::nanoseconds{
        static_cast<std::int64_t>(static_cast<double>(elapsed.count()) * ratio)};
    absl::StrAppend(&bar, ", ", TimeLeft(left));
  }
  absl::StrAppend(&bar, ": ");
  bar.append(title);
  // One column stays free: a full line would wrap on some terminals and could not be redrawn.
  if (bar.size() >= columns) bar.resize(columns > 0 ? columns - 1 : 0);
  return bar;
}

Progress::Style Progress::Choose(std::FILE* stream, ProgressMode mode) {
  switch (mode) {
    case ProgressMode::kAlways:
      return Style::kBar;
    case ProgressMode::kNever:
      return Style::kNone;
    case ProgressMode::kPlain:
      return Style::kPlain;
    case ProgressMode::kAuto:
      break;
  }
  const char* const term = std::getenv("TERM");
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  return isatty(fileno(stream)) != 0 && !dumb ? Style::kBar : Style::kPlain;
}

Progress::Progress(std::FILE* stream, ProgressMode mode, std::uint64_t total)
    : stream_(stream),
      style_(Choose(stream, mode)),
      total_(total),
      start_(std::chrono::steady_clock::now()) {}

Progress::~Progress() { Clear(); }

void Progress::Begin(std::string_view title) {
  if (style_ != Style::kBar) return;
  const auto elapsed = std::chrono::steady_clock::now() - start_;
  const std::string bar = ProgressBar(done_, total_, elapsed, title, Columns(fileno(stream_)));
  std::fprintf(stream_, "\r\033[K%s", bar.c_str());
  std::fflush(stream_);
  drawn_ = true;
}

void Progress::EndRepetition() { ++done_; }

void Progress::EndCell(std::string_view line) {
  if (style_ != Style::kPlain) return;
  std::fprintf(stream_, "%.*s\n", static_cast<int>(line.size()), line.data());
}

void Progress::Clear() {
  if (!drawn_) return;
  std::fputs("\r\033[K", stream_);
  std::fflush(stream_);
  drawn_ = false;
}

}  // namespace pagealloc::bench
