/// command.h: one subcommand of the program: from its words to something that can be done.
///
///   Add()      declares name, purpose and flags; the parser fills the command's own fields
///   Resolve()  checks the words: what is wrong is a UsageError that names the nearest thing that
///              exists. Nothing is read, written or run.
///   the Task   does it: standard output gets the result, stderr notes and warnings; the error is
///              for the caller to print, and becomes the exit status (status_codes.h)
///
/// A new command is a file of its own here and a line in all_commands.cc.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "CLI/App.hpp"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pagealloc::bench {

using Task = std::function<absl::Status()>;

class CliCommand {
 public:
  CliCommand() = default;
  CliCommand(const CliCommand&) = delete;
  CliCommand& operator=(const CliCommand&) = delete;
  virtual ~CliCommand() = default;

  /// Called once. The fields that the parser fills live as long as the command.
  ///
  /// @return  the subcommand, which belongs to `parent`.
  virtual CLI::App* Add(CLI::App& parent) = 0;

  /// @param app        what Add() returned, parsed: it says which flags the user gave.
  /// @param arguments  argv, for the environment file.
  virtual absl::StatusOr<Task> Resolve(const CLI::App& app,
                                       const std::vector<std::string>& arguments) = 0;

  /// Whether the words after `--` are another program's command line. The parser does not see them.
  [[nodiscard]] virtual bool TakesProgram() const { return false; }
};

}  // namespace pagealloc::bench
