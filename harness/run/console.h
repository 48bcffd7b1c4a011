/// console.h: the rules for what goes to standard output and to standard error.
///
/// Standard output carries the result and nothing else. Notes, warnings and errors go to stderr; -q
/// leaves only errors.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace pagealloc::bench {

enum class Loudness { kErrorsOnly, kNormal, kVerbose };

class Console {
 public:
  explicit Console(Loudness loudness) : loudness_(loudness) {}

  void Detail(std::string_view text) const;   ///< with -v
  void Note(std::string_view text) const;     ///< not with -q
  void Warning(std::string_view text) const;  ///< not with -q; begins with "warning: "

 private:
  Loudness loudness_;
};

/// The message as it stands, so that one about a trace begins with FILE:LINE; a bug also says how
/// it is reported.
void PrintError(const absl::Status& error);

/// Writes a result to standard output. A closed pipe is fine: whoever read has seen enough.
/// Anything else that goes wrong is a FileError.
absl::Status WriteResult(std::string_view text);

/// Whether words on this descriptor may be coloured: a terminal, no NO_COLOR, TERM not dumb.
bool MayColor(int fd);

}  // namespace pagealloc::bench
