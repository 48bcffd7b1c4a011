#include "harness/trace/trace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "harness/base/temporary_folder.h"
#include "harness/files/write_file.h"
#include "harness/trace/random_program.h"
#include "harness/trace/trace_writer.h"

namespace pagealloc::bench {
namespace {

class TraceFile : public ::testing::Test {
 protected:
  [[nodiscard]] std::string Path(const std::string& name) const { return folder_.File(name); }

  static std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static void SetBytes(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

 private:
  TemporaryFolder folder_;
};

/// Some twenty records, so that every byte of the file can be tried.
std::string ShortText() {
  Program program = RandomProgram(3);
  program.ops.resize(20);
  return WriteTrace(program);
}

/// Longer than the buffers it goes through.
std::string LongText() {
  std::string text = "pagetrace 1\n";
  for (std::uint32_t i = 0; i < 200'000; ++i) {
    AppendRecord(Op::Allocate(i, PageCount{1 + i * 7919 % 97}), text);
  }
  return text;
}

TEST_F(TraceFile, ComesBackAsWrittenPlainAndCompressed) {
  const std::string text = LongText();
  for (const char* name : {"a.pagetrace", "a.pagetrace.zst"}) {
    ASSERT_TRUE(WriteTextFile(Path(name), text).ok());
    const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(Path(name));
    ASSERT_TRUE(trace.ok()) << trace.status();
    ASSERT_FALSE(trace->error.has_value()) << trace->error->Message();
    EXPECT_EQ(trace->program.name, Path(name));
    EXPECT_EQ(trace->program.text, text) << name;
  }
  EXPECT_EQ(Bytes(Path("a.pagetrace")), text);
  EXPECT_LT(Bytes(Path("a.pagetrace.zst")).size(), text.size() / 4);
}

TEST_F(TraceFile, SeveralFramesAreOneText) {
  ASSERT_TRUE(WriteTextFile(Path("a.zst"), "pagetrace 1\na x").ok());
  ASSERT_TRUE(WriteTextFile(Path("b.zst"), " 1\n").ok());
  SetBytes(Path("ab.zst"), Bytes(Path("a.zst")) + Bytes(Path("b.zst")));
  const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(Path("ab.zst"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_FALSE(trace->error.has_value());
  EXPECT_EQ(trace->program.text, "pagetrace 1\na x 1\n");
}

// All input is taken long before all output is there: a frame of 10 bytes that stands for 128 KiB.
TEST_F(TraceFile, OutputThatComesAfterTheLastInputIsNotLost) {
  using std::string_literals::operator""s;
  const std::string magic = "\x28\xb5\x2f\xfd";
  const std::string frame_header = "\x00\x38"s;           // window of 128 KiB, no checksum
  const std::string last_block = "\x03\x00\x10"s + "\n";  // 128 KiB of one byte
  ASSERT_TRUE(WriteTextFile(Path("a.zst"), "pagetrace 1\n").ok());
  SetBytes(Path("b.zst"), Bytes(Path("a.zst")) + magic + frame_header + last_block);
  const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(Path("b.zst"));
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_FALSE(trace->error.has_value()) << trace->error->Message();
  EXPECT_EQ(trace->program.text, "pagetrace 1\n" + std::string(128 << 10, '\n'));
}

TEST_F(TraceFile, ACompressedFileCutAnywhereIsRefused) {
  ASSERT_TRUE(WriteTextFile(Path("whole.zst"), ShortText()).ok());
  const std::string whole = Bytes(Path("whole.zst"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SetBytes(Path("cut.zst"), whole.substr(0, size));
    const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(Path("cut.zst"));
    ASSERT_TRUE(trace.ok()) << trace.status();
    ASSERT_TRUE(trace->error.has_value()) << size;
    EXPECT_THAT(trace->error->Message(),
                ::testing::StartsWith(Path("cut.zst") + ":1: : the file does not decompress: "));
    EXPECT_TRUE(trace->program.ops.empty());
  }
}

// zstd ignores one bit of a frame's header; every other one counts.
TEST_F(TraceFile, ABitThatFlippedIsFoundOrChangesNothing) {
  const std::string text = ShortText();
  ASSERT_TRUE(WriteTextFile(Path("whole.zst"), text).ok());
  const std::string whole = Bytes(Path("whole.zst"));
  for (std::size_t at = 0; at < whole.size(); ++at) {
    std::string bytes = whole;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    SetBytes(Path("damaged.zst"), bytes);
    const absl::StatusOr<ParsedTrace> trace = ReadTraceFile(Path("damaged.zst"));
    ASSERT_TRUE(trace.ok()) << trace.status();
    EXPECT_TRUE(trace->error.has_value() || trace->program.text == text) << "byte " << at;
  }
}

TEST_F(TraceFile, WhatCannotBeReadIsAStatusNotATraceError) {
  EXPECT_EQ(ReadTraceFile(Path("missing.pagetrace")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(ReadTraceFile(Path("missing.pagetrace")).status().message()),
              ::testing::HasSubstr("cannot open " + Path("missing.pagetrace")));
  EXPECT_THAT(std::string(ReadTraceFile(Path("")).status().message()),
              ::testing::HasSubstr("cannot read " + Path("")));
}

TEST_F(TraceFile, WhatCannotBeWrittenIsAStatus) {
  EXPECT_THAT(std::string(WriteTextFile(Path("no/folder"), "x").message()),
              ::testing::HasSubstr("cannot write " + Path("no/folder")));
  if (std::filesystem::exists("/dev/full")) {
    EXPECT_THAT(std::string(WriteTextFile("/dev/full", "pagetrace 1\n").message()),
                ::testing::HasSubstr("cannot write /dev/full"));
  }
}

TEST_F(TraceFile, ADashIsStandardInput) {
  SetBytes(Path("input"), "pagetrace 1\na x 1\nf y\nend");
  ASSERT_NE(std::freopen(Path("input").c_str(), "rb", stdin), nullptr);
  const absl::StatusOr<ParsedTrace> trace = ReadTraceFile("-");
  ASSERT_TRUE(trace.ok()) << trace.status();
  EXPECT_EQ(trace->program.name, "-");
  EXPECT_EQ(trace->program.ops.size(), 2U);
  ASSERT_TRUE(trace->error.has_value());
  EXPECT_EQ(trace->error->where, (SourcePosition{"-", 4, "end"}));
}

}  // namespace
}  // namespace pagealloc::bench
