// page_allocator_benchmark.cc: what the library's own operations cost, on a 64-bit and a 32-bit
// layout.
//
// Goals: a quick look while working on the library; pagealloc-bench micro runs them into a results
// file, and what compares is run.
// Each benchmark prepares its heap before the clock starts, draws its random numbers beforehand,
// and reports nanoseconds per call of the allocator (items_per_second, inverted, where a round has
// more). Non-goals: tails, several threads, memory behind the heap (nothing is mapped for it here).
//
//   build/release/bin/pagealloc-bench micro --filter 'Churn.*LinuxAmd64'

#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/benchmark_heap.h"

namespace pagealloc {
namespace {

using testing::Heap;
using testing::Random;

constexpr PageCount kHeapPages{std::uint64_t{1} << 17};  // 1 GiB

/// Allocates and frees one page on a half-full heap.
template <class L>
void Hot(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  for (std::uint64_t i = 0; i < kHeapPages.raw / 2; ++i) {
    benchmark::DoNotOptimize(heap.allocator->Allocate(PageCount{1}));
  }
  for (auto _ : state) {
    const auto got = heap.allocator->Allocate(PageCount{1});
    heap.allocator->Free(PageRange::Of(got->first, PageCount{1}));
  }
  state.SetItemsProcessed(2 * state.iterations());
}

/// Replaces a random run by one of 1 to `max` pages at a fixed occupancy in percent.
template <class L>
void Churn(benchmark::State& state) {
  const auto max = static_cast<std::uint64_t>(state.range(0));
  const auto percent = static_cast<std::uint64_t>(state.range(1));
  Heap<L> heap(kHeapPages);
  Random random;
  std::vector<PageRange> live;
  while (heap.allocator->stats().in_use.raw < kHeapPages.raw * percent / 100) {
    const PageCount want{1 + random.Below(max)};
    const auto got = heap.allocator->Allocate(want);
    if (!got) break;
    live.push_back(PageRange::Of(got->first, want));
  }
  struct Step {
    std::uint32_t victim;
    std::uint32_t want;
  };
  std::vector<Step> steps(1 << 16);
  for (Step& step : steps) {
    step = {static_cast<std::uint32_t>(random.Below(live.size())),
            static_cast<std::uint32_t>(1 + random.Below(max))};
  }
  std::size_t next = 0;
  std::int64_t calls = 0;
  for (auto _ : state) {
    const Step step = steps[next++ % steps.size()];
    PageRange& run = live[step.victim];
    if (!run.empty()) {
      heap.allocator->Free(run);
      ++calls;
    }
    const auto got = heap.allocator->Allocate(PageCount{step.want});
    ++calls;
    run = got ? PageRange::Of(got->first, PageCount{step.want}) : PageRange{};
  }
  state.SetItemsProcessed(calls);
}

/// A heap of which every other page is free, and a request that only its end can serve.
template <class L>
void FindPastHoles(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  const PageOffset base = Geometry<L>::kHeapBasePage;
  heap.allocator->AllocateRange(PageRange::Of(base, kHeapPages));
  for (std::uint64_t i = 0; i < kHeapPages.raw - 64; i += 2) {
    heap.allocator->Free(PageRange::Of(base + PageCount{i}, PageCount{1}));
  }
  heap.allocator->Free(PageRange::Of(base + PageCount{kHeapPages.raw - 32}, PageCount{32}));
  const PageCount want{static_cast<std::uint64_t>(state.range(0))};
  for (auto _ : state) benchmark::DoNotOptimize(heap.allocator->Find(want));
}

/// A request that nothing can serve.
template <class L>
void FailedSearch(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  const PageCount want{kHeapPages.raw + 1};
  for (auto _ : state) benchmark::DoNotOptimize(heap.allocator->Allocate(want));
}

/// Marks and frees a given run in the middle of the heap.
template <class L>
void AllocateRange(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  const PageRange run =
      PageRange::Of(Geometry<L>::kHeapBasePage + PageCount{kHeapPages.raw / 2 + 100},
                    PageCount{static_cast<std::uint64_t>(state.range(0))});
  for (auto _ : state) {
    benchmark::DoNotOptimize(heap.allocator->AllocateRange(run));
    heap.allocator->Free(run);
  }
  state.SetItemsProcessed(2 * state.iterations());
}

/// Takes a page cache from a block with every other page free, and flushes it.
template <class L>
void CacheTakeAndFlush(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  for (std::uint64_t i = 0; i < kHeapPages.raw; i += 2) {
    heap.allocator->AllocateRange(
        PageRange::Of(Geometry<L>::kHeapBasePage + PageCount{i}, PageCount{1}));
  }
  for (auto _ : state) {
    PageCache cache = heap.allocator->TakePageCache();
    benchmark::DoNotOptimize(cache);
    heap.allocator->Flush(cache);
  }
  state.SetItemsProcessed(2 * state.iterations());
}

/// What a sweep frees, one by one or as a batch: of each of many chunks so many pages, each a run
/// of its own, in the order of the addresses; and takes them again, which is not timed.
template <class L, bool kBatch>
void Sweep(benchmark::State& state) {
  Heap<L> heap(kHeapPages);
  const PageRange all = PageRange::Of(Geometry<L>::kHeapBasePage, kHeapPages);
  heap.allocator->AllocateRange(all);
  const auto a_chunk = static_cast<std::uint64_t>(state.range(0));
  std::vector<PageRange> runs;
  for (PageOffset at = all.begin; at < all.end; at += Geometry<L>::kChunkPages) {
    for (std::uint64_t i = 0; i < a_chunk; ++i) {
      const PageCount in_chunk{(i * Geometry<L>::kChunkPages.raw + 1) / a_chunk};
      runs.push_back(PageRange::Of(at + in_chunk, PageCount{1}));
    }
  }
  for (auto _ : state) {
    if constexpr (kBatch) {
      heap.allocator->FreeBatch(runs);
    } else {
      for (const PageRange& run : runs) heap.allocator->Free(run);
    }
    state.PauseTiming();
    for (const PageRange& run : runs) heap.allocator->AllocateRange(run);
    state.ResumeTiming();
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(runs.size()) * state.iterations());
}

BENCHMARK(Hot<LinuxAmd64>);
BENCHMARK(Hot<Linux386>);
void ChurnArguments(benchmark::internal::Benchmark* b) {
  b->ArgNames({"max", "percent"})->Args({1, 90})->Args({16, 50})->Args({16, 90})->Args({16, 99});
}
BENCHMARK(Churn<LinuxAmd64>)->Apply(ChurnArguments);
BENCHMARK(Churn<Linux386>)->Apply(ChurnArguments);
BENCHMARK(FindPastHoles<LinuxAmd64>)->ArgName("pages")->Arg(1)->Arg(2)->Arg(32);
BENCHMARK(FindPastHoles<Linux386>)->ArgName("pages")->Arg(1)->Arg(2)->Arg(32);
BENCHMARK(FailedSearch<LinuxAmd64>);
BENCHMARK(FailedSearch<Linux386>);
BENCHMARK(AllocateRange<LinuxAmd64>)->ArgName("pages")->Arg(1)->Arg(64)->Arg(1024);
BENCHMARK(AllocateRange<Linux386>)->ArgName("pages")->Arg(1)->Arg(64)->Arg(1024);
BENCHMARK(Sweep<LinuxAmd64, false>)
    ->Name("SweepFree<LinuxAmd64>")
    ->ArgName("a_chunk")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64);
BENCHMARK(Sweep<LinuxAmd64, true>)
    ->Name("SweepFreeBatch<LinuxAmd64>")
    ->ArgName("a_chunk")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64);
BENCHMARK(Sweep<Linux386, false>)
    ->Name("SweepFree<Linux386>")
    ->ArgName("a_chunk")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64);
BENCHMARK(Sweep<Linux386, true>)
    ->Name("SweepFreeBatch<Linux386>")
    ->ArgName("a_chunk")
    ->Arg(1)
    ->Arg(16)
    ->Arg(64);
BENCHMARK(CacheTakeAndFlush<LinuxAmd64>);
BENCHMARK(CacheTakeAndFlush<Linux386>);

}  // namespace
}  // namespace pagealloc
