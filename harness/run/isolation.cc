#include "harness/run/isolation.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
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
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "harness/run/interrupts.h"

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

absl::Status EndOf(pid_t child) {
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return CallFailed("waitpid");
  }
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

/// A command line for execv. Made before a fork, since the child only calls the kernel.
class Words {
 public:
  Words(const std::string& name, const std::vector<std::string>& arguments) : words_{name} {
    words_.insert(words_.end(), arguments.begin(), arguments.end());
    for (std::string& word : words_) argv_.push_back(word.data());
    argv_.push_back(nullptr);
  }
  [[nodiscard]] char* const* argv() const { return argv_.data(); }

 private:
  std::vector<std::string> words_;
  std::vector<char*> argv_;
};

// `in_child` gets the pipe's writing end and does not return.
absl::StatusOr<std::string> RunChild(const std::function<void(int)>& in_child) {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) return CallFailed("pipe");
  std::string text;
  absl::Status read_status;
  absl::Status end_status;
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
    read_status = ReadAll(ends[0], held, text);
    if (!read_status.ok()) kill(child, SIGKILL);
    close(ends[0]);
    end_status = EndOf(child);
  }
  // Signals that were held are delivered by now: Ctrl-C reaches parent and child together, and the
  // child's end is then no error.
  if (PendingInterrupt() != 0) return absl::CancelledError("interrupted");
  if (!read_status.ok()) return read_status;
  if (!end_status.ok()) return end_status;
  return text;
}

}  // namespace

absl::StatusOr<std::string> RunForked(const std::function<std::string()>& work) {
  return RunChild([&work](int out) {
    // _exit: destructors and buffers belong to the parent.
    _exit(WriteAll(out, work()) ? EXIT_SUCCESS : kWorkFailed);
  });
}

absl::StatusOr<std::string> RunReexecuted(const std::vector<std::string>& arguments) {
  Words words("pagealloc-bench", arguments);
  return RunChild([&words](int out) {
    if (dup2(out, STDOUT_FILENO) < 0) return;
    execv("/proc/self/exe", words.argv());
  });
}

absl::StatusOr<std::string> RunProgram(const std::string& path,
                                       const std::vector<std::string>& arguments,
                                       std::string_view input) {
  Words words(path, arguments);
  // A file, so that the child can read while this process does nothing but wait.
  const int in = memfd_create("input", MFD_CLOEXEC);
  if (in < 0) return CallFailed("memfd_create");
  absl::StatusOr<std::string> text = CallFailed("write");
  if (WriteAll(in, input) && lseek(in, 0, SEEK_SET) == 0) {
    text = RunChild([&](int out) {
      if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0) return;
      execv(path.c_str(), words.argv());
    });
  }
  close(in);
  return text;
}

}  // namespace pagealloc::bench
