/// run_corpus.cc: a plain main for a fuzz target: runs files, with any compiler, without libFuzzer.
///
///   NAME_replay FILE|FOLDER...
///   NAME_replay --minimize FILE OUT
///
/// The second makes an input that fails smaller (minimize_input.h): OUT is what is left of it. Each
/// try runs in a process of its own, which may end as it likes.
///
/// A folder stands for the files in it that have no extension, sorted by name: an input has none,
/// its trace and explanation have. Prints how many inputs and operations ran, and how long that
/// took. Exit status 0: all ran, or OUT is written; 2: something could not be read, or there was
/// nothing to run. A finding ends the process in between; the file that it came from is the last
/// line.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include "fuzz/minimize_input.h"
#include "fuzz/on_crash.h"
#include "fuzz/target.h"

namespace {

namespace fs = std::filesystem;

constexpr int kUsage = 2;

const char* g_input = "";  // NOLINT(*-identifier-naming): the file that runs now

void SayInput() { std::fprintf(stderr, "input: %s\n", g_input); }

/// The files that an argument stands for; false if there are none.
bool AddInputs(const fs::path& path, std::vector<fs::path>& inputs) {
  std::error_code error;
  if (!fs::is_directory(path, error)) {
    inputs.push_back(path);
    return true;
  }
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : fs::directory_iterator(path, error)) {
    if (entry.is_regular_file() && !entry.path().has_extension()) {
      found.push_back(entry.path());
    }
  }
  std::sort(found.begin(), found.end());
  inputs.insert(inputs.end(), found.begin(), found.end());
  return !found.empty();
}

std::optional<std::vector<std::uint8_t>> ReadInput(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file) return std::vector<std::uint8_t>(bytes.begin(), bytes.end());
  std::fprintf(stderr, "%s: cannot be read. Name an existing file or folder.\n", path.c_str());
  return std::nullopt;
}

/// Whether an input ends the process that runs it, in ten seconds at most; what it says goes
/// nowhere.
bool Fails(const std::vector<std::uint8_t>& input) {
  const pid_t child = fork();
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    dup2(nowhere, STDERR_FILENO);
    unsetenv("PAGEALLOC_FUZZ_TRACE");
    alarm(10);
    LLVMFuzzerTestOneInput(input.data(), input.size());
    _exit(0);
  }
  int status = 0;
  return child > 0 && waitpid(child, &status, 0) == child && status != 0;
}

int Minimize(const fs::path& from, const fs::path& to) {
  const auto input = ReadInput(from);
  if (!input) return kUsage;
  if (!Fails(*input)) {
    std::fprintf(stderr, "%s: does not fail. Name an input that does.\n", from.c_str());
    return kUsage;
  }
  const std::vector<std::uint8_t> small = pagealloc::fuzz::Minimize(*input, Fails);
  std::ofstream file(to, std::ios::binary);
  for (const std::uint8_t byte : small) file.put(static_cast<char>(byte));
  if (!file.flush()) {
    std::fprintf(stderr, "%s: cannot be written. Name a file in an existing folder.\n", to.c_str());
    return kUsage;
  }
  std::printf("%s: %zu of %zu bytes\n", to.c_str(), small.size(), input->size());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 4 && std::string(argv[1]) == "--minimize") return Minimize(argv[2], argv[3]);
  if (argc < 2 || argv[1][0] == '-') {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...\n       %s --minimize FILE OUT\n", argv[0],
                 argv[0]);
    return kUsage;
  }
  std::vector<fs::path> inputs;
  for (int i = 1; i < argc; ++i) {
    if (!AddInputs(argv[i], inputs)) {
      std::fprintf(stderr, "%s: no input in this folder. Name a folder with a corpus.\n", argv[i]);
      return kUsage;
    }
  }
  pagealloc::fuzz::OnCrash(SayInput);
  pagealloc::fuzz::OnSanitizerDeath();
  const auto start = std::chrono::steady_clock::now();
  for (const fs::path& path : inputs) {
    const auto input = ReadInput(path);
    if (!input) return kUsage;
    g_input = path.c_str();
    LLVMFuzzerTestOneInput(input->data(), input->size());
  }
  g_input = "(after the last one)";  // a leak is found when the names are gone
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%zu inputs, %llu operations, %.2f s\n", inputs.size(),
              static_cast<unsigned long long>(pagealloc::fuzz::CheckedOperations()), took.count());
  return 0;
}
