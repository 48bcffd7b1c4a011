/// place_check.h: checks an allocator that chooses its places itself.
///
/// With page caches, a run lies where the caches decide, so there is nothing to compare a place
/// with. What still must hold: a run lies in the heap and every page of it is free there; there is
/// "no room" only where no run is long enough, pages in caches included, which must have been given
/// back; and at the end exactly what is live is in use. The model keeps the books: it takes the
/// very pages that the allocator handed out.
#pragma once

#include <cstddef>
#include <optional>

#include "harness/run/result_check.h"
#include "harness/trace/judge.h"
#include "harness/trace/op.h"
#include "pagealloc/page_allocator.h"
#include "pagealloc/units.h"
#include "testing/page_map.h"

namespace pagealloc::bench {

class PlaceCheck {
 public:
  /// @param chunk_pages   the program's.
  /// @param refuses_room  a request may fail although a free run is long enough for it.
  explicit PlaceCheck(PageCount chunk_pages, bool refuses_room = false)
      : model_(chunk_pages), refuses_room_(refuses_room) {}

  // Pages count from the heap base, as in a trace.

  /// The heap grew on demand, for the operation that is checked next.
  void Grew(PageRange pages) { model_.Grow(pages); }

  /// Checks what an operation gave, and repeats it on the model. Contract: it is no kTakeCache and
  /// no kReturnCache, and the pages that a kAllocateRange or kFreeRange names are free or in use.
  ///
  /// @param held  of a kFree: the pages that its ID held; empty where its allocation failed.
  /// @return      what is wrong; then the check is over.
  std::optional<Mismatch> Check(const Op& op, std::size_t index, const Outcome& got,
                                PageRange held);

  /// Checks the pages by state after the last of `ops` operations, with nothing in caches.
  [[nodiscard]] std::optional<Mismatch> CheckEnd(std::size_t ops, const HeapStats& got) const;

 private:
  testing::PageMap model_;
  const bool refuses_room_;
};

/// Whether a record says which pages it is about, so that it can only be replayed where every run
/// lies at the place that the model gives it. (Growth names pages too, but no run.)
[[nodiscard]] bool NamesPages(OpKind kind);

}  // namespace pagealloc::bench
