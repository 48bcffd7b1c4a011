// Every recorded golden trace on every layout that can hold it: every address that the Go runtime
// got must come out again. The reference model knows of a layout only its chunks, so it replays
// each trace once for each size of chunk.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "harness/run/cell.h"
#include "harness/run/execute.h"
#include "harness/run/source.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

std::vector<std::string> GoldenTraces() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(PAGEALLOC_CORPORA "/golden")) {
    if (entry.path().string().ends_with(".pagetrace.zst")) paths.push_back(entry.path().string());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class GoldenReplay : public ::testing::TestWithParam<std::string> {};

TEST_P(GoldenReplay, GivesEveryAddressThatTheRuntimeGot) {
  const absl::StatusOr<Source> source = LoadTrace(GetParam());
  ASSERT_TRUE(source.ok()) << source.status();
  int layouts = 0;
  for (const std::string_view layout : LayoutNames()) {
    if (Misfit(*source, layout)) continue;
    ++layouts;
    for (const std::string allocator : {"radix", "reference"}) {
      const bool new_chunk = layout == "linux-amd64" || layout == "wasm-1.26";
      if (allocator == "reference" && !new_chunk) continue;
      CellOptions options;
      options.allocator = allocator;
      options.layout = std::string(layout);
      options.huge_pages = HugePageMode::kInherit;
      const absl::StatusOr<CheckedResult> result =
          ExecuteChecked(options, source->program, source->judgement, true);
      ASSERT_TRUE(result.ok()) << result.status();
      ASSERT_FALSE(result->mismatch.has_value())
          << allocator << " on " << layout << ", operation " << result->mismatch->op
          << ": expected " << result->mismatch->expected << ", got " << result->mismatch->got;
    }
  }
  // The 64-bit layouts with room for gaps hold all of them.
  EXPECT_GE(layouts, 3);
}

INSTANTIATE_TEST_SUITE_P(Corpora, GoldenReplay, ::testing::ValuesIn(GoldenTraces()),
                         [](const auto& test) {
                           std::string name = std::filesystem::path(test.param).filename();
                           name = name.substr(0, name.find('.'));
                           return name;
                         });

TEST(GoldenCorpus, HoldsTheRecordedTraces) { EXPECT_GE(GoldenTraces().size(), 10U); }

}  // namespace
}  // namespace pagealloc::bench
