/// subject.h: what the replay loop asks of an allocator, so that any of them can stand behind it.
///
/// The interface is PageAllocator's. A subject is a template parameter of the runner, never a base
/// class: the timed loop makes no virtual call. Pages are PageOffsets in the layout's own
/// numbering; the runner turns a trace's offsets into them once an operation.
#pragma once

#include <concepts>
#include <optional>

#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/page_cache.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

template <class S>
concept Subject = requires(S& subject, const S& constant, OsMemory& os, PageRange range,
                           PageCount count, PageCache cache) {
  { subject.Init(os) } -> std::same_as<OsStatus>;
  { subject.Grow(range) } -> std::same_as<OsStatus>;
  { subject.Allocate(count) } -> std::same_as<std::optional<Allocation>>;
  { subject.AllocateRange(range) } -> std::same_as<PageCount>;
  subject.Free(range);
  { subject.Find(count) } -> std::same_as<std::optional<Found>>;
  { subject.TakePageCache() } -> std::same_as<PageCache>;
  subject.Flush(cache);
  { constant.stats() } -> std::convertible_to<HeapStats>;
  { constant.metadata() } -> std::convertible_to<MetadataStats>;
};

}  // namespace pagealloc::bench
