// Containers of the standard library in the pages of a heap.

#include "pagealloc/pmr.h"

#include <cstdio>
#include <map>
#include <memory_resource>
#include <string>

int main() {
  static pagealloc::MmapMemory os;
  static pagealloc::Heap<> heap;  // 60 KiB: not on the stack
  if (!heap.Init(os).ok()) return 1;
  pagealloc::HeapResource pages(heap);
  {
    std::pmr::unsynchronized_pool_resource pool(&pages);
    std::pmr::map<int, std::pmr::string> names(&pool);
    for (int i = 0; i < 1000; ++i) names[i] = "a name that does not fit inside the string itself";
    if (heap.Stats().in_use == pagealloc::PageCount{0}) return 1;
  }
  if (heap.Stats().in_use != pagealloc::PageCount{0}) return 1;
  std::puts("containers in a heap: fine");
  return 0;
}
