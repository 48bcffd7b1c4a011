// scale_benchmark.cc: what an operation costs as the heap grows, from 64 MiB to 16 TiB, and what
// the machine itself charges for the memory behind it.
//
// Goals: the same work on each size, so that what grows is the heap; beside it the accesses to
// memory that the work cannot do without, in the same run. The heap's pages are never mapped, its
// tables are: 16 TiB have 0.7 GiB of them.
// Non-goals: what recorded programs do, tails, other allocators (pagealloc-bench run).
//
//   build/release/bin/pagealloc-bench micro --filter 'RandomPlace|RandomLines|DependentLoad'

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/reserved_array.h"
#include "testing/benchmark_heap.h"

namespace pagealloc {
namespace {

using testing::Heap;
using testing::Random;

constexpr std::size_t kPlaces = std::size_t{1} << 20;  // enough that none comes back from a cache

/// Pages of a heap of so many MiB.
PageCount PagesOf(std::int64_t mib) { return PageCount{static_cast<std::uint64_t>(mib) << 7}; }

/// How many of a heap's pages are in use: the lower nine tenths.
PageCount InUse(PageCount heap) { return PageCount{heap.raw / 10 * 9}; }

/// Random pages in use.
std::vector<std::uint64_t> Places(PageCount heap) {
  Random random;
  std::vector<std::uint64_t> places(kPlaces);
  for (std::uint64_t& place : places) place = random.Below(InUse(heap).raw);
  return places;
}

/// The lower nine tenths in use, and nothing else.
template <class L>
struct NineTenths : Heap<L> {
  explicit NineTenths(PageCount pages) : Heap<L>(pages) {
    this->allocator->AllocateRange(PageRange::Of(Geometry<L>::kHeapBasePage, InUse(pages)));
  }
};

/// Frees a page at a random place, and allocates one: that page again, the lowest.
/// @tparam kInTurn  the next place is not known before this one's page is allocated, so that no
///                  two places' memory is waited for at a time
template <class L, bool kInTurn>
void FreeAndAllocate(benchmark::State& state) {
  const PageCount pages = PagesOf(state.range(0));
  NineTenths<L> heap(pages);
  const std::vector<std::uint64_t> places = Places(pages);
  std::size_t i = 0;
  for (auto _ : state) {
    const PageOffset page = Geometry<L>::kHeapBasePage + PageCount{places[i % kPlaces]};
    heap.allocator->Free(PageRange::Of(page, PageCount{1}));
    const auto got = heap.allocator->Allocate(PageCount{1});
    std::size_t beside = static_cast<std::size_t>(got->first.raw - page.raw);  // 0
    if (beside != 0) state.SkipWithError("another page than the one that was freed");
    if (kInTurn) {
      benchmark::DoNotOptimize(beside);  // else the compiler takes it for 0 where it is compared
      i += beside;
    }
    ++i;
  }
  state.SetItemsProcessed(2 * state.iterations());
}
template <class L>
void RandomPlace(benchmark::State& state) {
  FreeAndAllocate<L, false>(state);
}
template <class L>
void RandomPlaceInTurn(benchmark::State& state) {
  FreeAndAllocate<L, true>(state);
}

/// What of that a bitmap cannot do without: the word of the page is written twice.
template <bool kInTurn>
void WriteTwice(benchmark::State& state) {
  const PageCount pages = PagesOf(state.range(0));
  // As chunks have them: eight words of allocation bits, eight of scavenged bits; on huge pages
  // where those of a heap are.
  const std::uint64_t words = pages.raw / 64 * 2;
  const bool huge = pages >= PageAllocator<LinuxAmd64>::kHugePagesFrom;
  MmapMemory os;
  ReservedArray<std::uint64_t> memory;
  if (!memory.Reserve(os, words).ok() || !memory.MakeAccessible(0, words).ok() ||
      (huge && !os.HintHugePages(reinterpret_cast<std::byte*>(memory.data()),
                                 memory.metadata().reserved, HugePages::kPrefer)
                    .ok())) {
    std::abort();  // a benchmark without memory has nothing to say
  }
  std::uint64_t* const bitmap = memory.data();
  std::fill_n(bitmap, static_cast<std::size_t>(words), ~std::uint64_t{0});
  const std::vector<std::uint64_t> places = Places(pages);
  std::size_t i = 0;
  for (auto _ : state) {
    const std::uint64_t page = places[i % kPlaces];
    std::uint64_t& word = bitmap[static_cast<std::size_t>(page / 512 * 16 + page % 512 / 64)];
    const std::uint64_t bit = std::uint64_t{1} << page % 64;
    word &= ~bit;
    benchmark::ClobberMemory();
    word |= bit;
    benchmark::ClobberMemory();
    if (kInTurn) i += static_cast<std::size_t>(~word);  // 0: all ones again
    ++i;
  }
  state.SetItemsProcessed(2 * state.iterations());
}
void RandomLines(benchmark::State& state) { WriteTwice<false>(state); }
void RandomLinesInTurn(benchmark::State& state) { WriteTwice<true>(state); }

/// Two pages on a heap of which every other page is free, and two together only at its end.
template <class L>
void FindTwoAtEnd(benchmark::State& state) {
  const PageCount pages = PagesOf(state.range(0));
  Heap<L> heap(pages);
  const PageOffset base = Geometry<L>::kHeapBasePage;
  heap.allocator->AllocateRange(PageRange::Of(base, pages));
  constexpr std::uint64_t kEveryOther = 0x5555'5555'5555'5555;
  for (PageCount at{0}; at < pages; at += PageCount{64}) {
    PageCache block{base + at, kEveryOther, 0};
    heap.allocator->Flush(block);
  }
  const PageOffset two = base + PageCount{pages.raw - 2};
  heap.allocator->Free(PageRange::Of(two + PageCount{1}, PageCount{1}));
  for (auto _ : state) {
    const auto found = heap.allocator->Find(PageCount{2});
    if (found->first != two) state.SkipWithError("not at the end");
  }
}

/// Frees runs of 1 to 16 pages and allocates others, all over the heap: a million places of the
/// lower nine tenths take part.
template <class L>
void ChurnEverywhere(benchmark::State& state) {
  const PageCount pages = PagesOf(state.range(0));
  NineTenths<L> heap(pages);
  const PageOffset base = Geometry<L>::kHeapBasePage;
  Random random;
  std::vector<PageRange> live;
  // One a word at most, so that no two of them overlap.
  const std::uint64_t words = InUse(pages).raw / 64;
  const std::uint64_t places = std::min<std::uint64_t>(kPlaces, words);
  for (std::uint64_t i = 0; i < places; ++i) {
    const PageCount word{i * words / places * 64};
    live.push_back(PageRange::Of(base + word, PageCount{1 + random.Below(16)}));
  }
  std::vector<std::pair<std::uint32_t, std::uint32_t>> steps(kPlaces);
  for (auto& [victim, want] : steps) {
    victim = static_cast<std::uint32_t>(random.Below(live.size()));
    want = static_cast<std::uint32_t>(1 + random.Below(16));
  }
  std::size_t i = 0;
  for (auto _ : state) {
    const auto [victim, want] = steps[i++ % kPlaces];
    heap.allocator->Free(live[victim]);
    const auto got = heap.allocator->Allocate(PageCount{want});
    live[victim] = PageRange::Of(got->first, PageCount{want});
  }
  state.SetItemsProcessed(2 * state.iterations());
}

/// A load whose address the one before it says, in so many bytes of memory.
void DependentLoad(benchmark::State& state) {
  constexpr std::size_t kLine = 64 / sizeof(std::uint64_t);
  const std::size_t lines = static_cast<std::size_t>(state.range(0)) / 64;
  std::vector<std::uint64_t> order(lines);
  std::iota(order.begin(), order.end(), std::uint64_t{0});
  Random random;
  for (std::size_t i = lines - 1; i > 0; --i) std::swap(order[i], order[random.Below(i + 1)]);
  std::vector<std::uint64_t> memory(lines * kLine);
  for (std::size_t i = 0; i < lines; ++i) {
    memory[order[i] * kLine] = order[(i + 1) % lines] * kLine;
  }
  std::uint64_t at = 0;
  for (auto _ : state) {
    at = memory[at];
    benchmark::DoNotOptimize(at);
  }
}

void HeapSizes(benchmark::internal::Benchmark* b) {
  b->ArgName("mib");
  for (std::int64_t mib = 64; mib <= std::int64_t{16} << 20; mib *= 4) b->Arg(mib);
}
void Up32(benchmark::internal::Benchmark* b) {
  b->ArgName("mib");
  for (const std::int64_t mib : {64, 256, 1024}) b->Arg(mib);
}

BENCHMARK(RandomPlace<LinuxAmd64>)->Apply(HeapSizes);
BENCHMARK(RandomPlace<LinuxAmd64La57>)->Apply(HeapSizes);
BENCHMARK(RandomPlace<Linux386>)->Apply(Up32);
BENCHMARK(RandomLines)->Apply(HeapSizes);
BENCHMARK(RandomPlaceInTurn<LinuxAmd64>)->Apply(HeapSizes);
BENCHMARK(RandomPlaceInTurn<LinuxAmd64La57>)->Apply(HeapSizes);
BENCHMARK(RandomPlaceInTurn<Linux386>)->Apply(Up32);
BENCHMARK(RandomLinesInTurn)->Apply(HeapSizes);
BENCHMARK(FindTwoAtEnd<LinuxAmd64>)->Apply(HeapSizes);
BENCHMARK(FindTwoAtEnd<LinuxAmd64La57>)->Apply(HeapSizes);
BENCHMARK(FindTwoAtEnd<Linux386>)->Apply(Up32);
BENCHMARK(ChurnEverywhere<LinuxAmd64>)->Apply(HeapSizes);
BENCHMARK(ChurnEverywhere<LinuxAmd64La57>)->Apply(HeapSizes);
BENCHMARK(ChurnEverywhere<Linux386>)->Apply(Up32);
BENCHMARK(DependentLoad)
    ->ArgName("bytes")
    ->Arg(16 << 10)
    ->Arg(256 << 10)
    ->Arg(8 << 20)
    ->Arg(64 << 20)
    ->Arg(1 << 30);

}  // namespace
}  // namespace pagealloc
