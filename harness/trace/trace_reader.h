/// trace_reader.h: pagetrace text, version 1, to a Program.
///
/// The format stands in harness/trace/README.md. The reader checks the form of every line; whether
/// an operation is legal is for the judge (judge.h). The first mistake in a file is the one to
/// report, whichever of the two finds it: hence a reader that stops gives both the operations
/// before the mistake and the mistake, and Judge(ParsedTrace) puts them in order.
///
/// One pass over the text, which stays in the Program for messages. IDs become dense numbers, in
/// order of first appearance. Standard library only, no exceptions of its own, any bytes as input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/source_position.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

/// Why a trace is refused.
struct TraceError {
  SourcePosition where;
  std::string reason;  ///< a clause, without a period
  std::string advice;  ///< what to do: a sentence

  [[nodiscard]] std::string Message() const { return RenderProblem(where, reason, advice); }
};

/// A trace, or as much of it as could be read.
struct ParsedTrace {
  Program program;                  ///< with an error: the records before it
  std::optional<TraceError> error;  ///< the first line that is not of its form
};

/// A longer text is refused: places in it are kept as 32-bit numbers.
inline constexpr std::size_t kMaxTraceBytes = 0xffff'ffff;
/// `@CPU` is at most this.
inline constexpr std::uint32_t kMaxCpu = kNoCpu - 1;

/// Reads a whole trace.
///
/// @param name  for messages: the file as the user named it.
/// @param text  any bytes.
/// @cost        time and memory linear in the text: some 60 bytes a record are held with the text.
[[nodiscard]] ParsedTrace ParseTrace(std::string name, std::string text);

}  // namespace pagealloc::bench
