/// What becomes of a finding, through the programs that a person would use: canary_replay has a
/// planted bug (canary_fuzz.cc). Long random inputs find it; each reproduces, ten times of ten with
/// the same report; and minimised it is a trace of at most ten records, of the same finding.

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "fuzz/random_program.h"
#include "harness/base/temporary_folder.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kInputs = 3;
constexpr std::size_t kMostRecords = 10;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

class CanaryFinding : public ::testing::Test {
 protected:
  CanaryFinding() { EXPECT_FALSE(folder_.error()) << folder_.path(); }

  [[nodiscard]] std::string In(const char* name) const { return folder_.File(name); }
  /// Runs canary_replay; what it says goes to the file "report".
  [[nodiscard]] bool Succeeds(const std::string& arguments) const {
    const std::string command = "PAGEALLOC_FUZZ_TRACE='" + In("trace") + "' " +
                                PAGEALLOC_CANARY_REPLAY + " " + arguments + " >'" + In("report") +
                                "' 2>&1";
    const int status = std::system(command.c_str());
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
  }
  /// Writes the input of a seed to the file "input"; whether the bug is found with it.
  [[nodiscard]] bool Finds(std::uint64_t seed) const {
    std::ofstream file(In("input"), std::ios::binary);
    for (const std::uint8_t byte : RandomInput(seed, 1500)) file.put(static_cast<char>(byte));
    file.close();
    return !Succeeds("'" + In("input") + "'") && Report().find("canary: finding") != Report().npos;
  }
  [[nodiscard]] std::string Report() const { return ReadFile(In("report")); }

  bench::TemporaryFolder folder_;
};

TEST_F(CanaryFinding, ReproducesTenOfTenAndIsMinimisedToTenRecords) {
  std::size_t found = 0;
  // The first one's operations that are needed are 56 records, until they are made plainer.
  std::uint64_t seed = 183;
  for (; found < kInputs && seed < 400; ++seed) {
    if (!Finds(seed)) continue;
    ++found;
    SCOPED_TRACE("seed " + std::to_string(seed));
    const std::string report = Report();
    const std::string trace = ReadFile(In("trace"));
    for (int i = 0; i < 10; ++i) {
      EXPECT_FALSE(Succeeds("'" + In("input") + "'"));
      EXPECT_EQ(Report(), report);
      EXPECT_EQ(ReadFile(In("trace")), trace);
    }
    EXPECT_TRUE(Succeeds("--minimize '" + In("input") + "' '" + In("small") + "'")) << Report();
    EXPECT_FALSE(Succeeds("'" + In("small") + "'"));
    EXPECT_NE(Report().find("INV-1: reach is not the longest run"), std::string::npos) << Report();
    const bench::ParsedTrace small = bench::ParseTrace("trace", ReadFile(In("trace")));
    EXPECT_FALSE(small.error);
    EXPECT_GE(small.program.ops.size(), 3U);
    EXPECT_LE(small.program.ops.size(), kMostRecords) << ReadFile(In("trace"));
  }
  EXPECT_EQ(found, kInputs) << seed << " is the last seed tried";
}

}  // namespace
}  // namespace pagealloc::fuzz
