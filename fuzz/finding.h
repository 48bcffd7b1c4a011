/// finding.h: makes a finding readable: what differed, where, and how to see it again.
///
/// A program is recorded as a pagetrace while it runs, each record before the allocator sees it,
/// with the model's answers as expectations. With PAGEALLOC_FUZZ_TRACE=FILE every record also goes
/// straight to that file, so that the trace of a crash is complete up to the record that crashed;
/// an input runs on several layouts one after the other, and the file holds the last of them.
///
///   mismatch ----------------> Finding --Report()--> stderr: what, reproduce, replay, trace
///   abort, fault, sanitizer -> CrashReporter -------/
///
/// Offsets of a trace count from `origin`, which makes them legal for every layout. A search has no
/// record: it stands in the trace as a comment.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/op.h"
#include "pagealloc/units.h"

namespace pagealloc::fuzz {

/// "WHAT: the allocator has 1, 2, the model 1, 3".
[[nodiscard]] std::string Differ(std::string_view what, std::initializer_list<std::uint64_t> got,
                                 std::initializer_list<std::uint64_t> want);

/// Name of the environment variable that asks for a trace file.
inline constexpr const char* kTraceVariable = "PAGEALLOC_FUZZ_TRACE";

/// Keeps the records of one run on one layout.
class TraceRecorder {
 public:
  /// Truncates the file that kTraceVariable names, if it is set.
  ///
  /// @param origin  page of the layout that is offset 0 of the trace
  TraceRecorder(std::string_view layout, PageCount chunk_pages, PageOffset origin);
  TraceRecorder(const TraceRecorder&) = delete;
  TraceRecorder& operator=(const TraceRecorder&) = delete;
  ~TraceRecorder();

  [[nodiscard]] bench::TraceOffset At(PageOffset page) const {
    return bench::TraceOffset{(page - origin_).raw};
  }
  /// Call it before the allocator runs the operation.
  void Record(const bench::Op& op);

  [[nodiscard]] const std::string& layout() const { return layout_; }
  [[nodiscard]] std::size_t size() const { return ops_.size(); }
  [[nodiscard]] const std::vector<bench::Op>& ops() const { return ops_; }
  /// The last record, or a word for the start.
  [[nodiscard]] std::string Last() const;
  /// The whole trace.
  [[nodiscard]] std::string Text() const;

 private:
  [[nodiscard]] std::string Header() const;

  std::string layout_;
  PageCount chunk_pages_;
  PageOffset origin_;
  std::vector<bench::Op> ops_;
  int file_ = -1;
};

/// Allocator and model differ.
struct Finding {
  std::string what;  ///< what differed, with both values
  std::size_t
      record;  ///< number of the operation, from 1, as the trace counts; 0: before the first
};

/// Standard base 64, for a command that carries its input with it.
[[nodiscard]] std::string Base64(std::span<const std::uint8_t> bytes);

/// Everything about a finding, ready to print.
///
/// @param target  name of the fuzz target
/// @param input   the bytes that led here
[[nodiscard]] std::string Report(std::string_view target, std::span<const std::uint8_t> input,
                                 const TraceRecorder& trace, const Finding& finding);

/// While it lives, an abort() (a broken contract or invariant of the library) or another crash
/// (on_crash.h) is reported like a finding before the process ends. One at a time.
class CrashReporter {
 public:
  CrashReporter(std::string_view target, std::span<const std::uint8_t> input,
                const TraceRecorder& trace);
  CrashReporter(const CrashReporter&) = delete;
  CrashReporter& operator=(const CrashReporter&) = delete;
  ~CrashReporter();
};

/// Prints the report and ends the process, as a fuzzer expects of a finding.
[[noreturn]] void Stop(const std::string& report);

}  // namespace pagealloc::fuzz
