/// heap_caches.h: page caches, one per processor, from which small requests are served.
///
/// A request of 1 to 15 pages takes its processor's cache. The cache has a lock of its own, which
/// is contended only when a thread is moved to another processor in the middle of a request. What
/// the cache cannot serve goes, at once, through the heap's lock:
///
///   1. the request gets the lowest run that fits, as without a cache;
///   2. if the 64-page block behind that run has pages for kWorthwhile more such requests, and more
///      than the cache, what is left in the cache goes back to the heap, and the cache takes that
///      block's free pages.
///
/// So a cache does not get stuck on a remainder that serves nothing (Go refills an empty cache
/// only, and a remainder of 3 pages then sends every larger request under the heap's lock), a heap
/// full of small holes is served without moving them to and fro, and every request that takes the
/// lock has the placement of the allocator underneath. A first request of one page gets what Go
/// gives: the lowest free page, and the rest of its block. In a model of goroutine stacks (mostly 4
/// and 8 pages, freed by halves at random) less than 0.3 locks a request (heap_caches_test) instead
/// of 0.9.
///
/// Locks: a cache's, then the heap's. HoldAll takes all of them, in the order of the array. Idea:
/// Go 1.26, pageCache and mheap.allocSpan.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>

#include "pagealloc/contract.h"
#include "pagealloc/mutex.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/page_cache.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// What the caches of a heap did.
struct CacheCounts {
  PageCount cached;           ///< pages in caches now
  std::uint64_t hits = 0;     ///< requests served without the heap's lock
  std::uint64_t refills = 0;  ///< requests that took the heap's lock
};

/// @tparam M  the caches' own locks
template <class M>
class BasicHeapCaches {
 public:
  /// Requests of this size and above do not use caches (Go: pageCachePages / 4).
  static constexpr PageCount kTooLarge{16};
  static constexpr unsigned kMaxCaches = 4096;
  /// A block of 64 pages is taken if it has pages for so many requests.
  static constexpr std::uint64_t kWorthwhile = 2;

  BasicHeapCaches() = default;
  BasicHeapCaches(const BasicHeapCaches&) = delete;
  BasicHeapCaches& operator=(const BasicHeapCaches&) = delete;
  ~BasicHeapCaches() {
    if (slots_ == nullptr) return;
    for (unsigned i = 0; i < count_; ++i) slots_[i].~Slot();
    // Nothing can be done about a refusal here; the address space stays reserved.
    static_cast<void>(os_->Unreserve(reinterpret_cast<std::byte*>(slots_), Bytes()));
  }

  /// Takes the memory of `count` caches, at most kMaxCaches (contract). Comes first, once
  /// (contract); after a refusal it may be tried again. `os` must outlive the object.
  OsStatus Init(OsMemory& os, unsigned count) {
    PA_EXPECT(slots_ == nullptr && count <= kMaxCaches, count);
    if (count == 0) return OsStatus::Ok();
    os_ = &os;
    count_ = count;
    const OsMemory::Reservation got = os.Reserve(Bytes());
    if (!got.status.ok()) return got.status;
    if (const OsStatus status = os.Commit(got.begin, Bytes()); !status.ok()) {
      static_cast<void>(os.Unreserve(got.begin, Bytes()));
      return status;
    }
    slots_ = reinterpret_cast<Slot*>(got.begin);  // page aligned; Slots come to life here
    for (unsigned i = 0; i < count; ++i) ::new (static_cast<void*>(slots_ + i)) Slot;
    return OsStatus::Ok();
  }

  /// Whether requests of this size go through a cache.
  [[nodiscard]] bool Serves(PageCount want) const { return slots_ != nullptr && want < kTooLarge; }

  /// A run from the cache of `processor` (any number), or else, with `heap_lock`, from `pages`;
  /// nullopt if there is none. Contract: Serves(want). The caller holds none of the locks.
  template <class Allocator, class Lock>
  [[nodiscard]] std::optional<Allocation> Allocate(unsigned processor, PageCount want,
                                                   Allocator& pages, Lock& heap_lock) {
    PA_EXPECT(Serves(want), want);
    Slot& slot = slots_[processor % count_];
    const std::lock_guard own(slot.lock);
    if (const std::optional<Allocation> got = slot.cache.Allocate(want)) {
      ++slot.hits;
      return got;
    }
    const std::lock_guard heap(heap_lock);
    ++slot.refills;
    const std::optional<Allocation> got = pages.Allocate(want);
    if (got) {
      const PageOffset behind = got->first + want;
      const PageCount there = pages.FreeInBlock(behind);
      if (there.raw >= kWorthwhile * want.raw && there > slot.cache.size()) {
        pages.Flush(slot.cache);
        slot.cache = pages.TakePageCache(behind);
      }
    }
    return got;
  }

  /// Locks all caches and then the heap, and unlocks them. For what must see the heap as a whole.
  template <class Lock>
  class [[nodiscard]] HoldAll {
   public:
    HoldAll(BasicHeapCaches& caches, Lock& heap_lock) : caches_(caches), heap_lock_(heap_lock) {
      caches_.LockAll();
      heap_lock_.lock();
    }
    HoldAll(const HoldAll&) = delete;
    HoldAll& operator=(const HoldAll&) = delete;
    ~HoldAll() {
      heap_lock_.unlock();
      caches_.UnlockAll();
    }

   private:
    BasicHeapCaches& caches_;
    Lock& heap_lock_;
  };

  void LockAll() {
    for (unsigned i = 0; i < count(); ++i) slots_[i].lock.lock();
  }
  void UnlockAll() {
    for (unsigned i = count(); i > 0; --i) slots_[i - 1].lock.unlock();
  }

  /// Gives the pages of all caches back to `pages`. The caller holds all locks.
  template <class Allocator>
  void FlushAll(Allocator& pages) {
    for (unsigned i = 0; i < count(); ++i) pages.Flush(slots_[i].cache);
  }
  /// The caller holds all locks.
  [[nodiscard]] CacheCounts counts() const {
    CacheCounts sum;
    for (unsigned i = 0; i < count(); ++i) {
      sum.cached += slots_[i].cache.size();
      sum.hits += slots_[i].hits;
      sum.refills += slots_[i].refills;
    }
    return sum;
  }

  [[nodiscard]] unsigned count() const { return slots_ == nullptr ? 0 : count_; }
  [[nodiscard]] MetadataStats metadata() const {
    return slots_ == nullptr ? MetadataStats{} : MetadataStats{Bytes(), Bytes()};
  }

 private:
  /// Two cache lines, so that neighbours do not disturb each other.
  struct alignas(128) Slot {
    M lock;
    PageCache cache;
    std::uint64_t hits = 0;
    std::uint64_t refills = 0;
  };

  [[nodiscard]] ByteCount Bytes() const { return os_->RoundUp(ByteCount{count_ * sizeof(Slot)}); }

  OsMemory* os_ = nullptr;
  Slot* slots_ = nullptr;
  unsigned count_ = 0;
};
using HeapCaches = BasicHeapCaches<Mutex>;

}  // namespace pagealloc
