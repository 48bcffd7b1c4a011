/// compression.h: zstd frames, as files with the ending .zst hold them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pagealloc::bench {

/// One frame that holds `text`, with a checksum, so that damage does not read as text. Frames may
/// follow each other in a file.
///
/// @param level  of zstd: 3 is fast, 9 smaller.
/// @return       nullopt only where memory for it is missing.
std::optional<std::string> Compress(std::string_view text, int level);

/// Appends what all zstd frames in `bytes` hold to `text`, up to a few more than `most` bytes.
///
/// @return  why it cannot: a clause, "the compressed data ends too early".
std::optional<std::string> Decompress(const std::string& bytes, std::size_t most,
                                      std::string& text);

}  // namespace pagealloc::bench
