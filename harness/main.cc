// main.cc: wiring and exit status only.
#include <csignal>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/cli.h"
#include "harness/commands.h"
#include "harness/console.h"
#include "harness/run/cell_process.h"
#include "harness/run/interrupts.h"

namespace {

using namespace pagealloc::bench;  // NOLINT(google-build-using-namespace): this file is their user

int Main(const std::vector<std::string>& arguments) {
  absl::StatusOr<Command> command = ParseCli(arguments);
  if (!command.ok()) {
    PrintError(command.status());
    return ExitStatus(command.status());
  }
  ExitOnInterrupts();
  const absl::Status status = Execute(*command);
  if (!status.ok()) PrintError(status);
  return ExitStatus(status);
}

}  // namespace

int main(int argc, char** argv) {
  // A reader that has seen enough, and a limit on the size of files, are errors of a write.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  const std::vector<std::string> arguments(argv, argv + argc);
  if (arguments.size() == 3 && arguments[1] == kRepetitionArgument) {
    return ExitStatus(WriteResult(AnswerRepetition(arguments[2])));
  }
  return Main(arguments);
}
