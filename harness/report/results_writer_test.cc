#include "harness/report/results_writer.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>
#include <zstd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "harness/base/temporary_folder.h"
#include "harness/report/results_csv.h"

namespace pagealloc::bench {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

RunReport SomeReport() {
  RunReport report;
  report.run.run_id = "r1";
  report.environment.cpu_model = "Some CPU";
  return report;
}

ResultRow RowOf(std::uint64_t rep) {
  ResultRow row = MakeRow({.workload = "hot, but, commas"}, "all", "batch_ns", 1.5);
  row.rep = rep;
  return row;
}

std::string TextOf(std::uint64_t rows) {
  std::string text = ResultsHeader();
  for (std::uint64_t rep = 0; rep < rows; ++rep) text += ResultsLine(SomeReport().run, RowOf(rep));
  return text;
}

std::string ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Decompresses all frames of a file, as zstdcat would.
std::string ReadCompressed(const std::string& path) {
  const std::string bytes = ReadFile(path);
  ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
  ZSTD_DStream* const stream = ZSTD_createDStream();
  std::string text;
  std::size_t left = 0;
  while (in.pos < in.size) {
    std::string chunk(1 << 16, '\0');
    ZSTD_outBuffer out{chunk.data(), chunk.size(), 0};
    left = ZSTD_decompressStream(stream, &out, &in);
    if (ZSTD_isError(left) != 0) {
      ADD_FAILURE() << ZSTD_getErrorName(left);
      break;
    }
    text.append(chunk, 0, out.pos);
  }
  EXPECT_EQ(left, 0U) << "the last frame is not complete";
  ZSTD_freeDStream(stream);
  return text;
}

class InFolder : public testing::Test {
 protected:
  [[nodiscard]] std::string At(const std::string& name) const { return folder_ + "/" + name; }
  void Put(const std::string& name, const std::string& text) const {
    std::ofstream(At(name)) << text;
  }
  [[nodiscard]] std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.push_back(entry.path().filename());
    }
    return names;
  }
  [[nodiscard]] std::unique_ptr<ResultsWriter> MustCreate(const std::string& name,
                                                          bool force = false) const {
    auto writer = ResultsWriter::Create(At(name), SomeReport(), force);
    if (writer.ok()) return *std::move(writer);
    ADD_FAILURE() << writer.status();
    return nullptr;
  }
  [[nodiscard]] absl::Status FailToCreate(const std::string& path, bool force = false) const {
    return ResultsWriter::Create(path, SomeReport(), force).status();
  }

  TemporaryFolder temporary_;
  const std::string& folder_ = temporary_.path();
};

std::string Message(const absl::Status& status) { return std::string(status.message()); }

TEST_F(InFolder, FinishedResultsAndEnvironmentHaveTheirNamesAndNothingElseIsLeft) {
  auto writer = MustCreate("a.csv");
  EXPECT_TRUE(writer->Write({{RowOf(0)}}).ok());
  EXPECT_TRUE(writer->Write({{RowOf(1)}}).ok());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv", "a.env.json"));
  EXPECT_EQ(ReadFile(At("a.csv")), TextOf(2));
  EXPECT_EQ(ReadFile(At("a.env.json")), ToJson(SomeReport().environment));
  EXPECT_EQ(writer->note(), "");
}

TEST_F(InFolder, TheEnvironmentMayBeReplacedByAnotherBeforeTheEnd) {
  auto writer = MustCreate("a.csv");
  Environment environment = SomeReport().environment;
  environment.config = {{"batch", "64"}};
  environment.arguments.clear();
  EXPECT_TRUE(writer->ReplaceEnvironment(environment).ok());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(ReadFile(At("a.env.json")), ToJson(environment));
}

TEST_F(InFolder, EveryWriteIsReadableInThePartialFileAtOnce) {
  auto writer = MustCreate("a.csv");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.partial", "a.env.json.partial"));
  for (std::uint64_t rep = 0; rep < 3; ++rep) {
    EXPECT_EQ(ReadFile(writer->partial_path()), TextOf(rep));
    EXPECT_TRUE(writer->Write({{RowOf(rep)}}).ok());
  }
}

TEST_F(InFolder, AnInterruptedRunLeavesItsRowsInThePartialFile) {
  MustCreate("a.csv")->Write({{RowOf(0)}}).IgnoreError();
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.partial", "a.env.json.partial"));
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(1));
  EXPECT_TRUE(std::holds_alternative<ResultsFile>(ParseResults(ReadFile(At("a.csv.partial")))));
}

TEST_F(InFolder, CompressedResultsAreReadableAfterEveryWrite) {
  auto writer = MustCreate("a.csv.zst");
  EXPECT_EQ(ReadCompressed(writer->partial_path()), TextOf(0));
  EXPECT_TRUE(writer->Write({{RowOf(0)}}).ok());
  EXPECT_EQ(ReadCompressed(writer->partial_path()), TextOf(1));
  EXPECT_TRUE(writer->Write({{RowOf(1)}}).ok());
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.zst", "a.env.json"));
  EXPECT_EQ(ReadCompressed(At("a.csv.zst")), TextOf(2));
}

TEST_F(InFolder, AnExistingFileIsRefusedAndKept) {
  Put("a.csv", "precious");
  const absl::Status status = FailToCreate(At("a.csv"));
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(Message(status), "cannot write results: " + At("a.csv") +
                                 ": the file exists. Choose another name, or replace it with "
                                 "--force.");
  EXPECT_EQ(ReadFile(At("a.csv")), "precious");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv"));
}

TEST_F(InFolder, AnExistingEnvironmentFileIsRefusedAndKept) {
  Put("a.env.json", "precious");
  const absl::Status status = FailToCreate(At("a.csv"));
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(Message(status), HasSubstr("a.env.json: the file exists. It belongs to the results " +
                                         At("a.csv") + " or " + At("a.csv.zst") + "."));
  EXPECT_THAT(Names(), UnorderedElementsAre("a.env.json"));
}

TEST_F(InFolder, ForceReplacesAFileOnlyAtTheEnd) {
  Put("a.csv", "old");
  Put("a.env.json", "old");
  auto writer = MustCreate("a.csv", true);
  EXPECT_TRUE(writer->Write({{RowOf(0)}}).ok());
  EXPECT_EQ(ReadFile(At("a.csv")), "old");
  EXPECT_EQ(ReadFile(At("a.env.json")), "old");
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_EQ(ReadFile(At("a.csv")), TextOf(1));
  EXPECT_EQ(ReadFile(At("a.env.json")), ToJson(SomeReport().environment));
}

TEST_F(InFolder, AFileThatAppearsDuringTheRunIsKeptAndSoAreTheRows) {
  auto writer = MustCreate("a.csv");
  EXPECT_TRUE(writer->Write({{RowOf(0)}}).ok());
  Put("a.csv", "someone else's");
  const absl::Status status = writer->Finish();
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(Message(status), HasSubstr("are in " + At("a.csv.partial")));
  EXPECT_EQ(ReadFile(At("a.csv")), "someone else's");
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(1));
}

TEST_F(InFolder, WhatAnInterruptedRunLeftIsKeptUnlessForced) {
  Put("a.csv.partial", "precious");
  const absl::Status status = FailToCreate(At("a.csv"));
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_EQ(Message(status), "cannot write results: " + At("a.csv.partial") +
                                 ": the file exists. It has the 8 bytes that an interrupted run "
                                 "left. Rename it to keep them, or replace it with --force.");
  EXPECT_EQ(ReadFile(At("a.csv.partial")), "precious");
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.partial"));
}

TEST_F(InFolder, AnOlderPartialFileIsReplacedByForceAndTheNoteSaysSo) {
  Put("a.csv.partial", std::string(100'000, 'x'));
  auto writer = MustCreate("a.csv", true);
  EXPECT_EQ(writer->note(),
            "replaced " + At("a.csv.partial") + ", which an interrupted run had left");
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(0));
}

TEST_F(InFolder, TwoRunsDoNotShareAFile) {
  auto first = MustCreate("a.csv");
  EXPECT_TRUE(first->Write({{RowOf(0)}}).ok());
  const absl::Status status = FailToCreate(At("a.csv"), true);
  EXPECT_THAT(Message(status), HasSubstr("a.csv.partial: another run is writing it"));
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(1));
  EXPECT_TRUE(first->Finish().ok());
}

// They would share NAME.env.json.
TEST_F(InFolder, PlainAndCompressedResultsOfOneNameDoNotRunTogether) {
  auto first = MustCreate("a.csv");
  EXPECT_TRUE(first->Write({{RowOf(0)}}).ok());
  for (const bool force : {false, true}) {
    EXPECT_THAT(Message(FailToCreate(At("a.csv.zst"), force)),
                HasSubstr("a.env.json.partial: another run is writing it"));
  }
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.partial", "a.env.json.partial"));
  EXPECT_TRUE(first->Finish().ok());
  EXPECT_EQ(ReadFile(At("a.env.json")), ToJson(SomeReport().environment));
}

TEST_F(InFolder, AFolderOrAnEndingAloneIsBadUsageThatNamesAFile) {
  EXPECT_TRUE(absl::IsInvalidArgument(FailToCreate(folder_)));
  EXPECT_THAT(Message(FailToCreate(folder_)), HasSubstr("Name a file in it: -o " + folder_ + "/"));
  for (const char* name : {".csv", ".csv.zst"}) {
    const absl::Status status = FailToCreate(At(name));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(Message(status), HasSubstr("Put one before it: -o " + At("results")));
  }
  EXPECT_TRUE(Names().empty());
}

TEST_F(InFolder, ALinkIsFollowedInsteadOfReplaced) {
  fs::create_directory(At("store"));
  Put("store/real.data", "old");
  fs::create_symlink("store/real.data", At("a.csv"));
  auto writer = MustCreate("a.csv", true);
  EXPECT_TRUE(writer->Finish().ok());
  EXPECT_TRUE(fs::is_symlink(At("a.csv")));
  EXPECT_EQ(ReadFile(At("store/real.data")), TextOf(0));
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv", "a.env.json", "store"));
}

TEST_F(InFolder, OtherEndingsAreBadUsage) {
  for (const char* name : {"a", "a.txt", "a.csv.gz", "csv"}) {
    const absl::Status status = FailToCreate(At(name));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(Message(status), HasSubstr("neither in .csv nor in .csv.zst"));
  }
  EXPECT_TRUE(Names().empty());
}

TEST_F(InFolder, AMissingFolderIsToldWithTheCommandThatMakesIt) {
  const absl::Status status = FailToCreate(At("no/such/a.csv"));
  EXPECT_EQ(Message(status), "cannot write results: " + At("no/such/a.csv.partial") +
                                 ": No such file or directory. Create the folder: mkdir -p " +
                                 At("no/such"));
  EXPECT_FALSE(absl::IsAlreadyExists(status) || absl::IsInvalidArgument(status));
}

TEST_F(InFolder, AFolderOrADeviceOfThatNameIsRefusedEvenWithForce) {
  fs::create_directory(At("a.csv"));
  EXPECT_THAT(Message(FailToCreate(At("a.csv"), true)), HasSubstr("a.csv is a folder"));
  fs::create_symlink("/dev/null", At("b.csv"));
  EXPECT_THAT(Message(FailToCreate(At("b.csv"), true)),
              HasSubstr("/dev/null: it is no plain file"));
  ASSERT_EQ(mkfifo(At("c.csv").c_str(), 0600), 0);
  EXPECT_THAT(Message(FailToCreate(At("c.csv"), true)), HasSubstr("it is no plain file"));
}

// Nobody may create files in /sys, root neither; where it is mounted read-only the advice is the
// same.
TEST_F(InFolder, AFolderWithoutPermissionIsToldAsThat) {
  EXPECT_THAT(Message(FailToCreate("/sys/a.csv")),
              AllOf(HasSubstr("cannot write results: /sys/a.csv.partial: "),
                    HasSubstr("Choose a folder that you may write to with -o.")));
}

// The .partial leads to a device that is always full, and so does its first byte.
TEST_F(InFolder, AFullDiskIsAnErrorThatSaysWhatToDo) {
  fs::create_symlink("/dev/full", At("a.csv.partial"));
  const absl::Status status = FailToCreate(At("a.csv"));
  EXPECT_EQ(Message(status), "cannot write results: " + At("a.csv.partial") +
                                 ": No space left on device. Free some space there, or choose "
                                 "another place with -o.");
  EXPECT_TRUE(Names().empty()) << "nothing was written, so nothing may be left";
}

class WithFileSizeLimit : public InFolder {
 protected:
  WithFileSizeLimit() {
    previous_ = std::signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old_limit_);
  }
  ~WithFileSizeLimit() override {
    setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, previous_);
  }
  void Limit(std::size_t bytes) const {
    rlimit limit = old_limit_;
    limit.rlim_cur = bytes;
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }

 private:
  void (*previous_)(int) = nullptr;
  rlimit old_limit_{};
};

TEST_F(WithFileSizeLimit, AfterAFailedWriteTheFileEndsWithTheLastWholeRow) {
  auto writer = MustCreate("a.csv");
  EXPECT_TRUE(writer->Write({{RowOf(0)}}).ok());
  Limit(TextOf(1).size() + 10);  // ten bytes of the next row still fit
  const absl::Status status = writer->Write({{RowOf(1)}});
  EXPECT_THAT(Message(status), AllOf(HasSubstr(At("a.csv.partial")), HasSubstr("File too large"),
                                     HasSubstr("ulimit -f")));
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(1));
  // The error stays: rows are never missing in the middle, and half a run gets no final name.
  Limit(1 << 20);
  EXPECT_EQ(writer->Write({{RowOf(2)}}), status);
  EXPECT_EQ(writer->Finish(), status);
  EXPECT_THAT(Names(), UnorderedElementsAre("a.csv.partial", "a.env.json.partial"));
  EXPECT_EQ(ReadFile(At("a.csv.partial")), TextOf(1));
}

}  // namespace
}  // namespace pagealloc::bench
