/// Every file of corpora/bad: refused with the message beside it, to the letter. An empty .expected
/// says that the trace is accepted, however odd it looks. `meta layout NAME` names a layout to fit.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/trace_file.h"
#include "pagealloc/layout.h"

namespace pagealloc::bench {
namespace {

const std::filesystem::path kFolder = PAGEALLOC_BAD_CORPUS;

struct Case {
  std::string name;  // without extension
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }

std::vector<Case> AllCases() {
  std::vector<Case> cases;
  for (const auto& entry : std::filesystem::directory_iterator(kFolder)) {
    if (entry.path().extension() == ".expected") cases.push_back({entry.path().stem()});
  }
  std::sort(cases.begin(), cases.end(),
            [](const Case& a, const Case& b) { return a.name < b.name; });
  return cases;
}

std::string ReadText(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// Checks a legal trace against the layout of this name.
std::optional<TraceError> MisfitOn(std::string_view layout, const Program& program,
                                   const Judgement& judgement) {
  std::optional<TraceError> misfit;
  bool known = false;
  ForEachLayout([&]<class L>() {
    if (L::kName != layout) return;
    known = true;
    misfit =
        FitsLayout(program, judgement, layout, Geometry<L>::kHeapEnd - Geometry<L>::kHeapBasePage,
                   Geometry<L>::kChunkPages);
  });
  EXPECT_TRUE(known) << layout;
  return misfit;
}

/// What a user would read about this trace: a message with a line feed, or nothing.
std::string MessageFor(const std::string& file) {
  const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(kFolder / file);
  if (!trace.ok()) return trace.status().ToString();
  const Result<Judgement, TraceError> judged = Judge(*trace);
  std::optional<TraceError> error;
  if (!judged.ok()) {
    error = judged.error();
  } else {
    for (const auto& [key, value] : trace->program.meta) {
      if (key == "layout") error = MisfitOn(value, trace->program, judged.value());
    }
  }
  if (!error) return "";
  // The .expected files do not know where the corpus lies.
  EXPECT_EQ(error->where.file, kFolder / file);
  error->where.file = file;
  return error->Message() + '\n';
}

class BadTrace : public ::testing::TestWithParam<Case> {};

TEST_P(BadTrace, GivesItsMessage) {
  const std::string& name = GetParam().name;
  const std::string plain = name + ".pagetrace";
  const std::string file = std::filesystem::exists(kFolder / plain) ? plain : plain + ".zst";
  ASSERT_TRUE(std::filesystem::exists(kFolder / file)) << "no trace beside " << name << ".expected";
  EXPECT_EQ(MessageFor(file), ReadText(kFolder / (name + ".expected")));
}

std::string TestName(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(All, BadTrace, ::testing::ValuesIn(AllCases()), TestName);

TEST(BadCorpus, HasAFileForEachDefectAndAMessageForEachFile) {
  const std::vector<Case> cases = AllCases();
  EXPECT_GT(cases.size(), 120U);
  const auto files = std::distance(std::filesystem::directory_iterator(kFolder),
                                   std::filesystem::directory_iterator());
  EXPECT_EQ(static_cast<std::size_t>(files), 2 * cases.size());
}

}  // namespace
}  // namespace pagealloc::bench
