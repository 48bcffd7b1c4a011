#include "harness/run/isolation.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/base/parse_units.h"
#include "harness/run/interrupts.h"
#include "harness/run/status_codes.h"

namespace pagealloc::bench {
namespace {

constexpr int kWorkFailed = 71;  // the child could not hand its text over

absl::Status CallFailed(const char* call) {
  return absl::InternalError(
      absl::StrCat("cannot start a child process: ", call, ": ", std::strerror(errno)));
}

bool WriteAll(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

// Reads until the child closes its end. Cancelled when an interrupt comes first.
absl::Status ReadAll(int fd, const HeldInterrupts& held, std::string& text) {
  std::array<char, 1 << 16> buffer{};
  while (true) {
    if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
    pollfd waiting{fd, POLLIN, 0};
    // Signals are let through here only, so none is lost between the look above and the wait.
    if (ppoll(&waiting, 1, nullptr, &held.waiting_mask()) < 0) {
      if (errno == EINTR) continue;
      return CallFailed("ppoll");
    }
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno != EINTR) return CallFailed("read");
    if (got == 0) return absl::OkStatus();
    if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

// The child's status, as waitpid gives it.
absl::StatusOr<int> WaitFor(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return CallFailed("waitpid");
  }
  return status;
}

absl::Status MustBeZero(int status) {
  if (WIFSIGNALED(status)) {
    return absl::InternalError(absl::StrCat("its process was ended by signal ", WTERMSIG(status),
                                            " (", strsignal(WTERMSIG(status)), ")"));
  }
  if (WEXITSTATUS(status) != 0) {
    return absl::InternalError(
        absl::StrCat("its process ended with exit status ", WEXITSTATUS(status)));
  }
  return absl::OkStatus();
}

struct ChildEnd {
  std::string text;
  int status = 0;  // as waitpid gives it
};

// `in_child` gets the pipe's writing end and does not return.
absl::StatusOr<ChildEnd> RunChild(const std::function<void(int)>& in_child) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return CallFailed("pipe");
  ChildEnd end;
  absl::Status read_status;
  absl::StatusOr<int> end_status;
  {
    const HeldInterrupts held;
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) {
      close(ends[0]);
      close(ends[1]);
      return CallFailed("fork");
    }
    if (child == 0) {
      held.RestoreInChild();
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      if (getppid() != parent) _exit(kWorkFailed);  // it died before the line above
      in_child(ends[1]);
      _exit(kWorkFailed);
    }
    close(ends[1]);
    read_status = ReadAll(ends[0], held, end.text);
    if (!read_status.ok()) kill(child, SIGKILL);
    close(ends[0]);
    end_status = WaitFor(child);
  }
  // Signals that were held are delivered by now: Ctrl-C reaches parent and child together, and the
  // child's end is then no error.
  if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
  if (!read_status.ok()) return read_status;
  if (!end_status.ok()) return end_status.status();
  end.status = *end_status;
  return end;
}

// The text of a child that must end well.
absl::StatusOr<std::string> TextOf(absl::StatusOr<ChildEnd> end) {
  if (!end.ok()) return end.status();
  if (absl::Status status = MustBeZero(end->status); !status.ok()) return status;
  return std::move(end->text);
}

// As exec takes them; made before the fork, since the child only calls the kernel.
std::vector<char*> Pointers(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

// Makes `stream` (0, 1, 2) another name of `file`; -1 leaves it.
bool Redirect(int file, int stream) { return file < 0 || dup2(file, stream) >= 0; }

absl::StatusOr<ChildEnd> StartForeign(const ForeignProgram& program) {
  std::vector<std::string> words{program.path};
  words.insert(words.end(), program.arguments.begin(), program.arguments.end());
  const std::vector<char*> argv = Pointers(words);
  std::vector<std::string> environment = program.environment.value_or(std::vector<std::string>{});
  const std::vector<char*> named = Pointers(environment);
  char* const* const envp = program.environment ? named.data() : environ;
  // A file, so that the child can read while this process does nothing but wait.
  int in = -1;
  if (program.standard_input) {
    in = memfd_create("input", MFD_CLOEXEC);
    if (in < 0) return CallFailed("memfd_create");
    if (!WriteAll(in, *program.standard_input) || lseek(in, 0, SEEK_SET) != 0) {
      const std::string why = std::strerror(errno);
      close(in);
      return FileError(absl::StrCat(
          "cannot hand ", SizeText(ByteCount{program.standard_input->size()}), " to ", program.path,
          ": ", why, ". Raise the limit on file sizes (ulimit -f), or run less."));
    }
  }
  absl::StatusOr<ChildEnd> end = RunChild([&](int out) {
    // Where a container forbids it, the addresses differ; nothing else does.
    if (program.fixed_addresses) personality(ADDR_NO_RANDOMIZE);
    if (!Redirect(out, STDOUT_FILENO) || !Redirect(in, STDIN_FILENO) ||
        !Redirect(program.standard_error, STDERR_FILENO)) {
      return;
    }
    execve(program.path.c_str(), argv.data(), envp);
  });
  if (in >= 0) close(in);
  return end;
}

}  // namespace

absl::StatusOr<std::string> RunForked(const std::function<std::string()>& work) {
  return TextOf(RunChild([&work](int out) {
    // _exit: destructors and buffers belong to the parent.
    _exit(WriteAll(out, work()) ? EXIT_SUCCESS : kWorkFailed);
  }));
}

absl::StatusOr<std::string> RunReexecuted(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"pagealloc-bench"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  const std::vector<char*> argv = Pointers(words);
  return TextOf(RunChild([&argv](int out) {
    if (dup2(out, STDOUT_FILENO) < 0) return;
    execv("/proc/self/exe", argv.data());
  }));
}

absl::StatusOr<std::string> RunForeign(const ForeignProgram& program) {
  return TextOf(StartForeign(program));
}

absl::StatusOr<ForeignEnd> RunForeignToItsEnd(const ForeignProgram& program) {
  absl::StatusOr<ChildEnd> end = StartForeign(program);
  if (!end.ok()) return end.status();
  const int status = end->status;
  return ForeignEnd{std::move(end->text),
                    WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status)};
}

}  // namespace pagealloc::bench
