/// grow_faults: growth whose k-th call to the operating system is refused, once or from then on.
///
///   byte 0   bit 0: a PageAllocator, or a Heap; bits 1-2: the layout; bit 3: Init() is refused
///   first then     operations: kind in the low 4 bits, argument in the high 4, and what they need
///
/// A PageAllocator has a twin whose memory never refuses. After a refusal the heap is bit by bit as
/// before; the growth is tried again, works, and then both are alike to the last bit, and so is
/// what they hold. A Heap decides about places itself, so there: no page is given twice or without
/// memory behind it, always the lowest run, statistics add up, and a refused request works when it
/// is repeated. In the end nothing is held.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "fuzz/decode_ops.h"
#include "fuzz/finding.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "pagealloc/heap.h"
#include "pagealloc/page_allocator.h"
#include "testing/fake_memory.h"
#include "testing/faulty_memory.h"
#include "testing/heap_access.h"
#include "testing/heap_image.h"
#include "testing/invariants.h"
#include "testing/region_memory.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;
using testing::FaultyMemory;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Which call is refused: 0 stands for none.
void Arm(FaultyMemory& os, unsigned code) {
  if (code % 16 == 0) return;
  const auto repeat =
      (code & 16) != 0 ? FaultyMemory::Repeat::kForEver : FaultyMemory::Repeat::kOnce;
  constexpr std::array<std::optional<OsCall>, 4> kKinds{std::nullopt, OsCall::kReserve,
                                                        OsCall::kCommit, OsCall::kUnreserve};
  os.FailCall(code % 16, repeat, ENOMEM, kKinds[code / 64]);
}

/// A refusal that an operation must tell: what cannot be returned is lost, and no failure.
bool MustFail(const FaultyMemory& os) {
  return std::any_of(os.faults().begin(), os.faults().end(),
                     [](const OsStatus& fault) { return fault.call != OsCall::kUnreserve; });
}

template <Layout L>
class AllocatorRun {
  using G = Geometry<L>;

 public:
  AllocatorRun(Story& story, ByteReader& in) : story_(story), in_(in) {}

  void Run(bool refuse_init) {
    story_.Expect("the twin's Init()", twin_.allocator->Init(twin_.os).ok());
    if (refuse_init) {
      const unsigned code = in_.Byte();
      story_.Step("refused Init()", {code});
      Arm(subject_.os, code);
      const bool ok = subject_.allocator->Init(subject_.os).ok();
      const bool hit = MustFail(subject_.os);
      subject_.os.NeverFail();
      story_.Expect("Init() succeeds", ok, !hit);
      if (!ok) {
        subject_.allocator = std::make_unique<PageAllocator<L>>();
        story_.Expect("held after a refused Init()", subject_.os.mappings().empty());
        story_.Expect("Init() after a refusal", subject_.allocator->Init(subject_.os).ok());
      }
    } else {
      story_.Expect("Init()", subject_.allocator->Init(subject_.os).ok());
    }
    while (!in_.empty() && story_.steps() < 100) Apply();
    CompareTwins();
    subject_.allocator.reset();
    twin_.allocator.reset();
    story_.Expect("held in the end", subject_.os.mappings().empty());
  }

 private:
  struct Side {
    testing::FakeMemory real{ByteCount{64}};
    FaultyMemory os{real};
    std::unique_ptr<PageAllocator<L>> allocator = std::make_unique<PageAllocator<L>>();
  };

  void Apply() {
    const unsigned first = in_.Byte();
    const unsigned argument = first / 16;
    if (first % 16 < 9) {
      const std::uint64_t chunks = G::kHeapEnd.raw / G::kChunkPages.raw;
      const std::uint64_t at = (first % 16 < 3 ? next_ : in_.TwoBytes()) % chunks;
      Grow(at, std::min<std::uint64_t>(argument % 8 == 7 ? 40 : argument % 8 + 1U, chunks - at),
           in_.Byte());
    } else if (first % 16 < 13) {
      const PageCount want{argument < 8 ? argument + 1 : std::uint64_t{1} << (argument - 3)};
      story_.Step("allocate", {want.raw});
      const auto got = subject_.allocator->Allocate(want);
      story_.Expect("Allocate() as the twin", got == twin_.allocator->Allocate(want));
      if (got) live_.push_back(PageRange::Of(got->first, want));
    } else if (!live_.empty()) {
      const std::size_t i = argument % live_.size();
      story_.Step("free", {live_[i].begin.raw, live_[i].size().raw});
      subject_.allocator->Free(live_[i]);
      twin_.allocator->Free(live_[i]);
      live_[i] = live_.back();
      live_.pop_back();
    }
  }

  void Grow(std::uint64_t at, std::uint64_t chunks, unsigned code) {
    const PageRange pages =
        PageRange::Of(PageOffset{at * G::kChunkPages.raw}, PageCount{chunks * G::kChunkPages.raw});
    for (const auto& range : twin_.allocator->ranges().ranges()) {
      if (pages.Overlaps({range.begin, range.end})) return;
    }
    next_ = at + chunks;
    story_.Step("grow (chunk, chunks, refusal)", {at, chunks, code});
    const std::vector<std::uint64_t> before = testing::HeapImage(*subject_.allocator);
    Arm(subject_.os, code);
    const OsStatus status = subject_.allocator->Grow(pages);
    const bool hit = code % 16 != 0 && MustFail(subject_.os);
    subject_.os.NeverFail();
    story_.Expect("Grow() succeeds", status.ok(), !hit);
    if (!status.ok()) {
      story_.Expect("a refused growth changed the heap",
                    testing::HeapImage(*subject_.allocator) == before);
      CheckHeld();
      story_.Expect("Grow() after a refusal", subject_.allocator->Grow(pages).ok());
    }
    story_.Expect("the twin's Grow()", twin_.allocator->Grow(pages).ok());
    CompareTwins();
  }

  void CheckHeld() {
    story_.Check(testing::CheckInvariants(*subject_.allocator));
    story_.Expect("what is held is accounted for",
                  subject_.os.held() == subject_.allocator->metadata());
  }
  void CompareTwins() {
    CheckHeld();
    story_.Expect("both heaps are alike",
                  testing::HeapImage(*subject_.allocator) == testing::HeapImage(*twin_.allocator));
    story_.Expect("both hold the same", subject_.os.mappings() == twin_.os.mappings());
  }

  Story& story_;
  ByteReader& in_;
  Side subject_;
  Side twin_;
  std::vector<PageRange> live_;
  std::uint64_t next_ = 0;
};

/// A Heap without caches, in an address space of its own.
template <Layout L>
class HeapRun {
  using G = Geometry<L>;

 public:
  HeapRun(Story& story, ByteReader& in) : story_(story), in_(in) {}

  void Run(bool refuse_init) {
    const unsigned limit = in_.Byte();
    options_.max_bytes = ByteCount{(limit % 32 + 1) * G::kChunkBytes.raw};
    options_.caches = 0;
    options_.random_seed = limit / 64 == 3 ? 0x12'3456'789a'bcdeU : 0;
    const unsigned code = refuse_init ? in_.Byte() : 0U;
    story_.Step("Init() (chunks at most, refusal)", {limit % 32 + 1, code});
    Arm(os_, code);
    const bool ok = heap_->Init(os_, options_).ok();
    const bool hit = code != 0 && MustFail(os_);
    os_.NeverFail();
    story_.Expect("Init() succeeds", ok, !hit);
    if (!ok) {
      heap_ = std::make_unique<Heap<L>>();
      story_.Expect("held after a refused Init()", os_.mappings().empty());
      story_.Expect("Init() after a refusal", heap_->Init(os_, options_).ok());
    }
    while (!in_.empty() && story_.steps() < 100) Apply();
    while (!live_.empty()) Free(0);
    Check();
    heap_.reset();
    story_.Expect("held in the end", os_.mappings().empty());
  }

 private:
  void Apply() {
    const unsigned first = in_.Byte();
    const unsigned argument = first / 16;
    if (first % 16 < 9) {
      const std::uint64_t want =
          argument < 8 ? argument + 1U : argument % 8 * G::kChunkPages.raw + first % 16 - 4;
      return Allocate(PageCount{std::max<std::uint64_t>(want, 1)}, in_.Byte());
    }
    if (first % 16 == 9) {
      story_.Step("somebody else takes address space", {argument + 1});
      // Goes back with the region itself.
      static_cast<void>(region_.Reserve(ByteCount{(argument + 1) * G::kChunkBytes.raw}));
    } else if (!live_.empty()) {
      Free((argument * 8 + first % 16) % live_.size());
    }
  }

  void Allocate(PageCount want, unsigned code) {
    story_.Step("allocate (pages, refusal)", {want.raw, code});
    const std::optional<Found> lowest = testing::HeapAccess::pages(*heap_).Find(want);
    const HeapStatistics before = heap_->Stats();
    Arm(os_, code);
    HeapAllocation got = heap_->Allocate(want);
    const bool hit = code % 16 != 0 && MustFail(os_);
    os_.NeverFail();
    if (lowest) story_.Expect("a refusal although there was room", got.ok());
    if (!got.ok()) {
      const HeapStatistics after = heap_->Stats();
      story_.Expect("pages in use after a failure", after.in_use.raw, before.in_use.raw);
      story_.Expect("a refusal that nobody made", got.status.ok() || hit || OutOfSpace(got));
      Check();
    }
    if (!got.status.ok()) {
      got = heap_->Allocate(want);  // nothing stands in its way now, but the end of space
      story_.Expect("a request is refused again", got.status.ok() || OutOfSpace(got));
      // What was reserved before the refusal serves it now. Padding may make it grow twice.
      const std::uint64_t chunks = (want.raw + G::kChunkPages.raw - 1) / G::kChunkPages.raw;
      if (options_.random_seed == 0) {
        story_.Expect(
            "address space is lost in a refusal",
            heap_->Stats().reserved <= before.reserved + ByteCount{chunks * G::kChunkBytes.raw});
      }
    }
    if (!got.ok()) return;
    story_.Expect("pages without memory", region_.Accessible(got.memory, BytesOf(want)));
    if (lowest) {
      const PageRange run = PageRange::Of(lowest->first, want);
      story_.Expect("not the lowest run", !testing::HeapAccess::pages(*heap_).AllFree(run));
    }
    for (const pagealloc::HeapRun& other : live_) {
      const auto* const begin = static_cast<std::byte*>(other.memory);
      story_.Expect("pages given twice", got.memory + BytesOf(want).raw <= begin ||
                                             begin + BytesOf(other.pages).raw <= got.memory);
    }
    live_.push_back({got.memory, want});
    Check();
  }

  /// The region is full: a refusal of its own.
  [[nodiscard]] static bool OutOfSpace(const HeapAllocation& got) {
    return got.status.call == OsCall::kReserve;
  }

  void Free(std::size_t index) {
    const pagealloc::HeapRun run = live_[index];
    story_.Step("free", {run.pages.raw});
    live_[index] = live_.back();
    live_.pop_back();
    heap_->Free(run.memory, run.pages);
  }

  void Check() {
    const HeapStatistics stats = heap_->Stats();
    std::uint64_t in_use = 0;
    for (const pagealloc::HeapRun& run : live_) in_use += run.pages.raw;
    story_.Expect("pages in use", stats.in_use.raw, in_use);
    story_.Expect("pages of the heap", stats.grown.raw,
                  (stats.in_use + stats.padding + stats.free).raw);
    story_.Expect("larger than its limit", BytesOf(stats.grown) <= options_.max_bytes);
    story_.Expect("address space and tables that nobody holds",
                  os_.held().reserved == stats.reserved + stats.metadata.reserved);
    story_.Check(testing::CheckInvariants(testing::HeapAccess::pages(*heap_)));
  }

  Story& story_;
  ByteReader& in_;
  testing::RegionMemory region_{ByteCount{24 * G::kChunkBytes.raw}, G::kChunkBytes};
  FaultyMemory os_{region_};
  HeapOptions options_;
  std::unique_ptr<Heap<L>> heap_ = std::make_unique<Heap<L>>();
  std::vector<pagealloc::HeapRun> live_;
};

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace pagealloc::fuzz;  // NOLINT(*-build-using-namespace): one function
  namespace layouts = pagealloc::testing;
  const std::span<const std::uint8_t> input(bytes, std::min<std::size_t>(size, 300));
  Story story("grow_faults", input);
  ByteReader in(input);
  const unsigned header = in.Byte();
  const bool init = (header & 8) != 0;
  switch (header % 8) {
    case 0:
      AllocatorRun<layouts::TinyWordChunks>(story, in).Run(init);
      break;
    case 2:
      AllocatorRun<layouts::TinyUneven>(story, in).Run(init);
      break;
    case 4:
      AllocatorRun<layouts::TinyDeep>(story, in).Run(init);
      break;
    case 6:
      AllocatorRun<pagealloc::Wasm126>(story, in).Run(init);
      break;
    case 1:
    case 3:
      HeapRun<layouts::TinyWordChunks>(story, in).Run(init);
      break;
    default:
      HeapRun<layouts::TinyDeep>(story, in).Run(init);
      break;
  }
  pagealloc::fuzz::g_operations += story.steps();
  return 0;
}
