/// trace_files.h: what the `trace` commands share: the trace that goes in, the file that comes out.
#pragma once

#include <string>

#include "CLI/App.hpp"
#include "absl/status/status.h"
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

/// Where a result goes.
struct OutputFlags {
  std::string out;  ///< empty: standard output
  bool force = false;
};
void AddOutputFlags(CLI::App& app, OutputFlags& flags);

/// A FileError if the file exists and --force was not given, or if it cannot be written: before the
/// work whose result it is to hold.
absl::Status MayWrite(const OutputFlags& flags);
/// Compressed if the name ends in ".zst".
absl::Status WriteOutput(const OutputFlags& flags, const std::string& text);

}  // namespace pagealloc::bench
