/// write_file.h: whole files, plain or compressed with zstd, so that none is ever half-written.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pagealloc::bench {

/// Where a path leads: the file itself if it is a link to one.
std::string FollowLinks(const std::string& path);

/// Whether WriteTextFile() could create or replace the file, found by doing so and removing what
/// was not there before. Ask before long work. A pipe or device is taken on trust: opening one may
/// wait or do something.
absl::Status CanWrite(const std::string& path);

/// Writes `text`, compressed if the name ends in ".zst". Aside first, in PATH.partial, so that an
/// older file is replaced by a whole one or stays; a pipe or device is written to as it is.
///
/// @return  a Status that says why not: "cannot write PATH: No space left on device".
absl::Status WriteTextFile(const std::string& path, std::string_view text);

}  // namespace pagealloc::bench
