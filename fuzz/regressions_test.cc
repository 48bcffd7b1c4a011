/// What is kept of findings is complete, and their traces are legal and true.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::fuzz {
namespace {

namespace fs = std::filesystem;

std::string ReadFile(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(Regressions, EachFindingHasItsTraceAndItsExplanation) {
  std::size_t findings = 0;
  for (const auto& target : fs::directory_iterator(PAGEALLOC_REGRESSIONS)) {
    if (!target.is_directory()) continue;
    for (const auto& file : fs::directory_iterator(target)) {
      if (file.path().has_extension()) continue;
      SCOPED_TRACE(file.path());
      ++findings;
      EXPECT_GT(fs::file_size(file), 0U);
      EXPECT_THAT(ReadFile(file.path().string() + ".md"), ::testing::MatchesRegex("(.+\n)+"));
      // The others have steps that no trace can say, or are traces themselves.
      if (target.path().filename() != "page_alloc") continue;
      const bench::ParsedTrace trace =
          bench::ParseTrace(file.path(), ReadFile(file.path().string() + ".pagetrace"));
      ASSERT_FALSE(trace.error) << trace.error->Message();
      const auto judged = bench::Judge(trace);
      ASSERT_TRUE(judged.ok()) << judged.error().Message();
      for (std::size_t i = 0; i < trace.program.ops.size(); ++i) {
        const bench::Op& op = trace.program.ops[i];
        EXPECT_FALSE(bench::DifferenceFromExpectation(op, judged.value().outcomes[i])) << op.line;
      }
    }
  }
  EXPECT_GT(findings, 0U);
}

}  // namespace
}  // namespace pagealloc::fuzz
