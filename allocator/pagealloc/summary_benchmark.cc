// summary_benchmark.cc: what the parts of a search and of an update cost: a chunk's bitmap, its
// summary, the merge of eight, and the repair of the index above a page.
//
// As page_allocator_benchmark.cc: prepared before the clock starts, one operation an iteration.

#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <cstdlib>

#include "pagealloc/chunk_map.h"
#include "pagealloc/page_bits.h"
#include "pagealloc/reach_index.h"
#include "pagealloc/summary.h"
#include "pagealloc/work_counters.h"

namespace pagealloc {
namespace {

constexpr unsigned kChunkPages = 512;
using Bits = PageBits<kChunkPages>;

/// All allocated but every `gap`-th page, and the last `tail` ones.
Bits Holes(unsigned gap, unsigned tail) {
  Bits bits;
  bits.SetAll();
  for (unsigned i = 0; i < kChunkPages; i += gap) bits.Clear(i);
  bits.ClearRange(kChunkPages - tail, tail);
  return bits;
}

/// Finds a run in the last pages of a bitmap, behind holes that are too short.
void BitmapScan(benchmark::State& state) {
  const auto pages = static_cast<std::uint64_t>(state.range(0));
  const Bits bits = pages == 1 ? Holes(kChunkPages, 1) : Holes(2, static_cast<unsigned>(pages));
  std::uint64_t words = 0;
  unsigned from = pages == 1 ? 64 : 0;  // past the hole at the start
  for (auto _ : state) {
    benchmark::DoNotOptimize(from);
    benchmark::DoNotOptimize(bits.Find(pages, from, words));
  }
}

/// Sums up a bitmap that has a hole every so many pages.
void Summarize(benchmark::State& state) {
  Bits bits = Holes(static_cast<unsigned>(state.range(0)), 3);
  for (auto _ : state) {
    benchmark::DoNotOptimize(bits);
    benchmark::DoNotOptimize(bits.Summarize());
  }
}

/// Merges eight chunks' summaries.
template <class L>
void Merge(benchmark::State& state) {
  std::array<Summary<L>, 8> children{};
  for (std::uint64_t i = 0; i < children.size(); ++i) {
    children[i] = Summary<L>::Pack({PageCount{i}, PageCount{20 + i}, PageCount{2 * i}});
  }
  for (auto _ : state) {
    benchmark::DoNotOptimize(children);
    benchmark::DoNotOptimize(
        Summary<L>::Merge(children.data(), children.size(), Geometry<L>::kChunkPageBits));
  }
}

/// Repairs the index after one page of a full heap was freed, or taken again.
template <class L>
void Update(benchmark::State& state) {
  using G = Geometry<L>;
  constexpr PageCount kHeapPages{std::uint64_t{1} << 17};  // 1 GiB
  MmapMemory os;
  ChunkMap<L> chunks;
  ReachIndex<L, NoCounters> index;
  NoCounters counters;
  const PageRange heap = PageRange::Of(G::kHeapBasePage, kHeapPages);
  chunks.Init(os);
  const auto chunk_of = [](PageOffset page) { return G::ChunkOf(page); };
  if (!chunks.MakeBlocks(chunk_of(heap.begin), chunk_of(heap.end)).ok()) {
    std::abort();  // a benchmark without memory has nothing to say
  }
  index.Grown(chunks, heap, counters);
  const PageRange page =
      PageRange::Of(heap.begin + PageCount{kHeapPages.raw / 2 + 100}, PageCount{1});
  auto& chunk = chunks[chunk_of(page.begin)];
  for (PageOffset at = heap.begin; at < heap.end; at += G::kChunkPages) {
    chunks[chunk_of(at)].allocated.SetAll();
    index.Taken(chunks, at, at + G::kChunkPages, counters);
  }
  const unsigned bit = G::PageInChunk(page.begin);
  for (auto _ : state) {
    chunk.Free(bit, 1);
    index.Freed(chunks, page.begin, page.end, counters);
    chunk.Allocate(bit, 1);
    index.TakenFromStart(chunks, page.begin, page.end, counters);
  }
  state.SetItemsProcessed(2 * state.iterations());
}

BENCHMARK(BitmapScan)->ArgName("pages")->Arg(1)->Arg(8)->Arg(100);
BENCHMARK(Summarize)->ArgName("gap")->Arg(2)->Arg(50);
BENCHMARK(Merge<LinuxAmd64>);
BENCHMARK(Merge<Linux386>);
BENCHMARK(Update<LinuxAmd64>);
BENCHMARK(Update<Linux386>);

}  // namespace
}  // namespace pagealloc
