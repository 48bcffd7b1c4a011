/// pagealloc.h: the heap for C, and for whatever calls C. The only header of the library that is C.
///
/// A heap hands out runs of pages of PAGEALLOC_PAGE_SIZE bytes: committed memory, aligned to a
/// page. Any number of threads may use one heap, and so may a child of fork(). Functions that can
/// fail return 0, or PAGEALLOC_NO_ROOM, or the errno (above 0) with which the operating system
/// refused. A caller's mistake stops the process with a message. See heap.h for C++ and for
/// details.
#ifndef PAGEALLOC_PAGEALLOC_H_
#define PAGEALLOC_PAGEALLOC_H_

#include <stddef.h>
#include <stdint.h>

// NOLINTBEGIN(readability-identifier-naming): names as is usual in C

#ifdef __cplusplus
extern "C" {
#endif

#define PAGEALLOC_PAGE_SIZE (sizeof(char[8192])) /* 8192, as a size_t, without a cast */

enum {
  PAGEALLOC_OK = 0,
  PAGEALLOC_NO_ROOM = -1 /**< the heap's limit is reached, or a wanted place is taken */
};

typedef struct pagealloc_heap pagealloc_heap;

/** How a heap is made. Begin with PAGEALLOC_OPTIONS_INIT, so that new members have their defaults.
 */
typedef struct pagealloc_options {
  uint64_t max_bytes;   /**< the heap's limit, rounded down to 4 MiB; UINT64_MAX: none */
  int32_t caches;       /**< page caches for small requests; 0: none; -1: one a processor */
  uint64_t random_seed; /**< not 0: the heap's place in memory is drawn from it */
} pagealloc_options;

#define PAGEALLOC_OPTIONS_INIT \
  { UINT64_MAX, -1, 0 }

/** Pages that were allocated; for pagealloc_free_batch(). */
typedef struct pagealloc_run {
  void* memory;
  size_t pages;
} pagealloc_run;

/** One moment of a heap, in pages; grown = in_use + cached + held + padding + free. */
typedef struct pagealloc_stats {
  uint64_t grown;          /**< ever joined the heap */
  uint64_t in_use;         /**< held by callers */
  uint64_t cached;         /**< in page caches */
  uint64_t held;           /**< being given back at this moment */
  uint64_t padding;        /**< never used: random start */
  uint64_t free;           /**< all others */
  uint64_t scavenged;      /**< of `free`: without memory behind them */
  uint64_t metadata_bytes; /**< committed for tables */
  uint64_t growths;        /**< how often the heap grew */
  uint64_t heap_locks;     /**< how often the heap's lock was taken */
  uint64_t cache_hits;     /**< requests that did not need it */
} pagealloc_stats;

/** Makes an empty heap. `options` null: the defaults. On failure *heap is null. */
int pagealloc_create(const pagealloc_options* options, pagealloc_heap** heap);
/** Ends a heap and everything in it. Null: no effect. */
void pagealloc_destroy(pagealloc_heap* heap);

/** Takes `pages` pages, at least 1. *zeroed (may be null): 1 if every byte is zero, 0 if contents
 *  are anything. On failure *memory is null. */
int pagealloc_allocate(pagealloc_heap* heap, size_t pages, void** memory, int* zeroed);
/** The same at a multiple of `alignment` bytes, a power of two. */
int pagealloc_allocate_aligned(pagealloc_heap* heap, size_t pages, size_t alignment, void** memory,
                               int* zeroed);
/** Takes exactly these pages, if they are in the heap and free; otherwise PAGEALLOC_NO_ROOM. */
int pagealloc_allocate_at(pagealloc_heap* heap, void* place, size_t pages, int* zeroed);

/** Gives pages back: all or a part of what was allocated. */
void pagealloc_free(pagealloc_heap* heap, void* memory, size_t pages);
/** Gives many runs back under one lock; cheapest in ascending order. */
void pagealloc_free_batch(pagealloc_heap* heap, const pagealloc_run* runs, size_t count);

/** Gives the pages of all caches back to the heap. */
void pagealloc_flush_caches(pagealloc_heap* heap);
/** Gives memory of free pages back to the operating system: at least `bytes`, if there are so many;
 *  SIZE_MAX: all, those in caches too. *released (may be null): how many bytes. */
int pagealloc_release(pagealloc_heap* heap, size_t bytes, size_t* released);
void pagealloc_get_stats(pagealloc_heap* heap, pagealloc_stats* stats);

#ifdef __cplusplus
} /* extern "C" */
#endif
// NOLINTEND(readability-identifier-naming)

#endif /* PAGEALLOC_PAGEALLOC_H_ */
