/// growing.h: a HeapGrowth, its page allocator and an address space without memory, for tests.
///
/// Places are numbers (AddressSpace); the page allocator's tables are real (FakeMemory). Chunks are
/// counted from the layout's heap base.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "pagealloc/heap_growth.h"
#include "pagealloc/page_allocator.h"
#include "testing/address_space.h"
#include "testing/fake_memory.h"
#include "testing/invariants.h"

namespace pagealloc::testing {

template <class L>
struct Growing {
  using G = Geometry<L>;

  explicit Growing(HeapStart start = {}) {
    EXPECT_TRUE(pages->Init(tables).ok());
    growth.Init(space, start);
  }
  ~Growing() { EXPECT_EQ(testing::CheckInvariants(*pages), ""); }

  auto Grow(std::uint64_t want, PageCount limit = PageCount{~std::uint64_t{0}}) {
    return growth.Grow(*pages, PageCount{want}, limit);
  }
  /// Grow(want) must join chunks [first, first + chunks), counted from the heap base.
  void ExpectJoins(std::uint64_t want, std::int64_t first, std::int64_t chunks) {
    const auto got = Grow(want);
    ASSERT_TRUE(got.status.ok()) << got.status.error_number;
    EXPECT_EQ(got.fresh, Chunks(first, chunks)) << "chunk " << Relative(got.fresh.begin);
  }
  static PageRange Chunks(std::int64_t first, std::int64_t chunks) {
    constexpr auto kPages = static_cast<std::int64_t>(G::kChunkPages.raw);
    const auto base = static_cast<std::int64_t>(G::kHeapBasePage.raw);
    return PageRange::Of(PageOffset{static_cast<std::uint64_t>(base + first * kPages)},
                         PageCount{static_cast<std::uint64_t>(chunks * kPages)});
  }
  static std::int64_t Relative(PageOffset page) {
    return static_cast<std::int64_t>(page.raw - G::kHeapBasePage.raw) /
           static_cast<std::int64_t>(G::kChunkPages.raw);
  }
  /// The heap as chunks from the heap base: begin, end, begin, end, ...
  std::vector<std::int64_t> Heap() const {
    std::vector<std::int64_t> ends;
    for (const auto& range : pages->ranges().ranges()) {
      ends.push_back(Relative(range.begin));
      ends.push_back(Relative(range.end));
    }
    return ends;
  }

  FakeMemory tables;
  AddressSpace space;
  std::unique_ptr<PageAllocator<L>> pages = std::make_unique<PageAllocator<L>>();
  HeapGrowth<L> growth;
};

}  // namespace pagealloc::testing
