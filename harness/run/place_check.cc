#include "harness/run/place_check.h"

#include "absl/strings/str_cat.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {

bool NamesPages(OpKind kind) {
  switch (kind) {
    case OpKind::kAllocateRange:
    case OpKind::kFreeRange:
    case OpKind::kTakeCache:
    case OpKind::kReturnCache:
      return true;
    default:
      return false;
  }
}

std::optional<Mismatch> PlaceCheck::Check(const Op& op, std::size_t index, const Outcome& got,
                                          PageRange held) {
  PA_EXPECT(op.kind != OpKind::kTakeCache && op.kind != OpKind::kReturnCache);
  switch (op.kind) {
    case OpKind::kGrow:
      model_.Grow(PageRange::Of(PageOffset{op.at.raw}, op.count));
      return std::nullopt;
    case OpKind::kAllocateRange:
      static_cast<void>(model_.AllocateRange(PageRange::Of(PageOffset{op.at.raw}, op.count)));
      return std::nullopt;
    case OpKind::kFreeRange:
      model_.Free(PageRange::Of(PageOffset{op.at.raw}, op.count));
      return std::nullopt;
    case OpKind::kFree:
      if (!held.empty()) model_.Free(held);
      return std::nullopt;
    case OpKind::kAllocate:
    case OpKind::kFind:
      break;
    default:
      return std::nullopt;  // what is released depends on the places
  }
  if (got.first == Outcome::kNone) {
    if (refuses_room_) return std::nullopt;
    const std::optional<PageOffset> room = model_.Find(op.count);
    if (!room) return std::nullopt;
    return Mismatch{index, absl::StrCat("room, for instance at offset ", room->raw), "none"};
  }
  const PageRange pages = PageRange::Of(PageOffset{got.first}, op.count);
  if (!model_.AllFree(pages)) {
    return Mismatch{
        index, "pages of the heap that are free",
        absl::StrCat("offset ", got.first, ", where ",
                     model_.InHeap(pages) ? "a page is in use" : "the heap does not reach")};
  }
  if (op.kind == OpKind::kAllocate) static_cast<void>(model_.AllocateRange(pages));
  return std::nullopt;
}

std::optional<Mismatch> PlaceCheck::CheckEnd(std::size_t ops, const HeapStats& got) const {
  const PageCount free = model_.grown() - model_.in_use();
  if (got.grown == model_.grown() && got.in_use == model_.in_use() && got.free == free) {
    return std::nullopt;
  }
  const auto text = [](PageCount grown, PageCount in_use, PageCount free_pages) {
    return absl::StrCat(grown.raw, " pages grown, ", in_use.raw, " in use, ", free_pages.raw,
                        " free");
  };
  return Mismatch{ops, text(model_.grown(), model_.in_use(), free) + " (the reference model)",
                  text(got.grown, got.in_use, got.free)};
}

}  // namespace pagealloc::bench
