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
  commands.push_back({"", MakeListCommand()});
  commands.push_back({"trace", MakeTraceValidateCommand()});
  commands.push_back({"trace", MakeTraceInspectCommand()});
  commands.push_back({"", MakeMapCommand()});
  return commands;
}

std::string_view GroupPurpose(std::string_view group) {
  PA_EXPECT(group == "trace");
  return "Checks traces, and says what is in them.";
}

}  // namespace pagealloc::bench
