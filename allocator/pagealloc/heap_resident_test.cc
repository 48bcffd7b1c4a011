// A heap of one GiB, all of it written to: after nine tenths were freed and released, the process
// holds no more memory than what is in use. Counts the whole process, so no sanitizer may share it.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <random>
#include <vector>

#include "pagealloc/heap.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"

namespace pagealloc {
namespace {

/// Resident bytes of this process.
double Resident() {
  unsigned long long total = 0;
  unsigned long long resident = 0;
  std::FILE* const file = std::fopen("/proc/self/statm", "r");
  EXPECT_TRUE(file != nullptr && std::fscanf(file, "%llu %llu", &total, &resident) == 2);
  std::fclose(file);
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

/// Bytes that the machine has to spare.
std::uint64_t Available() {
  std::FILE* const file = std::fopen("/proc/meminfo", "r");
  if (file == nullptr) return 0;
  char line[128];
  unsigned long long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr &&
         std::sscanf(line, "MemAvailable: %llu", &kib) != 1) {
  }
  std::fclose(file);
  return std::uint64_t{kib} << 10;
}

/// One GiB, or a quarter of what the machine has to spare if that is less.
PageCount HeapPages() {
  constexpr std::uint64_t kWanted = 1u << 30;
  const std::uint64_t bytes = std::min(kWanted, Available() / 4 & ~std::uint64_t{(4u << 20) - 1});
  if (bytes < kWanted) {
    std::printf("only %llu MiB of memory are used: the machine has too little\n",
                static_cast<unsigned long long>(bytes >> 20));
  }
  return PageCount{bytes >> kPageBits};
}

/// Fills the heap page by page, frees nine tenths, releases; `options` say how.
void FillFreeRelease(const HeapOptions& options) {
  const PageCount pages = HeapPages();
  std::vector<std::byte*> held(pages.raw, nullptr);
  std::vector<HeapRun> freed(pages.raw, HeapRun{});  // written to, so that both are resident
  MmapMemory os;
  const auto heap = std::make_unique<Heap<>>();
  ASSERT_TRUE(heap->Init(os, options).ok());
  const double before = Resident();
  for (std::byte*& page : held) {
    const HeapAllocation got = heap->Allocate(PageCount{1});
    ASSERT_TRUE(got.ok());
    page = got.memory;
    std::memset(page, 0x5a, kPageBytes.raw);
    const std::uint64_t stamp = reinterpret_cast<std::uintptr_t>(page);
    std::memcpy(page, &stamp, sizeof stamp);
  }
  const double all = static_cast<double>(BytesOf(pages).raw);
  EXPECT_GE(Resident() - before, 0.99 * all);

  std::shuffle(held.begin(), held.end(), std::mt19937_64(7));
  freed.clear();
  while (held.size() > pages.raw / 10) {
    freed.push_back({held.back(), PageCount{1}});
    held.pop_back();
  }
  heap->FreeBatch(freed);
  EXPECT_GE(Resident() - before, 0.99 * all) << "freeing alone gives nothing back";

  const ScavengeResult result = heap->ReleaseAll();
  EXPECT_TRUE(result.status.ok());
  const HeapStatistics stats = heap->Stats();
  const auto in_use = static_cast<double>(BytesOf(stats.in_use).raw);
  const double resident = Resident() - before;
  std::printf("in use %.1f MiB, resident %.1f MiB: %+.2f %%\n", in_use / 1048576,
              resident / 1048576, 100 * (resident / in_use - 1));
  EXPECT_EQ(stats.in_use, PageCount{held.size()});
  EXPECT_EQ(result.released, BytesOf(PageCount{freed.size()}));
  EXPECT_NEAR(resident, in_use, 0.05 * in_use);
  for (std::byte* const page : held) {
    std::uint64_t stamp = 0;
    std::memcpy(&stamp, page, sizeof stamp);
    ASSERT_EQ(stamp, reinterpret_cast<std::uintptr_t>(page));
    ASSERT_EQ(page[kPageBytes.raw - 1], std::byte{0x5a});
  }
  EXPECT_EQ(testing::CheckInvariants(testing::HeapAccess::pages(*heap)), "");
}

TEST(HeapResident, FallsToWhatIsInUse) { FillFreeRelease({}); }

// Huge pages are split by what is released, and do not come back.
TEST(HeapResident, FallsToWhatIsInUseWithHugePages) {
  FillFreeRelease({.huge_pages = HugePageUse::kAlways});
}

TEST(HeapResident, FallsToWhatIsInUseWithHugePagesBehindDenseChunks) {
  FillFreeRelease({.huge_pages = HugePageUse::kDenseChunks});
}

}  // namespace
}  // namespace pagealloc
