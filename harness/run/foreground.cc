#include "harness/run/foreground.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> EnvironmentWith(const std::vector<std::string>& added) {
  std::vector<std::string> all = added;
  const auto name_of = [](const std::string& entry) {
    return entry.substr(0, entry.find('=') + 1);
  };
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string ours = *entry;
    bool replaced = false;
    for (const std::string& one : added) replaced = replaced || name_of(one) == name_of(ours);
    if (!replaced) all.push_back(ours);
  }
  return all;
}

// Waits for the child's end; interrupts that came to us are sent on once.
void AwaitEnd(pid_t child, const HeldInterrupts& held) {
  const int end = static_cast<int>(syscall(SYS_pidfd_open, child, 0));
  pollfd waiting{end, POLLIN, 0};
  const timespec nap{0, 50'000'000};
  bool sent = false;
  while (true) {
    if (PendingInterrupt() != 0 && !sent) sent = kill(child, PendingInterrupt()) == 0;
    // Without a descriptor for it (an old kernel) we look again and again.
    siginfo_t about{};
    if (waitid(P_PID, static_cast<id_t>(child), &about, WEXITED | WNOHANG | WNOWAIT) == 0 &&
        about.si_pid == child) {
      break;
    }
    ppoll(&waiting, end < 0 ? 0 : 1, end < 0 ? &nap : nullptr, &held.waiting_mask());
  }
  if (end >= 0) close(end);
}

}  // namespace

std::string ProgramEnd::Text() const {
  if (signal == 0) return absl::StrCat("ended with exit status ", exit_status);
  return absl::StrCat("was ended by signal ", signal, " (", strsignal(signal), ")");
}

absl::StatusOr<ProgramEnd> RunInForeground(const ForegroundProgram& program) {
  PA_EXPECT(!program.words.empty());
  std::vector<std::string> words = program.words;
  const std::vector<char*> argv = Pointers(words);
  std::vector<std::string> environment = EnvironmentWith(program.environment);
  const std::vector<char*> envp = Pointers(environment);
  std::array<int, 2> ends{};  // tells why exec failed; closed by one that succeeds
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return absl::InternalError(absl::StrCat("pipe: ", std::strerror(errno)));
  }
  const HeldInterrupts held;
  const pid_t child = fork();
  if (child == 0) {
    held.RestoreInChild();
    // Ours ignores them (main); another program is not to inherit that.
    std::signal(SIGPIPE, SIG_DFL);
    std::signal(SIGXFSZ, SIG_DFL);
    if (program.silent) {
      const int nowhere = open("/dev/null", O_RDWR);
      for (const int stream : {0, 1, 2}) dup2(nowhere, stream);
    }
    execvpe(argv[0], argv.data(), envp.data());
    const int error = errno;
    static_cast<void>(!write(ends[1], &error, sizeof(error)));
    _exit(127);
  }
  close(ends[1]);
  int error = child < 0 ? errno : 0;
  if (child > 0) {
    while (read(ends[0], &error, sizeof(error)) < 0 && errno == EINTR) continue;
    AwaitEnd(child, held);
  }
  close(ends[0]);
  int status = 0;
  if (child > 0) waitpid(child, &status, 0);
  if (error != 0) {
    return UsageError(absl::StrCat("cannot start ", program.words.front(), ": ",
                                   std::strerror(error), ". Give the name of a program."));
  }
  ProgramEnd end;
  if (WIFSIGNALED(status)) end.signal = WTERMSIG(status);
  if (WIFEXITED(status)) end.exit_status = WEXITSTATUS(status);
  return end;
}

}  // namespace pagealloc::bench
