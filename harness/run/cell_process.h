/// cell_process.h: executes a cell in a process of its own, or in this one.
///
///   checked pass               a forked child, which has the program and the judgement already
///   repetition of a trace      a forked child, so that parsing is paid once
///   repetition of a workload   this program re-executed: a fresh address space, the same for all
///
/// Errors are those of execute.h, plus Internal for a child that crashed and Cancelled for an
/// interrupt while waiting.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/run/source.h"

namespace pagealloc::bench {

enum class Isolation : std::uint8_t { kProcess, kNone };

absl::StatusOr<CheckedResult> RunChecked(Isolation isolation, const CellOptions& options,
                                         const Source& source, bool verify);

absl::StatusOr<TimedResult> RunTimed(Isolation isolation, const CellOptions& options,
                                     const Source& source);

/// The first argument with which a re-executed child is started; the second is the cell. No user
/// needs it.
inline constexpr std::string_view kRepetitionArgument = "--internal-repetition";

/// What a re-executed child prints: the answer to the cell that its argument describes.
std::string AnswerRepetition(std::string_view cell_text);

}  // namespace pagealloc::bench
