// Long random histories on every layout, each step compared with the model.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "pagealloc/page_allocator.h"
#include "testing/gtest/checked_heap.h"
#include "testing/gtest/layout_types.h"

namespace pagealloc {
namespace {

using testing::CheckedHeap;

/// A heap, what its users hold, and what they might do next.
template <class L>
class History {
 public:
  using G = Geometry<L>;
  static constexpr std::uint64_t kChunk = G::kChunkPages.raw;

  History(std::uint64_t seed, PageOffset origin, std::uint64_t room_chunks, ReleaseUnits units)
      : random_(seed), heap_(origin, ByteCount{64}), room_chunks_(room_chunks) {
    heap_.allocator().set_release_units(units);
  }

  /// Results are compared at every step; all pages and invariants at every `check_every`th.
  void Run(int steps, int check_every = 1) {
    heap_.CheckEvery(static_cast<std::uint64_t>(check_every));
    for (int step = 0; step < steps && !::testing::Test::HasFailure(); ++step) {
      SCOPED_TRACE(::testing::Message() << "step " << step);
      Step();
      if (step % check_every != 0) continue;
      ASSERT_EQ(testing::CheckInvariants(heap_.allocator(), caches_), "");
    }
    // In the end everything comes back, and the heap is as free as it ever was.
    for (PageCache& cache : caches_) heap_.Flush(cache);
    for (const PageRange& held : held_) Free(held);
    EXPECT_EQ(heap_.allocator().stats().in_use, PageCount{0});
    heap_.Check();
  }

 private:
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }
  std::size_t IndexBelow(std::size_t limit) { return HostSize(random_() % limit); }
  [[nodiscard]] std::uint64_t Relative(PageOffset page) const { return page.raw - heap_.At(0).raw; }
  void Free(PageRange pages) { heap_.Free(Relative(pages.begin), pages.size().raw); }

  void Step() {
    const std::uint64_t dice = Below(100);
    if (dice < 8) {
      Grow();
    } else if (dice < 50) {
      Allocate(1 + Below(dice < 40 ? 12 : 3 * kChunk));
    } else if (dice < 58) {
      AllocateSomewhere();
    } else if (dice < 82) {
      FreeOne();
    } else if (dice < 85) {
      FreeMany();
    } else if (dice < 91) {
      TakeOrUseCache();
    } else if (dice < 92) {
      heap_.NextGeneration();
    } else if (dice < 96) {
      heap_.Release(1 + Below(2) * Below(2 * kChunk),
                    Below(2) == 0 ? ScavengeMode::kForced : ScavengeMode::kBackground);
    } else if (!caches_.empty()) {
      const std::size_t i = IndexBelow(caches_.size());
      heap_.Flush(caches_[i]);
      caches_.erase(caches_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void Grow() {
    const std::uint64_t first = Below(room_chunks_);
    const std::uint64_t count = 1 + Below(std::min<std::uint64_t>(room_chunks_ - first, 3));
    if (heap_.model().CanGrow(heap_.Range(first * kChunk, count * kChunk))) {
      heap_.Grow(first, count);
    }
  }
  void Allocate(std::uint64_t want) {
    if (const std::optional<Allocation> got = heap_.Allocate(want)) {
      held_.push_back(PageRange::Of(got->first, PageCount{want}));
    }
  }
  void AllocateSomewhere() {
    const std::uint64_t first = Below(room_chunks_ * kChunk);
    const std::uint64_t pages =
        1 + Below(std::min(room_chunks_ * kChunk - first, Below(2) == 0 ? 9 : 2 * kChunk));
    if (!heap_.model().AllFree(heap_.Range(first, pages))) return;
    heap_.AllocateRange(first, pages);
    held_.push_back(heap_.Range(first, pages));
  }
  /// All of what someone holds, or its lower part.
  PageRange NextToFree() {
    std::swap(held_[IndexBelow(held_.size())], held_.back());
    PageRange& pages = held_.back();
    const std::uint64_t size = pages.size().raw;
    const PageRange part =
        PageRange::Of(pages.begin, PageCount{Below(3) == 0 ? 1 + Below(size) : size});
    pages.begin = part.end;
    if (pages.empty()) held_.pop_back();
    return part;
  }
  void FreeOne() {
    if (!held_.empty()) Free(NextToFree());
  }
  void FreeMany() {
    std::vector<PageRange> runs;
    for (std::uint64_t count = 1 + Below(40); runs.size() < count && !held_.empty();) {
      runs.push_back(NextToFree());
    }
    heap_.FreeBatch(runs);
  }
  void TakeOrUseCache() {
    if (caches_.size() < 3) {
      const PageCache cache = heap_.TakeCache();
      if (!cache.empty()) caches_.push_back(cache);
      return;
    }
    const std::uint64_t want = 1 + Below(16);
    if (const auto got = caches_[IndexBelow(3)].Allocate(PageCount{want})) {
      held_.push_back(PageRange::Of(got->first, PageCount{want}));
    }
  }

  std::mt19937_64 random_;
  CheckedHeap<L> heap_;
  std::uint64_t room_chunks_;
  std::vector<PageRange> held_;
  std::vector<PageCache> caches_;
};

template <class L>
class RandomHistory : public ::testing::Test {
 protected:
  static constexpr PageOffset kEnd = Geometry<L>::kHeapEnd;
  static constexpr std::uint64_t kAllChunks = kEnd.raw / Geometry<L>::kChunkPages.raw;
  static constexpr std::uint64_t kRoom = kAllChunks < 12 ? kAllChunks : 12;
};
TYPED_TEST_SUITE(RandomHistory, testing::AllLayouts, testing::LayoutNames);

TYPED_TEST(RandomHistory, FromTheFirstPageOfTheAddressSpace) {
  History<TypeParam>(1, PageOffset{0}, this->kRoom, {PageCount{1}, PageCount{0}}).Run(500);
}

TYPED_TEST(RandomHistory, TenThousandSteps) {
  History<TypeParam>(4, Geometry<TypeParam>::kHeapBasePage,
                     std::min<std::uint64_t>(this->kRoom, 8) / 2, {PageCount{1}, PageCount{16}})
      .Run(10'000, 100);
}

TYPED_TEST(RandomHistory, UpToTheEndOfTheAddressSpace) {
  const PageOffset origin{this->kEnd.raw - this->kRoom * Geometry<TypeParam>::kChunkPages.raw};
  History<TypeParam>(2, origin, this->kRoom, {PageCount{4}, PageCount{0}}).Run(500);
}

// Half of the room on either side of a border between root entries (or of the only entry's
// children).
TYPED_TEST(RandomHistory, AcrossABorderOfTheHighestLevels) {
  using G = Geometry<TypeParam>;
  const unsigned level = G::kRootBits > 0 ? 0 : 1;
  const std::uint64_t border = std::uint64_t{1} << G::kSpanPageBits[level];
  const std::uint64_t half = std::min(this->kRoom / 2, border / G::kChunkPages.raw);
  const PageOffset origin{border - half * G::kChunkPages.raw};
  History<TypeParam>(3, origin, 2 * half, {PageCount{2}, PageCount{32}}).Run(500);
}

}  // namespace
}  // namespace pagealloc
