#include "harness/program_under_test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "harness/report/csv.h"

namespace pagealloc::bench {
namespace {

// In the child: becomes the program.
[[noreturn]] void Become(const std::string& folder, const std::vector<std::string>& arguments,
                         const CallOptions& options, int in, int out, int err) {
  if (!options.stdout_path.empty()) out = open(options.stdout_path.c_str(), O_WRONLY | O_CLOEXEC);
  if (out < 0 || dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
      dup2(err, STDERR_FILENO) < 0 || chdir(folder.c_str()) != 0) {
    _exit(126);
  }
  if (options.closed_stream) close(*options.closed_stream);
  if (options.file_size_limit) {
    const rlimit limit{*options.file_size_limit, *options.file_size_limit};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  std::vector<std::string> words{PAGEALLOC_BENCH};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execv(argv[0], argv.data());
  _exit(127);
}

bool HasRows(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  return std::getline(file, line) && std::getline(file, line);
}

// Sends a signal to a process, or to one of its children. False: it has none at the moment.
bool Signal(pid_t process, bool to_child, int signal_number) {
  if (to_child) {
    const std::string self = std::to_string(process);
    std::ifstream children("/proc/" + self + "/task/" + self + "/children");
    if (!(children >> process)) return false;
  }
  return kill(process, signal_number) == 0;
}

}  // namespace

std::string PathOfProgram() { return PAGEALLOC_BENCH; }

Ended Call(const std::string& folder, const std::vector<std::string>& arguments,
           const CallOptions& options) {
  std::array<int, 2> in{};
  std::array<int, 2> out{};
  std::array<int, 2> err{};
  Ended ended;
  if (pipe2(in.data(), O_CLOEXEC) != 0 || pipe2(out.data(), O_CLOEXEC) != 0 ||
      pipe2(err.data(), O_CLOEXEC) != 0) {
    ADD_FAILURE() << "no pipes";
    return ended;
  }
  const pid_t child = fork();
  if (child == 0) Become(folder, arguments, options, in[0], out[1], err[1]);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  // Small enough for a pipe's buffer; the tests check that they are.
  EXPECT_LE(options.standard_input.size(), 60'000U);
  std::signal(SIGPIPE, SIG_IGN);
  if (write(in[1], options.standard_input.data(), options.standard_input.size()) < 0) {
    ended.err = "(it did not read its standard input)";
  }
  if (!options.stdin_stays_open) close(in[1]);
  if (options.stdout_closed_at_once) {
    close(out[0]);
    out[0] = -1;
  }
  bool interrupted = false;
  std::array<pollfd, 2> waiting{{{out[0], POLLIN, 0}, {err[0], POLLIN, 0}}};
  while (waiting[0].fd >= 0 || waiting[1].fd >= 0) {
    poll(waiting.data(), waiting.size(), 20);
    for (std::size_t i = 0; i < waiting.size(); ++i) {
      if (waiting[i].fd < 0 || waiting[i].revents == 0) continue;
      std::array<char, 65'536> buffer{};
      const ssize_t got = read(waiting[i].fd, buffer.data(), buffer.size());
      if (got > 0) {
        (i == 0 ? ended.out : ended.err).append(buffer.data(), static_cast<std::size_t>(got));
      } else {
        close(waiting[i].fd);
        waiting[i].fd = -1;
      }
    }
    if (options.interrupt_signal != 0 && !interrupted && HasRows(options.interrupt_when_file)) {
      interrupted = Signal(child, options.signal_its_child, options.interrupt_signal);
    }
  }
  if (options.stdin_stays_open) close(in[1]);
  int status = 0;
  waitpid(child, &status, 0);
  ended.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
  return ended;
}

void ProgramTest::SetUp() {
  std::string pattern = ::testing::TempDir() + "pagealloc-bench-XXXXXX";
  ASSERT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

void ProgramTest::TearDown() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

bool ProgramTest::Exists(const std::string& name) const {
  return std::filesystem::exists(Path(name));
}

void ProgramTest::WriteFile(const std::string& name, const std::string& text) const {
  std::ofstream(Path(name), std::ios::binary) << text;
}

std::string ProgramTest::ReadFile(const std::string& name) const {
  std::ostringstream text;
  text << std::ifstream(Path(name), std::ios::binary).rdbuf();
  return text.str();
}

std::vector<std::string> ProgramTest::Files() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder_)) {
    names.push_back(entry.path().filename());
  }
  std::sort(names.begin(), names.end());
  return names;
}

Rows RowsOf(const std::string& csv) {
  std::vector<std::map<std::string, std::string>> rows;
  CsvReader reader(csv);
  const auto header = reader.Next();
  if (!header) return rows;
  while (const auto cells = reader.Next()) {
    std::map<std::string, std::string> row;
    for (std::size_t i = 0; i < header->size() && i < cells->size(); ++i) {
      row[(*header)[i]] = (*cells)[i];
    }
    rows.push_back(std::move(row));
  }
  EXPECT_FALSE(reader.error().has_value()) << csv;
  return rows;
}

std::vector<std::string> Quick(std::vector<std::string> arguments) {
  for (const char* word : {"--reps", "2", "--warmup", "0", "--cpu", "none"}) {
    arguments.emplace_back(word);
  }
  return arguments;
}

std::string Only(const Rows& rows, const std::string& column) {
  std::set<std::string> values;
  for (const auto& row : rows) values.insert(row.at(column));
  EXPECT_EQ(values.size(), 1U) << column;
  return values.empty() ? "" : *values.begin();
}

}  // namespace pagealloc::bench
