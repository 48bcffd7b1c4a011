#include "testing/page_map.h"

#include <algorithm>
#include <array>
#include <iterator>

namespace pagealloc::testing {
namespace {

constexpr std::uint64_t kBlockPages = 64;

}  // namespace

PageMap::PageMap(PageCount chunk_pages) : chunk_pages_(chunk_pages.raw) {
  PA_EXPECT(chunk_pages.raw >= kBlockPages && chunk_pages.raw % kBlockPages == 0, chunk_pages);
}

/// Position in chunks_ of the first chunk at or after this index.
std::size_t PageMap::LowerBound(std::uint64_t chunk_index) const {
  const auto at =
      std::lower_bound(chunks_.begin(), chunks_.end(), chunk_index,
                       [](const Chunk& c, std::uint64_t index) { return c.index < index; });
  return static_cast<std::size_t>(at - chunks_.begin());
}

const PageMap::Chunk* PageMap::ChunkOf(PageOffset page) const {
  const std::uint64_t index = page.raw / chunk_pages_;
  const std::size_t at = LowerBound(index);
  return at < chunks_.size() && chunks_[at].index == index ? &chunks_[at] : nullptr;
}

bool PageMap::CanGrow(PageRange range) const {
  if (range.empty()) return false;
  if (range.begin.raw % chunk_pages_ != 0 || range.end.raw % chunk_pages_ != 0) return false;
  const std::size_t at = LowerBound(range.begin.raw / chunk_pages_);
  return at == chunks_.size() || chunks_[at].index >= range.end.raw / chunk_pages_;
}

void PageMap::Grow(PageRange range) {
  PA_EXPECT(CanGrow(range), range.begin, range.end);
  const std::uint64_t first = range.begin.raw / chunk_pages_;
  const std::uint64_t count = range.size().raw / chunk_pages_;
  std::vector<Chunk> added(HostSize(count));
  for (std::uint64_t i = 0; i < count; ++i) {
    added[HostSize(i)] = Chunk{first + i, chunk_pages_, nullptr, Page::kFreeScavenged, 0};
  }
  chunks_.insert(chunks_.begin() + static_cast<std::ptrdiff_t>(LowerBound(first)),
                 std::make_move_iterator(added.begin()), std::make_move_iterator(added.end()));
  AddRange(range);
  grown_ += range.size();
  free_ += range.size();
  scavenged_free_ += range.size();
  cursor_ = std::min(cursor_, range.begin);
}

/// Into grown_ranges_, joined with its neighbours.
void PageMap::AddRange(PageRange range) {
  auto at = std::lower_bound(grown_ranges_.begin(), grown_ranges_.end(), range.begin,
                             [](PageRange r, PageOffset begin) { return r.begin < begin; });
  if (at != grown_ranges_.end() && at->begin == range.end) {
    range.end = at->end;
    at = grown_ranges_.erase(at);
  }
  if (at != grown_ranges_.begin() && std::prev(at)->end == range.begin) {
    std::prev(at)->end = range.end;
  } else {
    grown_ranges_.insert(at, range);
  }
}

PageMap::Page PageMap::At(PageOffset page) const {
  const Chunk* const chunk = ChunkOf(page);
  PA_EXPECT(chunk != nullptr, page);
  return chunk->pages ? chunk->pages[HostSize(page.raw % chunk_pages_)] : chunk->all;
}

/// Sets pages [begin, end) of a chunk, and all counts.
void PageMap::Fill(Chunk& chunk, std::uint64_t begin, std::uint64_t end, Page state) {
  std::uint64_t were_free = 0;
  std::uint64_t were_scavenged = 0;
  if (chunk.pages) {
    for (std::uint64_t i = begin; i < end; ++i) {
      were_free += chunk.pages[HostSize(i)] != Page::kAllocated ? 1U : 0U;
      were_scavenged += chunk.pages[HostSize(i)] == Page::kFreeScavenged ? 1U : 0U;
    }
  } else {
    were_free = chunk.all != Page::kAllocated ? end - begin : 0;
    were_scavenged = chunk.all == Page::kFreeScavenged ? end - begin : 0;
  }
  if (end - begin == chunk_pages_) {
    chunk.pages.reset();
    chunk.all = state;
  } else {
    if (!chunk.pages) {
      chunk.pages =
          std::make_unique_for_overwrite<Page[]>(HostSize(chunk_pages_));  // NOLINT(*-c-arrays)
      std::fill_n(chunk.pages.get(), chunk_pages_, chunk.all);
    }
    std::fill(chunk.pages.get() + begin, chunk.pages.get() + end, state);
  }
  const std::uint64_t now_free = state != Page::kAllocated ? end - begin : 0;
  const std::uint64_t now_scavenged = state == Page::kFreeScavenged ? end - begin : 0;
  chunk.free = chunk.free - were_free + now_free;
  chunk.peak = std::max(chunk.peak, chunk_pages_ - chunk.free - chunk.held);
  free_ = PageCount{free_.raw - were_free + now_free};
  scavenged_free_ = PageCount{scavenged_free_.raw - were_scavenged + now_scavenged};
  byte_visits_ += end - begin;
}

/// Sets pages that are all in the heap.
void PageMap::Set(PageRange range, Page state) {
  if (state != Page::kAllocated) cursor_ = std::min(cursor_, range.begin);
  std::size_t at = LowerBound(range.begin.raw / chunk_pages_);
  for (std::uint64_t page = range.begin.raw; page < range.end.raw; ++at) {
    Chunk& chunk = chunks_[at];
    const std::uint64_t chunk_begin = chunk.index * chunk_pages_;
    const std::uint64_t end = std::min(range.end.raw - chunk_begin, chunk_pages_);
    Fill(chunk, page - chunk_begin, end, state);
    page = chunk_begin + end;
  }
}

/// Moves the cursor to the lowest free page; at or past the heap's end if there is none.
void PageMap::MoveCursorUp() const {
  for (std::size_t at = LowerBound(cursor_.raw / chunk_pages_); at < chunks_.size(); ++at) {
    const Chunk& chunk = chunks_[at];
    ++byte_visits_;
    if (chunk.free == 0) continue;
    const std::uint64_t chunk_begin = chunk.index * chunk_pages_;
    std::uint64_t i = cursor_.raw > chunk_begin ? cursor_.raw - chunk_begin : 0;
    if (chunk.pages) {
      const std::uint64_t from = i;
      while (chunk.pages[HostSize(i)] == Page::kAllocated) ++i;
      byte_visits_ += i - from + 1;
    }
    cursor_ = PageOffset{chunk_begin + i};
    return;
  }
  cursor_ = std::max(cursor_, heap_end());
}

std::optional<PageOffset> PageMap::Find(PageCount want) const {
  PA_EXPECT(want.raw >= 1, want);
  if (free_ < want) return std::nullopt;
  MoveCursorUp();
  std::uint64_t run = 0;  // free pages directly below the page that is looked at
  std::uint64_t next_index = 0;
  for (std::size_t at = LowerBound(cursor_.raw / chunk_pages_); at < chunks_.size(); ++at) {
    const Chunk& chunk = chunks_[at];
    ++byte_visits_;
    if (chunk.index != next_index) run = 0;  // a run does not reach across a gap
    next_index = chunk.index + 1;
    const std::uint64_t chunk_begin = chunk.index * chunk_pages_;
    if (chunk.free == 0) {
      run = 0;
    } else if (chunk.free == chunk_pages_) {
      if (run + chunk_pages_ >= want.raw) return PageOffset{chunk_begin - run};
      run += chunk_pages_;
    } else {
      for (std::uint64_t i = 0; i < chunk_pages_; ++i) {
        run = chunk.pages[HostSize(i)] == Page::kAllocated ? 0 : run + 1;
        if (run == want.raw) {
          byte_visits_ += i + 1;
          return PageOffset{chunk_begin + i + 1 - run};
        }
      }
      byte_visits_ += chunk_pages_;
    }
  }
  return std::nullopt;
}

std::optional<Allocation> PageMap::Allocate(PageCount want) {
  const std::optional<PageOffset> first = Find(want);
  if (!first) return std::nullopt;
  return Allocation{*first, AllocateRange(PageRange::Of(*first, want))};
}

PageCount PageMap::AllocateRange(PageRange range) {
  PA_EXPECT(AllFree(range), range.begin, range.end);
  const PageCount before = scavenged_free_;
  Set(range, Page::kAllocated);
  return before - scavenged_free_;
}

void PageMap::Free(PageRange range) {
  PA_EXPECT(AllAllocated(range), range.begin, range.end);
  Set(range, Page::kFree);
  freed_end_ = std::max(freed_end_, range.end);
}

void PageMap::NextGeneration() {
  for (Chunk& chunk : chunks_) chunk.peak = chunk_pages_ - chunk.free - chunk.held;
  background_end_ = std::max(background_end_, freed_end_);
  freed_end_ = PageOffset{0};
}

/// One run of the chunk, of pages below `below` (a page of it, or its end) rounded up to a block.
PageCount PageMap::ScavengeIn(Chunk& chunk, std::uint64_t below, PageCount most, PageCount unit,
                              PageCount huge) {
  const std::uint64_t begin = chunk.index * chunk_pages_;
  const auto usable = [&](std::uint64_t group) {  // all pages of the group that begins there
    for (std::uint64_t i = group; i < group + unit.raw; ++i) {
      if (At(PageOffset{begin + i}) != Page::kFree) return false;
    }
    return true;
  };
  std::uint64_t end = (below + kBlockPages - 1) / kBlockPages * kBlockPages;
  while (end > 0 && !usable(end - unit.raw)) end -= unit.raw;
  if (end == 0) return PageCount{0};
  std::uint64_t run = end;  // where it begins
  while (run > 0 && usable(run - unit.raw)) run -= unit.raw;
  std::uint64_t first = end - unit.raw;
  while (first > run && end - first < most.raw) first -= unit.raw;
  if (huge > unit && huge.raw <= chunk_pages_) {
    for (std::uint64_t at = 0; at < chunk_pages_; at += huge.raw) {
      if (at >= run && at < first && first < at + huge.raw && at + huge.raw <= end) first = at;
    }
  }
  Set({PageOffset{begin + first}, PageOffset{begin + end}}, Page::kFreeScavenged);
  return PageCount{end - first};
}

PageCount PageMap::Scavenge(PageCount target, bool forced, PageCount unit, PageCount huge) {
  PageOffset from = forced ? heap_end() : background_end_;
  PageCount released{0};
  for (std::size_t at = chunks_.size(); at-- > 0 && released < target;) {
    Chunk& chunk = chunks_[at];
    const std::uint64_t begin = chunk.index * chunk_pages_;
    if (begin >= from.raw) continue;
    if (!forced && chunk.peak >= chunk_pages_ - chunk_pages_ / 32) continue;
    const std::uint64_t below = std::min(from.raw - begin, chunk_pages_);
    while (released < target) {
      const PageCount missing = target - released;
      PageCount got = ScavengeIn(chunk, below, missing, unit, huge);
      if (got == PageCount{0}) got = ScavengeIn(chunk, chunk_pages_, missing, unit, huge);
      if (got == PageCount{0}) break;
      released += got;
    }
    if (released >= target) from = PageOffset{begin + below};
  }
  if (!forced) background_end_ = released >= target ? from : PageOffset{0};
  return released;
}

/// The chunk that all of a range lies in.
PageMap::Chunk& PageMap::ChunkAround(PageRange range) {
  const std::uint64_t index = range.begin.raw / chunk_pages_;
  PA_EXPECT(InHeap(range) && (range.end.raw - 1) / chunk_pages_ == index, range.begin, range.end);
  return chunks_[LowerBound(index)];
}

void PageMap::Hold(PageRange range) {
  Chunk& chunk = ChunkAround(range);
  const PageCount scavenged = scavenged_free_;
  PA_EXPECT(AllFree(range), range.begin, range.end);
  chunk.held += range.size().raw;  // before they stop being free: they are at no time in use
  held_ += range.size();
  Set(range, Page::kAllocated);
  PA_EXPECT(scavenged_free_ == scavenged, range.begin, range.end);
}

void PageMap::EndHold(PageRange range, bool released) {
  Chunk& chunk = ChunkAround(range);
  PA_EXPECT(AllAllocated(range) && chunk.held >= range.size().raw, range.begin, range.end);
  chunk.held -= range.size().raw;
  held_ -= range.size();
  Set(range, released ? Page::kFreeScavenged : Page::kFree);
  if (!released) freed_end_ = std::max(freed_end_, range.end);
}

PageCount PageMap::peak(PageOffset page) const {
  const Chunk* const chunk = ChunkOf(page);
  PA_EXPECT(chunk != nullptr, page);
  return PageCount{chunk->peak};
}

std::optional<PageMap::Block> PageMap::TakeBlock() {
  const std::optional<PageOffset> lowest = lowest_free();
  if (!lowest) return std::nullopt;
  Block block{PageOffset{lowest->raw / kBlockPages * kBlockPages}, 0, 0};
  for (std::uint64_t i = 0; i < kBlockPages; ++i) {
    const PageOffset page{block.first.raw + i};
    const Page state = At(page);
    if (state == Page::kAllocated) continue;
    block.pages |= std::uint64_t{1} << i;
    if (state == Page::kFreeScavenged) block.scavenged |= std::uint64_t{1} << i;
    Set(PageRange::Of(page, PageCount{1}), Page::kAllocated);
  }
  return block;
}

PageMap::Block PageMap::PeekBlock(PageOffset first) const {
  const Chunk* const chunk = ChunkOf(first);
  PA_EXPECT(first.raw % kBlockPages == 0 && chunk != nullptr, first);
  Block block{first, 0, 0};
  if (!chunk->pages) {
    if (chunk->all != Page::kAllocated) block.pages = ~std::uint64_t{0};
    if (chunk->all == Page::kFreeScavenged) block.scavenged = ~std::uint64_t{0};
    return block;
  }
  const Page* const pages = chunk->pages.get() + first.raw % chunk_pages_;
  // Bits of eight pages at a time: of 64 one after the other each would wait for the last.
  for (std::uint64_t i = 0; i < kBlockPages; i += 8) {
    std::uint64_t free = 0;
    std::uint64_t scavenged = 0;
    for (std::uint64_t k = 0; k < 8; ++k) {
      free |= std::uint64_t{pages[i + k] != Page::kAllocated} << k;
      scavenged |= std::uint64_t{pages[i + k] == Page::kFreeScavenged} << k;
    }
    block.pages |= free << i;
    block.scavenged |= scavenged << i;
  }
  byte_visits_ += kBlockPages;
  return block;
}

void PageMap::ReturnBlock(const Block& block) {
  PA_EXPECT(block.first.raw % kBlockPages == 0 && in_heap(block.first), block.first);
  PA_EXPECT((block.scavenged & ~block.pages) == 0, block.scavenged, block.pages);
  for (std::uint64_t i = 0; i < kBlockPages; ++i) {
    if ((block.pages >> i & 1) != 0)
      freed_end_ = std::max(freed_end_, block.first + PageCount{i + 1});
  }
  for (std::uint64_t i = 0; i < kBlockPages; ++i) {
    if ((block.pages >> i & 1) == 0) continue;
    const PageOffset page{block.first.raw + i};
    PA_EXPECT(At(page) == Page::kAllocated, page);
    Set(PageRange::Of(page, PageCount{1}),
        (block.scavenged >> i & 1) != 0 ? Page::kFreeScavenged : Page::kFree);
  }
}

/// True if all of the range is in the heap and `wanted(chunk, begin, end)` of each chunk's part.
template <class Wanted>
bool PageMap::AllAre(PageRange range, Wanted wanted) const {
  PA_EXPECT(range.begin < range.end, range.begin, range.end);
  std::size_t at = LowerBound(range.begin.raw / chunk_pages_);
  const std::uint64_t last_index = (range.end.raw - 1) / chunk_pages_;
  for (std::uint64_t index = range.begin.raw / chunk_pages_;; ++index, ++at) {
    if (at == chunks_.size() || chunks_[at].index != index) return false;
    const std::uint64_t chunk_begin = index * chunk_pages_;
    const std::uint64_t begin = std::max(range.begin.raw, chunk_begin) - chunk_begin;
    const std::uint64_t end = std::min(range.end.raw - chunk_begin, chunk_pages_);
    if (!wanted(chunks_[at], begin, end)) return false;
    if (index == last_index) return true;
  }
}

bool PageMap::InHeap(PageRange range) const {
  return AllAre(range, [](const Chunk&, std::uint64_t, std::uint64_t) { return true; });
}

bool PageMap::AllFree(PageRange range) const {
  return AllAre(range, [this](const Chunk& chunk, std::uint64_t begin, std::uint64_t end) {
    if (!chunk.pages) return chunk.all != Page::kAllocated;
    byte_visits_ += end - begin;
    return std::find(chunk.pages.get() + begin, chunk.pages.get() + end, Page::kAllocated) ==
           chunk.pages.get() + end;
  });
}

bool PageMap::AllAllocated(PageRange range) const {
  return AllAre(range, [this](const Chunk& chunk, std::uint64_t begin, std::uint64_t end) {
    if (!chunk.pages) return chunk.all == Page::kAllocated;
    byte_visits_ += end - begin;
    return std::all_of(chunk.pages.get() + begin, chunk.pages.get() + end,
                       [](Page page) { return page == Page::kAllocated; });
  });
}

bool PageMap::in_heap(PageOffset page) const { return ChunkOf(page) != nullptr; }

bool PageMap::free(PageOffset page) const { return in_heap(page) && At(page) != Page::kAllocated; }

bool PageMap::scavenged(PageOffset page) const {
  return in_heap(page) && At(page) == Page::kFreeScavenged;
}

PageMap::Runs PageMap::RunsOf(PageRange range) const {
  PA_EXPECT(range.begin < range.end, range.begin, range.end);
  std::uint64_t start = 0;
  std::uint64_t max = 0;
  std::uint64_t run = 0;                    // free pages directly below `reached`
  std::uint64_t reached = range.begin.raw;  // everything below was looked at
  const auto add = [&](std::uint64_t pages, bool free) {
    if (free) {
      // The run at the start goes on as long as it is all there has been.
      if (run == reached - range.begin.raw) start = run + pages;
      run += pages;
      max = std::max(max, run);
    } else {
      run = 0;
    }
    reached += pages;
  };
  const std::uint64_t last_index = (range.end.raw - 1) / chunk_pages_;
  for (std::size_t at = LowerBound(range.begin.raw / chunk_pages_);
       at < chunks_.size() && chunks_[at].index <= last_index; ++at) {
    const Chunk& chunk = chunks_[at];
    const std::uint64_t chunk_begin = chunk.index * chunk_pages_;
    if (chunk_begin > reached) add(chunk_begin - reached, false);
    const std::uint64_t begin = reached - chunk_begin;
    const std::uint64_t end = std::min(range.end.raw - chunk_begin, chunk_pages_);
    if (!chunk.pages) {
      add(end - begin, chunk.all != Page::kAllocated);
    } else {
      for (std::uint64_t i = begin; i < end; ++i) {
        add(1, chunk.pages[HostSize(i)] != Page::kAllocated);
      }
      byte_visits_ += end - begin;
    }
  }
  if (reached < range.end.raw) add(range.end.raw - reached, false);
  return {PageCount{start}, PageCount{max}, PageCount{run}};
}

PageMap::Counts PageMap::CountsOf(PageRange range) const {
  PA_EXPECT(range.begin < range.end, range.begin, range.end);
  std::array<std::uint64_t, 3> counts{};  // by Page
  const std::uint64_t last_index = (range.end.raw - 1) / chunk_pages_;
  for (std::size_t at = LowerBound(range.begin.raw / chunk_pages_);
       at < chunks_.size() && chunks_[at].index <= last_index; ++at) {
    const Chunk& chunk = chunks_[at];
    const std::uint64_t chunk_begin = chunk.index * chunk_pages_;
    const std::uint64_t begin = std::max(range.begin.raw, chunk_begin) - chunk_begin;
    const std::uint64_t end = std::min(range.end.raw - chunk_begin, chunk_pages_);
    if (!chunk.pages) {
      counts[static_cast<std::size_t>(chunk.all)] += end - begin;
      continue;
    }
    for (std::uint64_t i = begin; i < end; ++i) {
      ++counts[static_cast<std::size_t>(chunk.pages[HostSize(i)])];
    }
    byte_visits_ += end - begin;
  }
  return {PageCount{counts[static_cast<std::size_t>(Page::kAllocated)]},
          PageCount{counts[static_cast<std::size_t>(Page::kFree)]},
          PageCount{counts[static_cast<std::size_t>(Page::kFreeScavenged)]}};
}

PageOffset PageMap::heap_end() const {
  return chunks_.empty() ? PageOffset{0} : PageOffset{(chunks_.back().index + 1) * chunk_pages_};
}

std::optional<PageOffset> PageMap::lowest_free() const {
  if (free_.raw == 0) return std::nullopt;
  MoveCursorUp();
  return cursor_;
}

}  // namespace pagealloc::testing
