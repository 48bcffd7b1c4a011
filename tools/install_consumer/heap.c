/* A heap in C: pages, aligned pages, and what becomes of them. */

#include <pagealloc/pagealloc.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  pagealloc_options options = PAGEALLOC_OPTIONS_INIT;
  pagealloc_heap* heap;
  void* run;
  int zeroed;
  options.max_bytes = 64u << 20;
  if (pagealloc_create(&options, &heap) != PAGEALLOC_OK) return 1;

  if (pagealloc_allocate(heap, 3, &run, &zeroed) != PAGEALLOC_OK || !zeroed) return 1;
  memset(run, 1, 3 * PAGEALLOC_PAGE_SIZE);
  pagealloc_free(heap, run, 3);
  if (pagealloc_allocate(heap, 9000, &run, NULL) != PAGEALLOC_NO_ROOM) return 1;
  if (pagealloc_allocate_aligned(heap, 1, 1u << 20, &run, NULL) != PAGEALLOC_OK) return 1;
  if ((size_t)run % (1u << 20) != 0) return 1;
  pagealloc_destroy(heap);
  puts("heap in C: fine");
  return 0;
}
