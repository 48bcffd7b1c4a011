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

/// How it is called, beyond its arguments. Initialised one by one, so that designated initialisers
/// may leave some out.
struct CallOptions {
  std::string standard_input{};
  bool stdin_stays_open = false;
  bool stdout_closed_at_once = false;              ///< a pipe whose reader has gone
  std::optional<std::uint64_t> file_size_limit{};  ///< RLIMIT_FSIZE, in bytes
  std::optional<int> closed_stream{};              ///< 0, 1 or 2: not open at the start
  std::string stdout_path{};                       ///< instead of a pipe, such as /dev/full
  std::string interrupt_when_file{};               ///< send a signal once this file has rows
  int interrupt_signal = 0;
  bool signal_its_child = false;  ///< send it to a child of the program instead
};

/// Where the program is.
std::string PathOfProgram();

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

/// A trace with most kinds of records, and what must come of them.
inline constexpr const char* kSmallTrace =
    "pagetrace 1\n"
    "g 0 512\n"
    "a 1 3 = 0\n"
    "a 2 64 = 3\n"
    "f 1\n"
    "a 3 1 = 0\n"
    "c = 0 0x6\n";

/// `arguments` and the flags with which a run takes a moment only.
std::vector<std::string> Quick(std::vector<std::string> arguments);

using Rows = std::vector<std::map<std::string, std::string>>;

/// Rows of a results CSV as maps from column to cell.
Rows RowsOf(const std::string& csv);

/// The one value that a column has in all rows; the test fails if there are several, or none.
std::string Only(const Rows& rows, const std::string& column);

}  // namespace pagealloc::bench
