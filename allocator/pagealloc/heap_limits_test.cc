// A heap in a process that may not have more address space. Each test runs in a child, whose limit
// is set a little above what it has.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "pagealloc/heap.h"
#include "pagealloc/pagealloc.h"
#include "testing/gtest/child_process.h"

namespace pagealloc {
namespace {

constexpr std::uint64_t kMiB = 1u << 20;

/// Ends the child, with the line, where a condition does not hold.
#define CHILD_EXPECT(condition)                                              \
  do {                                                                       \
    if (!(condition)) {                                                      \
      std::fprintf(stderr, "line %d: not true: %s\n", __LINE__, #condition); \
      ::_exit(1);                                                            \
    }                                                                        \
  } while (false)

/// Address space that the process has, in bytes.
std::uint64_t AddressSpace() {
  unsigned long long pages = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  CHILD_EXPECT(file != nullptr && std::fscanf(file, "%llu", &pages) == 1);
  std::fclose(file);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

/// Lets the process take `more` bytes of address space beyond what it has.
void AllowMore(std::uint64_t more) {
  rlimit limit{};
  CHILD_EXPECT(::getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = HostSize(AddressSpace() + more);
  CHILD_EXPECT(::setrlimit(RLIMIT_AS, &limit) == 0);
}
void AllowAll() {
  rlimit limit{};
  CHILD_EXPECT(::getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  CHILD_EXPECT(::setrlimit(RLIMIT_AS, &limit) == 0);
}

/// Fills a heap until it is refused; it must have got at least `least` pages, then go on with what
/// it has, and grow again when it may.
template <class L>
void FillUnderALimit(std::uint64_t more, std::uint64_t least) {
  MmapMemory os;
  const auto heap = std::make_unique<Heap<L>>();
  CHILD_EXPECT(heap->Init(os).ok());
  std::vector<HeapRun> runs;
  runs.reserve(100000);
  AllowMore(more);
  HeapAllocation got;
  while ((got = heap->Allocate(PageCount{16})).ok()) {
    *got.memory = std::byte{1};
    runs.push_back({got.memory, got.pages});
  }
  CHILD_EXPECT(!got.no_room() && got.status.error_number == ENOMEM);
  CHILD_EXPECT(runs.size() * 16 >= least);
  CHILD_EXPECT(!heap->Allocate(PageCount{5000}).ok());
  CHILD_EXPECT(!heap->Allocate(PageCount{1}, ByteCount{64 * kMiB}).ok());

  for (int i = 0; i < 10; ++i) {
    heap->Free(runs.back().memory, runs.back().pages);
    got = heap->Allocate(PageCount{16});
    CHILD_EXPECT(got.ok() && got.memory == runs.back().memory);
    CHILD_EXPECT(!heap->Allocate(PageCount{17}).ok());
  }
  AllowAll();
  CHILD_EXPECT(heap->Allocate(PageCount{17}).ok());
  CHILD_EXPECT(heap->Allocate(PageCount{5000}).ok());
  heap->FreeBatch(runs);
  CHILD_EXPECT(heap->Stats().in_use == PageCount{5017});
  ::_exit(0);
}

// A death test is a child process.
TEST(HeapLimitsDeathTest, AddressSpaceRunsOutOn48Bits) {
  EXPECT_EXIT(FillUnderALimit<HostLayout>(150 * kMiB, 16384), ::testing::ExitedWithCode(0), "");
}

TEST(HeapLimitsDeathTest, AddressSpaceRunsOutOn32Bits) {
  EXPECT_EXIT(FillUnderALimit<Linux386>(50 * kMiB, 11 * 512), ::testing::ExitedWithCode(0), "");
}

/// Creates heaps of the C interface under more and more address space, a page at a time, until that
/// works: each refusal on the way is told, and nothing is left behind.
void CreateUnderEachLimit() {
  const std::uint64_t page = MmapMemory().page_size().raw;
  pagealloc_options options = PAGEALLOC_OPTIONS_INIT;
  options.caches = 200;
  pagealloc_heap* heap = nullptr;
  const std::uint64_t before = AddressSpace();
  int refusals = 0;
  for (;; ++refusals) {
    AllowMore(static_cast<std::uint64_t>(refusals) * page);
    const int outcome = pagealloc_create(&options, &heap);
    if (outcome == PAGEALLOC_OK) break;
    CHILD_EXPECT(outcome == ENOMEM && heap == nullptr);
    AllowAll();
    CHILD_EXPECT(AddressSpace() == before);
  }
  CHILD_EXPECT(refusals > 1);
  AllowMore(kMiB);
  void* memory = &refusals;
  CHILD_EXPECT(pagealloc_allocate(heap, 5000, &memory, nullptr) == ENOMEM);
  CHILD_EXPECT(memory == nullptr);
  AllowAll();
  CHILD_EXPECT(pagealloc_allocate(heap, 5000, &memory, nullptr) == PAGEALLOC_OK);
  pagealloc_destroy(heap);
  ::_exit(0);
}

TEST(CInterfaceLimitsDeathTest, EachRefusalOfAddressSpaceIsTold) {
  if (PAGEALLOC_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer takes memory of its own";
  EXPECT_EXIT(CreateUnderEachLimit(), ::testing::ExitedWithCode(0), "");
}

/// Address space is there, memory is not.
void CreateWithoutMemory() {
  rlimit before{};
  CHILD_EXPECT(::getrlimit(RLIMIT_DATA, &before) == 0);
  const rlimit page{static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)), before.rlim_max};
  CHILD_EXPECT(::setrlimit(RLIMIT_DATA, &page) == 0);
  pagealloc_heap* heap = nullptr;
  const int outcome = pagealloc_create(nullptr, &heap);
  CHILD_EXPECT(::setrlimit(RLIMIT_DATA, &before) == 0);
  CHILD_EXPECT(outcome == ENOMEM && heap == nullptr);
  ::_exit(0);
}

TEST(CInterfaceLimitsDeathTest, RefusalOfMemoryForTheHandleIsTold) {
  if (PAGEALLOC_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer takes memory of its own";
  EXPECT_EXIT(CreateWithoutMemory(), ::testing::ExitedWithCode(0), "");
}

// An arena of 64 MiB, a block of the chunk map; Go reserves 600 MiB for its tables.
TEST(HeapLimitsDeathTest, TheTablesOf48BitsTakeLittleAddressSpace) {
  if (PAGEALLOC_THREAD_SANITIZER) GTEST_SKIP() << "ThreadSanitizer takes memory of its own";
  EXPECT_EXIT(
      {
        AllowMore(80 * kMiB);
        MmapMemory os;
        const auto heap = std::make_unique<Heap<HostLayout>>();
        CHILD_EXPECT(heap->Init(os).ok());
        CHILD_EXPECT(heap->Allocate(PageCount{1000}).ok());
        ::_exit(0);
      },
      ::testing::ExitedWithCode(0), "");
}

}  // namespace
}  // namespace pagealloc
