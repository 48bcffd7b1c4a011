/// runner.h: executes a Program on a subject: untimed, in timed batches, op by op, or checked.
///
/// All of these go through one inlined Step(), so what is verified is what is timed. In the timed
/// loops nothing is allocated, printed or called virtually; the results feed a hash that is
/// compared afterwards, which also keeps the compiler from removing anything. Expectations need no
/// test there: the checked pass has met them, and an equal hash says that the timed pass did too.
///
///   ops [0, measured_from)       set-up, untimed
///   ops [measured_from, end)     |-- batch --|-- batch --|-- batch --|       TimeBatches
///                                |op|op|op|op|op|op|op|op|op|op|op|op|       TimeOps
///                                |op  |op  |op  |op  |op  |op  |op  |op       TimeResponses
///
/// The heap grows as the trace format says: by the program's own records, or on demand at its end.
/// Growth commits the heap's pages through the HeapWindow, inside the timed region, as a runtime
/// pays for it there. With `touch` one byte is written to each page of an allocation, after the
/// clock has stopped, and the meter of the region pauses meanwhile.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "harness/base/clock.h"
#include "harness/run/heap_state.h"
#include "harness/run/place_check.h"
#include "harness/run/region_meter.h"
#include "harness/run/result_check.h"
#include "harness/run/subject.h"
#include "harness/trace/judge.h"
#include "harness/trace/op.h"
#include "harness/trace/program.h"
#include "pagealloc/contract.h"
#include "pagealloc/heap_window.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// A stretch of operations that is timed as one.
struct Batch {
  std::uint64_t end = 0;    ///< index of the op behind its last
  std::uint64_t ticks = 0;  ///< filled by TimeBatches
};

template <Layout L, Subject S>
class Runner {
 public:
  /// Everything outlives the runner.
  ///
  /// @param window         null where the heap's own pages are not mapped.
  /// @param touch          write to allocated pages; needs a window with committed pages.
  /// @param longest_batch  of those that TimeBatches will get, in ops.
  Runner(S& subject, const Program& program, HeapState& runs, HeapWindow* window, bool touch,
         std::size_t longest_batch)
      : subject_(subject),
        program_(program),
        ops_(program.ops.data()),
        runs_(runs),
        window_(window),
        touch_(touch),
        touched_(touch ? longest_batch : 0) {
    PA_EXPECT(!touch || (window != nullptr && longest_batch > 0), touch, longest_batch);
  }

  /// From now on each timed batch takes `percent` longer, in an empty loop at its end: what a
  /// slower allocator would look like, for tests of comparisons.
  void set_slowdown(unsigned percent) { slowdown_percent_ = percent; }

  /// From now on `meter`, which outlives the runner, is paused while pages are touched.
  void set_meter(RegionMeter* meter) { meter_ = meter; }

  /// Growth on demand ends `pages` above the heap base, where that is below the layout's end. For
  /// a subject that places otherwise than the judge, who saw where the heap ends.
  void set_extent(PageCount pages) {
    demand_limit_ = std::min(PageOf(TraceOffset{pages.raw}), Geometry<L>::kHeapEnd);
  }

  /// From now on CheckPlaces() writes down what each operation gave; `outcomes` outlives the
  /// runner.
  void set_outcomes(std::vector<Outcome>* outcomes) { outcomes_ = outcomes; }

  /// Executes the set-up operations, untimed.
  ///
  /// @return  false when the operating system refused memory: see failure(). Also of the others.
  [[nodiscard]] bool SetUp() {
    for (std::size_t i = 0; i < program_.measured_from; ++i) {
      Outcome result;
      if (!Step(ops_[i], hash_, result)) return false;
      TouchNew();
    }
    return true;
  }

  /// Executes the rest batch by batch. `batches` cover [measured_from, end of ops) in order.
  [[nodiscard, gnu::noinline]] bool TimeBatches(const Clock& clock, std::span<Batch> batches) {
    std::uint64_t hash = hash_;
    const Op* op = ops_ + program_.measured_from;
    for (Batch& batch : batches) {
      const Op* const end = ops_ + batch.end;
      const std::uint64_t begin_ticks = clock.Begin();
      for (; op != end; ++op) {
        Outcome result;
        PrefetchAhead(op);
        if (!Step(*op, hash, result)) [[unlikely]]
          return false;
      }
      if (slowdown_percent_ > 0) [[unlikely]]
        SlowDown(clock, begin_ticks);
      batch.ticks = clock.End() - begin_ticks;
      TouchNew();
    }
    hash_ = hash;
    return true;
  }

  /// Executes the rest, each op between time stamps of its own.
  ///
  /// @param ticks  one for each op of the rest; 32 bits, saturated, so that the array disturbs the
  ///               caches as little as can be. Histograms are filled after the last stamp.
  [[nodiscard, gnu::noinline]] bool TimeOps(const Clock& clock, std::span<std::uint32_t> ticks) {
    std::uint64_t hash = hash_;
    const Op* op = ops_ + program_.measured_from;
    for (std::uint32_t& slot : ticks) {
      Outcome result;
      PrefetchAhead(op);
      const std::uint64_t begin_ticks = clock.Begin();
      if (!Step(*op, hash, result)) [[unlikely]]
        return false;
      const std::uint64_t taken = clock.End() - begin_ticks;
      constexpr std::uint64_t kMost = std::numeric_limits<std::uint32_t>::max();
      slot = static_cast<std::uint32_t>(taken < kMost ? taken : kMost);
      ++op;
      TouchNew();
    }
    hash_ = hash;
    return true;
  }

  /// Executes the next operations of the rest as an open loop: each when it is planned, or as soon
  /// as the one before it is done. The plan stands still while pages are touched.
  ///
  /// @param clock    a Clock, or what stands for one in tests.
  /// @param times    one for each operation: when it should start (PlanArrivals), replaced by the
  ///                 ticks from then until it was done.
  /// @param elapsed  receives the ticks from the start until the last one was done.
  template <class TickSource>
  [[nodiscard, gnu::noinline]] bool TimeResponses(const TickSource& clock,
                                                  std::span<std::uint64_t> times,
                                                  std::uint64_t& elapsed) {
    std::uint64_t hash = hash_;
    const Op* op = ops_ + program_.measured_from;
    std::uint64_t start = clock.Begin();
    std::uint64_t done = start;
    std::uint64_t touching = 0;
    for (std::uint64_t& slot : times) {
      start += touching;
      const std::uint64_t due = start + slot;
      PrefetchAhead(op);
      while (clock.Begin() < due) {
      }
      Outcome result;
      if (!Step(*op, hash, result)) [[unlikely]]
        return false;
      done = clock.End();
      slot = done - due;
      ++op;
      touching = 0;
      if (touched_count_ > 0) {
        TouchNew();
        touching = clock.End() - done;
      }
    }
    elapsed = done - start;
    hash_ = hash;
    return true;
  }

  /// Executes ops [begin, end) untimed and compares every result.
  ///
  /// @param judgement  the model's results to compare with; null: only what the trace expects.
  /// @param mismatch   receives the first difference; execution stops there.
  [[nodiscard]] bool Check(std::size_t begin, std::size_t end, const Judgement* judgement,
                           std::optional<Mismatch>& mismatch) {
    for (std::size_t i = begin; i < end; ++i) {
      Outcome result;
      if (!Step(ops_[i], hash_, result)) return false;
      const bool judged = judgement != nullptr && i < judgement->judged;
      const Outcome* model = judged ? &judgement->outcomes[i] : nullptr;
      mismatch = CheckResult(ops_[i], i, result, model);
      if (mismatch) return true;
      TouchNew();
    }
    return true;
  }

  /// The same for a subject that chooses its places itself: each is checked, not compared.
  ///
  /// @param check  has seen the operations before `begin`; null: the program is only executed.
  [[nodiscard]] bool CheckPlaces(std::size_t begin, std::size_t end, PlaceCheck* check,
                                 std::optional<Mismatch>& mismatch) {
    for (std::size_t i = begin; i < end && !mismatch; ++i) {
      const Op& op = ops_[i];
      const PageRange held = op.kind == OpKind::kFree ? runs_.Get(op.id) : PageRange{};
      const PageOffset end_before = demand_end_;
      Outcome result;
      if (!Step(op, hash_, result)) return false;
      TouchNew();
      if (outcomes_ != nullptr) outcomes_->push_back(result);
      if (check == nullptr) continue;
      if (demand_end_ != end_before) check->Grew(PlacesOf({end_before, demand_end_}));
      mismatch = check->Check(op, i, result, held.empty() ? held : PlacesOf(held));
    }
    return true;
  }

  /// A hash of every place returned so far.
  [[nodiscard]] std::uint64_t result_hash() const { return hash_; }
  /// What the operating system refused, after one of the above returned false.
  [[nodiscard]] OsStatus failure() const { return failure_; }

 private:
  static constexpr std::uint64_t kEveryPage = ~std::uint64_t{0};
  /// Pages of one allocation: those of [first, first + count) that the mask names, 64 by 64.
  struct Touched {
    PageOffset first;
    PageCount count;
    std::uint64_t mask;
  };

  static PageOffset PageOf(TraceOffset at) {
    return PageOffset{Geometry<L>::kHeapBasePage.raw + at.raw};
  }
  static PageRange RangeOf(const Op& op) {
    PageOffset begin = PageOf(op.at);
    __asm__("" : "+r"(begin.raw));  // by itself, as in HeapState::Get()
    return PageRange::Of(begin, op.count);
  }
  static std::uint64_t PlaceOf(PageOffset page) {
    return page.raw - Geometry<L>::kHeapBasePage.raw;
  }
  static PageRange PlacesOf(PageRange pages) {
    return {PageOffset{PlaceOf(pages.begin)}, PageOffset{PlaceOf(pages.end)}};
  }
  static std::uint64_t Mix(std::uint64_t hash, std::uint64_t value) {
    return (std::rotl(hash, 23) ^ value) * 0x9e3779b97f4a7c15;
  }

  /// On a large heap the table of live runs does not fit into any cache, and to wait for its lines
  /// would take longer than the allocator does: what an op of soon needs of it is asked for now.
  void PrefetchAhead(const Op* op) const {
    constexpr std::ptrdiff_t kAhead = 8;
    const Op* const last = ops_ + program_.ops.size() - 1;
    runs_.Prefetch((last - op > kAhead ? op + kAhead : last)->id);
  }

  /// Executes one op. False only when the operating system refused memory.
  [[gnu::always_inline]] bool Step(const Op& op, std::uint64_t& hash, Outcome& result) {
    switch (op.kind) {
      case OpKind::kAllocate: {
        std::optional<Allocation> got = AllocateFor(subject_, op);
        if (!got) [[unlikely]] {
          if constexpr (kMapsItsMemory<S>) failure_ = subject_.refusal();
          if (failure_.ok() && GrowOnDemand(op.count)) got = subject_.Allocate(op.count);
          if (!failure_.ok()) return false;
        }
        result.first = Outcome::kNone;
        if (got) {
          runs_.Set(op.id, PageRange::Of(got->first, op.count));
          result.first = PlaceOf(got->first);
          result.scavenged = got->scavenged.raw;
          Remember({got->first, op.count, kEveryPage});
        } else if constexpr (!kPlacesAsModel<S>) {
          runs_.Set(op.id, PageRange{});
        }
        hash = Mix(hash, result.first);
        return true;
      }
      case OpKind::kFree: {
        const PageRange pages = runs_.Get(op.id);
        if constexpr (!kPlacesAsModel<S>) {
          // There was no room for it here; there was in the model, so that the program frees it.
          if (pages.empty()) [[unlikely]]
            return true;
        }
        subject_.Free(pages);
        return true;
      }
      case OpKind::kFreeRange:
        subject_.Free(RangeOf(op));
        return true;
      case OpKind::kAllocateRange: {
        const PageRange pages = RangeOf(op);
        result.first = op.at.raw;
        result.scavenged = subject_.AllocateRange(pages).raw;
        Remember({pages.begin, op.count, kEveryPage});
        return true;
      }
      case OpKind::kTakeCache: {
        PageCache cache = subject_.TakePageCache();
        if (cache.empty()) [[unlikely]] {
          if (GrowOnDemand(PageCount{1})) cache = subject_.TakePageCache();
          if (!failure_.ok()) return false;
        }
        result.first = Outcome::kNone;
        if (!cache.empty()) {
          result.first = PlaceOf(cache.base);
          result.mask = cache.pages;
          result.scavenged = cache.scavenged;
          Remember({cache.base, PageCache::kPages, cache.pages});
        }
        hash = Mix(Mix(hash, result.first), result.mask);
        return true;
      }
      case OpKind::kReturnCache: {
        PageCache cache{PageOf(op.at), op.mask, op.scavenged_mask()};
        subject_.Flush(cache);
        return true;
      }
      case OpKind::kFind: {
        const auto found = subject_.Find(op.count);
        result.first = found ? PlaceOf(found->first) : Outcome::kNone;
        hash = Mix(hash, result.first);
        return true;
      }
      case OpKind::kGrow:
        return Grow(PageRange::Of(PageOf(op.at), op.count));
      case OpKind::kScavenge:
        result.first = Scavenge(op).raw;
        hash = Mix(hash, result.first);
        return failure_.ok();
      case OpKind::kNextGeneration:
        subject_.NextScavengeGeneration();
        return true;
    }
    __builtin_unreachable();  // no other kinds
  }

  [[gnu::noinline]] PageCount Scavenge(const Op& op) {
    const ScavengeMode mode = op.background ? ScavengeMode::kBackground : ScavengeMode::kForced;
    const auto release = [this](PageRange pages) {
      if (window_ == nullptr) return OsStatus::Ok();
      return window_->Release(Geometry<L>::AddressOf(pages.begin), BytesOf(pages.size()));
    };
    return ScavengeSubject(subject_, op.count, mode, release, failure_);
  }

  [[gnu::noinline]] bool Grow(PageRange pages) {
    // The pages first: an allocator that hands out a page must find it accessible.
    if (window_ != nullptr) {
      failure_ = window_->Commit(Geometry<L>::AddressOf(pages.begin), BytesOf(pages.size()));
    }
    if (failure_.ok()) failure_ = subject_.Grow(pages);
    return failure_.ok();
  }

  /// Extends the heap's end by `want`, rounded up to the trace's chunks. False: the trace grows its
  /// heap itself, or failure() is set.
  [[gnu::noinline]] bool GrowOnDemand(PageCount want) {
    if (program_.explicit_growth) return false;
    if constexpr (requires { subject_.GrowthFor(demand_end_, want); }) {
      want = subject_.GrowthFor(demand_end_, want);
    }
    const std::uint64_t chunk = program_.chunk_pages.raw;
    const PageCount pages{(want.raw + chunk - 1) / chunk * chunk};
    // A subject that places worse than first fit could need more than the judge saw.
    if (demand_end_.raw + pages.raw > demand_limit_.raw) return false;
    const PageRange added = PageRange::Of(demand_end_, pages);
    demand_end_ = added.end;
    return Grow(added);
  }

  [[gnu::noinline]] void SlowDown(const Clock& clock, std::uint64_t begin_ticks) const {
    const std::uint64_t taken = clock.End() - begin_ticks;
    const std::uint64_t until = begin_ticks + taken + taken * slowdown_percent_ / 100;
    // The reading that ends the loop and the one that ends the batch take their time too.
    const ClockCalibration& about = clock.calibration();
    const auto readings = static_cast<std::uint64_t>(about.pair_ns / about.ns_per_tick);
    while (clock.End() + readings < until) {
    }
  }

  void Remember(Touched pages) {
    if (touch_) touched_[touched_count_++] = pages;
  }
  void TouchNew() {
    if (touched_count_ == 0) return;
    if (meter_ != nullptr) meter_->Pause();
    for (std::size_t i = 0; i < touched_count_; ++i) Touch(touched_[i]);
    touched_count_ = 0;
    if (meter_ != nullptr) meter_->Resume();
  }
  void Touch(Touched pages) {
    std::byte* const host = window_->Host(Geometry<L>::AddressOf(pages.first));
    for (std::uint64_t i = 0; i < pages.count.raw; ++i) {
      // A page of ours may be two of the kernel's; one byte in each of ours is what is asked for.
      if ((pages.mask >> (i % 64) & 1) != 0) host[i << kPageBits] = std::byte{1};
    }
  }

  S& subject_;
  const Program& program_;
  const Op* const ops_;
  HeapState& runs_;
  HeapWindow* const window_;
  const bool touch_;
  RegionMeter* meter_ = nullptr;
  unsigned slowdown_percent_ = 0;
  std::vector<Outcome>* outcomes_ = nullptr;
  std::size_t touched_count_ = 0;
  std::uint64_t hash_ = 0;
  PageOffset demand_end_ = Geometry<L>::kHeapBasePage;  ///< where growth on demand continues
  PageOffset demand_limit_ = Geometry<L>::kHeapEnd;     ///< and where it ends at the latest
  OsStatus failure_ = OsStatus::Ok();
  std::vector<Touched> touched_;
};

}  // namespace pagealloc::bench
