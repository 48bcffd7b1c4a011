/// checked_allocator.h: a PageAllocator and the model, side by side, operation by operation.
///
/// The model answers first and the answer is recorded (finding.h); then the allocator runs the
/// operation, and must give the same: address, scavenged pages, cache content, statistics. After
/// each operation the search position and the work done are checked (search_rules.h), and when it
/// is asked for everything else (full_check.h). Operations must be legal. The first difference
/// stays; what follows it means nothing.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

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

inline constexpr std::uint32_t kNoId = ~std::uint32_t{0};

/// Pages with one holder.
struct NamedRun {
  PageRange pages;
  std::uint32_t id;  ///< as the trace calls it; kNoId: it has no name, or is not whole any more
};

/// Called after each operation; does nothing. A test puts something else in its place.
struct NoTampering {
  template <class Allocator>
  void After(std::size_t /*record*/, Allocator& /*allocator*/) {}
};

template <Layout L, class Tampering = NoTampering>
class CheckedAllocator {
  using G = Geometry<L>;
  using Map = testing::PageMap;
  using Op = bench::Op;

 public:
  using Allocator = PageAllocator<L, WorkCounters>;
  static constexpr std::size_t kCaches = 4;

  CheckedAllocator(OsMemory& os, TraceRecorder& trace, Limits limits, Tampering tampering)
      : os_(os), trace_(trace), limits_(limits), tampering_(std::move(tampering)) {}

  [[nodiscard]] bool Init() { return allocator_->Init(os_).ok(); }
  /// No difference so far, and the program may go on.
  [[nodiscard]] bool GoOn() const { return difference_.empty() && trace_.size() < limits_.records; }
  /// "" or the first difference.
  [[nodiscard]] const std::string& difference() const { return difference_; }
  [[nodiscard]] const Map& model() const { return model_; }
  [[nodiscard]] Allocator& allocator() { return *allocator_; }
  /// The page caches that are out.
  [[nodiscard]] std::array<PageCache, kCaches>& caches() { return caches_; }
  [[nodiscard]] std::uint64_t full_checks() const { return full_checks_; }
  [[nodiscard]] std::uint64_t refused_growths() const { return refused_growths_; }

  /// Everything inside against the model.
  void CheckAll() {
    if (!difference_.empty()) return;
    ++full_checks_;
    checked_pages_ += model_.grown().raw;
    // The bitmaps outside the heap are read faster, but they are many.
    checked_pages_ += model_.grown_ranges().size() * (std::uint64_t{1} << G::kChunkMapL2Bits);
    Fail(FullCheck(*allocator_, model_, caches_));
  }

  void CheckAllWithinLimit() {
    if (checked_pages_ < limits_.checked_pages) CheckAll();
  }
  /// Every summary, for the end.
  void CheckSummaries() {
    if (difference_.empty()) Fail(CompareSummaries(*allocator_, model_));
  }

  // Operations, one record each.

  /// Pages that can join the heap.
  ///
  /// @param refused  number of the call to the operating system that is refused the first time, if
  ///                 there are so many; 0: none
  void Grow(PageRange pages, std::uint64_t refused = 0) {
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
      Checked(rules, SearchRule::kLeft, {}, 0);
      CheckAllWithinLimit();
      grown = allocator_->Grow(pages).ok();
      Expect(grown, "Grow() after a refusal (success)", {grown}, {1});
    }
    model_.Grow(pages);
    Checked(rules, SearchRule::kFreed, pages.begin, 1);
  }

  /// nullopt: no room.
  std::optional<NamedRun> Allocate(PageCount want) {
    const std::optional<Allocation> expected = model_.Allocate(want);
    const std::uint32_t id = next_id_++;
    Record(Op::Allocate(id, want), expected ? std::optional(expected->first) : std::nullopt);
    const SearchRules<Allocator> rules(*allocator_);
    const std::optional<Allocation> got = allocator_->Allocate(want);
    CompareAllocation("Allocate() (found, page, scavenged)", got, expected);
    const bool one = want == PageCount{1};
    if (!expected) {
      Checked(rules, one ? SearchRule::kFoundNothing : SearchRule::kLooked, {}, 0);
      return std::nullopt;
    }
    const PageRange pages = PageRange::Of(expected->first, want);
    Checked(rules, one ? SearchRule::kTookLowest : SearchRule::kSearched, pages.begin, 1);
    return NamedRun{pages, id};
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
    Checked(rules, SearchRule::kLooked, {}, 0);
  }

  /// Pages that are free.
  void AllocateRange(PageRange pages) {
    const PageCount expected = model_.AllocateRange(pages);
    trace_.Record(Op::AllocateRange(trace_.At(pages.begin), pages.size()));
    const SearchRules<Allocator> rules(*allocator_);
    const PageCount got = allocator_->AllocateRange(pages);
    Expect(got == expected, "AllocateRange() (scavenged)", {got.raw}, {expected.raw});
    Checked(rules, SearchRule::kLeft, {}, 1);
  }

  void Free(const NamedRun& run) {
    const PageRange pages = run.pages;
    RecordFree(run);
    const SearchRules<Allocator> rules(*allocator_);
    allocator_->Free(pages);
    Checked(rules, SearchRule::kFreed, pages.begin, 1);
  }

  /// All at once; the trace has them one by one.
  void FreeBatch(std::span<const NamedRun> runs) {
    std::vector<PageRange> batch;
    PageOffset lowest = Geometry<L>::kHeapEnd;
    for (const NamedRun& run : runs) {
      RecordFree(run);
      batch.push_back(run.pages);
      lowest = std::min(lowest, run.pages.begin);
    }
    const SearchRules<Allocator> rules(*allocator_);
    allocator_->FreeBatch(batch);
    Checked(rules, SearchRule::kFreed, lowest, batch.size());
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
      Checked(rules, SearchRule::kFoundNothing, {}, 0);
      return;
    }
    const auto lowest = static_cast<std::uint64_t>(std::countr_zero(want.pages));
    Checked(rules, SearchRule::kTookBlock, want.first + PageCount{lowest}, 1);
  }

  /// Page caches work without the heap; the trace does not hear of it.
  std::optional<PageRange> AllocateFrom(PageCache& cache, PageCount want) {
    const PageCache before = cache;
    const std::optional<Allocation> expected = LowestRun(before, want);
    const std::optional<Allocation> got = cache.Allocate(want);
    CompareAllocation("PageCache::Allocate() (found, page, scavenged)", got, expected);
    std::uint64_t taken = 0;
    if (expected) {
      for (std::uint64_t i = 0; i < want.raw; ++i) {
        taken |= std::uint64_t{1} << (expected->first.raw - before.base.raw + i);
      }
    }
    const PageCache after{before.base, before.pages & ~taken, before.scavenged & ~taken};
    Expect(cache == after, "what is left in a PageCache (pages, scavenged)",
           {cache.pages, cache.scavenged}, {after.pages, after.scavenged});
    if (!expected) return std::nullopt;
    return PageRange::Of(expected->first, want);
  }

  void Flush(PageCache& cache) {
    const bool empty = cache.empty();
    const PageOffset base = cache.base;
    if (!empty) {
      model_.ReturnBlock({cache.base, cache.pages, cache.scavenged});
      trace_.Record(Op::ReturnCache(trace_.At(cache.base), cache.pages, cache.scavenged));
    }
    const SearchRules<Allocator> rules(*allocator_);
    allocator_->Flush(cache);
    Expect(cache == PageCache{}, "a flushed PageCache (pages, scavenged)",
           {cache.pages, cache.scavenged}, {0, 0});
    if (empty) {
      Checked(rules, SearchRule::kLeft, {}, 0);
    } else {
      Checked(rules, SearchRule::kFreed, base, 1);
    }
  }

 private:
  void Fail(std::string what) {
    if (difference_.empty()) difference_ = std::move(what);
  }
  template <class... Value>
  void Expect(bool equal, const char* what, std::initializer_list<std::uint64_t> got,
              std::initializer_list<std::uint64_t> want) {
    if (!equal) Fail(Differ(what, got, want));
  }

  /// After the allocator ran an operation of which `rules` knew the start, and which changed so
  /// many runs or blocks.
  void Checked(const SearchRules<Allocator>& rules, SearchRule rule, PageOffset at,
               std::size_t changed) {
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

  void RecordFree(const NamedRun& run) {
    model_.Free(run.pages);
    trace_.Record(run.id != kNoId ? Op::Free(run.id)
                                  : Op::FreeRange(trace_.At(run.pages.begin), run.pages.size()));
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

  testing::FaultyMemory os_;
  TraceRecorder& trace_;
  Limits limits_;
  Tampering tampering_;
  std::unique_ptr<Allocator> allocator_ = std::make_unique<Allocator>();
  Map model_{G::kChunkPages};
  std::array<PageCache, kCaches> caches_{};
  std::uint32_t next_id_ = 0;
  std::uint64_t full_checks_ = 0;
  std::uint64_t refused_growths_ = 0;
  std::uint64_t checked_pages_ = 0;
  std::string difference_;
};

}  // namespace pagealloc::fuzz
