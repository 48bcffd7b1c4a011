// Allocates from a heap of one chunk, as a user of the installed package would, and says what it
// saw. Its one argument is the value of PAGEALLOC_CHECKED that the library was built with.

#include <cstdio>
#include <memory>
#include <optional>
#include <string_view>

#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"

int main(int argc, char** argv) {
  using Layout = pagealloc::LinuxAmd64;
  using Geometry = pagealloc::Geometry<Layout>;
  using pagealloc::PageCount;

  constexpr std::string_view kChecked = PAGEALLOC_CHECKED ? "1" : "0";
  if (argc != 2 || argv[1] != kChecked) {
    std::puts("the headers and the library disagree about PAGEALLOC_CHECKED");
    return 1;
  }

  pagealloc::MmapMemory memory;
  const auto heap = std::make_unique<pagealloc::PageAllocator<Layout>>();
  const pagealloc::PageOffset base = Geometry::kHeapBasePage;
  if (!heap->Init(memory).ok() ||
      !heap->Grow(pagealloc::PageRange::Of(base, PageCount{Geometry::kChunkPages})).ok()) {
    std::puts("the operating system gave no memory");
    return 1;
  }
  const std::optional<pagealloc::Allocation> first = heap->Allocate(PageCount{3});
  const std::optional<pagealloc::Allocation> second = heap->Allocate(PageCount{5});
  if (!first || !second || first->first != base || second->first != base + PageCount{3}) {
    std::puts("the pages are not the lowest ones");
    return 1;
  }
  heap->Free(pagealloc::PageRange::Of(base, PageCount{3}));
  if (heap->stats().in_use != PageCount{5}) {
    std::puts("the statistics are wrong");
    return 1;
  }
  std::puts("3 and 5 pages from the start of the heap; 5 still in use");
  return 0;
}
