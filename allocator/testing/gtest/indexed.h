/// indexed.h: a ReachIndex over bitmaps of its own, and a model of them, for tests.
///
/// The model has one flag a page and counts runs page by page. Every change is made to both; what
/// they say is compared when asked for.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "pagealloc/reach_index.h"
#include "testing/allocator_access.h"
#include "testing/fake_memory.h"

namespace pagealloc::testing {

/// An index over bitmaps, and the model; pages count from the layout's heap base.
template <class L>
class Indexed {
  using G = Geometry<L>;
  using Chunks = ChunkMap<L>;
  using Index = ReachIndex<L, WorkCounters>;
  using Beside = typename Index::Beside;

 public:
  static constexpr std::uint64_t kPages = G::kChunkPages.raw;

  explicit Indexed(std::uint64_t chunks)
      : free_(HostSize(chunks * kPages)), grown_(HostSize(chunks)) {
    chunks_.Init(os_);
  }

  void Grow(std::uint64_t chunk, std::uint64_t count) {
    const PageRange pages = Range(chunk * kPages, count * kPages);
    ASSERT_TRUE(chunks_.MakeBlocks(G::ChunkOf(pages.begin), G::ChunkOf(pages.end)).ok());
    for (ChunkIndex at = G::ChunkOf(pages.begin); at < G::ChunkOf(pages.end); ++at) {
      chunks_[at].scavenged.SetAll();  // it says nothing to the index
    }
    index_.Grown(chunks_, pages, counters_);
    Model(chunk * kPages, count * kPages, true);
    std::fill_n(grown_.begin() + static_cast<std::ptrdiff_t>(chunk), count, true);
  }
  void Take(std::uint64_t first, std::uint64_t count, bool from_start) {
    const PageRange pages = Range(first, count);
    const bool waits = index_.Waits(chunks_, pages.begin, pages.end, counters_);
    Parts(pages, [](auto& block, std::size_t i, unsigned at, unsigned limit) {
      block.chunks[i].Allocate(at, limit - at);
    });
    Model(first, count, false);
    if (waits) return;
    if (!G::InOneChunk(pages.begin, pages.end)) {
      Beside beside;
      Parts(pages, [&](auto& block, std::size_t i, unsigned at, unsigned limit) {
        Index::TakenPart(block, i, at, limit, beside, counters_);
      });
      index_.TakenParts(chunks_, pages.begin, pages.end, beside, counters_);
    } else if (from_start) {
      index_.TakenFromStart(chunks_, pages.begin, pages.end, counters_);
    } else {
      index_.Taken(chunks_, pages.begin, pages.end, counters_);
    }
  }
  void Free(std::uint64_t first, std::uint64_t count) {
    const PageRange pages = Range(first, count);
    const bool waits = index_.Waits(chunks_, pages.begin, pages.end, counters_);
    SetFree(pages);
    Model(first, count, true);
    if (waits) return;
    if (G::InOneChunk(pages.begin, pages.end)) {
      index_.Freed(chunks_, pages.begin, pages.end, counters_);
    } else {
      index_.FreedParts(chunks_, pages.begin, pages.end, FreedParts(pages), counters_);
    }
  }
  /// All free pages of a 64-page block; those that were.
  std::uint64_t TakeWord(std::uint64_t first) {
    const PageOffset base = Range(first, 1).begin;
    auto& chunk = chunks_[G::ChunkOf(base)];
    const std::uint64_t taken = ~chunk.allocated.WordOf(G::PageInChunk(base));
    if (taken == 0) return 0;
    const bool waits = index_.Waits(chunks_, base, base + PageCount{64}, counters_);
    chunk.allocated.SetInWord(G::PageInChunk(base), taken);
    chunk.scavenged.ClearInWord(G::PageInChunk(base), taken);
    Model(first, 64, false);
    if (!waits) index_.WordChanged(chunks_, base, ~taken, counters_);
    return taken;
  }
  void FreeWord(std::uint64_t first, std::uint64_t freed) {
    const PageOffset base = Range(first, 1).begin;
    const bool waits = index_.Waits(chunks_, base, base + PageCount{64}, counters_);
    auto& bits = chunks_[G::ChunkOf(base)].allocated;
    const std::uint64_t before = bits.WordOf(G::PageInChunk(base));
    bits.ClearInWord(G::PageInChunk(base), freed);
    for (unsigned i = 0; i < 64; ++i) {
      if (freed >> i & 1) Model(first + i, 1, true);
    }
    if (!waits) index_.WordChanged(chunks_, base, before, counters_);
  }

  /// Runs as (first, count).
  void FreeBatch(const std::vector<std::pair<std::uint64_t, std::uint64_t>>& runs) {
    index_.Settle(chunks_, counters_);
    for (const auto& [first, count] : runs) {
      const PageRange pages = Range(first, count);
      SetFree(pages);
      Model(first, count, true);
      if (G::InOneChunk(pages.begin, pages.end)) {
        index_.NoteInBatch(chunks_, pages, counters_);
      } else {
        FreedParts(pages);
      }
    }
    for (const auto& [first, count] : runs) {
      index_.FreedInBatch(chunks_, Range(first, count), counters_);
    }
  }

  [[nodiscard]] bool IsFree(std::uint64_t page) const {
    return free_[HostSize(page)] && Grown(page);
  }
  [[nodiscard]] bool Grown(std::uint64_t page) const { return grown_[HostSize(page / kPages)]; }
  [[nodiscard]] std::uint64_t pages() const { return free_.size(); }
  [[nodiscard]] std::uint64_t chunks() const { return grown_.size(); }
  [[nodiscard]] std::uint64_t RunFrom(std::uint64_t page) const {
    std::uint64_t end = page;
    while (end < pages() && IsFree(end)) ++end;
    return end - page;
  }
  /// Of each page how many free ones begin with it; one behind the last.
  [[nodiscard]] std::vector<std::uint64_t> Runs() const {
    std::vector<std::uint64_t> runs(HostSize(pages() + 1));
    for (std::size_t page = HostSize(pages()); page-- > 0;) {
      runs[page] = IsFree(page) ? runs[page + 1] + 1 : 0;
    }
    return runs;
  }
  static std::uint64_t ModelReach(const std::vector<std::uint64_t>& runs, std::uint64_t chunk) {
    std::uint64_t longest = 0;
    for (std::size_t page = HostSize(chunk * kPages); page < (chunk + 1) * kPages; ++page) {
      const bool begins = page == 0 || runs[page - 1] == 0;
      if (begins) longest = std::max(longest, runs[page]);
    }
    return std::min<std::uint64_t>(longest, Index::kMost);
  }

  /// Every chunk's number, and whether it is free as a whole; nothing waits.
  void ExpectExact() {
    index_.Settle(chunks_, counters_);
    const std::vector<std::uint64_t> runs = Runs();
    for (std::uint64_t c = 0; c < chunks(); ++c) {
      const ChunkIndex at = G::ChunkOf(Range(c * kPages, 1).begin);
      const auto* block = chunks_.LookupBlock(at);
      if (block == nullptr) continue;
      const std::size_t i = Chunks::IndexInBlock(at);
      const std::uint64_t got = block->reach.Get(i);
      const std::uint64_t want = ModelReach(runs, c);
      const bool whole = grown_[HostSize(c)] && runs[HostSize(c * kPages)] >= kPages;
      ASSERT_EQ(block->whole.Get(i), whole) << "chunk " << c;
      ASSERT_EQ(got, want) << "chunk " << c;
    }
  }

  /// Words of bitmaps read since the last call.
  std::uint64_t Words() {
    const std::uint64_t words = counters_.bitmap_words_scanned;
    counters_ = {};
    return words;
  }
  [[nodiscard]] bool waiting() const { return AllocatorAccess::waiting_word(index_).has_value(); }

  /// The lowest place for `want` pages, or none.
  void ExpectFinds(std::uint64_t want) {
    std::optional<std::uint64_t> expected;
    for (std::uint64_t page = 0; page < pages();) {
      const std::uint64_t run = RunFrom(page);
      if (run >= want) {
        expected = page;
        break;
      }
      page += std::max<std::uint64_t>(run, 1);
    }
    const PageOffset got = index_.Find(chunks_, PageCount{want}, counters_);
    ASSERT_EQ(got, expected ? Range(*expected, 1).begin : Index::kNowhere) << want << " pages";
  }

 private:
  static PageRange Range(std::uint64_t first, std::uint64_t count) {
    return PageRange::Of(G::kHeapBasePage + PageCount{first}, PageCount{count});
  }
  void Model(std::uint64_t first, std::uint64_t count, bool free) {
    std::fill_n(free_.begin() + static_cast<std::ptrdiff_t>(first), count, free);
  }
  /// Calls `visit(block, index in it, first page, limit)` for each chunk's part.
  template <class Visit>
  void Parts(PageRange pages, Visit&& visit) {
    for (PageOffset at = pages.begin; at < pages.end;) {
      const unsigned first = G::PageInChunk(at);
      const auto n = std::min(pages.end.raw - at.raw, kPages - first);
      const ChunkIndex chunk = G::ChunkOf(at);
      visit(chunks_.BlockAt(chunk), Chunks::IndexInBlock(chunk), first,
            static_cast<unsigned>(first + n));
      at += PageCount{n};
    }
  }
  void SetFree(PageRange pages) {
    Parts(pages, [](auto& block, std::size_t i, unsigned first, unsigned limit) {
      block.chunks[i].Free(first, limit - first);
    });
  }
  Beside FreedParts(PageRange pages) {
    Beside beside;
    Parts(pages, [&](auto& block, std::size_t i, unsigned first, unsigned limit) {
      Index::FreedPart(block, i, first, limit, beside, counters_);
    });
    return beside;
  }

  FakeMemory os_;
  Chunks chunks_;
  Index index_;
  WorkCounters counters_;
  std::vector<bool> free_;
  std::vector<bool> grown_;
};

}  // namespace pagealloc::testing
