// Which programs and layouts suit which allocator. Whether one is there is tested through the real
// program.
#include "harness/run/allocators.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/run/go_program.h"
#include "harness/trace/trace_reader.h"

namespace pagealloc::bench {
namespace {

Source Trace(const std::string& records) {
  ParsedTrace trace = ParseTrace("test", "pagetrace 1\n" + records);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  Source source;
  source.program = std::move(trace.program);
  return source;
}

// Names of the allocators that cannot run these records.
std::vector<std::string> Unable(const std::string& records) {
  const Source source = Trace(records);
  std::vector<std::string> names;
  for (const AllocatorInfo& allocator : AllAllocators()) {
    if (MisfitForAllocator(allocator, source)) names.emplace_back(allocator.name);
  }
  return names;
}

using Names = std::vector<std::string>;
const Names kPeers{"jemalloc", "mimalloc", "tcmalloc", "mmap", "buddy", "best-fit-map"};

Names With(Names first, const Names& more) {
  first.insert(first.end(), more.begin(), more.end());
  return first;
}

TEST(MisfitForAllocator, EverybodyAllocatesAndFrees) {
  EXPECT_EQ(Unable("a 1 3\na 2 600\nf 1\n"), Names());
}

TEST(MisfitForAllocator, WhoChoosesPlacesCannotRunRecordsThatNamePages) {
  for (const std::string record : {"r 5 1", "u 0 1", "c", "k 0 0x1"}) {
    EXPECT_EQ(Unable("a 1 3\n" + record + "\n"), With({"heap", "heap-locked"}, kPeers)) << record;
  }
}

TEST(MisfitForAllocator, OnlyOursScavenge) {
  EXPECT_EQ(Unable("a 1 3\nf 1\ns 1\n"), With({"go", "go-locked"}, kPeers));
  EXPECT_EQ(Unable("a 1 3\nn\n"), With({"go", "go-locked"}, kPeers));
}

TEST(MisfitForAllocator, WhoMapsMemoryGrowsByItself) {
  EXPECT_EQ(Unable("g 0 512\na 1 3\n"),
            (Names{"heap", "heap-locked", "jemalloc", "mimalloc", "tcmalloc", "mmap"}));
  const auto why = MisfitForAllocator(AllocatorNamed("mmap"), Trace("a 1 3\ng 512 512\n"));
  ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->find("test:3: g 512 512: -a mmap grows by itself"), 0U) << *why;
}

TEST(MisfitForAllocator, AWorkloadMayGrowItsHeapInTheSetUpOnly) {
  Source source = Trace("g 0 512\na 1 3\ng 512 512\n");
  const AllocatorInfo& heap = AllocatorNamed("heap");
  EXPECT_TRUE(MisfitForAllocator(heap, source).has_value());
  source.workload.emplace();
  source.program.measured_from = 2;
  EXPECT_TRUE(MisfitForAllocator(heap, source).has_value());
  source.program.measured_from = 3;
  EXPECT_EQ(MisfitForAllocator(heap, source), std::nullopt);
}

TEST(WrongLayout, GoHasTwo) {
  for (const AllocatorInfo& allocator : AllAllocators()) {
    EXPECT_EQ(WrongLayout(allocator, "linux-386"), std::nullopt) << allocator.name;
    EXPECT_EQ(WrongLayout(allocator, "wasm-1.26").has_value(), IsGo(allocator.name));
  }
}

TEST(WhyUnavailable, OursAreAlwaysThere) {
  for (const char* name :
       {"radix", "heap", "heap-locked", "reference", "mmap", "buddy", "best-fit-map"}) {
    EXPECT_EQ(WhyUnavailable(AllocatorNamed(name), ""), std::nullopt);
    EXPECT_EQ(AllocatorNamed(name).package, "");
  }
}

}  // namespace
}  // namespace pagealloc::bench
