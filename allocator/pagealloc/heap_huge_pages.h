/// heap_huge_pages.h: whether the kernel puts huge pages behind a heap's memory.
///
/// Huge pages save address translation where memory is used densely, and waste memory where it is
/// not: one page in use keeps all of them. So a heap can leave the matter to the system, keep them
/// away, or ask for them everywhere or behind dense chunks only. A chunk that memory is released
/// from no longer wants them, or the kernel would soon bring back what was released; once it is
/// dense it wants them again. A bit a chunk remembers which do, so that the kernel is asked only
/// when that changes: each change may split a mapping, of which a process has 65,530 by default.
///
///   Grew(pages)       new chunks, not in use yet           heap's locks held
///   Allocated(chunk)  after an allocation there            heap's lock not held, any thread
///   Releasing(chunk)  before memory of it is released      heap's lock not held, any thread
///
/// One mutex orders the last two, and Allocated() looks at the chunk's count again under it: a
/// chunk is never made huge after a release that began when it was dense no more. That mutex is
/// held while the kernel copies memory; the heap's lock is not, so allocations go on elsewhere.
///
/// What the kernel refuses is counted and not asked for again until the chunk changes. Go: 1.21.0
/// did this always (sysHugePage, sysHugePageCollapse) and took it back in 1.21.4.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "pagealloc/contract.h"
#include "pagealloc/layout.h"
#include "pagealloc/mutex.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/reserved_array.h"
#include "pagealloc/scavenge_index.h"
#include "pagealloc/units.h"

namespace pagealloc {

enum class HugePageUse : std::uint8_t {
  kSystem,      ///< nothing is said, the system's setting decides
  kNever,       ///< the kernel is told to keep them away
  kAlways,      ///< wanted, except behind chunks that memory was released from
  kDenseChunks  ///< wanted behind chunks with 31/32 of their pages in use, and made at once
};

/// What was asked of the kernel for a heap's memory. Refused calls count as refusals only.
struct HugePageCounts {
  std::uint64_t hints_for = 0;
  std::uint64_t hints_against = 0;
  std::uint64_t collapses = 0;  ///< chunks whose huge pages were made at once
  std::uint64_t refusals = 0;
  friend constexpr bool operator==(const HugePageCounts&, const HugePageCounts&) = default;
};

template <Layout L, class M = Mutex>
class HeapHugePages {
  using G = Geometry<L>;

 public:
  HeapHugePages() = default;
  HeapHugePages(const HeapHugePages&) = delete;
  HeapHugePages& operator=(const HeapHugePages&) = delete;

  /// Comes first, once (contract); `os` must outlive this object. Where huge pages do not exist or
  /// are larger than a chunk it is kSystem. Reserves a bit a chunk (8 MiB on 48 bits, 4 GiB on 57)
  /// if needed.
  OsStatus Init(OsMemory& os, HugePageUse use) {
    PA_EXPECT(os_ == nullptr);
    os_ = &os;
    const ByteCount huge = os.huge_page_size();
    if (huge == ByteCount{0} || huge > G::kChunkBytes) return OsStatus::Ok();
    use_ = use;
    return watches() ? wanted_.Reserve(os, (G::kChunks.raw + 63) / 64) : OsStatus::Ok();
  }

  /// Whether Allocated() and Releasing() do anything: callers can save the way there.
  [[nodiscard]] bool watches() const {
    return use_ == HugePageUse::kAlways || use_ == HugePageUse::kDenseChunks;
  }

  /// New pages of the heap, whole chunks (contract), committed at `host`. May be repeated. The
  /// refusal returned is one of memory for the bits; refused hints are counted.
  OsStatus Grew(PageRange pages, std::byte* host) {
    PA_EXPECT(!pages.empty() && G::PageInChunk(pages.begin) == 0 && G::PageInChunk(pages.end) == 0,
              pages.begin, pages.end);
    const bool want = use_ == HugePageUse::kAlways;
    if (watches()) {
      const ChunkIndex last = G::ChunkOf(PageOffset{pages.end.raw - 1});
      const OsStatus status =
          wanted_.MakeAccessible(G::ChunkOf(pages.begin).raw / 64, last.raw / 64 + 1);
      if (!status.ok()) return status;
      for (ChunkIndex c = G::ChunkOf(pages.begin); c <= last; ++c) SetWanted(c, want);
    }
    if (use_ != HugePageUse::kSystem) Hint(host, BytesOf(pages.size()), want);
    return OsStatus::Ok();
  }

  /// A chunk of the heap (contract), at `host`, may have become dense. `fresh`: its memory was
  /// never touched or is all given back; then the first touch brings huge pages, without a copy.
  /// @cost two loads, unless it did
  void Allocated(ChunkIndex chunk, std::byte* host, bool fresh, const ScavengeIndex<L>& index) {
    if (!Dense(chunk, index) || Wanted(chunk)) return;
    const std::lock_guard hold(mutex_);
    if (!Dense(chunk, index) || Wanted(chunk)) return;
    SetWanted(chunk, true);
    Hint(host, G::kChunkBytes, true);
    if (use_ != HugePageUse::kDenseChunks || fresh) return;
    Count(os_->CollapseHugePages(host, G::kChunkBytes), collapses_);
  }

  /// Memory of a chunk of the heap (contract), at `host`, is about to be released.
  void Releasing(ChunkIndex chunk, std::byte* host) {
    if (!watches()) return;
    const std::lock_guard hold(mutex_);  // also waits for an Allocated() that is at the kernel
    if (!Wanted(chunk)) return;
    SetWanted(chunk, false);
    Hint(host, G::kChunkBytes, false);
  }

  [[nodiscard]] HugePageCounts counts() const {
    return {hints_for_.load(kOrder), hints_against_.load(kOrder), collapses_.load(kOrder),
            refusals_.load(kOrder)};
  }
  [[nodiscard]] MetadataStats metadata() const { return wanted_.metadata(); }

  // Around a fork: the mutex, after the heap's locks.
  void Lock() { mutex_.lock(); }
  void Unlock() { mutex_.unlock(); }

 private:
  // Bits say nothing about other memory: who sees one asks again under the mutex.
  static constexpr std::memory_order kOrder = std::memory_order_relaxed;

  static bool Dense(ChunkIndex chunk, const ScavengeIndex<L>& index) {
    return index.Load(chunk).in_use >= ScavengeIndex<L>::Entry::kDense;
  }
  [[nodiscard]] std::atomic_ref<std::uint64_t> WordOf(ChunkIndex chunk) const {
    return std::atomic_ref<std::uint64_t>(wanted_.data()[chunk.raw / 64]);
  }
  [[nodiscard]] bool Wanted(ChunkIndex chunk) const {
    return (WordOf(chunk).load(kOrder) >> chunk.raw % 64 & 1) != 0;
  }
  void SetWanted(ChunkIndex chunk, bool want) {
    const std::uint64_t bit = std::uint64_t{1} << chunk.raw % 64;
    if (want) {
      WordOf(chunk).fetch_or(bit, kOrder);
    } else {
      WordOf(chunk).fetch_and(~bit, kOrder);
    }
  }
  void Hint(std::byte* host, ByteCount size, bool want) {
    Count(os_->HintHugePages(host, size, want ? HugePages::kPrefer : HugePages::kAvoid),
          want ? hints_for_ : hints_against_);
  }
  void Count(const OsStatus& status, std::atomic<std::uint64_t>& done) {
    (status.ok() ? done : refusals_).fetch_add(1, kOrder);
  }

  OsMemory* os_ = nullptr;
  HugePageUse use_ = HugePageUse::kSystem;
  ReservedArray<std::uint64_t> wanted_;  // a bit a chunk: huge pages were last asked for
  M mutex_;
  std::atomic<std::uint64_t> hints_for_{0};
  std::atomic<std::uint64_t> hints_against_{0};
  std::atomic<std::uint64_t> collapses_{0};
  std::atomic<std::uint64_t> refusals_{0};
};

}  // namespace pagealloc
