// The same programs give the same placements, statistics and tables on every host. Hosts of 32 and
// of 64 bits, and whatever compiler, hold their results against one file; the layouts are those
// that a 32-bit host can have, so linux-386 on one is compared with linux-386 emulated on the
// other.
//
// After an intended change of behaviour: the test prints what it got; put that into the file.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <memory>
#include <optional>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/heap_image.h"
#include "testing/tiny_layouts.h"

namespace pagealloc {
namespace {

/// FNV-1a over numbers, byte by byte from the lowest.
std::uint64_t Hash(const std::vector<std::uint64_t>& numbers) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const std::uint64_t number : numbers) {
    for (unsigned byte = 0; byte < 8; ++byte) {
      hash = (hash ^ ((number >> (8 * byte)) & 0xff)) * 0x100000001b3;
    }
  }
  return hash;
}

/// One program: grows, allocates, frees, takes and returns page caches, gives memory back. Two
/// lines: the first pages that it was given, and sums of all that it was given and left behind.
template <Layout L>
std::string RunProgram(std::uint64_t seed, int steps) {
  using G = Geometry<L>;
  constexpr std::size_t kPrinted = 24;
  std::mt19937_64 random(seed);
  const auto below = [&random](std::uint64_t limit) { return random() % limit; };
  testing::FakeMemory os;
  auto heap = std::make_unique<PageAllocator<L>>();
  EXPECT_TRUE(heap->Init(os).ok());
  heap->set_release_units({PageCount{1}, PageCount{0}});
  std::vector<PageRange> held;
  std::vector<PageCache> caches;
  std::uint64_t next_chunk = G::ChunkOf(G::kHeapBasePage).raw;
  std::vector<std::uint64_t> first_pages;
  std::vector<std::uint64_t> results;

  for (int step = 0; step < steps; ++step) {
    const std::uint64_t dice = below(100);
    if (dice < 6) {
      const std::uint64_t first = next_chunk + below(3);
      const std::uint64_t end = first + 1 + below(2);
      if (G::ChunkBegin(ChunkIndex{end}) > G::kHeapEnd) continue;
      const PageRange pages{G::ChunkBegin(ChunkIndex{first}), G::ChunkBegin(ChunkIndex{end})};
      EXPECT_TRUE(heap->Grow(pages).ok());
      next_chunk = end;
    } else if (dice < 55) {
      const std::uint64_t want = 1 + below(dice < 50 ? 16 : 2 * G::kChunkPages.raw);
      const std::optional<Allocation> got = heap->Allocate(PageCount{want});
      results.push_back(got ? got->first.raw : ~std::uint64_t{0});
      results.push_back(got ? got->scavenged.raw : 0);
      if (!got) continue;
      held.push_back(PageRange::Of(got->first, PageCount{want}));
      if (first_pages.size() < kPrinted) first_pages.push_back(got->first.raw);
    } else if (dice < 88) {
      if (held.empty()) continue;
      PageRange& pages = held[HostSize(below(held.size()))];
      heap->Free(pages);
      pages = held.back();
      held.pop_back();
    } else if (dice < 92) {
      std::optional<ScavengeSearch> search = heap->StartScavenge(ScavengeMode::kForced);
      if (!search) continue;
      heap->scavenge_index().Scan(*search);
      const std::optional<PageRange> pages = heap->BeginScavenge(*search, PageCount{8});
      results.push_back(pages ? pages->begin.raw : ~std::uint64_t{0});
      results.push_back(pages ? pages->size().raw : 0);
      if (pages) heap->FinishScavenge(*pages, true);
    } else if (caches.size() < 4) {
      const PageCache cache = heap->TakePageCache();
      results.push_back(cache.base.raw);
      results.push_back(cache.pages);
      results.push_back(cache.scavenged);
      if (!cache.empty()) caches.push_back(cache);
    } else {
      heap->Flush(caches.back());
      caches.pop_back();
    }
  }

  static_cast<void>(heap->Find(PageCount{2}));  // nothing waits to be told to the index afterwards
  const HeapStats stats = heap->stats();
  std::ostringstream text;
  text << L::kName << " seed " << seed << ": pages";
  for (const std::uint64_t page : first_pages) text << ' ' << page - G::kHeapBasePage.raw;
  text << "\n  results " << std::hex << Hash(results) << ", tables "
       << Hash(testing::HeapImage(*heap)) << std::dec << ", grown " << stats.grown.raw
       << ", in use " << stats.in_use.raw << ", free " << stats.free.raw << ", scavenged "
       << stats.scavenged.raw << ", committed " << heap->metadata().committed.raw << "\n";
  return text.str();
}

TEST(Placements, AreThoseOfTheFileOnEveryHost) {
  std::string got;
  const auto add = [&got]<class L>() {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) got += RunProgram<L>(seed, 3000);
  };
  testing::ForEachTinyLayout(add);
  add.operator()<Linux386>();
  add.operator()<LinuxMips>();
  add.operator()<Wasm125>();
  add.operator()<Wasm126>();

  std::ifstream file(PAGEALLOC_PLACEMENTS);
  std::stringstream expected;
  expected << file.rdbuf();
  EXPECT_EQ(got, expected.str()) << "here, all of it:\n" << got;
}

}  // namespace
}  // namespace pagealloc
