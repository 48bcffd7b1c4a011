#include "fuzz/page_alloc_program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "fuzz/finding.h"
#include "fuzz/random_program.h"
#include "harness/trace/judge.h"
#include "harness/trace/trace_reader.h"
#include "pagealloc/layout.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using testing::AllocatorAccess;
using ::testing::HasSubstr;
using testing::TinyDeep;
using testing::TinyUneven;
using testing::TinyWordChunks;

struct RunResult {
  std::optional<Finding> finding;
  std::string trace;
  std::string report;
  WorkCounters work;
};

template <Layout L, class Tampering = NoTampering>
RunResult RunInput(const std::vector<std::uint8_t>& input, Tampering tampering = {}) {
  const FuzzProgram program = DecodeOps(input);
  ProgramMemory<L> memory;
  const Arena arena = ArenaOf<L>(program.heap_start);
  TraceRecorder trace(L::kName, Geometry<L>::kChunkPages, arena.begin);
  ProgramRun<L, Tampering> run(memory.os, arena, trace, {}, tampering);
  RunResult result{run.Run(program), {}, {}, {}};
  result.trace = trace.Text();
  result.work = run.allocator().counters();
  if (result.finding) result.report = Report("page_alloc", input, trace, *result.finding);
  return result;
}

struct RunsTheSameTwice {
  template <Layout L>
  void operator()() const {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const auto input = RandomInput(seed, 300);
      const RunResult first = RunInput<L>(input);
      RunInput<L>(RandomInput(seed + 1000, 300));  // what ran in between leaves no mark
      const RunResult second = RunInput<L>(input);
      EXPECT_FALSE(first.finding) << first.report;
      EXPECT_EQ(first.trace, second.trace) << L::kName;
      EXPECT_EQ(first.work, second.work) << L::kName;
    }
  }
};

TEST(ProgramRun, TheSameInputRunsTheSameTwice) {
  ForEachLayout(RunsTheSameTwice{});
  testing::ForEachTinyLayout(RunsTheSameTwice{});
}

/// The trace of a program is legal, and the judge's outcomes are its expectations.
void ExpectLegal(const std::string& text, PageCount usable, PageCount chunk_pages) {
  const bench::ParsedTrace parsed = bench::ParseTrace("finding.pagetrace", text);
  ASSERT_FALSE(parsed.error) << parsed.error->Message();
  const auto judged = bench::Judge(parsed);
  ASSERT_TRUE(judged.ok()) << judged.error().Message();
  for (std::size_t i = 0; i < parsed.program.ops.size(); ++i) {
    const bench::Op& op = parsed.program.ops[i];
    EXPECT_FALSE(bench::DifferenceFromExpectation(op, judged.value().outcomes[i])) << op.line;
  }
  const auto misfit =
      bench::FitsLayout(parsed.program, judged.value(), "the layout", usable, chunk_pages);
  EXPECT_FALSE(misfit) << misfit->Message();
}

struct WritesLegalTraces {
  template <Layout L>
  void operator()() const {
    using G = Geometry<L>;
    SCOPED_TRACE(L::kName);
    const std::uint64_t origin = kIsTiny<L> ? 0 : G::kHeapBasePage.raw;
    for (std::uint64_t seed = 0; seed < 12; ++seed) {
      const RunResult run = RunInput<L>(RandomInput(seed, 300));
      EXPECT_FALSE(run.finding) << run.report;
      ExpectLegal(run.trace, PageCount{G::kHeapEnd.raw - origin}, G::kChunkPages);
    }
  }
};

TEST(ProgramRun, ATraceIsLegalAndTheModelMeetsItsOwnExpectations) {
  ForEachLayout(WritesLegalTraces{});
  testing::ForEachTinyLayout(WritesLegalTraces{});
}

/// Damages the allocator after one record.
template <class Damage>
struct DamageAfter {
  std::size_t record;
  Damage damage;

  template <class Allocator>
  void After(std::size_t now, Allocator& allocator) {
    if (now == record) damage(allocator);
  }
};
template <class Damage>
DamageAfter(std::size_t, Damage) -> DamageAfter<Damage>;

/// Input that allocates a lot of single pages, with a full check after each operation.
std::vector<std::uint8_t> OnePageAfterAnother() { return {128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}; }

TEST(ProgramRun, AWrongNumberIsFoundAndBecomesAReadableTrace) {
  const auto damage = [](auto& allocator) {
    // The only chunk has a run of 60 pages, and says one less; no search asks for so many.
    const auto chunk = Geometry<TinyWordChunks>::ChunkOf(AllocatorAccess::bounds(allocator).begin);
    auto& reach = AllocatorAccess::chunks(allocator).BlockAt(chunk).reach;
    reach.Set(chunk.raw, 59);
  };
  const auto run = RunInput<TinyWordChunks>(OnePageAfterAnother(), DamageAfter{5, damage});
  ASSERT_TRUE(run.finding);
  EXPECT_EQ(run.finding->record, 5U);
  EXPECT_THAT(run.finding->what, HasSubstr("INV-1: reach is not the longest run"));
  EXPECT_EQ(run.trace,
            "pagetrace 1\n"
            "meta source fuzz\n"
            "meta layout tiny-word-chunks\n"
            "meta chunk-pages 64\nmeta growth explicit\n"
            "g 2048 64\n"
            "a 0 1 = 2048\n"
            "a 1 1 = 2049\n"
            "a 2 1 = 2050\n"
            "a 3 1 = 2051\n");
  ExpectLegal(run.trace, PageCount{4096}, PageCount{64});
  EXPECT_THAT(run.report,
              HasSubstr("page_alloc: finding on layout tiny-word-chunks at operation 5: "
                        "a 3 1 = 2051\n"));
  EXPECT_THAT(run.report, HasSubstr("what: " + run.finding->what));
  EXPECT_THAT(run.report, HasSubstr("echo gAAAAAAAAAAAAAAA | base64 -d >finding"));
  EXPECT_THAT(run.report, HasSubstr("replay: pagealloc-bench replay finding.pagetrace\n"));
}

/// Each kind of damage, which no result of the program shows, is found at once.
template <Layout L, class Damage>
void ExpectFound(std::string_view what, Damage damage) {
  const auto run = RunInput<L>(OnePageAfterAnother(), DamageAfter{4, damage});
  ASSERT_TRUE(run.finding) << what;
  EXPECT_EQ(run.finding->record, 4U) << what;
  EXPECT_THAT(run.finding->what, HasSubstr(what));
}

TEST(ProgramRun, DamageThatNoResultShowsIsFound) {
  ExpectFound<TinyUneven>("INV-2", [](auto& allocator) {
    ++AllocatorAccess::lane(*AllocatorAccess::table_reaches(allocator, 0), 1, 0);
  });
  ExpectFound<TinyUneven>("INV-4", [](auto& allocator) {
    const auto chunk = Geometry<TinyUneven>::ChunkOf(AllocatorAccess::bounds(allocator).begin);
    AllocatorAccess::chunks(allocator).BlockAt(chunk).whole.words[0] ^= ~std::uint64_t{0};
  });
  ExpectFound<TinyDeep>("search position", [](auto& allocator) {
    AllocatorAccess::search_from(allocator) = AllocatorAccess::bounds(allocator).begin;
  });
  ExpectFound<TinyDeep>("statistics", [](auto& allocator) {
    AllocatorAccess::stats(allocator).scavenged += PageCount{1};
  });
  ExpectFound<TinyUneven>("64 pages (first, free, scavenged)", [](auto& allocator) {
    const auto chunk = Geometry<TinyUneven>::ChunkOf(AllocatorAccess::bounds(allocator).begin);
    AllocatorAccess::chunks(allocator)[chunk].scavenged.Clear(511);
  });
  ExpectFound<TinyUneven>("INV-3", [](auto& allocator) {
    const auto chunk = Geometry<TinyUneven>::ChunkOf(AllocatorAccess::bounds(allocator).end);
    AllocatorAccess::chunks(allocator)[chunk].allocated.Set(0);
  });
  ExpectFound<TinyUneven>("INV-3", [](auto& allocator) {
    const auto chunk = Geometry<TinyUneven>::ChunkOf(AllocatorAccess::bounds(allocator).end);
    AllocatorAccess::chunks(allocator)[chunk + ChunkCount{2}].scavenged.Set(511);
  });
}

}  // namespace
}  // namespace pagealloc::fuzz
