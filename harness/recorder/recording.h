/// recording.h: from the events of a recorded program to a trace.
///
///   kAllocate, kMap      a    bytes rounded up to pages, @CPU the thread
///   kFree, kUnmap        f    of what is known; a free of memory from before the recording, or
///                             from another process before a fork, is left out and counted
///   kUnmap of a part     f, and an a for each piece that stays
///
/// Every trace is legal, whatever the bytes: a file may have been cut, and its program killed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/trace/program.h"

namespace pagealloc::bench {

struct Recording {
  std::string program;  ///< path of what ran
  Program trace;        ///< no notes
  std::uint64_t allocations = 0;
  std::uint64_t threads = 0;        ///< that allocated or freed
  std::uint64_t unknown_frees = 0;  ///< of memory that was not seen before
  std::uint64_t lost = 0;           ///< events that did not fit the file
};

/// @param file  what the recorder wrote (recorder/raw_events.h).
/// @return      nullopt if it is no such file.
std::optional<Recording> ReadRecording(std::string_view file);

}  // namespace pagealloc::bench
