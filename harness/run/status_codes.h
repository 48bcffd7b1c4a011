/// status_codes.h: what the codes of an absl::Status mean in run and cli. The exit status follows.
///
///   function             code                 exit  meaning
///   DiffersError         Aborted                 1  a result differs; a gate failed
///   UsageError           InvalidArgument         2  bad usage or bad trace: nothing was run
///   NotComparableError   OutOfRange              3  results that cannot be compared
///   FileError            Unavailable             4  a file cannot be read or written
///   EnvironmentError     FailedPrecondition      5  the machine refuses, or is refused; unclear
///   absl::InternalError  Internal               70  a bug; so is any other code
///   absl::CancelledError Cancelled        130, 143  interrupted
///
/// The message is a whole text for the user: what, where, why, what to do.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace pagealloc::bench {

inline absl::Status DiffersError(const std::string& message) { return absl::AbortedError(message); }
inline absl::Status UsageError(const std::string& message) {
  return absl::InvalidArgumentError(message);
}
inline absl::Status NotComparableError(const std::string& message) {
  return absl::OutOfRangeError(message);
}
inline absl::Status FileError(const std::string& message) {
  return absl::UnavailableError(message);
}
inline absl::Status EnvironmentError(const std::string& message) {
  return absl::FailedPreconditionError(message);
}

/// For a std::bad_alloc.
inline absl::Status OutOfMemoryError() {
  return EnvironmentError(
      "this machine has not the memory for it. Give fewer operations (--ops), or a smaller heap or "
      "trace.");
}

/// Whether a status, which is not OK, means that this program is wrong: exit status 70.
inline bool IsBug(const absl::Status& error) {
  switch (error.code()) {
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kCancelled:
      return false;
    default:
      return true;
  }
}

}  // namespace pagealloc::bench
