// main.cc: wiring and exit status only.
#include <fcntl.h>

#include <csignal>
#include <exception>
#include <new>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/cli.h"
#include "harness/micro/micro_child.h"
#include "harness/run/cell_process.h"
#include "harness/run/console.h"
#include "harness/run/counted_cell.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"

namespace {

using namespace pagealloc::bench;  // NOLINT(google-build-using-namespace): this file is their user

// A file opened while 0, 1 or 2 are free would get that number, and then the notes that are meant
// for stderr. What stands in for a closed stream refuses reads or writes just as the closed one
// would.
void HoldStandardStreams() {
  for (const int stream : {0, 1, 2}) {
    if (fcntl(stream, F_GETFD) < 0) {
      static_cast<void>(open("/dev/null", stream == 0 ? O_WRONLY : O_RDONLY));
    }
  }
}

int Main(const std::vector<std::string>& arguments) {
  const absl::StatusOr<Task> task = ParseCli(arguments);
  if (!task.ok()) {
    PrintError(task.status());
    return ExitStatus(task.status());
  }
  ExitOnInterrupts();
  const absl::Status status = (*task)();
  if (!status.ok()) PrintError(status);
  return ExitStatus(status);
}

// What the library calls of all the above may throw is told as any other error.
int Guarded(const std::vector<std::string>& arguments) {
  absl::Status error;
  try {
    if (arguments.size() == 3 && arguments[1] == kRepetitionArgument) {
      return ExitStatus(WriteResult(AnswerRepetition(arguments[2])));
    }
    if (arguments.size() == 2 && arguments[1] == kCountArgument) {
      return ExitStatus(WriteResult(AnswerCount()));
    }
    if (arguments.size() == 2 && arguments[1] == kPathArgument) {
      return ExitStatus(WriteResult(AnswerPath()));
    }
#if defined(PAGEALLOC_MICRO)
    if (arguments.size() == 5 && arguments[1] == kMicroArgument) {
      return ExitStatus(WriteResult(AnswerMicro(arguments)));
    }
#endif
    return Main(arguments);
  } catch (const std::bad_alloc&) {
    error = OutOfMemoryError();
  } catch (const std::exception& exception) {
    error = absl::InternalError(std::string("unexpected exception: ") + exception.what());
  }
  PrintError(error);
  return ExitStatus(error);
}

}  // namespace

int main(int argc, char** argv) {
  HoldStandardStreams();
  // A reader that has seen enough, and a limit on the size of files, are errors of a write.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  return Guarded({argv, argv + argc});
}
