#include "pagealloc/pagealloc.h"

#include <new>

#include "pagealloc/contract.h"
#include "pagealloc/heap.h"

using pagealloc::ByteCount;
using pagealloc::HeapAllocation;
using pagealloc::HeapOptions;
using pagealloc::HeapRun;
using pagealloc::MmapMemory;
using pagealloc::OsMemory;
using pagealloc::OsStatus;
using pagealloc::PageCount;

// The handle lives in memory of the operating system, as all that the library has.
struct pagealloc_heap {  // NOLINT(readability-identifier-naming): a name of the C interface
  MmapMemory os;
  pagealloc::Heap<> heap;
};

namespace {

static_assert(PAGEALLOC_PAGE_SIZE == pagealloc::kPageBytes.raw);

ByteCount HandleBytes(const OsMemory& os) { return os.RoundUp(ByteCount{sizeof(pagealloc_heap)}); }

int Outcome(const HeapAllocation& got, int* zeroed) {
  if (zeroed != nullptr) *zeroed = got.zeroed ? 1 : 0;
  if (got.ok()) return PAGEALLOC_OK;
  return got.no_room() ? PAGEALLOC_NO_ROOM : got.status.error_number;
}

}  // namespace

int pagealloc_create(const pagealloc_options* options, pagealloc_heap** heap) {
  PA_EXPECT(heap != nullptr);
  *heap = nullptr;
  HeapOptions wanted;
  if (options != nullptr) {
    PA_EXPECT(options->caches >= -1);
    wanted.max_bytes = ByteCount{options->max_bytes};
    wanted.random_seed = options->random_seed;
    if (options->caches >= 0) wanted.caches = static_cast<unsigned>(options->caches);
  }
  MmapMemory os;
  const OsMemory::Reservation got = os.Reserve(HandleBytes(os));
  if (!got.status.ok()) return got.status.error_number;
  OsStatus status = os.Commit(got.begin, HandleBytes(os));
  if (status.ok()) {
    auto* const made = ::new (static_cast<void*>(got.begin)) pagealloc_heap;
    status = made->heap.Init(made->os, wanted);
    if (status.ok()) {
      *heap = made;
      return PAGEALLOC_OK;
    }
    made->~pagealloc_heap();
  }
  static_cast<void>(os.Unreserve(got.begin, HandleBytes(os)));
  return status.error_number;
}

void pagealloc_destroy(pagealloc_heap* heap) {
  if (heap == nullptr) return;
  heap->~pagealloc_heap();
  MmapMemory os;
  // Nothing can be done about a refusal here; the address space stays reserved.
  static_cast<void>(os.Unreserve(reinterpret_cast<std::byte*>(heap), HandleBytes(os)));
}

int pagealloc_allocate(pagealloc_heap* heap, size_t pages, void** memory, int* zeroed) {
  PA_EXPECT(heap != nullptr && memory != nullptr);
  const HeapAllocation got = heap->heap.Allocate(PageCount{pages});
  *memory = got.memory;
  return Outcome(got, zeroed);
}

int pagealloc_allocate_aligned(pagealloc_heap* heap, size_t pages, size_t alignment, void** memory,
                               int* zeroed) {
  PA_EXPECT(heap != nullptr && memory != nullptr);
  const HeapAllocation got = heap->heap.Allocate(PageCount{pages}, ByteCount{alignment});
  *memory = got.memory;
  return Outcome(got, zeroed);
}

int pagealloc_allocate_at(pagealloc_heap* heap, void* place, size_t pages, int* zeroed) {
  PA_EXPECT(heap != nullptr);
  return Outcome(heap->heap.AllocateAt(place, PageCount{pages}), zeroed);
}

void pagealloc_free(pagealloc_heap* heap, void* memory, size_t pages) {
  PA_EXPECT(heap != nullptr);
  heap->heap.Free(memory, PageCount{pages});
}

void pagealloc_free_batch(pagealloc_heap* heap, const pagealloc_run* runs, size_t count) {
  PA_EXPECT(heap != nullptr && (runs != nullptr || count == 0));
  heap->heap.FreeBatch(count, [runs](std::size_t i) {
    return HeapRun{runs[i].memory, PageCount{runs[i].pages}};
  });
}

void pagealloc_flush_caches(pagealloc_heap* heap) {
  PA_EXPECT(heap != nullptr);
  heap->heap.FlushCaches();
}

int pagealloc_release(pagealloc_heap* heap, size_t bytes, size_t* released) {
  PA_EXPECT(heap != nullptr);
  const pagealloc::ScavengeResult result =
      bytes == SIZE_MAX ? heap->heap.ReleaseAll() : heap->heap.ReleaseMemory(ByteCount{bytes});
  if (released != nullptr) *released = static_cast<size_t>(result.released.raw);
  return result.status.error_number;
}

void pagealloc_get_stats(pagealloc_heap* heap, pagealloc_stats* stats) {
  PA_EXPECT(heap != nullptr && stats != nullptr);
  const pagealloc::HeapStatistics s = heap->heap.Stats();
  *stats = {s.grown.raw,   s.in_use.raw, s.cached.raw,    s.held.raw,
            s.padding.raw, s.free.raw,   s.scavenged.raw, s.metadata.committed.raw,
            s.growths,     s.heap_locks, s.cache_hits};
}
