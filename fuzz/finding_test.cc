#include "fuzz/finding.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "pagealloc/contract.h"

namespace pagealloc::fuzz {
namespace {

using ::testing::HasSubstr;

std::string Base64Of(std::string_view text) {
  const std::vector<std::uint8_t> bytes(text.begin(), text.end());
  return Base64(bytes);
}

TEST(Base64, PadsToGroupsOfFour) {
  EXPECT_EQ(Base64Of(""), "");
  EXPECT_EQ(Base64Of("f"), "Zg==");
  EXPECT_EQ(Base64Of("fo"), "Zm8=");
  EXPECT_EQ(Base64Of("foo"), "Zm9v");
  EXPECT_EQ(Base64Of("foobar"), "Zm9vYmFy");
  EXPECT_EQ(Base64Of("\xff\xfe\xfd"), "//79");
}

TEST(Differ, SaysBothSides) {
  EXPECT_EQ(Differ("pages (first, free)", {1, 2}, {1, 3}),
            "pages (first, free): the allocator has 1, 2; the model 1, 3");
}

TEST(TraceRecorder, ASearchIsAComment) {
  TraceRecorder trace("tiny", PageCount{64}, PageOffset{128});
  EXPECT_EQ(trace.Last(), "(start)");
  trace.Record(bench::Op::Grow(trace.At(PageOffset{192}), PageCount{64}));
  bench::Op find = bench::Op::Find(PageCount{3});
  find.expect = bench::Expect::kResult;
  find.at = trace.At(PageOffset{192});
  trace.Record(find);
  find.expect = bench::Expect::kNone;
  trace.Record(find);
  EXPECT_EQ(
      trace.Text(),
      "pagetrace 1\nmeta source fuzz\nmeta layout tiny\nmeta chunk-pages 64\nmeta growth explicit\n"
      "g 64 64\n# find 3 = 64\n# find 3 = none\n");
}

TEST(TraceRecorder, EachRecordIsInTheFileAtOnce) {
  const std::string path =
      (std::filesystem::path(::testing::TempDir()) / "finding_test.pagetrace").string();
  ASSERT_EQ(setenv(kTraceVariable, path.c_str(), 1), 0);
  TraceRecorder trace("tiny", PageCount{512}, PageOffset{0});
  trace.Record(bench::Op::Grow(trace.At(PageOffset{0}), PageCount{512}));
  {
    std::ifstream file(path);
    EXPECT_EQ((std::string{std::istreambuf_iterator<char>(file), {}}), trace.Text());
  }
  const std::string report = Report("bits", {}, trace, {"what", 1});
  EXPECT_THAT(report, HasSubstr("trace: " + path + "\n"));
  EXPECT_THAT(report, HasSubstr("replay: pagealloc-bench replay " + path + "\n"));
  ASSERT_EQ(unsetenv(kTraceVariable), 0);
  std::filesystem::remove(path);
}

TEST(CrashReporterDeathTest, ABrokenContractIsReportedWithTheTrace) {
  const std::vector<std::uint8_t> input{1, 2, 3};
  TraceRecorder trace("tiny", PageCount{64}, PageOffset{0});
  trace.Record(bench::Op::Grow(trace.At(PageOffset{0}), PageCount{64}));
  EXPECT_DEATH(
      {
        const CrashReporter reporter("page_alloc", input, trace);
        PA_EXPECT(trace.size() == 2, trace.size());
      },
      "contract broken.*\n*"
      "page_alloc: finding on layout tiny at operation 1: g 0 64\n"
      "what: the process was stopped.*\n"
      "reproduce: echo AQID .*\n(.*\n)*"
      "pagetrace 1\n");
}

TEST(CrashReporterDeathTest, AFaultIsReportedToo) {
  TraceRecorder trace("tiny", PageCount{64}, PageOffset{0});
  trace.Record(bench::Op::Grow(trace.At(PageOffset{0}), PageCount{64}));
  for (const int signal : {SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
    EXPECT_DEATH(
        {
          const CrashReporter reporter("page_alloc", {}, trace);
          raise(signal);
        },
        "page_alloc: finding on layout tiny at operation 1: g 0 64\n")
        << signal;
  }
}

}  // namespace
}  // namespace pagealloc::fuzz
