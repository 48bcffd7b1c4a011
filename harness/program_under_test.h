/// program_under_test.h: starts the real pagealloc-bench and looks at what it did; for tests.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace pagealloc::bench {

/// What one call of the program did.
struct Ended {
  int exit_status = -1;  ///< 1000 + the signal's number when a signal ended it
  std::string out;
  std::string err;
};

/// How it is called, beyond its arguments.
struct CallOptions {
  std::string standard_input;
  bool stdin_stays_open = false;
  bool stdout_closed_at_once = false;            ///< a pipe whose reader has gone
  std::optional<std::uint64_t> file_size_limit;  ///< RLIMIT_FSIZE, in bytes
  std::string stdout_path;                       ///< instead of a pipe, such as /dev/full
  std::string interrupt_when_file;               ///< send a signal once this file has rows
  int interrupt_signal = 0;
  bool signal_its_child = false;  ///< send it to a child of the program instead
};

/// Runs the program (PAGEALLOC_BENCH) in `folder` and waits for it.
Ended Call(const std::string& folder, const std::vector<std::string>& arguments,
           const CallOptions& options = {});

/// A folder of its own for each test, removed afterwards.
class ProgramTest : public ::testing::Test {
 protected:
  void SetUp() override;
  void TearDown() override;

  Ended Bench(const std::vector<std::string>& arguments, const CallOptions& options = {}) const {
    return Call(folder_, arguments, options);
  }
  [[nodiscard]] std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  [[nodiscard]] bool Exists(const std::string& name) const;
  void WriteFile(const std::string& name, const std::string& text) const;
  [[nodiscard]] std::string ReadFile(const std::string& name) const;
  /// Names of what is in the folder, sorted.
  [[nodiscard]] std::vector<std::string> Files() const;

  std::string folder_;
};

/// Rows of a results CSV as maps from column to cell.
std::vector<std::map<std::string, std::string>> RowsOf(const std::string& csv);

}  // namespace pagealloc::bench
