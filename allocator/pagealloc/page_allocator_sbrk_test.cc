// A whole heap on a system that has nothing but a break: tables and pages come from one SbrkMemory.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <random>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "pagealloc/sbrk_memory.h"
#include "testing/gtest/layout_types.h"
#include "testing/invariants.h"
#include "testing/page_map.h"
#include "testing/sbrk_invariants.h"

namespace pagealloc {
namespace {

using testing::LiveBlock;

/// An OsMemory that hands everything on to an SbrkMemory and remembers what is out.
class Recorder final : public OsMemory {
 public:
  explicit Recorder(SbrkMemory& memory) : memory_(memory) {}

  [[nodiscard]] ByteCount page_size() const override { return memory_.page_size(); }
  Reservation Reserve(ByteCount size, std::byte* at) override {
    return Took(memory_.Reserve(size, at), size);
  }
  Reservation ReserveAligned(ByteCount size, ByteCount align) {
    return Took(memory_.ReserveAligned(size, align), size);
  }
  OsStatus Commit(std::byte* begin, ByteCount size) override { return memory_.Commit(begin, size); }
  OsStatus Release(std::byte* begin, ByteCount size) override {
    return memory_.Release(begin, size);
  }
  OsStatus Fault(std::byte* begin, ByteCount size) override { return memory_.Fault(begin, size); }
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override {
    return memory_.HintHugePages(begin, size, want);
  }
  OsStatus Unreserve(std::byte* begin, ByteCount size) override {
    std::erase_if(live_, [begin](const LiveBlock& block) { return block.begin == begin; });
    return memory_.Unreserve(begin, size);
  }
  [[nodiscard]] const std::vector<LiveBlock>& live() const { return live_; }

 private:
  Reservation Took(Reservation got, ByteCount size) {
    if (got.status.ok()) live_.push_back({got.begin, size});
    return got;
  }

  SbrkMemory& memory_;
  std::vector<LiveBlock> live_;
};

/// A heap whose layout addresses are host addresses less a constant, as on wasm, where that is the
/// start of linear memory.
template <class L>
class SbrkHeap {
  using G = Geometry<L>;

 public:
  explicit SbrkHeap(BreakSource& source) : memory_(source), recorder_(memory_) {
    const auto first = reinterpret_cast<std::uintptr_t>(memory_.allocator().first());
    // The first chunk of the layout is never heap (address 0).
    slide_ = first / G::kChunkBytes.raw * G::kChunkBytes.raw - G::kChunkBytes.raw;
    EXPECT_TRUE(heap_->Init(recorder_).ok());
  }
  ~SbrkHeap() {
    for (const LiveBlock& chunk : chunks_) {
      EXPECT_TRUE(recorder_.Unreserve(chunk.begin, chunk.size).ok());
    }
    heap_.reset();
    EXPECT_EQ(memory_.stats().live, ByteCount{0}) << "tables and chunks came back";
  }

  /// Allocates, writes, frees; grows where there is no room, as section 11 of the design does.
  void Run(std::uint64_t seed, int steps, ByteCount limit) {
    max_chunks_ = limit.raw / G::kChunkBytes.raw;
    std::mt19937_64 random(seed);
    for (int step = 0; step < steps && !::testing::Test::HasFatalFailure(); ++step) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      if (random() % 100 < 60) {
        Allocate(1 + random() % (random() % 10 == 0 ? 2 * G::kChunkPages.raw : 20),
                 static_cast<std::byte>(1 + step % 255));
      } else if (!held_.empty()) {
        FreeOne(random() % held_.size());
      }
      if (step % 16 == 0) Check();
    }
    Check();
    while (!held_.empty()) FreeOne(0);
    Check();
    EXPECT_EQ(heap_->stats().in_use, PageCount{0});
  }

  [[nodiscard]] std::uint64_t chunks() const {
    return heap_->stats().grown.raw >> G::kChunkPageBits;
  }
  [[nodiscard]] std::size_t ranges() const { return heap_->ranges().ranges().size(); }
  [[nodiscard]] SbrkStats stats() const { return memory_.stats(); }
  SbrkMemory& memory() { return memory_; }

 private:
  struct Held {
    PageRange pages;
    std::byte mark;
  };

  std::byte* Host(PageOffset page) const {
    return reinterpret_cast<std::byte*>(
        static_cast<std::uintptr_t>(G::AddressOf(page).raw + slide_));
  }
  static std::size_t Bytes(PageRange pages) {
    return static_cast<std::size_t>(BytesOf(pages.size()).raw);
  }

  void Allocate(std::uint64_t want, std::byte mark) {
    std::optional<Allocation> got = heap_->Allocate(PageCount{want});
    if (!got && Grow((want + G::kChunkPages.raw - 1) >> G::kChunkPageBits)) {
      got = heap_->Allocate(PageCount{want});
      ASSERT_TRUE(got.has_value());
    }
    const std::optional<Allocation> expected = model_.Allocate(PageCount{want});
    ASSERT_EQ(got, expected);
    if (!got) return;
    const PageRange pages = PageRange::Of(got->first, PageCount{want});
    if (got->scavenged.raw == want) {
      EXPECT_TRUE(testing::IsZero(Host(pages.begin), Bytes(pages))) << "fresh pages are zero";
    }
    std::memset(Host(pages.begin), static_cast<int>(mark), Bytes(pages));
    held_.push_back({pages, mark});
  }

  void FreeOne(std::size_t i) {
    const Held held = held_[i];
    held_[i] = held_.back();
    held_.pop_back();
    const std::byte* const begin = Host(held.pages.begin);
    EXPECT_TRUE(*begin == held.mark && std::memcmp(begin, begin + 1, Bytes(held.pages) - 1) == 0)
        << "somebody wrote into these pages";
    heap_->Free(held.pages);
    model_.Free(held.pages);
  }

  bool Grow(std::uint64_t chunks) {
    if (this->chunks() + chunks > max_chunks_) return false;
    const ByteCount size{chunks * G::kChunkBytes.raw};
    const OsMemory::Reservation got = recorder_.ReserveAligned(size, G::kChunkBytes);
    if (!got.status.ok()) return false;
    const Address address{reinterpret_cast<std::uintptr_t>(got.begin) - slide_};
    const PageRange pages = PageRange::Of(G::PageOf(address), PageCount{size.raw / kPageBytes.raw});
    EXPECT_TRUE(heap_->Grow(pages).ok());
    model_.Grow(pages);
    chunks_.push_back({got.begin, size});
    Check();
    return true;
  }

  void Check() {
    ASSERT_EQ(testing::CheckInvariants(*heap_), "");
    ASSERT_EQ(checker_.Check(memory_.allocator(), recorder_.live()), "");
  }

  SbrkMemory memory_;
  Recorder recorder_;
  std::uint64_t max_chunks_ = 0;
  std::uint64_t slide_ = 0;
  std::unique_ptr<PageAllocator<L>> heap_ = std::make_unique<PageAllocator<L>>();
  testing::PageMap model_{G::kChunkPages};
  testing::SbrkChecker checker_;
  std::vector<LiveBlock> chunks_;
  std::vector<Held> held_;
};

using WasmLayouts = ::testing::Types<Wasm125, Wasm126>;

template <class L>
class PageAllocatorOnSbrk : public ::testing::Test {};
TYPED_TEST_SUITE(PageAllocatorOnSbrk, WasmLayouts, testing::LayoutNames);

/// 64 KiB pages, and some memory that is there at the start, as on wasm.
TYPED_TEST(PageAllocatorOnSbrk, HeapOfLinearMemory) {
  constexpr ByteCount kChunk = Geometry<TypeParam>::kChunkBytes;
  MmapMemory os;
  EmulatedBreak source;
  ASSERT_TRUE(source.Init(os, {ByteCount{48u << 20}, ByteCount{1 << 16}, ByteCount{5 << 16}}).ok());
  SbrkHeap<TypeParam> heap(source);
  heap.Run(1, 1500, ByteCount{36u << 20});
  EXPECT_GE(heap.chunks(), (24u << 20) / kChunk.raw);
}

/// The break of this very process: malloc, which the test uses too, moves it at will.
TYPED_TEST(PageAllocatorOnSbrk, HeapAtTheBreakOfTheProcess) {
  ProcessBreak source;
  SbrkHeap<TypeParam> heap(source);
  heap.Run(2, 300, ByteCount{8u << 20});
  ASSERT_NE(::sbrk(3 * 4096), nullptr);  // somebody else
  heap.Run(3, 1200, ByteCount{24u << 20});
  EXPECT_GE(heap.ranges(), 2u);
  EXPECT_GE(heap.stats().holes.raw, 3u * 4096);
}

}  // namespace
}  // namespace pagealloc
