/// output_file.h: a result that the user may want in a file, not on standard output.
#pragma once

#include <string>
#include <string_view>

#include "CLI/App.hpp"
#include "absl/status/status.h"

namespace pagealloc::bench {

/// Where a result goes.
struct OutputFlags {
  std::string out;  ///< empty: standard output
  bool force = false;
};

/// Adds -o and --force. `flags` must outlive `app`.
void AddOutputFlags(CLI::App& app, OutputFlags& flags);

/// A FileError if the file exists and --force was not given, is no plain file, or cannot be
/// written: before the work whose result it is to hold.
absl::Status MayWriteOutput(const OutputFlags& flags);

/// Writes the whole text or leaves what was there; compressed if the name ends in ".zst".
absl::Status WriteOutput(const OutputFlags& flags, std::string_view text);

}  // namespace pagealloc::bench
