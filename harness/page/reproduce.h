/// reproduce.h: the command that measures a cell again.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/page/page_data.h"

namespace pagealloc::bench {

/// A word as a POSIX shell reads it back.
std::string ShellWord(std::string_view word);

/// The command for one cell of a file: its own columns, and from the environment file what was
/// other than the default. Where there is none, a trace is called WORKLOAD.pagetrace.
std::string CommandFor(const CellColumns& columns, const PageFile& file);

/// What may be the path of the trace that rows call `workload`: words that the environment file of
/// a file keeps. Empty: it names none.
std::vector<std::string> TracePaths(const std::string& workload, const PageFile& file);

}  // namespace pagealloc::bench
