/// heap_growth.h: how a heap grows: arenas of address space, of which only what is asked for joins.
///
/// There is one current arena. A request takes whole chunks from its front; what is not asked for
/// stays reserved, without memory behind it:
///
///   [ in the heap, committed | reserved, not in the heap ]      room for the request: take from
///   here ^ arena                  ^ next                       ^ end
///
/// Otherwise an arena more is reserved. If it lies behind the end, the current one becomes longer.
/// If not, the rest of the current one joins the heap first, so that it is not lost, and the new
/// one takes its place. Sizes: 64 MiB an arena where addresses have 48 bits, else one chunk.
///
/// A layout's page 0 lies at a constant host address (origin(), modulo 2^64). Layouts of 48 bits
/// cover every address of the host, so there layout address = host address (aix-ppc64: plus its
/// base). For narrower ones the first arena decides: it is the layout's heap base.
///
/// One caller at a time. Errors: a refusal is an OsStatus; what joined before it stays joined, as
/// free pages, and a retry goes on from there. Go: mheap.grow, curArena.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "pagealloc/arena_source.h"
#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// Where a heap begins, beyond its layout's rule (Go 1.26: heap base randomisation).
struct HeapStart {
  std::uint64_t skip_arenas = 0;  ///< 48 bits only: how far above its usual place the heap begins
  ChunkCount skip_chunks;         ///< of the first arena; never used

  /// Both drawn from `seed`, the first below 8192 (512 GiB), the second below an arena.
  static constexpr HeapStart Random(std::uint64_t seed, ByteCount arena, ByteCount chunk) {
    return {(seed >> 32) % 8192, ChunkCount{(seed & 0xffffffff) % (arena.raw / chunk.raw)}};
  }
};

template <Layout L>
class HeapGrowth {
  using G = Geometry<L>;

 public:
  static constexpr bool kWide = L::kAddressBits >= 48;
  /// Go: heapArenaBytes.
  static constexpr ByteCount kArena{kWide ? std::uint64_t{64} << 20 : G::kChunkBytes.raw};

  struct [[nodiscard]] Result {
    OsStatus status;
    PageRange fresh;  ///< joined for this request; empty although the status is fine: no room
  };

  /// Comes first, once (contract). `os` must outlive the object.
  void Init(OsMemory& os, HeapStart start = {}) {
    std::array<HostAddress, ArenaSource::kMaxHints> hints;
    std::size_t count = 0;
    for (; count < hints.size() && (kHostBits == 64 || count == 0); ++count) {
      // A terabyte apart: room for 64 heaps, and for each to grow.
      const std::uint64_t step = (std::uint64_t{count} + (kWide ? 0 : 1)) << 40;
      const std::uint64_t base = kWide ? HostBase() + start.skip_arenas * kArena.raw : HostBase();
      hints[count] = HostAddress{base + (kHostBits == 64 ? step : 0)};
    }
    source_.Init(os, {.arena = kArena,
                      .hints = {hints.data(), count},
                      .first_reservations = {kFirstReservations.data(),
                                             kScarce ? kFirstReservations.size() : 0}});
    os_ = &os;
    skip_ = start.skip_chunks;
    if (kWide) SetOrigin(HostAddress{HostBase() - PagesBytes(G::kHeapBasePage)});
  }

  /// Adds `want` pages, at least 1 (contract), rounded up to whole chunks, to `pages`, if its heap
  /// then has at most `limit` pages. The result need not lie behind what is there already, nor need
  /// the request be served from it: the next search is first-fit again.
  template <class Allocator>
  Result Grow(Allocator& pages, PageCount want, PageCount limit) {
    PA_EXPECT(os_ != nullptr && want >= PageCount{1}, want);
    if (const OsStatus status = JoinRest(pages, PageCount{0}, limit); !status.ok()) {
      return {status, {}};
    }
    if (want.raw > G::kHeapEnd.raw) return {};
    const PageCount ask{(want.raw + G::kChunkPages.raw - 1) & ~(G::kChunkPages.raw - 1)};
    if (ask > limit || pages.stats().grown > limit - ask) return {};
    if (ask > current_.end - current_.next) {
      const ByteCount skip{skip_.raw * G::kChunkBytes.raw};
      const ByteCount bytes = BytesOf(ask) + skip;
      // Before the first arena there is no window that would say so.
      if (!origin_ && ask > G::kHeapEnd - G::kHeapBasePage) return {};
      const ArenaSource::Result got =
          source_.Reserve(ByteCount{(bytes.raw + kArena.raw - 1) & ~(kArena.raw - 1)});
      if (!got.status.ok() || got.arena.empty()) return {got.status, {}};
      if (!origin_) SetOrigin(HostAddress{got.arena.begin.raw - PagesBytes(G::kHeapBasePage)});
      const PageRange arena{PageAt(got.arena.begin), PageAt(got.arena.end)};
      if (arena.begin != current_.end) {
        PA_ASSERT(rest_.next == rest_.end);
        rest_ = current_;
        const PageOffset first = arena.begin + PageCount{skip_.raw * G::kChunkPages.raw};
        current_ = {first, first, first};
      }
      current_.end = arena.end;
      skip_ = ChunkCount{0};
      if (const OsStatus status = JoinRest(pages, ask, limit); !status.ok()) return {status, {}};
    }
    const PageRange fresh = PageRange::Of(current_.next, ask);
    const OsStatus status = Join(pages, current_, fresh.end);
    return {status, status.ok() ? fresh : PageRange{}};
  }

  /// Host address of page 0, modulo 2^64. Contract: the heap has grown, or has 48 bits.
  [[nodiscard]] HostAddress origin() const {
    PA_EXPECT(origin_.has_value());
    return *origin_;
  }
  /// Host memory of a page.
  [[nodiscard]] std::byte* HostOf(PageOffset page) const {
    return reinterpret_cast<std::byte*>(
        static_cast<std::uintptr_t>(origin().raw + PagesBytes(page)));
  }
  /// Page that begins at `host`; nullopt if none can.
  [[nodiscard]] std::optional<PageOffset> PageOf(const void* host) const {
    if (!origin_) return std::nullopt;
    const std::uint64_t offset = reinterpret_cast<std::uintptr_t>(host) - origin_->raw;
    if (offset % kPageBytes.raw != 0 || offset / kPageBytes.raw >= G::kHeapEnd.raw) {
      return std::nullopt;
    }
    return PageOffset{offset / kPageBytes.raw};
  }

  /// Address space held for the heap itself.
  [[nodiscard]] ByteCount reserved() const { return source_.reserved(); }
  [[nodiscard]] MetadataStats metadata() const { return source_.metadata(); }

 private:
  /// Part of an arena: what of it is committed, what is left.
  struct Part {
    PageOffset next;       // pages from here on are not in the heap
    PageOffset committed;  // from here on they have no memory; next <= committed
    PageOffset end;
  };

  static constexpr unsigned kHostBits = sizeof(void*) * 8;
  /// On 32-bit machines (not wasm) address space is scarce, and other users would cut the heap up.
  static constexpr bool kScarce =
      L::kPointerBits == 32 && (L::kAddressBits == 31 || L::kAddressBits == 32);
  static constexpr std::array<ByteCount, 3> kFirstReservations{
      ByteCount{512u << 20}, ByteCount{256u << 20}, ByteCount{128u << 20}};

  static constexpr std::uint64_t PagesBytes(PageOffset page) { return page.raw << kPageBits; }

  /// Host address of the heap base on the first try.
  static constexpr std::uint64_t HostBase() {
    // aix-ppc64 begins at 0x0a00000000000000, where no host has addresses.
    constexpr bool kFar = kWide && L::kBase.raw >> 63 == 0;
    return L::kHeapBase.raw - (kFar ? L::kBase.raw : 0);
  }

  void SetOrigin(HostAddress origin) {
    origin_ = origin;
    source_.SetWindow(origin, ByteCount{PagesBytes(G::kHeapEnd)});
  }
  [[nodiscard]] PageOffset PageAt(HostAddress host) const {
    return PageOffset{(host.raw - origin_->raw) >> kPageBits};
  }

  /// Pages [part.next, end) join the heap.
  template <class Allocator>
  OsStatus Join(Allocator& pages, Part& part, PageOffset end) {
    if (part.committed < end) {
      const OsStatus status = os_->Commit(HostOf(part.committed), BytesOf(end - part.committed));
      if (!status.ok()) return status;
      part.committed = end;
    }
    const OsStatus status = pages.Grow({part.next, end});
    if (status.ok()) part.next = end;
    return status;
  }

  /// What is left of the arena before the current one joins, as far as the limit lets it beside the
  /// `ask` pages that are to come. The remainder is given up: address space, no memory.
  template <class Allocator>
  OsStatus JoinRest(Allocator& pages, PageCount ask, PageCount limit) {
    const PageCount grown = pages.stats().grown;
    PageCount left = rest_.end - rest_.next;
    left = std::min(left, limit - std::min(limit, grown + ask));
    left = PageCount{left.raw & ~(G::kChunkPages.raw - 1)};
    if (left > PageCount{0}) {
      const OsStatus status = Join(pages, rest_, rest_.next + left);
      if (!status.ok()) return status;
    }
    rest_ = Part{};
    return OsStatus::Ok();
  }

  OsMemory* os_ = nullptr;
  ArenaSource source_;
  std::optional<HostAddress> origin_;
  ChunkCount skip_;
  Part current_;
  Part rest_;
};

}  // namespace pagealloc
