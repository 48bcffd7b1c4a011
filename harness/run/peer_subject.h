/// peer_subject.h: the small allocators of harness/peers behind the interface of a subject. They
/// deal in page numbers and ask the operating system for nothing but their own tables.
#pragma once

#include <optional>

#include "harness/run/only_allocates.h"
#include "harness/run/subject.h"
#include "pagealloc/layout.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// @tparam Peer  made from the lowest page that there can be, or from nothing
template <Layout L, class Peer>
class PeerSubject : public OnlyAllocates {
 public:
  OsStatus Init(OsMemory& /*os*/) { return OsStatus::Ok(); }
  OsStatus Grow(PageRange pages) {
    peer_.Grow(pages);
    stats_.grown += pages.size();
    stats_.free += pages.size();
    return OsStatus::Ok();
  }

  std::optional<Allocation> Allocate(PageCount want, unsigned /*processor*/) {
    const std::optional<PageOffset> first = peer_.Allocate(want);
    if (!first) return std::nullopt;
    stats_.in_use += want;
    stats_.free -= want;
    return Allocation{*first, PageCount{0}};
  }
  std::optional<Allocation> Allocate(PageCount want) { return Allocate(want, 0); }
  void Free(PageRange pages) {
    peer_.Free(pages);
    stats_.in_use -= pages.size();
    stats_.free += pages.size();
  }

  /// Where it differs from `want`.
  [[nodiscard]] PageCount GrowthFor(PageOffset end, PageCount want) const {
    if constexpr (requires { peer_.GrowthFor(end, want); }) {
      return peer_.GrowthFor(end, want);
    } else {
      return want;
    }
  }
  /// Whether it may refuse although a free run is long enough.
  static constexpr bool kRefusesRoom = requires(const Peer& peer) {
    peer.GrowthFor(PageOffset{}, PageCount{});
  };

  /// Pages that were asked for count as in use, whatever else went with them.
  [[nodiscard]] HeapStats stats() const { return stats_; }
  [[nodiscard]] MetadataStats metadata() const { return {peer_.metadata(), peer_.metadata()}; }

 private:
  static Peer Make() {
    if constexpr (requires { Peer(Geometry<L>::kHeapBasePage); }) {
      return Peer(Geometry<L>::kHeapBasePage);
    } else {
      return Peer();
    }
  }

  Peer peer_ = Make();
  HeapStats stats_{};
};

}  // namespace pagealloc::bench
