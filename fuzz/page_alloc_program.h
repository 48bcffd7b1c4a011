/// page_alloc_program.h: runs a decoded program on a PageAllocator and on the model, side by side.
///
/// The model answers first and the answer is recorded (finding.h); then the allocator runs the
/// operation, and must give the same: address, scavenged pages, cache content, statistics. After
/// each operation the search position and the work done are checked (search_rules.h), and as often
/// as the program says everything else (full_check.h).
///
///   FuzzOp  --against the heap as it is-->  an operation that is legal now, or nothing
///           --> model --> trace --> allocator --> compare
///
/// Pages have one holder: a live run, one of four page caches, or nobody (a cut-off part). Freeing
/// a range takes pages from whoever holds them. Nothing is kept between runs.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fuzz/arena.h"
#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"
#include "fuzz/full_check.h"
#include "fuzz/search_rules.h"
#include "pagealloc/page_allocator.h"
#include "testing/faulty_memory.h"
#include "testing/page_map.h"

namespace pagealloc::fuzz {

/// What bounds the time of one program.
struct Limits {
  std::size_t records = 4000;
  /// Full checks as often as the program wants until they have seen so many pages; then one at the
  /// end.
  std::uint64_t checked_pages = 1 << 17;
};

/// Called after each operation; does nothing. A test puts something else in its place.
struct NoTampering {
  template <class Allocator>
  void After(std::size_t /*record*/, Allocator& /*allocator*/) {}
};

template <Layout L, class Tampering = NoTampering>
class ProgramRun {
  using G = Geometry<L>;
  using Map = testing::PageMap;
  using Op = bench::Op;

 public:
  using Allocator = PageAllocator<L, WorkCounters>;

  /// @param os     behind the allocator; must outlive this
  /// @param trace  gets every operation; its origin is arena.begin
  ProgramRun(OsMemory& os, const Arena& arena, TraceRecorder& trace, Limits limits = {},
             Tampering tampering = {})
      : os_(os), arena_(arena), trace_(trace), limits_(limits), tampering_(std::move(tampering)) {}

  /// Runs a program from an empty heap, once: the first difference, or nullopt.
  [[nodiscard]] std::optional<Finding> Run(const FuzzProgram& program) {
    if (!allocator_->Init(os_).ok()) return Finding{"Init() was refused", 0};
    GrowFirst(PageCount{program.first_growth * G::kChunkPages.raw});
    for (std::size_t i = 0; i < program.ops.size() && GoOn(); ++i) {
      Apply(program.ops[i]);
      const bool due = program.check_every != 0 && i % program.check_every == 0;
      if (due && checked_pages_ < limits_.checked_pages) CheckAll();
    }
    CheckAll();
    if (difference_.empty()) Fail(CompareSummaries(*allocator_, model_));
    if (difference_.empty()) return std::nullopt;
    return Finding{difference_, trace_.size()};
  }

  [[nodiscard]] std::uint64_t full_checks() const { return full_checks_; }
  [[nodiscard]] std::uint64_t refused_growths() const { return refused_growths_; }
  [[nodiscard]] Allocator& allocator() { return *allocator_; }

 private:
  static constexpr std::size_t kCaches = 4;
  static constexpr std::uint32_t kNoId = ~std::uint32_t{0};

  struct Live {
    PageRange pages;
    std::uint32_t id;  ///< as the trace calls it; kNoId: it has no name, or is not whole any more
  };

  [[nodiscard]] bool GoOn() const { return difference_.empty() && trace_.size() < limits_.records; }
  void Fail(std::string what) {
    if (difference_.empty()) difference_ = std::move(what);
  }
  template <class... Value>
  void Expect(bool equal, const char* what, std::initializer_list<std::uint64_t> got,
              std::initializer_list<std::uint64_t> want) {
    if (!equal) Fail(Differ(what, got, want));
  }

  void CheckAll() {
    if (!difference_.empty()) return;
    ++full_checks_;
    checked_pages_ += model_.grown().raw;
    // The bitmaps outside the heap are read faster, but they are many.
    checked_pages_ += model_.grown_ranges().size() * (std::uint64_t{1} << G::kChunkMapL2Bits);
    Fail(FullCheck(*allocator_, model_, caches_));
  }

  /// After the allocator ran an operation of which `rules` knew the start.
  void Checked(const SearchRules<Allocator>& rules, SearchRule rule, PageOffset at,
               std::optional<PageRange> changed) {
    tampering_.After(trace_.size(), *allocator_);
    Fail(CompareStats(allocator_->stats(), model_));
    Fail(rules.CheckPosition(*allocator_, rule, at, model_.lowest_free()));
    Fail(rules.CheckWork(*allocator_, rule, changed));
  }

  void Record(Op op, std::optional<PageOffset> answer) {
    op.expect = answer ? bench::Expect::kResult : bench::Expect::kNone;
    if (answer) op.at = trace_.At(*answer);
    trace_.Record(op);
  }

  // Operations, one record each.

  /// @param refused  number of the call to the operating system that is refused the first time, if
  ///                 there are so many; 0: none
  void Grow(PageRange pages, std::uint64_t refused = 0) {
    const PageCount room = arena_.max_grown - model_.grown();
    pages.end = PageOffset{std::min({pages.end.raw, arena_.end.raw, pages.begin.raw + room.raw})};
    if (pages.begin < arena_.begin || pages.empty() || !model_.CanGrow(pages)) return;
    trace_.Record(Op::Grow(trace_.At(pages.begin), pages.size()));
    if (refused > 0) os_.FailCall(refused, testing::FaultyMemory::Repeat::kOnce);
    const SearchRules<Allocator> rules(*allocator_);
    bool grown = allocator_->Grow(pages).ok();
    os_.NeverFail();
    // What is no longer needed and cannot be returned is no failure.
    const bool possible =
        refused == 0 || os_.faults().empty() || os_.faults().front().call == OsCall::kUnreserve;
    Expect(grown == possible, "Grow() (success)", {grown}, {possible});
    if (!grown) {
      // The heap is as before, and the same growth works now.
      ++refused_growths_;
      Checked(rules, SearchRule::kLeft, {}, std::nullopt);
      if (checked_pages_ < limits_.checked_pages) CheckAll();
      grown = allocator_->Grow(pages).ok();
      Expect(grown, "Grow() after a refusal (success)", {grown}, {1});
    }
    model_.Grow(pages);
    Checked(rules, SearchRule::kFreed, pages.begin, pages);
  }

  void Allocate(PageCount want) {
    const std::optional<Allocation> expected = model_.Allocate(want);
    const std::uint32_t id = next_id_++;
    Record(Op::Allocate(id, want), expected ? std::optional(expected->first) : std::nullopt);
    const SearchRules<Allocator> rules(*allocator_);
    const std::optional<Allocation> got = allocator_->Allocate(want);
    CompareAllocation("Allocate() (found, page, scavenged)", got, expected);
    const bool one = want == PageCount{1};
    if (!expected) {
      Checked(rules, one ? SearchRule::kFoundNothing : SearchRule::kLooked, {}, std::nullopt);
      return;
    }
    const PageRange pages = PageRange::Of(expected->first, want);
    Checked(rules, one ? SearchRule::kTookLowest : SearchRule::kSearched, pages.begin, pages);
    live_.push_back({pages, id});
  }

  void Find(PageCount want) {
    const std::optional<PageOffset> expected = model_.Find(want);
    Record(Op::Find(want), expected);
    const SearchRules<Allocator> rules(*allocator_);
    const std::optional<Found> got = allocator_->Find(want);
    Expect((got ? std::optional(got->first) : std::nullopt) == expected, "Find() (found, page)",
           {got.has_value(), got ? got->first.raw : 0},
           {expected.has_value(), expected ? expected->raw : 0});
    if (got && expected) {
      const std::uint64_t lowest = model_.lowest_free()->raw;
      Expect(got->hint.raw <= lowest && model_.in_heap(got->hint) &&
                 (want.raw > 1 || got->hint.raw == lowest),
             "Find()'s hint against the lowest free page", {got->hint.raw}, {lowest});
    }
    Checked(rules, SearchRule::kLooked, {}, std::nullopt);
  }

  void AllocateRange(PageRange pages) {
    const PageCount expected = model_.AllocateRange(pages);
    trace_.Record(Op::AllocateRange(trace_.At(pages.begin), pages.size()));
    const SearchRules<Allocator> rules(*allocator_);
    const PageCount got = allocator_->AllocateRange(pages);
    Expect(got == expected, "AllocateRange() (scavenged)", {got.raw}, {expected.raw});
    Checked(rules, SearchRule::kLeft, {}, pages);
    live_.push_back({pages, kNoId});
  }

  /// @param id  of the live run that these pages are, whole; or kNoId
  void Free(PageRange pages, std::uint32_t id) {
    model_.Free(pages);
    trace_.Record(id != kNoId ? Op::Free(id) : Op::FreeRange(trace_.At(pages.begin), pages.size()));
    const SearchRules<Allocator> rules(*allocator_);
    allocator_->Free(pages);
    Checked(rules, SearchRule::kFreed, pages.begin, pages);
  }

  void TakeCache(PageCache& cache) {
    const std::optional<Map::Block> expected = model_.TakeBlock();
    Op op = Op::TakeCache();
    if (expected) op.mask = expected->pages;
    Record(op, expected ? std::optional(expected->first) : std::nullopt);
    const SearchRules<Allocator> rules(*allocator_);
    cache = allocator_->TakePageCache();
    const Map::Block want = expected.value_or(Map::Block{cache.base, 0, 0});
    Expect(cache == PageCache{want.first, want.pages, want.scavenged},
           "TakePageCache() (block, pages, scavenged)",
           {cache.base.raw, cache.pages, cache.scavenged},
           {want.first.raw, want.pages, want.scavenged});
    if (!expected) {
      Checked(rules, SearchRule::kFoundNothing, {}, std::nullopt);
      return;
    }
    const auto lowest = static_cast<std::uint64_t>(std::countr_zero(want.pages));
    Checked(rules, SearchRule::kTookBlock, want.first + PageCount{lowest},
            PageRange::Of(want.first, PageCache::kPages));
  }

  /// Page caches work without the heap; the trace does not hear of it.
  void AllocateFrom(PageCache& cache, PageCount want) {
    const PageCache before = cache;
    const std::optional<Allocation> expected = LowestRun(before, want);
    const std::optional<Allocation> got = cache.Allocate(want);
    CompareAllocation("PageCache::Allocate() (found, page, scavenged)", got, expected);
    std::uint64_t taken = 0;
    if (expected) {
      for (std::uint64_t i = 0; i < want.raw; ++i) {
        taken |= std::uint64_t{1} << (expected->first.raw - before.base.raw + i);
      }
      live_.push_back({PageRange::Of(expected->first, want), kNoId});
    }
    const PageCache after{before.base, before.pages & ~taken, before.scavenged & ~taken};
    Expect(cache == after, "what is left in a PageCache (pages, scavenged)",
           {cache.pages, cache.scavenged}, {after.pages, after.scavenged});
  }

  void Flush(PageCache& cache) {
    const bool empty = cache.empty();
    const PageRange block = PageRange::Of(cache.base, PageCache::kPages);
    if (!empty) {
      model_.ReturnBlock({cache.base, cache.pages, cache.scavenged});
      trace_.Record(Op::ReturnCache(trace_.At(cache.base), cache.pages, cache.scavenged));
    }
    const SearchRules<Allocator> rules(*allocator_);
    allocator_->Flush(cache);
    Expect(cache == PageCache{}, "a flushed PageCache (pages, scavenged)",
           {cache.pages, cache.scavenged}, {0, 0});
    if (empty) {
      Checked(rules, SearchRule::kLeft, {}, std::nullopt);
    } else {
      Checked(rules, SearchRule::kFreed, block.begin, block);
    }
  }

  void CompareAllocation(const char* what, const std::optional<Allocation>& got,
                         const std::optional<Allocation>& want) {
    Expect(got == want, what,
           {got.has_value(), got ? got->first.raw : 0, got ? got->scavenged.raw : 0},
           {want.has_value(), want ? want->first.raw : 0, want ? want->scavenged.raw : 0});
  }

  /// What PageCache::Allocate must find, page by page.
  static std::optional<Allocation> LowestRun(const PageCache& cache, PageCount want) {
    std::uint64_t run = 0;
    for (std::uint64_t i = 0; i < 64; ++i) {
      run = (cache.pages >> i & 1) != 0 ? run + 1 : 0;
      if (run < want.raw) continue;
      std::uint64_t scavenged = 0;
      for (std::uint64_t k = i + 1 - run; k <= i; ++k) scavenged += cache.scavenged >> k & 1;
      return Allocation{cache.base + PageCount{i + 1 - run}, PageCount{scavenged}};
    }
    return std::nullopt;
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
        base = model_.grown().raw;
        break;
      case SizeBase::kFree:
        base = (model_.grown() - model_.in_use()).raw;
        break;
      case SizeBase::kLongest:
        base = model_.RunsOf({arena_.begin, arena_.end}).max.raw;
        break;
    }
    const auto pages = static_cast<std::int64_t>(base) + rule.add;
    return PageCount{pages < 1 ? 1 : static_cast<std::uint64_t>(pages)};
  }

  /// A page of the heap: the low 6 bits choose it in a 64-page word, the others choose the word.
  [[nodiscard]] PageOffset Page(std::uint16_t place) const {
    const std::uint64_t words = model_.grown().raw / 64;
    std::uint64_t word = place / 64U % words;
    for (const PageRange& range : model_.grown_ranges()) {
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
                                    [this](PageOffset page) { return model_.free(page); });
        if (!run.empty()) AllocateRange(run);
        return;
      }
      case FuzzOpKind::kFreeRange: {
        const PageRange run = RunAt(Page(op.place), Size(op.size), [this](PageOffset page) {
          return model_.in_heap(page) && !model_.free(page);
        });
        if (run.empty()) return;
        Forget(run);
        return Free(run, kNoId);
      }
      case FuzzOpKind::kTakeCache:
        if (caches_[op.index % kCaches].empty()) TakeCache(caches_[op.index % kCaches]);
        return;
      case FuzzOpKind::kCacheAllocate:
        return AllocateFrom(caches_[op.index % kCaches], Size(op.size));
      case FuzzOpKind::kFlushCache:
        return Flush(caches_[op.index % kCaches]);
      case FuzzOpKind::kFind:
        return Find(Size(op.size));
      case FuzzOpKind::kAllocateMany:
        for (unsigned i = 0; i <= op.index % 64U && GoOn(); ++i) {
          Allocate(Size(op.size));
        }
        return;
      case FuzzOpKind::kFreeMany:
        for (std::size_t i = live_.size(); i-- > 0 && GoOn();) {
          if (i % (op.index + std::size_t{1}) == 0) FreeLive(i);
        }
        return;
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
    const std::vector<PageRange>& heap = model_.grown_ranges();
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
          std::min({pages, end - arena_.begin, arena_.max_grown - model_.grown()});
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

  void FreeLive(std::size_t index) {
    const Live run = live_[index];
    live_[index] = live_.back();
    live_.pop_back();
    Free(run.pages, run.id);
  }

  /// Frees the start, the middle or the end of a live run, and keeps the rest.
  void FreePart(const FuzzOp& op) {
    if (live_.empty()) return;
    const PageRange run = live_[op.index % live_.size()].pages;
    const std::uint64_t first = op.place % run.size().raw;
    const std::uint64_t count = op.place / 256U % (run.size().raw - first) + 1;
    const PageRange part = PageRange::Of(run.begin + PageCount{first}, PageCount{count});
    Forget(part);
    Free(part, kNoId);
  }

  /// Pages come back to a block that no cache need have taken.
  void ReturnBlock(const FuzzOp& op) {
    PageCache block{PageOffset{Page(op.place).raw / 64 * 64}, 0, 0};
    for (std::uint64_t i = 0; i < 64; ++i) {
      if (!model_.free(block.base + PageCount{i})) block.pages |= std::uint64_t{1} << i;
    }
    block.pages &= PatternOf(op.index);
    block.scavenged = block.pages & PatternOf(op.size);
    for (std::uint64_t i = 0; i < 64; ++i) {
      if ((block.pages >> i & 1) != 0) {
        Forget(PageRange::Of(block.base + PageCount{i}, PageCount{1}));
      }
    }
    Flush(block);
  }

  /// Nobody holds these pages any longer.
  void Forget(PageRange pages) {
    for (std::size_t i = live_.size(); i-- > 0;) {
      const PageRange run = live_[i].pages;
      if (!run.Overlaps(pages)) continue;
      live_[i] = live_.back();
      live_.pop_back();
      if (run.begin < pages.begin) live_.push_back({{run.begin, pages.begin}, kNoId});
      if (pages.end < run.end) live_.push_back({{pages.end, run.end}, kNoId});
    }
    for (PageCache& cache : caches_) {
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

  testing::FaultyMemory os_;
  Arena arena_;
  TraceRecorder& trace_;
  Limits limits_;
  Tampering tampering_;
  std::unique_ptr<Allocator> allocator_ = std::make_unique<Allocator>();
  Map model_{G::kChunkPages};
  std::vector<Live> live_;
  std::array<PageCache, kCaches> caches_{};
  std::uint32_t next_id_ = 0;
  std::uint64_t full_checks_ = 0;
  std::uint64_t refused_growths_ = 0;
  std::uint64_t checked_pages_ = 0;
  std::string difference_;
};

}  // namespace pagealloc::fuzz
