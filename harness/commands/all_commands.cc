#include "harness/commands/all_commands.h"

#include "pagealloc/contract.h"

namespace pagealloc::bench {

std::vector<ListedCommand> AllCommands() {
  std::vector<ListedCommand> commands;
  commands.push_back({"", MakeRunCommand()});
  commands.push_back({"", MakeReplayCommand()});
  commands.push_back({"", MakeCompareCommand()});
  commands.push_back({"", MakeAbCommand()});
  commands.push_back({"", MakeCountCommand()});
#if defined(PAGEALLOC_MICRO)
  commands.push_back({"", MakeMicroCommand()});
#endif
  commands.push_back({"", MakeListCommand()});
  commands.push_back({"trace", MakeTraceValidateCommand()});
  commands.push_back({"trace", MakeTraceInspectCommand()});
  commands.push_back({"trace", MakeTraceConvertCommand()});
  commands.push_back({"trace", MakeTraceGenerateCommand()});
  commands.push_back({"trace", MakeTraceMinimizeCommand()});
  commands.push_back({"trace", MakeTraceRecordCommand()});
  commands.push_back({"", MakeMapCommand()});
  commands.push_back({"", MakeReportCommand()});
  commands.push_back({"", MakeDoctorCommand()});
  commands.push_back({"", MakeCompletionCommand()});
  return commands;
}

std::string_view GroupPurpose(std::string_view group) {
  PA_EXPECT(group == "trace");
  return "Makes, checks, describes, converts and shortens traces.";
}

}  // namespace pagealloc::bench
