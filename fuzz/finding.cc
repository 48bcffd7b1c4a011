#include "fuzz/finding.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fuzz/on_crash.h"
#include "harness/trace/program.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::fuzz {
namespace {

void WriteAll(int file, std::string_view text) {
  while (!text.empty()) {
    const ssize_t done = write(file, text.data(), text.size());
    // A trace that cannot be written must not end the run that it is about.
    if (done <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(done));
  }
}

std::string List(std::initializer_list<std::uint64_t> numbers) {
  std::string text;
  for (const std::uint64_t number : numbers) {
    if (!text.empty()) text += ", ";
    text += std::to_string(number);
  }
  return text;
}

std::string LineOf(const bench::Op& op) {
  std::string line;
  if (op.kind != bench::OpKind::kFind) {
    bench::AppendRecord(op, line);
    return line;
  }
  line = "# " + bench::DescribeOp(op);
  line += op.expect == bench::Expect::kNone ? " = none" : " = " + std::to_string(op.at.raw);
  return line + '\n';
}

/// What runs now, for a crash.
struct Current {
  std::string_view target;
  std::span<const std::uint8_t> input;
  const TraceRecorder* trace = nullptr;
};
Current g_current;  // NOLINT(*-identifier-naming): a global that may change

void ReportCurrent() {
  const Current current = std::exchange(g_current, Current{});
  if (current.trace == nullptr) return;
  const Finding finding{"the process was stopped (see above)", current.trace->size()};
  WriteAll(STDERR_FILENO, Report(current.target, current.input, *current.trace, finding));
}

}  // namespace

std::string Differ(std::string_view what, std::initializer_list<std::uint64_t> got,
                   std::initializer_list<std::uint64_t> want) {
  return std::string(what) + ": the allocator has " + List(got) + "; the model " + List(want);
}

TraceRecorder::TraceRecorder(std::string_view layout, PageCount chunk_pages, PageOffset origin)
    : layout_(layout), chunk_pages_(chunk_pages), origin_(origin) {
  const char* const path = std::getenv(kTraceVariable);
  if (path == nullptr || *path == '\0') return;
  file_ = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file_ < 0) {
    std::perror(path);
    std::exit(EXIT_FAILURE);
  }
  WriteAll(file_, Header());
}

TraceRecorder::~TraceRecorder() {
  if (file_ >= 0) close(file_);
}

void TraceRecorder::Record(const bench::Op& op) {
  ops_.push_back(op);
  if (file_ >= 0) WriteAll(file_, LineOf(op));
}

std::string TraceRecorder::Last() const {
  return ops_.empty() ? "(start)" : bench::DescribeOp(ops_.back());
}

std::string TraceRecorder::Header() const {
  bench::Program program;
  program.meta = {{"source", "fuzz"}, {"layout", layout_}};
  program.chunk_pages = chunk_pages_;
  program.explicit_growth = true;
  std::string text;
  bench::AppendHeader(program, text);
  return text;
}

std::string TraceRecorder::Text() const {
  std::string text = Header();
  for (const bench::Op& op : ops_) text += LineOf(op);
  return text;
}

std::string Base64(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const auto group = bytes.subspan(i, bytes.size() - i < 3 ? bytes.size() - i : 3);
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < group.size() ? group[k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= group.size() ? kDigits[bits >> (18 - 6 * k) & 63U] : '=';
    }
  }
  return text;
}

std::string Report(std::string_view target, std::span<const std::uint8_t> input,
                   const TraceRecorder& trace, const Finding& finding) {
  const std::string name(target);
  const char* const path = std::getenv(kTraceVariable);
  const bool in_file = path != nullptr && *path != '\0';
  const std::string file = in_file ? path : "finding.pagetrace";
  std::string text = "\n" + name + ": finding on layout " + trace.layout() + " at operation " +
                     std::to_string(finding.record) + ": " + trace.Last() + "\n";
  text += "what: " + finding.what + "\n";
  text += "reproduce: echo " + Base64(input) + " | base64 -d >finding && " + kTraceVariable + "=" +
          file + " " + name + "_replay finding\n";
  text += "replay: pagealloc-bench replay " + file + "\n";
  // The file has all of it already.
  text += in_file ? "trace: " + file + "\n" : "trace:\n" + trace.Text();
  return text;
}

CrashReporter::CrashReporter(std::string_view target, std::span<const std::uint8_t> input,
                             const TraceRecorder& trace) {
  static const bool kInstalled = (OnCrash(ReportCurrent), true);
  static_cast<void>(kInstalled);
  g_current = {target, input, &trace};
}

CrashReporter::~CrashReporter() { g_current = Current{}; }

void Stop(const std::string& report) {
  g_current = Current{};
  WriteAll(STDERR_FILENO, report);
  std::abort();
}

}  // namespace pagealloc::fuzz
