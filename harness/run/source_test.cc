// What programs must be like for page caches and for threads. Reading traces is tested through the
// real program.
#include "harness/run/source.h"

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/trace/trace_reader.h"
#include "pagealloc/heap_caches.h"

namespace pagealloc::bench {
namespace {

Source Trace(const std::string& records) {
  ParsedTrace trace = ParseTrace("test", "pagetrace 1\n" + records);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  Source source;
  source.program = std::move(trace.program);
  return source;
}

TEST(CachesFor, ReachesToTheHighestProcessorThatARecordNames) {
  EXPECT_EQ(CachesFor(Trace("a 1 1\n").program), 1U);
  EXPECT_EQ(CachesFor(Trace("a 1 1 @3\na 2 1 @0\na 3 1\n").program), 4U);
  EXPECT_EQ(CachesFor(Trace("a 1 1 @4294967294\n").program), HeapCaches::kMaxCaches);
}

TEST(HeapForCaches, IsTwiceAsLargeWhereTheHeapGrowsOnDemandAndTheLayoutHasRoom) {
  Source source = Trace("a 1 1\n");
  source.heap_pages = PageCount{512};
  EXPECT_EQ(HeapForCaches(source, "linux-386"), PageCount{1024});
  source.heap_pages = PageCount{400'000};
  EXPECT_EQ(HeapForCaches(source, "linux-386"), PageCount{491'008});
  source.program.explicit_growth = true;
  EXPECT_EQ(HeapForCaches(source, "linux-386"), PageCount{400'000});
}

TEST(MisfitForCaches, RangesMayBeNamedUntilSomethingIsPlaced) {
  EXPECT_EQ(MisfitForCaches(Trace("g 0 512\nr 0 9\nu 3 2\na 1 1\nf 1\ns 1\nn\n")), std::nullopt);
  for (const std::string record : {"r 5 1", "u 0 1", "c", "k 0 0x1"}) {
    const auto why = MisfitForCaches(Trace("g 0 512\na 1 3\n" + record + "\n"));
    ASSERT_TRUE(why.has_value()) << record;
    EXPECT_EQ(why->find("test:4: " + record + ": this names pages"), 0U) << *why;
  }
  EXPECT_TRUE(MisfitForCaches(Trace("g 0 512\nc\na 1 3\n")).has_value());
}

TEST(ProgramsOfOtherThreads, AreMadeFromSeedsOfTheirOwnAndCanBeMadeAgain) {
  WorkloadRequest request;
  request.name = "churn";
  request.smoke = true;
  const auto hashes = [&request] {
    std::vector<std::uint64_t> of_threads;
    const auto programs = ProgramsOfOtherThreads(request, 4);
    for (const Program& program : programs.value()) {
      of_threads.push_back(program.stream_hash());
    }
    return of_threads;
  };
  const std::vector<std::uint64_t> first = hashes();
  EXPECT_EQ(first, hashes());
  std::set<std::uint64_t> all(first.begin(), first.end());
  all.insert(MakeWorkload(request).value().stream_hash());
  EXPECT_EQ(all.size(), 4U);
  EXPECT_TRUE(ProgramsOfOtherThreads(request, 1).value().empty());
}

}  // namespace
}  // namespace pagealloc::bench
