// `trace record` through the real program, on programs of all kinds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "harness/program_under_test.h"

namespace pagealloc::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

using Words = std::vector<std::string>;

class CliRecord : public ProgramTest {
 protected:
  /// Records `words` to out.pagetrace.
  Ended Record(const Words& words, const CallOptions& options = {}) const {
    Words all{"trace", "record", "-o", "out.pagetrace", "--"};
    all.insert(all.end(), words.begin(), words.end());
    return Bench(all, options);
  }
  /// Compiles a C++ program; false: the test has failed.
  [[nodiscard]] bool Compile(const std::string& source, const std::string& flags = "") const {
    WriteFile("program.cc", source);
    const std::string command =
        "g++ -pthread " + flags + " -o " + Path("program") + " " + Path("program.cc");
    const bool made = std::system(command.c_str()) == 0;
    EXPECT_TRUE(made) << command;
    return made;
  }
  /// The operations of out.pagetrace, one a line.
  [[nodiscard]] std::string Operations() const {
    std::string text = ReadFile("out.pagetrace");
    while (text.starts_with("pagetrace ") || text.starts_with("meta ")) {
      text.erase(0, text.find('\n') + 1);
    }
    return text;
  }
};

TEST_F(CliRecord, EveryWayToAskForMemoryIsInTheTrace) {
  ASSERT_TRUE(Compile(R"(
    #include <cstdlib>
    #include <malloc.h>
    #include <sys/mman.h>
    #include <thread>
    #include <unistd.h>
    void* keep[9];
    int main() {
      keep[0] = malloc(8192);                     // a 0 1
      keep[1] = malloc(8191);                     // too small
      keep[1] = realloc(keep[1], 40000);          // a 1 5
      keep[1] = realloc(keep[1], 9000000);        // f 1, a 2 1099
      keep[2] = calloc(3, 8192);                  // a 3 3
      posix_memalign(&keep[3], 4096, 16384);      // a 4 2
      keep[4] = aligned_alloc(65536, 65536);      // a 5 8
      keep[5] = new char[70000];                  // a 6 9
      free(keep[2]);                              // f 3
      void* at = mmap(0, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // a 7 128
      munmap(static_cast<char*>(at) + (1 << 19), 1 << 19);       // f 7, a 8 64
      at = mremap(at, 1 << 19, 1 << 21, MREMAP_MAYMOVE);         // f 8, a 9 256
      mmap(0, 1 << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);  // no memory
      std::thread([] { free(keep[0]); keep[6] = malloc(12345); }).join();  // f 0, a 10 2 @1
      if (!realloc(keep[1], ~size_t(0) / 4)) free(keep[1]);      // f 2, a 11 1099, f 11
      _exit(3);                                   // without any destructor
    })"));
  const Ended ended = Record({"./program"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, AllOf(HasSubstr("./program ended with exit status 3"),
                               HasSubstr("13 allocations"), HasSubstr("2 threads")));
  // libstdc++ asks for an emergency pool of its own before main.
  std::string text = Operations();
  EXPECT_THAT(text, StartsWith("a 0 9 @0\n"));
  EXPECT_EQ(text.erase(0, text.find('\n') + 1),
            "a 1 1 @0\na 2 5 @0\nf 2\na 3 1099 @0\na 4 3 @0\na 5 2 @0\na 6 8 @0\na 7 9 @0\nf 4\n"
            "a 8 128 @0\nf 8\na 9 64 @0\nf 9\na 10 256 @0\nf 1\na 11 2 @1\n"
            "f 3\na 12 1099 @0\nf 12\n");
  EXPECT_THAT(ReadFile("out.pagetrace"), HasSubstr("meta source trace record -- ./program\n"));
  EXPECT_THAT(Bench({"replay", "out.pagetrace", "--timing", "none"}).exit_status, 0);
}

// Threads that allocate and free each other's blocks: the order in the trace must be a legal one,
// which the judge says, and nothing may be missing at the end.
TEST_F(CliRecord, ThreadsThatFreeEachOthersBlocksGiveALegalTrace) {
  ASSERT_TRUE(Compile(R"(
    #include <atomic>
    #include <cstdlib>
    #include <thread>
    #include <vector>
    std::atomic<void*> slots[64];
    int main() {
      std::vector<std::thread> threads;
      for (unsigned t = 0; t < 4; ++t) threads.emplace_back([t] {
        unsigned state = t + 1;
        for (int i = 0; i < 5000; ++i) {
          state = state * 1664525 + 1013904223;
          free(slots[state >> 26].exchange(malloc(8192 + (state >> 12) % 60000)));
        }
      });
      for (auto& thread : threads) thread.join();
      for (auto& slot : slots) free(slot.load());
      return 0;
    })",
                      "-O1"));
  const Ended ended = Record({"./program"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  const Ended inspected = Bench({"trace", "inspect", "out.pagetrace", "--format", "json"});
  ASSERT_EQ(inspected.exit_status, 0) << inspected.err;
  // And libstdc++'s pool, which stays.
  EXPECT_TRUE(inspected.out.find("\"allocations\": 20001,") != std::string::npos);
  EXPECT_TRUE(inspected.out.find("\"freed\": 20000,") != std::string::npos);
  EXPECT_THAT(ended.err, Not(HasSubstr("left out")));
}

TEST_F(CliRecord, ACompilerIsRecordedAndReplayedAtOnce) {
  WriteFile("hello.cc", "#include <map>\n#include <string>\nstd::map<int, std::string> names;\n");
  const Ended ended = Record({"g++", "-c", "hello.cc"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_TRUE(Exists("hello.o"));
  EXPECT_THAT(ReadFile("out.pagetrace"), HasSubstr("/cc1plus\n"));
  const Ended replay = Bench({"replay", "out.pagetrace", "--timing", "none"});
  EXPECT_EQ(replay.exit_status, 0) << replay.err;
}

TEST_F(CliRecord, EveryProcessIsListedAndMayHaveAFileOfItsOwn) {
  WriteFile("two.py",
            "import os\nkeep = [bytearray(20000) for _ in range(50)]\n"
            "if os.fork() == 0:\n  keep = [bytearray(30000) for _ in range(200)]\n  os._exit(0)\n"
            "os.wait()\n");
  const Ended ended =
      Bench({"trace", "record", "--all", "-o", "out.pagetrace.zst", "--", "python3", "two.py"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  // Both processes, however many a wrapper around python3 adds.
  std::istringstream lines(ended.err);
  std::size_t pythons = 0;
  for (std::string line; std::getline(lines, line);) {
    const bool lists = line.find(" allocations, ") != std::string::npos;
    if (lists && line.find("/python3") != std::string::npos) ++pythons;
  }
  EXPECT_EQ(pythons, 2U) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("frees of what was not recorded are left out"));
  const std::vector<std::string> files = Files();
  ASSERT_GE(files.size(), 3U) << ended.err;  // two.py, out.pagetrace.zst, out.PID.pagetrace.zst
  for (const std::string& file : files) {
    if (!file.starts_with("out.")) continue;
    EXPECT_EQ(Bench({"replay", file, "--timing", "none", "-q"}).exit_status, 0) << file;
  }
}

TEST_F(CliRecord, AProgramThatCrashesIsRecordedUpToThere) {
  ASSERT_TRUE(
      Compile("#include <cstdlib>\nint main() { volatile void* p = malloc(99999); "
              "static_cast<void>(p); abort(); }"));
  const Ended ended = Record({"./program"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("./program was ended by signal 6"));
  EXPECT_THAT(Operations(), HasSubstr(" 13 @0\n"));
}

TEST_F(CliRecord, AProgramWithoutTheRecorderIsStatusFive) {
  ASSERT_TRUE(Compile("int main() {}", "-static"));
  const Ended ended = Record({"./program"});
  EXPECT_EQ(ended.exit_status, 5);
  EXPECT_THAT(ended.err, HasSubstr("nothing was recorded: ./program did not load the recorder"));
  EXPECT_FALSE(Exists("out.pagetrace"));
}

TEST_F(CliRecord, AProgramThatAllocatesNothingGivesAnEmptyTrace) {
  const Ended ended = Record({"true"});
  ASSERT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(Operations(), "");
  EXPECT_EQ(Bench({"trace", "validate", "out.pagetrace"}).exit_status, 0);
}

// The words behind -- are the program's, whatever they mean to us.
TEST_F(CliRecord, TheProgramGetsItsWordsAsTheyAre) {
  const Ended ended =
      Record({"printf", "<%s>", "-o", "--force", "", "--", "trace", "--help", "a b"});
  EXPECT_EQ(ended.exit_status, 0) << ended.err;
  EXPECT_EQ(ended.out, "<-o><--force><><--><trace><--help><a b>");
}

TEST_F(CliRecord, ItsStreamsAreOurs) {
  CallOptions options;
  options.standard_input = "from the test\n";
  const Ended ended = Record({"sh", "-c", "cat; echo aside >&2"}, options);
  EXPECT_EQ(ended.exit_status, 0);
  EXPECT_EQ(ended.out, "from the test\n");
  EXPECT_THAT(ended.err, StartsWith("aside\n"));
  CallOptions closed;
  closed.stdout_closed_at_once = true;
  const Ended quiet =
      Bench({"trace", "record", "-q", "-o", "q.pagetrace", "--", "echo", "x"}, closed);
  EXPECT_EQ(quiet.exit_status, 0);  // the program's trouble, not ours
  EXPECT_TRUE(Exists("q.pagetrace"));
}

TEST_F(CliRecord, WordsThatMakeNoSenseAreRefused) {
  EXPECT_EQ(Bench({"trace", "record"}).exit_status, 2);
  EXPECT_EQ(Bench({"trace", "record", "-o", "x.pagetrace", "--"}).exit_status, 2);
  EXPECT_EQ(Bench({"trace", "record", "--", "true"}).exit_status, 2);
  EXPECT_THAT(Bench({"trace", "record", "-o", "x.pagetrace", "true"}).err, HasSubstr("after --"));
  const Ended before = Bench({"trace", "record", "-o", "x.pagetrace", "word", "--", "true"});
  EXPECT_EQ(before.exit_status, 2) << "which would have been left out without a word";
  EXPECT_THAT(before.err, HasSubstr("trace record"));
  EXPECT_THAT(Bench({"trace", "record", "-o", "", "--", "true"}).err, HasSubstr("--out"));
  const Ended absent = Record({"absent-program"});
  EXPECT_EQ(absent.exit_status, 2);
  EXPECT_THAT(absent.err, HasSubstr("cannot start absent-program: No such file"));
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(CliRecord, FilesThatCannotBeWrittenAreFileErrors) {
  WriteFile("out.pagetrace", "mine");
  EXPECT_EQ(Record({"touch", "ran"}).exit_status, 4);
  EXPECT_EQ(ReadFile("out.pagetrace"), "mine");
  EXPECT_FALSE(Exists("ran"));
  EXPECT_EQ(Bench({"trace", "record", "-o", "absent/x", "--", "touch", "ran"}).exit_status, 4);
  EXPECT_FALSE(Exists("ran"));
}

// A full disk must not kill a program that knows nothing of us.
TEST_F(CliRecord, WithoutRoomForEventsTheProgramGoesOn) {
  CallOptions limited;
  limited.file_size_limit = 8192;  // the header, and no window
  const Ended ended =
      Record({"python3", "-c", "x = [bytearray(30000) for _ in range(9)]; print(9)"}, limited);
  EXPECT_EQ(ended.out, "9\n");
  EXPECT_THAT(ended.err, HasSubstr("events did not fit into"));
}

TEST_F(CliRecord, AnInterruptReachesTheProgramAndKeepsWhatItDid) {
  std::filesystem::create_directory(Path("tmp"));
  ASSERT_EQ(setenv("TMPDIR", Path("tmp").c_str(), 1), 0);
  WriteFile("wait.py",
            "import time\nkeep = [bytearray(20000) for _ in range(50)]\n"
            "open('ready', 'w').write('1\\n2\\n')\ntime.sleep(600)\n");
  CallOptions options;
  options.interrupt_signal = SIGINT;
  options.interrupt_when_file = Path("ready");
  const Ended ended = Record({"python3", "wait.py"}, options);
  ASSERT_EQ(unsetenv("TMPDIR"), 0);
  EXPECT_EQ(ended.exit_status, 130) << ended.err;
  EXPECT_THAT(ended.err, HasSubstr("what was recorded up to there is written"));
  EXPECT_THAT(Operations(), HasSubstr(" 3 @0\n"));
  EXPECT_TRUE(std::filesystem::is_empty(Path("tmp")));
}

}  // namespace
}  // namespace pagealloc::bench
