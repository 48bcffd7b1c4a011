#include "harness/run/caching_allocator.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "harness/run/heap_state.h"
#include "harness/run/place_check.h"
#include "harness/run/runner.h"
#include "harness/trace/trace_reader.h"
#include "harness/trace/workload.h"
#include "pagealloc/os_memory.h"

namespace pagealloc::bench {
namespace {

constexpr PageCount kChunk{512};

// A heap of one chunk from page 0, and as many caches as a test wants.
class CachingTest : public ::testing::Test {
 protected:
  using Subject = CachingAllocator<LinuxArm64>;

  void Open(unsigned caches) {
    subject_.set_caches(caches);
    ASSERT_TRUE(subject_.Init(os_).ok());
    ASSERT_TRUE(subject_.Grow(PageRange::Of(PageOffset{0}, kChunk)).ok());
  }
  // Page 0 stands for the first page of the heap.
  std::optional<std::uint64_t> Allocate(std::uint64_t pages, unsigned processor) {
    const auto got = subject_.Allocate(PageCount{pages}, processor);
    if (!got) return std::nullopt;
    return got->first.raw;
  }

  MmapMemory os_;
  Subject subject_;
};

TEST_F(CachingTest, EachProcessorTakesFromABlockOfItsOwn) {
  Open(2);
  EXPECT_EQ(Allocate(1, 0), 0U);
  EXPECT_EQ(Allocate(1, 1), 64U);
  EXPECT_EQ(Allocate(1, 0), 1U);
  EXPECT_EQ(Allocate(2, 1), 65U);
  EXPECT_EQ(subject_.cache_counts().hits, 2U);
  EXPECT_EQ(subject_.cache_counts().refills, 2U);
}

TEST_F(CachingTest, MoreProcessorsThanCachesShareThem) {
  Open(2);
  EXPECT_EQ(Allocate(1, 0), 0U);
  EXPECT_EQ(Allocate(1, 2), 1U);
  EXPECT_EQ(Allocate(1, 7), 64U);
}

TEST_F(CachingTest, SixteenPagesGoPastTheCaches) {
  Open(1);
  EXPECT_EQ(Allocate(15, 0), 0U);
  EXPECT_EQ(Allocate(16, 0), 64U);
  EXPECT_EQ(subject_.cache_counts().hits + subject_.cache_counts().refills, 1U);
}

TEST_F(CachingTest, BeforeThereIsNoRoomTheCachesAreGivenBack) {
  Open(4);
  for (unsigned processor = 0; processor < 4; ++processor) Allocate(1, processor);
  EXPECT_EQ(subject_.cache_counts().cached, PageCount{252});
  EXPECT_EQ(Allocate(319, 0), 193U);  // 256 of them were in no cache
  EXPECT_EQ(subject_.cache_counts().cached, PageCount{0});
  EXPECT_EQ(Allocate(64, 0), std::nullopt);
}

TEST_F(CachingTest, FreedPagesGoToTheHeapAtOnce) {
  Open(2);
  EXPECT_EQ(Allocate(4, 0), 0U);
  subject_.Free(PageRange::Of(PageOffset{0}, PageCount{4}));
  EXPECT_EQ(Allocate(4, 1), 0U);
}

// ---- Through the runner.

template <class L, class S>
std::optional<Mismatch> CheckWhole(const Program& program, unsigned caches, PageCount extent,
                                   std::uint64_t* hash = nullptr) {
  MmapMemory os;
  const auto subject = std::make_unique<S>();
  subject->set_caches(caches);
  EXPECT_TRUE(subject->Init(os).ok());
  HeapState runs(program.id_count);
  Runner<L, S> runner(*subject, program, runs, nullptr, false, 0);
  runner.set_extent(extent);
  PlaceCheck check(program.chunk_pages);
  std::optional<Mismatch> mismatch;
  EXPECT_TRUE(runner.CheckPlaces(0, program.ops.size(), &check, mismatch));
  if (hash != nullptr) *hash = runner.result_hash();
  if (mismatch) return mismatch;
  subject->FlushCaches();
  return check.CheckEnd(program.ops.size(), subject->stats());
}

Program Parsed(const std::string& records) {
  ParsedTrace trace = ParseTrace("test", "pagetrace 1\n" + records);
  EXPECT_FALSE(trace.error.has_value()) << trace.error->Message();
  return std::move(trace.program);
}

// Two processors in turn; the third allocation of 300 pages needs a second chunk, and the last one
// finds no room below the extent, so that there is nothing to free.
constexpr const char* kTwoProcessors =
    "a 1 1 @0\na 2 1 @1\na 3 2 @0\nf 1\na big 300\na 4 15 @1\na big2 300\nf 3\na 5 3\n"
    "f big\na big 1000\nf big\nf 2\n";

TEST(CachingRunner, EveryRunIsAcceptedByTheModelOnEveryKindOfLayout) {
  const Program program = Parsed(kTwoProcessors);
  const PageCount extent{1024};
  EXPECT_FALSE((CheckWhole<LinuxAmd64, CachingAllocator<LinuxAmd64>>(program, 2, extent)));
  EXPECT_FALSE((CheckWhole<Linux386, CachingAllocator<Linux386>>(program, 2, extent)));
  EXPECT_FALSE((CheckWhole<Wasm126, CachingAllocator<Wasm126>>(program, 2, extent)));
}

// The window behind the heap ends there.
TEST(CachingRunner, GrowthOnDemandEndsWithTheExtent) {
  using Subject = CachingAllocator<Linux386>;
  const Program program = Parsed("a 1 300\na 2 300\nf 2\na 3 200\n");
  MmapMemory os;
  const auto subject = std::make_unique<Subject>();
  ASSERT_TRUE(subject->Init(os).ok());
  HeapState runs(program.id_count);
  Runner<Linux386, Subject> runner(*subject, program, runs, nullptr, false, 0);
  runner.set_extent(PageCount{512});
  std::optional<Mismatch> mismatch;
  ASSERT_TRUE(runner.CheckPlaces(0, program.ops.size(), nullptr, mismatch));
  EXPECT_EQ(subject->stats().grown, PageCount{512});
  EXPECT_EQ(subject->stats().in_use, PageCount{500});
}

TEST(CachingRunner, PlacesFollowFromProcessorsAlone) {
  const Program program = Parsed(kTwoProcessors);
  using Subject = CachingAllocator<Linux386>;
  std::uint64_t first = 0;
  std::uint64_t again = 0;
  std::uint64_t one_cache = 0;
  EXPECT_FALSE((CheckWhole<Linux386, Subject>(program, 2, PageCount{1024}, &first)));
  EXPECT_FALSE((CheckWhole<Linux386, Subject>(program, 2, PageCount{1024}, &again)));
  EXPECT_FALSE((CheckWhole<Linux386, Subject>(program, 1, PageCount{1024}, &one_cache)));
  EXPECT_EQ(first, again);
  EXPECT_NE(first, one_cache);
}

TEST(CachingRunner, AFullHeapWithScavengingIsAccepted) {
  WorkloadRequest request;
  request.smoke = true;
  request.heap = ByteCount{std::uint64_t{64} << 20};
  for (const char* name : {"churn", "scavenge", "go-spans", "phases", "grow"}) {
    request.name = name;
    if (request.name == "churn") request.params = {{"occupancy", "99"}, {"sizes", "1-16"}};
    OrProblem<Program> made = MakeWorkload(request);
    request.params = {};
    ASSERT_TRUE(made.ok()) << made.error().sentence;
    const auto wrong =
        CheckWhole<LinuxAmd64, CachingAllocator<LinuxAmd64>>(made.value(), 1, PageCount{0});
    EXPECT_FALSE(wrong) << name << ", operation " << wrong->op << ": expected " << wrong->expected
                        << ", got " << wrong->got;
  }
}

// Forgets what lies in the caches when there is no room.
class NeverGivesBack : public CachingAllocator<LinuxAmd64> {
 public:
  std::optional<Allocation> Allocate(PageCount want, unsigned /*processor*/) {
    if (want < PageCount{16}) return CachingAllocator::Allocate(want, 0);
    return CachingAllocator::Allocate(want);
  }
  std::optional<Allocation> Allocate(PageCount want) { return CachingAllocator::Allocate(want); }
};

TEST(CachingRunner, PagesThatStayInACacheAreMissed) {
  const Program program = Parsed("g 0 512\na 1 1\na 2 511\n");
  const auto wrong = CheckWhole<LinuxAmd64, NeverGivesBack>(program, 1, PageCount{512});
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(*wrong, (Mismatch{2, "room, for instance at offset 1", "none"}));
}

}  // namespace
}  // namespace pagealloc::bench
