/// subject.h: what the replay loop asks of an allocator, so that any of them can stand behind it.
///
/// The interface is PageAllocator's. A subject is a template parameter of the runner, never a base
/// class: the timed loop makes no virtual call. Pages are PageOffsets in the layout's own
/// numbering; the runner turns a trace's offsets into them once an operation.
#pragma once

#include <algorithm>
#include <concepts>
#include <optional>

#include "harness/trace/judge.h"
#include "harness/trace/op.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/page_cache.h"
#include "pagealloc/scavenger.h"
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
  subject.NextScavengeGeneration();
  subject.Flush(cache);
  { constant.stats() } -> std::convertible_to<HeapStats>;
  { constant.metadata() } -> std::convertible_to<MetadataStats>;
};

/// Whether a subject places every run where the model does: at the lowest address that fits. One
/// that asks for whom a run is does not.
template <Subject S>
inline constexpr bool kPlacesAsModel = !requires(S & subject, PageCount count, unsigned processor) {
  { subject.Allocate(count, processor) } -> std::same_as<std::optional<Allocation>>;
};

/// Whether a subject maps the heap itself, and so may be refused memory in an allocation.
template <Subject S>
inline constexpr bool kMapsItsMemory = requires(const S& subject) {
  { subject.refusal() } -> std::same_as<OsStatus>;
};

/// Allocates what a kAllocate asks for; where it names no processor, for the first one.
template <Subject S>
[[gnu::always_inline]] inline std::optional<Allocation> AllocateFor(S& subject, const Op& op) {
  if constexpr (kPlacesAsModel<S>) {
    return subject.Allocate(op.count);
  } else {
    return subject.Allocate(op.count, op.cpu == kNoCpu ? 0 : op.cpu);
  }
}

/// Makes a subject release memory in the pieces that the judge reckons with; in larger ones where
/// the operating system's pages are larger.
template <Subject S>
void ReleaseAsJudged(S& subject, const OsMemory& os) {
  if constexpr (requires { subject.set_release_units({}); }) {
    const PageCount page{std::max(kReleaseUnit.raw, os.page_size().raw / kPageBytes.raw)};
    subject.set_release_units({page, kReleaseHuge});
  } else if constexpr (requires { subject.pages(); }) {
    ReleaseAsJudged(subject.pages(), os);
  }
}

/// Gives the memory of at least `target` pages back, if so many are free; how many it was. A
/// subject that scavenges by itself has Scavenge(target, mode) and asks the operating system for
/// nothing; a PageAllocator is scavenged by the library, and `release` is called for each range.
///
/// @param release  PageRange -> OsStatus
/// @param status   gets the first refusal
template <Subject S, class Release>
PageCount ScavengeSubject(S& subject, PageCount target, ScavengeMode mode, Release&& release,
                          OsStatus& status) {
  if constexpr (requires { subject.Scavenge(target, mode); }) {
    return subject.Scavenge(target, mode);
  } else if constexpr (requires { subject.pages(); }) {
    return ScavengeSubject(subject.pages(), target, mode, release, status);
  } else {
    NoLock lock;
    const ScavengeResult result =
        ScavengePages(subject, lock, BytesOf(target), mode, release, [] { return false; });
    status = result.status;
    return PageCount{result.released.raw / kPageBytes.raw};
  }
}

}  // namespace pagealloc::bench
