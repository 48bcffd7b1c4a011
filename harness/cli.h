/// cli.h: the command line, from argv to a Task; and from a Status to the exit status.
///
/// Everything that can be refused by looking at the words alone is refused here, as a UsageError
/// that names the nearest thing that exists. Nothing is read, written or run.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/commands/command.h"

namespace pagealloc::bench {

absl::StatusOr<Task> ParseCli(const std::vector<std::string>& arguments);

/// The exit status of a command that ended so, by status_codes.h; harness/README.md has the table.
int ExitStatus(const absl::Status& status);

}  // namespace pagealloc::bench
