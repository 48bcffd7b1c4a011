/// trace_files.h: the trace that goes into a `trace` command, or into `map`.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"

namespace pagealloc::bench {

struct JudgedTrace {
  Program program;
  Judgement judgement;
};

/// Reads, parses and judges: a FileError if it cannot be read, a UsageError if it is no legal
/// trace.
absl::StatusOr<JudgedTrace> ReadJudgedTrace(const std::string& path);

}  // namespace pagealloc::bench
