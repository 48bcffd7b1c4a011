/// scavenger: giving memory back while everything else goes on, step by step against the model.
///
/// The shipped Scavenger runs on the shipped allocator; its lock and its operating system are
/// ours, and wherever it lets go of the lock, other operations of the program run: before a search
/// begins, before pages are taken, while the operating system has them, before they come back, and
/// where it asks whether to stop. Another scavenging may be among them. Releases are refused, and
/// scavengings stopped, as the program says. Compared: which pages are chosen, totals to the byte,
/// statistics and everything inside (full_check.h) wherever the lock is free; of an undisturbed
/// scavenging the whole result with what the model alone would release.
///
///   byte 0   layout (low 2 bits), full check after every 1, 4, 16 operations or at the end, a
///            disturbed program or a quiet one, the operating system's pages
///   byte 1   where the heap starts      byte 2   chunks at the start
///   then     operations of one to five bytes: kind in the low 4 bits, argument in the high 4

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fuzz/arena.h"
#include "fuzz/decode_ops.h"
#include "fuzz/full_check.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "pagealloc/heap_window.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/scavenger.h"
#include "testing/mapped_memory.h"
#include "testing/page_map.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Address space behind the heap; a release becomes a call of Run::Release.
template <class Run>
class ReleaseHook final : public testing::MappedMemory {
 public:
  explicit ReleaseHook(Run& run) : run_(run) {}
  OsStatus Release(std::byte* begin, ByteCount size) override { return run_.Release(begin, size); }

 private:
  Run& run_;
};

/// The heap's lock: free means that others may do something.
template <class Run>
struct HookedLock {
  void lock() { run.Lock(); }      // NOLINT(readability-identifier-naming)
  void unlock() { run.Unlock(); }  // NOLINT(readability-identifier-naming)
  Run& run;
};

template <Layout L>
class ScavengerRun {
  using G = Geometry<L>;
  using Run = ScavengerRun;

 public:
  explicit ScavengerRun(Input input) : story_("scavenger", input), in_(input) {}

  void RunAll() {
    const unsigned header = in_.Byte();
    const Arena arena = ArenaOf<L>(in_.Byte());
    check_every_ = std::array<unsigned, 4>{1, 4, 16, 0}[header / 4 % 4];
    disturbed_ = (header & 16) != 0;
    units_ = std::array<ReleaseUnits, 8>{{{PageCount{1}, PageCount{0}},
                                          {PageCount{1}, PageCount{16}},
                                          {PageCount{1}, PageCount{64}},
                                          {PageCount{1}, PageCount{512}},
                                          {PageCount{2}, PageCount{0}},
                                          {PageCount{8}, PageCount{32}},
                                          {PageCount{8}, PageCount{0}},
                                          {PageCount{64}, PageCount{256}}}}[header / 32];
    end_ = arena.end;
    Prepare();
    Grow(arena.start, in_.Byte() % 12U + 1);
    while (!in_.empty() && story_.steps() < kMostSteps) {
      Apply();
      if (check_every_ != 0 && ++since_check_ >= check_every_) CheckSometimes();
    }
    CheckAll();
    g_operations += story_.steps();
  }

  // What the scavenger calls.

  void Lock() {
    story_.Expect("the lock is taken twice", !locked_);
    Disturb();
    locked_ = true;
    if (!calls_.empty()) calls_.back()->outdated = false;
  }
  void Unlock() { locked_ = false; }

  OsStatus Release(std::byte* begin, ByteCount size) {
    Scavenging& call = *calls_.back();
    const auto bytes = static_cast<std::uint64_t>(begin - window_.Host(kFirst));
    const PageRange pages =
        PageRange::Of(PageOffset{bytes >> kPageBits}, PageCount{size.raw >> kPageBits});
    story_.Step("  release", {pages.begin.raw, pages.size().raw});
    CheckChoice(call, pages);
    ++call.releases;
    if (call.quiet) return OsStatus::Ok();
    const bool refuse = call.releases == call.refuse_at;
    model_.Hold(pages);
    held_.push_back(pages);
    Disturb();
    if (check_every_ == 1) CheckSometimes();
    // The scavenger frees them when it has the lock: until then they are held.
    call.pending = {pages, !refuse};
    if (!refuse) return OsStatus::Ok();
    story_.Step("  refused");
    call.refused = true;
    return {OsCall::kRelease, EAGAIN, size};
  }

 private:
  static constexpr std::uint64_t kChunk = G::kChunkPages.raw;
  static constexpr Address kFirst = G::AddressOf(PageOffset{0});
  static constexpr std::size_t kCaches = 2;
  // What bounds the time of one input: steps, and pages seen by full checks but the last.
  static constexpr std::size_t kMostSteps = 400;
  static constexpr std::uint64_t kMostChecked = 1 << 15;

  struct Pending {
    PageRange pages;
    bool released;
  };
  /// A call of Scavenge() that is under way.
  struct Scavenging {
    PageCount target;
    ScavengeMode mode;
    bool quiet;          ///< nothing disturbs it: the model alone says what it must release
    unsigned refuse_at;  ///< which release is refused; 0: none
    unsigned stop_at;    ///< how often it may ask before it is to stop; 0: never
    unsigned releases = 0;
    unsigned asked = 0;
    bool refused = false;
    bool stopped = false;
    bool outdated = false;  ///< something happened since it last looked
    PageCount released{};
    std::optional<Pending> pending{};
  };

  void Prepare() {
    story_.Expect("Init() is refused", allocator_->Init(memory_.os).ok());
    allocator_->set_release_units(units_);
    const ByteCount all = BytesOf(PageCount{G::kAddressPages.raw});
    const bool ready = window_.Reserve(hook_, kFirst, all, Placement::kAnywhere).ok() &&
                       window_.Commit(kFirst, all).ok();
    story_.Expect("no address space", ready);
  }

  /// Operations of others, where the lock is free; few, and no deeper than a scavenging in one.
  void Disturb() {
    story_.Expect("the lock is held meanwhile", !locked_);
    if (calls_.empty()) return;
    Scavenging& call = *calls_.back();
    if (call.quiet || !disturbed_) return;
    for (unsigned n = in_.Byte() % 8U; n > 3 && story_.steps() < kMostSteps; --n) Apply();
  }

  bool Stop() {
    Scavenging& call = *calls_.back();
    if (call.quiet) return false;
    SettlePending(call);
    const std::size_t steps = story_.steps();
    Disturb();
    call.outdated = story_.steps() != steps;
    if (check_every_ == 1) CheckSometimes();
    call.stopped = ++call.asked == call.stop_at;
    return call.stopped;
  }

  /// What FinishScavenge() did, for the model.
  void SettlePending(Scavenging& call) {
    if (!call.pending) return;
    const Pending done = *call.pending;
    call.pending.reset();
    held_.erase(std::find(held_.begin(), held_.end(), done.pages));
    model_.EndHold(done.pages, done.released);
    if (done.released) call.released += done.pages.size();
  }

  /// Whether these pages may be released, now, by this call.
  void CheckChoice(const Scavenging& call, PageRange pages) {
    const std::uint64_t unit = units_.page.raw;
    story_.Expect("released: not whole units of one chunk",
                  !pages.empty() && pages.begin.raw % unit == 0 && pages.end.raw % unit == 0 &&
                      pages.begin.raw / kChunk == (pages.end.raw - 1) / kChunk);
    story_.Expect("released: pages that are not free", model_.AllFree(pages));
    story_.Expect("released: pages that were already",
                  model_.CountsOf(pages).scavenged == PageCount{0});
    const std::uint64_t most = (call.target - call.released).raw;
    const std::uint64_t rounded = (most + unit - 1) / unit * unit;
    const bool huge = units_.huge > units_.page;
    story_.Expect("released: more than was missing",
                  pages.size().raw <= rounded || (huge && pages.begin.raw % units_.huge.raw == 0 &&
                                                  pages.size().raw < rounded + units_.huge.raw));
    // A disturbed search may have seen the chunk before it became dense.
    if (call.mode == ScavengeMode::kForced || disturbed_) return;
    story_.Expect("released in the background: pages of a dense chunk",
                  model_.peak(pages.begin).raw < kChunk - kChunk / 32);
  }

  void Scavenge(std::uint64_t target, ScavengeMode mode, unsigned refuse_at, unsigned stop_at) {
    const bool forced = mode == ScavengeMode::kForced;
    const bool quiet = calls_.empty() && !disturbed_ && refuse_at == 0 && stop_at == 0 &&
                       (forced || background_exact_);
    story_.Step(forced ? "scavenge (target, refused at, stopped at, quiet)"
                       : "scavenge in the background (target, refused at, stopped at, quiet)",
                {target, refuse_at, stop_at, quiet});
    Scavenging call{PageCount{target}, mode, quiet, refuse_at, stop_at};
    calls_.push_back(&call);
    const ScavengeResult got =
        scavenger_.Scavenge(BytesOf(PageCount{target}), mode, [this] { return Stop(); });
    SettlePending(call);
    calls_.pop_back();
    story_.Expect("steps", got.steps, call.releases - (call.refused ? 1U : 0U));
    story_.Expect("a refusal is told", !got.status.ok(), call.refused);
    story_.Expect("released after the refusal", !call.refused || call.releases == call.refuse_at);
    if (quiet) {
      story_.Expect("pages released", got.released.raw / kPageBytes.raw,
                    model_.Scavenge(call.target, forced, units_.page, units_.huge).raw);
      return;
    }
    background_exact_ = false;  // the model does not follow the cursor of a disturbed scavenging
    story_.Expect("bytes released", got.released.raw, BytesOf(call.released).raw);
    if (!forced || call.refused || call.stopped || call.outdated) return;
    if (call.released >= call.target) return;
    story_.Expect("pages are left that could be released", !AnythingReleasable());
  }

  /// Whether some whole unit is free and not scavenged.
  [[nodiscard]] bool AnythingReleasable() const {
    for (const PageRange& range : model_.grown_ranges()) {
      for (PageOffset at = range.begin; at < range.end; at += units_.page) {
        const auto counts = model_.CountsOf(PageRange::Of(at, units_.page));
        if (counts.free == units_.page) return true;
      }
    }
    return false;
  }

  void Apply() {
    const unsigned first = in_.Byte();
    const unsigned argument = first / 16;
    switch (first % 16) {
      case 0:
      case 1:
        return Allocate(argument < 8 ? argument + 1 : std::uint64_t{1} << (argument - 6));
      case 2:
      case 3:
        return Free(argument * 16U + in_.Byte());
      case 4: {
        const unsigned index = in_.Byte();  // before the place, whatever order a compiler likes
        return FreePart(index, in_.TwoBytes());
      }
      case 5:
        return Cache(argument % kCaches);
      case 6:
        return Grow(model_.heap_end() + PageCount{argument % 4 * kChunk}, argument / 4 + 1U);
      case 7:
        story_.Step("next generation");
        model_.NextGeneration();
        allocator_->NextScavengeGeneration();
        return;
      case 8:  // everything in use, then a part free and never scavenged
        while (model_.Find(PageCount{kChunk / 4}) && story_.steps() < kMostSteps)
          Allocate(kChunk / 4);
        return;
      case 9:
        for (std::size_t i = live_.size(); i-- > 0;) {
          if (i % (argument + 1) == 0) Free(i);
        }
        return;
      default: {
        if (calls_.size() >= 2) return;
        const unsigned how = in_.Byte();
        const std::uint64_t target =
            argument == 15 ? G::kAddressPages.raw : (std::uint64_t{1} << argument % 10) + how / 64;
        const bool refusing = (how & 2) != 0;
        const bool stopping = (how & 4) != 0;
        return Scavenge(target, (how & 1) != 0 ? ScavengeMode::kBackground : ScavengeMode::kForced,
                        refusing ? how / 8 % 4 + 1U : 0U, stopping ? how / 32 % 4 + 1U : 0U);
      }
    }
  }

  // Operations on both.

  void Allocate(std::uint64_t want) {
    story_.Step("allocate", {want});
    const std::optional<Allocation> expected = model_.Allocate(PageCount{want});
    const std::optional<Allocation> got = allocator_->Allocate(PageCount{want});
    story_.Expect("Allocate() finds a run", got.has_value(), expected.has_value());
    if (!expected) return;
    story_.Expect("Allocate(), page", got->first.raw, expected->first.raw);
    story_.Expect("Allocate(), scavenged", got->scavenged.raw, expected->scavenged.raw);
    live_.push_back(PageRange::Of(expected->first, PageCount{want}));
    CompareStatistics();
  }

  void Free(std::size_t index) {
    if (live_.empty()) return;
    index %= live_.size();
    const PageRange run = live_[index];
    live_[index] = live_.back();
    live_.pop_back();
    FreePages(run);
  }

  void FreePart(std::size_t index, std::uint64_t place) {
    if (live_.empty()) return;
    index %= live_.size();
    const PageRange run = live_[index];
    const PageOffset first = run.begin + PageCount{place % run.size().raw};
    const PageRange part = PageRange::Of(first, PageCount{place / 256 % (run.end - first).raw + 1});
    live_[index] = live_.back();
    live_.pop_back();
    if (run.begin < part.begin) live_.push_back({run.begin, part.begin});
    if (part.end < run.end) live_.push_back({part.end, run.end});
    FreePages(part);
  }

  void FreePages(PageRange pages) {
    story_.Step("free", {pages.begin.raw, pages.size().raw});
    model_.Free(pages);
    allocator_->Free(pages);
    CompareStatistics();
  }

  /// An empty cache is filled, another one comes back.
  void Cache(std::size_t index) {
    PageCache& cache = caches_[index];
    if (!cache.empty()) {
      story_.Step("flush cache", {index});
      model_.ReturnBlock({cache.base, cache.pages, cache.scavenged});
      allocator_->Flush(cache);
    } else {
      story_.Step("take cache", {index});
      const auto expected = model_.TakeBlock();
      cache = allocator_->TakePageCache();
      story_.Expect("TakePageCache(), pages", cache.pages, expected ? expected->pages : 0);
      story_.Expect("TakePageCache(), scavenged", cache.scavenged,
                    expected ? expected->scavenged : 0);
    }
    CompareStatistics();
  }

  void Grow(PageOffset begin, std::uint64_t chunks) {
    const PageRange pages{begin, std::min(begin + PageCount{chunks * kChunk}, end_)};
    if (begin >= end_ || !model_.CanGrow(pages)) return;
    story_.Step("grow", {pages.begin.raw, pages.size().raw});
    model_.Grow(pages);
    story_.Expect("Grow() is refused", allocator_->Grow(pages).ok());
  }

  void CompareStatistics() { story_.Check(CompareStats(allocator_->stats(), model_)); }
  void CheckSometimes() {
    since_check_ = 0;
    if (checked_ < kMostChecked) CheckAll();
  }
  void CheckAll() {
    checked_ += model_.grown().raw;
    story_.Check(FullCheck(*allocator_, model_, caches_, held_));
  }

  Story story_;
  ByteReader in_;
  ProgramMemory<L> memory_;
  std::unique_ptr<PageAllocator<L>> allocator_ = std::make_unique<PageAllocator<L>>();
  testing::PageMap model_{G::kChunkPages};
  ReleaseHook<Run> hook_{*this};
  HeapWindow window_;
  HookedLock<Run> lock_{*this};
  Scavenger<PageAllocator<L>, HookedLock<Run>> scavenger_{*allocator_, window_, lock_};
  ReleaseUnits units_;
  PageOffset end_;
  bool disturbed_ = false;
  bool background_exact_ = true;
  bool locked_ = false;
  unsigned check_every_ = 0;
  unsigned since_check_ = 0;
  std::uint64_t checked_ = 0;
  std::vector<Scavenging*> calls_;  // the innermost last
  std::vector<PageRange> held_;
  std::vector<PageRange> live_;
  std::array<PageCache, kCaches> caches_{};
};

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using pagealloc::fuzz::ScavengerRun;
  namespace layouts = pagealloc::testing;
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 512));
  switch (size == 0 ? 0 : bytes[0] % 4) {
    case 0:
      ScavengerRun<layouts::TinyWordChunks>(input).RunAll();
      break;
    case 1:
      ScavengerRun<layouts::TinyUneven>(input).RunAll();
      break;
    case 2:
      ScavengerRun<layouts::TinyOneRoot>(input).RunAll();
      break;
    default:
      ScavengerRun<layouts::TinyDeep>(input).RunAll();
      break;
  }
  return 0;
}
