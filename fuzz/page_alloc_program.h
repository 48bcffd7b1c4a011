/// page_alloc_program.h: runs a decoded program on a PageAllocator and on the model, side by side.
///
///   FuzzOp  --against the heap as it is-->  an operation that is legal now, or nothing
///           --> CheckedAllocator: model --> trace --> allocator --> compare
///
/// Pages have one holder: a live run, one of four page caches, or nobody (a cut-off part). Freeing
/// a range takes pages from whoever holds them. Nothing is kept between runs.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "fuzz/arena.h"
#include "fuzz/checked_allocator.h"
#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"
#include "testing/page_map.h"

namespace pagealloc::fuzz {

template <Layout L, class Tampering = NoTampering>
class ProgramRun {
  using G = Geometry<L>;
  using Checked = CheckedAllocator<L, Tampering>;

 public:
  using Allocator = typename Checked::Allocator;

  /// @param os     behind the allocator; must outlive this
  /// @param trace  gets every operation; its origin is arena.begin
  ProgramRun(OsMemory& os, const Arena& arena, TraceRecorder& trace, Limits limits = {},
             Tampering tampering = {})
      : arena_(arena), trace_(trace), checked_(os, trace, limits, std::move(tampering)) {}

  /// Runs a program from an empty heap, once: the first difference, or nullopt.
  [[nodiscard]] std::optional<Finding> Run(const FuzzProgram& program) {
    if (!checked_.Init()) return Finding{"Init() was refused", 0};
    GrowFirst(PageCount{program.first_growth * G::kChunkPages.raw});
    for (std::size_t i = 0; i < program.ops.size() && checked_.GoOn(); ++i) {
      Apply(program.ops[i]);
      const bool due = program.check_every != 0 && i % program.check_every == 0;
      if (due) checked_.CheckAllWithinLimit();
    }
    checked_.CheckAll();
    checked_.CheckSummaries();
    if (checked_.difference().empty()) return std::nullopt;
    return Finding{checked_.difference(), trace_.size()};
  }

  [[nodiscard]] std::uint64_t full_checks() const { return checked_.full_checks(); }
  [[nodiscard]] std::uint64_t refused_growths() const { return checked_.refused_growths(); }
  [[nodiscard]] Allocator& allocator() { return checked_.allocator(); }

 private:
  static constexpr std::size_t kCaches = Checked::kCaches;

  [[nodiscard]] const testing::PageMap& model() const { return checked_.model(); }
  [[nodiscard]] std::array<PageCache, kCaches>& caches() { return checked_.caches(); }

  /// As much of the pages as there is room for.
  void Grow(PageRange pages, std::uint64_t refused = 0) {
    const PageCount room = arena_.max_grown - model().grown();
    pages.end = PageOffset{std::min({pages.end.raw, arena_.end.raw, pages.begin.raw + room.raw})};
    if (pages.begin < arena_.begin || pages.empty() || !model().CanGrow(pages)) return;
    checked_.Grow(pages, refused);
  }

  void Allocate(PageCount want) {
    if (const std::optional<NamedRun> run = checked_.Allocate(want)) live_.push_back(*run);
  }

  // What a code means on the heap as it is.

  [[nodiscard]] PageCount Size(std::uint8_t code) const {
    const SizeRule rule = SizeOf(code);
    std::uint64_t base = 0;
    switch (rule.base) {
      case SizeBase::kNothing:
        break;
      case SizeBase::kChunk:
        base = G::kChunkPages.raw;
        break;
      case SizeBase::kTwoChunks:
        base = 2 * G::kChunkPages.raw;
        break;
      case SizeBase::kBlock:
        base = std::uint64_t{1} << G::kSpanPageBits[G::kLevels - 2];
        break;
      case SizeBase::kRoot:
        base = std::uint64_t{1} << G::kSpanPageBits[0];
        break;
      case SizeBase::kHeap:
        base = model().grown().raw;
        break;
      case SizeBase::kFree:
        base = (model().grown() - model().in_use()).raw;
        break;
      case SizeBase::kLongest:
        base = model().RunsOf({arena_.begin, arena_.end}).max.raw;
        break;
    }
    const auto pages = static_cast<std::int64_t>(base) + rule.add;
    return PageCount{pages < 1 ? 1 : static_cast<std::uint64_t>(pages)};
  }

  /// A page of the heap: the low 6 bits choose it in a 64-page word, the others choose the word.
  [[nodiscard]] PageOffset Page(std::uint16_t place) const {
    const std::uint64_t words = model().grown().raw / 64;
    std::uint64_t word = place / 64U % words;
    for (const PageRange& range : model().grown_ranges()) {
      const std::uint64_t in_range = range.size().raw / 64;
      if (word < in_range) return range.begin + PageCount{word * 64 + place % 64U};
      word -= in_range;
    }
    return arena_.start;  // not reached: word is below the sum of all ranges
  }

  /// The first run of pages at or above `from` for which `wanted` holds, at most `most` long; empty
  /// if there is none near.
  template <class Wanted>
  [[nodiscard]] PageRange RunAt(PageOffset from, PageCount most, Wanted wanted) const {
    constexpr std::uint64_t kNear = 256;
    const PageOffset limit{std::min(from.raw + kNear, arena_.end.raw)};
    while (from < limit && !wanted(from)) from += PageCount{1};
    PageRange run{from, from};
    if (from == limit) return run;
    while (run.size() < most && run.end < arena_.end && wanted(run.end)) run.end += PageCount{1};
    return run;
  }

  void Apply(const FuzzOp& op) {
    switch (op.kind) {
      case FuzzOpKind::kGrow:
        return GrowSomewhere(op);
      case FuzzOpKind::kAllocate:
        return Allocate(Size(op.size));
      case FuzzOpKind::kFree:
        if (!live_.empty()) FreeLive(op.index % live_.size());
        return;
      case FuzzOpKind::kFreePart:
        return FreePart(op);
      case FuzzOpKind::kAllocateRange: {
        const PageRange run = RunAt(Page(op.place), Size(op.size),
                                    [this](PageOffset page) { return model().free(page); });
        if (run.empty()) return;
        checked_.AllocateRange(run);
        live_.push_back({run, kNoId});
        return;
      }
      case FuzzOpKind::kFreeRange: {
        const PageRange run = RunAt(Page(op.place), Size(op.size), [this](PageOffset page) {
          return model().in_heap(page) && !model().free(page);
        });
        if (run.empty()) return;
        Forget(run);
        return checked_.Free({run, kNoId});
      }
      case FuzzOpKind::kTakeCache:
        if (caches()[op.index % kCaches].empty()) checked_.TakeCache(caches()[op.index % kCaches]);
        return;
      case FuzzOpKind::kCacheAllocate:
        return AllocateFrom(caches()[op.index % kCaches], Size(op.size));
      case FuzzOpKind::kFlushCache:
        return checked_.Flush(caches()[op.index % kCaches]);
      case FuzzOpKind::kFind:
        return checked_.Find(Size(op.size));
      case FuzzOpKind::kAllocateMany:
        for (unsigned i = 0; i <= op.index % 64U && checked_.GoOn(); ++i) {
          Allocate(Size(op.size));
        }
        return;
      case FuzzOpKind::kFreeMany:
        return FreeMany(op);
      case FuzzOpKind::kReturnBlock:
        return ReturnBlock(op);
    }
  }

  /// In one piece, or in several with gaps as large; as much of it as there is room for.
  void GrowFirst(PageCount pages) {
    PageOffset at = arena_.start;
    for (unsigned i = 0; i < arena_.first_ranges && at < arena_.end; ++i) {
      Grow(PageRange::Of(at, pages));
      at += pages + pages;
    }
  }

  /// Above the heap, below it, or into its first hole; with a gap.
  void GrowSomewhere(const FuzzOp& op) {
    const std::vector<PageRange>& heap = model().grown_ranges();
    constexpr std::uint64_t kChunk = G::kChunkPages.raw;
    const std::uint64_t grow = GrowthOf(op.size) * arena_.growth_chunks * kChunk;
    const PageCount pages{grow != 0 ? grow : std::uint64_t{1} << G::kSpanPageBits[0]};
    const unsigned direction = op.index / 8U % 4U;
    const std::uint64_t refused = op.index / 32U;
    // The gap, or what leaves room for a chunk behind it.
    const auto gap_in = [&op](std::uint64_t room) {
      return PageCount{std::min(GapOf(op.index) * kChunk, room - kChunk)};
    };
    if (direction == 2) {
      const std::uint64_t room = heap.front().begin.raw - arena_.begin.raw;
      if (room < kChunk) return;
      const PageOffset end{heap.front().begin.raw - gap_in(room).raw};
      const PageCount below =
          std::min({pages, end - arena_.begin, arena_.max_grown - model().grown()});
      Grow({PageOffset{end.raw - below.raw}, end}, refused);
    } else if (direction == 3 && heap.size() > 1) {
      const std::size_t hole = op.index / 8U % (heap.size() - 1);
      const PageRange room{heap[hole].end, heap[hole + 1].begin};
      const PageOffset begin = room.begin + gap_in(room.size().raw);
      Grow({begin, std::min(begin + pages, room.end)}, refused);
    } else {
      const std::uint64_t room = arena_.end.raw - heap.back().end.raw;
      if (room < kChunk) return;
      const PageCount gap = direction == 0 ? PageCount{0} : gap_in(room);
      Grow(PageRange::Of(heap.back().end + gap, pages), refused);
    }
  }

  /// What a live run was, which is none any more; another one has its index.
  NamedRun Forget(std::size_t index) {
    const NamedRun run = live_[index];
    live_[index] = live_.back();
    live_.pop_back();
    return run;
  }
  void FreeLive(std::size_t index) { checked_.Free(Forget(index)); }

  /// One by one, or all together as a sweep does.
  void FreeMany(const FuzzOp& op) {
    const std::size_t step = op.index + std::size_t{1};
    const bool together = op.index % 3U == 0;
    std::vector<NamedRun> batch;
    for (std::size_t i = live_.size(); i-- > 0 && checked_.GoOn();) {
      if (i % step != 0) continue;
      if (together) {
        batch.push_back(Forget(i));
      } else {
        FreeLive(i);
      }
    }
    if (!batch.empty()) checked_.FreeBatch(batch);
  }

  void AllocateFrom(PageCache& cache, PageCount want) {
    if (const auto pages = checked_.AllocateFrom(cache, want)) live_.push_back({*pages, kNoId});
  }

  /// Frees the start, the middle or the end of a live run, and keeps the rest.
  void FreePart(const FuzzOp& op) {
    if (live_.empty()) return;
    const PageRange run = live_[op.index % live_.size()].pages;
    const std::uint64_t first = op.place % run.size().raw;
    const std::uint64_t count = op.place / 256U % (run.size().raw - first) + 1;
    const PageRange part = PageRange::Of(run.begin + PageCount{first}, PageCount{count});
    Forget(part);
    checked_.Free({part, kNoId});
  }

  /// Pages come back to a block that no cache need have taken.
  void ReturnBlock(const FuzzOp& op) {
    PageCache block{PageOffset{Page(op.place).raw / 64 * 64}, 0, 0};
    for (std::uint64_t i = 0; i < 64; ++i) {
      if (!model().free(block.base + PageCount{i})) block.pages |= std::uint64_t{1} << i;
    }
    block.pages &= PatternOf(op.index);
    block.scavenged = block.pages & PatternOf(op.size);
    for (std::uint64_t i = 0; i < 64; ++i) {
      if ((block.pages >> i & 1) != 0) {
        Forget(PageRange::Of(block.base + PageCount{i}, PageCount{1}));
      }
    }
    checked_.Flush(block);
  }

  /// Nobody holds these pages any longer.
  void Forget(PageRange pages) {
    for (std::size_t i = live_.size(); i-- > 0;) {
      const PageRange run = live_[i].pages;
      if (!run.Overlaps(pages)) continue;
      Forget(i);
      if (run.begin < pages.begin) live_.push_back({{run.begin, pages.begin}, kNoId});
      if (pages.end < run.end) live_.push_back({{pages.end, run.end}, kNoId});
    }
    for (PageCache& cache : caches()) {
      if (cache.empty() || !PageRange::Of(cache.base, PageCache::kPages).Overlaps(pages)) continue;
      for (std::uint64_t i = 0; i < 64; ++i) {
        const std::uint64_t bit = std::uint64_t{1} << i;
        if ((cache.pages & bit) != 0 && pages.Contains(cache.base + PageCount{i})) {
          cache.pages &= ~bit;
          cache.scavenged &= ~bit;
        }
      }
    }
  }

  Arena arena_;
  TraceRecorder& trace_;
  Checked checked_;
  std::vector<NamedRun> live_;
};

}  // namespace pagealloc::fuzz
