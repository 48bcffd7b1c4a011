/// read_file.h: whole files, plain or compressed with zstd, and standard input.
#pragma once

#include <cstddef>
#include <string>

#include "absl/status/statusor.h"

namespace pagealloc::bench {

/// All bytes of a file, or a few more than `most` of them when there are more.
///
/// @param path  "-" is standard input.
/// @return      a Status that says why the file cannot be read (NotFound, PermissionDenied, ...;
///              InvalidArgument for a device that may never end).
absl::StatusOr<std::string> ReadBytes(const std::string& path, std::size_t most);

/// A file's text: all bytes, decompressed if the name ends in ".zst". "-" is standard input, never
/// compressed.
///
/// @return  a Status as above; DataLoss, with a whole clause, for data that does not decompress.
absl::StatusOr<std::string> ReadTextFile(const std::string& path, std::size_t most);

}  // namespace pagealloc::bench
