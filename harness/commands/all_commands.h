/// all_commands.h: every subcommand, in the order of the help text.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "harness/commands/command.h"

namespace pagealloc::bench {

struct ListedCommand {
  std::string_view group;  ///< "trace" for `trace validate`; empty: it stands alone
  std::unique_ptr<CliCommand> command;
};

std::vector<ListedCommand> AllCommands();

/// One line for the help text about a group that commands stand in.
std::string_view GroupPurpose(std::string_view group);

std::unique_ptr<CliCommand> MakeRunCommand();
std::unique_ptr<CliCommand> MakeReplayCommand();
std::unique_ptr<CliCommand> MakeCompareCommand();
std::unique_ptr<CliCommand> MakeAbCommand();
std::unique_ptr<CliCommand> MakeCountCommand();
std::unique_ptr<CliCommand> MakeMicroCommand();  ///< only with PAGEALLOC_MICRO
std::unique_ptr<CliCommand> MakeTraceValidateCommand();
std::unique_ptr<CliCommand> MakeTraceInspectCommand();
std::unique_ptr<CliCommand> MakeTraceConvertCommand();
std::unique_ptr<CliCommand> MakeTraceGenerateCommand();
std::unique_ptr<CliCommand> MakeTraceMinimizeCommand();
std::unique_ptr<CliCommand> MakeTraceRecordCommand();
std::unique_ptr<CliCommand> MakeMapCommand();
std::unique_ptr<CliCommand> MakeListCommand();
std::unique_ptr<CliCommand> MakeDoctorCommand();
std::unique_ptr<CliCommand> MakeCompletionCommand();
std::unique_ptr<CliCommand> MakeReportCommand();

}  // namespace pagealloc::bench
