/// run_corpus.cc: a plain main for a fuzz target: runs files, with any compiler, without libFuzzer.
///
///   NAME_replay FILE|FOLDER...
///
/// A folder stands for the files in it that have no extension, sorted by name: an input has none,
/// its trace and explanation have. Prints how many inputs and operations ran, and how long that
/// took. Exit status 0: all ran; 2: something could not be read, or there was nothing to run. A
/// finding ends the process in between; the file that it came from is the last line.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

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

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FILE|FOLDER...\n", argv[0]);
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
    std::ifstream file(path, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    if (!file) {
      std::fprintf(stderr, "%s: cannot be read. Name an existing file or folder.\n", path.c_str());
      return kUsage;
    }
    const std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    g_input = path.c_str();
    LLVMFuzzerTestOneInput(input.data(), input.size());
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%zu inputs, %llu operations, %.2f s\n", inputs.size(),
              static_cast<unsigned long long>(pagealloc::fuzz::CheckedOperations()), took.count());
  return 0;
}
