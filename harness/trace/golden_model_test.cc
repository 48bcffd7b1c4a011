/// Every recorded trace in corpora/, judged by the model: legal, and each answer that the Go
/// runtime recorded is the model's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "harness/trace/judge.h"
#include "harness/trace/trace_file.h"

namespace pagealloc::bench {
namespace {

struct RecordedTrace {
  std::filesystem::path path;
};
void PrintTo(const RecordedTrace& trace, std::ostream* out) { *out << trace.path.filename(); }

std::vector<RecordedTrace> TracesIn(const char* folder) {
  std::vector<RecordedTrace> traces;
  const std::filesystem::path corpora = PAGEALLOC_CORPORA;
  for (const auto& entry : std::filesystem::directory_iterator(corpora / folder)) {
    if (entry.path().string().ends_with(".pagetrace.zst")) traces.push_back({entry.path()});
  }
  std::sort(traces.begin(), traces.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return traces;
}

std::string TestName(const ::testing::TestParamInfo<RecordedTrace>& info) {
  const std::string name = info.param.path.filename();
  return name.substr(0, name.find('.'));
}

/// Reads and judges a trace; counts the expectations, all of which must be met.
std::size_t CountMetExpectations(const RecordedTrace& recorded) {
  const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(recorded.path);
  if (!trace.ok()) {
    ADD_FAILURE() << trace.status();
    return 0;
  }
  const Result<Judgement, TraceError> judged = Judge(*trace);
  if (!judged.ok()) {
    ADD_FAILURE() << judged.error().Message();
    return 0;
  }
  const Program& program = trace->program;
  EXPECT_FALSE(program.ops.empty());
  EXPECT_EQ(judged.value().outcomes.size(), program.ops.size());
  std::size_t expectations = 0;
  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    if (op.expect == Expect::kNothing) continue;
    ++expectations;
    if (const auto differs = DifferenceFromExpectation(op, judged.value().outcomes[i])) {
      ADD_FAILURE() << RenderProblem(program.PositionOf(op), "got " + differs->got,
                                     "Expected " + differs->expected + ".");
      break;  // whatever follows would differ too
    }
  }
  return expectations;
}

class GoldenTrace : public ::testing::TestWithParam<RecordedTrace> {};

TEST_P(GoldenTrace, HasTheModelsAnswers) { EXPECT_GT(CountMetExpectations(GetParam()), 400U); }

INSTANTIATE_TEST_SUITE_P(All, GoldenTrace, ::testing::ValuesIn(TracesIn("golden")), TestName);

class SpanTrace : public ::testing::TestWithParam<RecordedTrace> {};

TEST_P(SpanTrace, IsLegalAndExpectsNothing) { EXPECT_EQ(CountMetExpectations(GetParam()), 0U); }

INSTANTIATE_TEST_SUITE_P(All, SpanTrace, ::testing::ValuesIn(TracesIn("traces")), TestName);

TEST(Corpora, HaveAllRecordedTracesThatTheirReadmeNames) {
  EXPECT_EQ(TracesIn("golden").size(), 13U);
  EXPECT_EQ(TracesIn("traces").size(), 10U);
}

}  // namespace
}  // namespace pagealloc::bench
