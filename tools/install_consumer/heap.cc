// A heap in C++: pages, aligned pages, and what becomes of them.

#include "pagealloc/heap.h"

#include <cstdio>
#include <cstring>

int main() {
  using namespace pagealloc;
  static MmapMemory os;
  static Heap<> heap;  // 60 KiB: not on the stack
  if (!heap.Init(os, {.max_bytes = ByteCount{64u << 20}}).ok()) return 1;

  const HeapAllocation three = heap.Allocate(PageCount{3});
  const HeapAllocation aligned = heap.Allocate(PageCount{1}, ByteCount{1u << 20});
  if (!three.ok() || !aligned.ok() || !three.zeroed) return 1;
  if (!heap.Allocate(PageCount{9000}).no_room()) return 1;
  std::memset(three.memory, 1, BytesOf(three.pages).raw);
  heap.Free(three.memory, three.pages);
  heap.Free(aligned.memory, aligned.pages);
  if (heap.Stats().in_use != PageCount{0} || !heap.ReleaseAll().status.ok()) return 1;
  std::puts("heap in C++: fine");
  return 0;
}
