/// output_file.h: a result that the user wants in a file, not on standard output.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pagealloc::bench {

/// A FileError if `path` exists and `force` is not set, or is no plain file. Ask before long work.
absl::Status MayWriteOutput(const std::string& path, bool force);

/// Writes `text` to `path`, aside first, so that an older file is replaced by a whole one or stays;
/// to standard output if `path` is empty.
absl::Status WriteOutput(const std::string& path, bool force, std::string_view text);

}  // namespace pagealloc::bench
