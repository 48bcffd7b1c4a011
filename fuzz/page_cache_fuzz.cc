/// page_cache: several page caches at a time, taken from one heap of 512 pages, against an array
/// that says of each page who has it. The pages are one chunk of eight words, or eight chunks of
/// one word: what a cache takes or returns there splits and joins runs over borders.
///
/// Input: a byte that says on which layout, one which pages are in use at first, one which of these
/// were freed again, then operations of one to three bytes: take the lowest block or the block
/// around a page, allocate from a cache, flush; the heap allocates and frees in between, runs and
/// any pages of a block.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

#include "fuzz/decode_ops.h"
#include "fuzz/narrow.h"
#include "fuzz/target.h"
#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/invariants.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

template <Layout L>
class CachesRun {
  using G = Geometry<L>;
  static constexpr unsigned kPages = 512;
  static constexpr unsigned kBlocks = kPages / 64;
  static constexpr PageOffset kFirst = G::kHeapBasePage;

  struct Page {
    bool free = true;
    bool scavenged = true;  ///< as the heap or the cache knows it; false while in use
    int cache = -1;         ///< the cache that has it, still to be given out
  };

 public:
  CachesRun(NarrowRun& run, ByteReader in) : run_(run), in_(in) {}

  void Go() {
    const PageRange heap = PageRange::Of(kFirst, PageCount{kPages});
    const bool ready = heap_.Init(os_).ok() && heap_.Grow(heap).ok();
    run_.Expect("Init and Grow", ready, 1, {});
    const std::uint64_t used = PatternOf(in_.Byte());
    Prepare(used, PatternOf(in_.Byte()));
    while (!in_.empty()) {
      run_.Next();
      const unsigned code = in_.Byte();
      const unsigned which = code / 8 % static_cast<unsigned>(caches_.size());
      switch (code % 8) {
        case 0:
          Take(which, std::nullopt);
          break;
        case 1:
          Take(which, in_.TwoBytes() % kPages);
          break;
        case 2:
          AllocateFrom(which, code / 64 + 1);
          break;
        case 3:
          AllocateFrom(which, in_.Byte() % 66U + 1);
          break;
        case 4:
          Flush(which);
          break;
        case 5:
          FreeToHeap(in_.TwoBytes() % kPages);
          break;
        case 6:
          AllocateFromHeap(code / 8 + 1);
          break;
        default:
          ReturnToHeap(which, PatternOf(in_.Byte()));
          break;
      }
      if (run_.operations() % 4 == 0) CompareStats();
    }
    Compare();
    for (unsigned i = 0; i < caches_.size(); ++i) Flush(i);
    Compare();
  }

 private:
  /// Every word gets the pattern, rotated: pages of ones are in use, but for those that were freed
  /// again, so that both kinds of free pages are there.
  void Prepare(std::uint64_t pattern, std::uint64_t freed) {
    for (unsigned block = 0; block < kBlocks; ++block) {
      const std::uint64_t used = std::rotl(pattern, static_cast<int>(block * 5));
      PageCache cache = heap_.TakePageCache(kFirst + PageCount{std::uint64_t{block} * 64});
      cache.pages = ~used | freed;
      cache.scavenged = ~used;
      heap_.Flush(cache);
      for (unsigned i = 0; i < 64; ++i) {
        if ((used >> i & 1) != 0) pages_[block * 64 + i] = {(freed >> i & 1) != 0, false, -1};
      }
    }
  }

  static PageRange RangeOf(unsigned first, unsigned count) {
    return PageRange::Of(kFirst + PageCount{first}, PageCount{count});
  }

  /// @param at  a page of the block; nullopt: the lowest block with a free page
  void Take(unsigned which, std::optional<unsigned> at) {
    if (!caches_[which].empty()) return;
    unsigned block = kBlocks;
    if (at) {
      block = *at / 64;
    } else {
      for (unsigned i = kPages; i-- > 0;) {
        if (pages_[i].free) block = i / 64;
      }
    }
    if (block < kBlocks) block_of_[which] = block;
    caches_[which] = at ? heap_.TakePageCache(kFirst + PageCount{*at}) : heap_.TakePageCache();
    for (unsigned i = block * 64; block < kBlocks && i < block * 64 + 64; ++i) {
      if (pages_[i].free) pages_[i] = {false, pages_[i].scavenged, static_cast<int>(which)};
    }
    CompareCache(which);
  }

  void CompareCache(unsigned which) {
    std::uint64_t pages = 0;
    std::uint64_t scavenged = 0;
    std::uint64_t base = 0;
    const unsigned block = block_of_[which];
    for (unsigned i = 0; i < 64; ++i) {
      const Page& page = pages_[block * 64 + i];
      if (page.cache != static_cast<int>(which)) continue;
      pages |= std::uint64_t{1} << i;
      if (page.scavenged) scavenged |= std::uint64_t{1} << i;
      base = kFirst.raw + std::uint64_t{block} * 64;
    }
    const PageCache& cache = caches_[which];
    run_.Expect("PageCache, pages", cache.pages, pages, {which});
    run_.Expect("PageCache, scavenged", cache.scavenged, scavenged, {which});
    run_.Expect("PageCache, empty", cache.empty(), pages == 0, {which});
    if (pages != 0) run_.Expect("PageCache, base", cache.base.raw, base, {which});
  }

  void AllocateFrom(unsigned which, unsigned want) {
    std::optional<unsigned> first;
    unsigned run = 0;
    const unsigned begin = block_of_[which] * 64;
    for (unsigned i = begin; i < begin + 64 && !first; ++i) {
      run = pages_[i].cache == static_cast<int>(which) ? run + 1 : 0;
      if (run == want) first = i + 1 - want;
    }
    const std::optional<Allocation> got = caches_[which].Allocate(PageCount{want});
    run_.Expect("PageCache::Allocate, found", got.has_value(), first.has_value(), {which, want});
    if (!got) return CompareCache(which);
    run_.Expect("PageCache::Allocate, first", got->first.raw, kFirst.raw + *first, {which, want});
    unsigned scavenged = 0;
    for (unsigned i = *first; i < *first + want; ++i) {
      scavenged += pages_[i].scavenged ? 1U : 0U;
      pages_[i] = {false, false, -1};
    }
    run_.Expect("PageCache::Allocate, scavenged", got->scavenged.raw, scavenged, {which, want});
    CompareCache(which);
  }

  void Flush(unsigned which) {
    for (Page& page : pages_) {
      if (page.cache == static_cast<int>(which)) page = {true, page.scavenged, -1};
    }
    heap_.Flush(caches_[which]);
    CompareCache(which);
  }

  /// From page i on, as many as are in use and not in a cache, up to 40.
  void FreeToHeap(unsigned i) {
    unsigned count = 0;
    while (i + count < kPages && count < 40 && !pages_[i + count].free &&
           pages_[i + count].cache < 0) {
      ++count;
    }
    if (count == 0) return;
    heap_.Free(RangeOf(i, count));
    std::fill_n(pages_.begin() + i, count, Page{true, false, -1});
  }

  /// Those of the block that are in use and not in a cache, as far as the pattern has them.
  void ReturnToHeap(unsigned block, std::uint64_t pattern) {
    PageCache returned{.base = kFirst + PageCount{std::uint64_t{block} * 64}};
    for (unsigned i = 0; i < 64; ++i) {
      Page& page = pages_[block * 64 + i];
      if (page.free || page.cache >= 0 || (pattern >> i & 1) == 0) continue;
      returned.pages |= std::uint64_t{1} << i;
      page = {true, false, -1};
    }
    heap_.Flush(returned);
  }

  void AllocateFromHeap(unsigned want) {
    std::optional<unsigned> first;
    unsigned run = 0;
    for (unsigned i = 0; i < kPages && !first; ++i) {
      run = pages_[i].free ? run + 1 : 0;
      if (run == want) first = i + 1 - want;
    }
    const std::optional<Allocation> got = heap_.Allocate(PageCount{want});
    run_.Expect("Allocate, found", got.has_value(), first.has_value(), {want});
    if (!got) return;
    run_.Expect("Allocate, first", got->first.raw, kFirst.raw + *first, {want});
    unsigned scavenged = 0;
    for (unsigned i = *first; i < *first + want; ++i) {
      scavenged += pages_[i].scavenged ? 1U : 0U;
      pages_[i] = {false, false, -1};
    }
    run_.Expect("Allocate, scavenged", got->scavenged.raw, scavenged, {want});
  }

  void CompareStats() {
    unsigned free = 0;
    unsigned scavenged = 0;
    for (const Page& page : pages_) {
      free += page.free ? 1U : 0U;
      scavenged += page.free && page.scavenged ? 1U : 0U;
    }
    const HeapStats& stats = heap_.stats();
    run_.Expect("stats, free", stats.free.raw, free, {});
    run_.Expect("stats, in use", stats.in_use.raw, kPages - free, {});
    run_.Expect("stats, scavenged", stats.scavenged.raw, scavenged, {});
  }

  void Compare() {
    const auto& chunks = testing::AllocatorAccess::chunks(heap_);
    for (unsigned block = 0; block < kBlocks; ++block) {
      const PageOffset base = kFirst + PageCount{std::uint64_t{block} * 64};
      const auto& chunk = chunks[G::ChunkOf(base)];
      const unsigned word = G::PageInChunk(base) / 64;
      std::uint64_t used = 0;
      std::uint64_t scavenged = 0;
      for (unsigned i = 0; i < 64; ++i) {
        const Page& page = pages_[block * 64 + i];
        used |= std::uint64_t{!page.free} << i;
        scavenged |= std::uint64_t{page.free && page.scavenged} << i;
      }
      run_.Expect("a word, allocated", chunk.allocated.word(word), used, {block});
      run_.Expect("a word, scavenged", chunk.scavenged.word(word), scavenged, {block});
    }
    CompareStats();
    std::string broken = testing::CheckInvariants(heap_, caches_);
    run_.Expect("CheckInvariants", broken.empty(), 1, {}, [&] { return std::move(broken); });
  }

  NarrowRun& run_;
  ByteReader in_;
  testing::FakeMemory os_{ByteCount{64}};
  PageAllocator<L, NoCounters> heap_;
  std::array<PageCache, 8> caches_{};
  std::array<unsigned, 8> block_of_{};  // the block that a cache was taken from last
  std::array<Page, kPages> pages_{};
};

}  // namespace
}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  namespace fuzz = pagealloc::fuzz;
  namespace layouts = pagealloc::testing;
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 128));
  fuzz::NarrowRun run("page_cache", input);
  fuzz::ByteReader in(input);
  if (in.Byte() % 2 == 0) {
    std::make_unique<fuzz::CachesRun<layouts::TinyUneven>>(run, in)->Go();
  } else {
    std::make_unique<fuzz::CachesRun<layouts::TinyWordChunks>>(run, in)->Go();
  }
  return 0;
}
