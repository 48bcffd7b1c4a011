/// scavenger.h: gives the memory of free pages back to the operating system, highest first.
///
///   lock: BeginScavenge, pages are held --> unlock: the operating system takes their memory -->
///   lock: FinishScavenge, pages are free and scavenged --> the next ones, until the target is met
///
/// The heap's lock is held twice a step, never during the call to the operating system or while
/// chunks are looked for. ScavengePages() is the loop, with any way of releasing; Scavenger is the
/// loop over the memory of a HeapWindow. Threads: any number may scavenge at once, each page is
/// held by one. Errors: a refusal ends the scavenging at once, its pages stay free and are found
/// again by the next one. Go: pageAlloc.scavenge, scavengeOne.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>

#include "pagealloc/heap_window.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/scavenge_index.h"
#include "pagealloc/units.h"

namespace pagealloc {

/// What a scavenging did.
struct ScavengeResult {
  ByteCount released;        ///< at least the target, unless there was no more or it was stopped
  OsStatus status;           ///< the refusal that ended it; ok() if none did
  std::uint64_t steps = 0;   ///< pieces that were released
  std::uint64_t chunks = 0;  ///< words of the index that were read to find them
};

/// A lock for heaps of one thread.
struct NoLock {
  void lock() {}
  void unlock() {}
};

/// More than any heap has: everything that is free.
inline constexpr ByteCount kAllMemory{std::numeric_limits<std::uint64_t>::max()};

/// Releases at least `target` bytes, highest pages first.
///
/// @param allocator  a PageAllocator
/// @param lock       its lock, not held by the caller; lock() and unlock()
/// @param release    called as release(PageRange) -> OsStatus, without the lock; may use the heap
/// @param stop       called as stop() -> bool after each step, without the lock; true ends it
/// @cost             two updates of the index and one call of `release` a step. A step is a run of
/// one
///                   chunk, no longer than what is missing.
template <class Allocator, class Lock, class Release, class Stop>
ScavengeResult ScavengePages(Allocator& allocator, Lock& lock, ByteCount target, ScavengeMode mode,
                             Release&& release, Stop&& stop) {
  ScavengeResult result;
  if (target == ByteCount{0}) return result;
  lock.lock();
  std::optional<ScavengeSearch> search = allocator.StartScavenge(mode);
  lock.unlock();
  while (search) {
    allocator.scavenge_index().Scan(*search);
    result.chunks += search->examined;
    const std::uint64_t missing = target.raw - result.released.raw;
    const PageCount most{(missing - 1) / kPageBytes.raw + 1};

    lock.lock();
    const std::optional<PageRange> pages = allocator.BeginScavenge(*search, most);
    if (!pages) {
      search = allocator.StartScavenge(mode);
      lock.unlock();
      if (stop()) return result;
      continue;
    }
    lock.unlock();
    result.status = release(*pages);
    const bool released = result.status.ok();
    if (released) {
      result.released += BytesOf(pages->size());
      ++result.steps;
    }
    lock.lock();
    allocator.FinishScavenge(*pages, released);
    const bool done = !released || result.released >= target;
    search = done ? std::nullopt : allocator.StartScavenge(mode);
    lock.unlock();
    if (done || stop()) return result;
  }
  return result;
}

/// Scavenges a heap whose memory lies in a HeapWindow.
///
/// @tparam Allocator  a PageAllocator; all that ever joined it must be committed in the window
/// @tparam Lock       the heap's lock, anything with lock() and unlock()
template <class Allocator, class Lock>
class Scavenger {
  using G = Geometry<typename Allocator::LayoutType>;

 public:
  /// All three must outlive the scavenger. The window's Release() is called without the lock.
  Scavenger(Allocator& allocator, HeapWindow& window, Lock& lock,
            ReleaseMoment when = ReleaseMoment::kAtOnce)
      : allocator_(allocator), window_(window), lock_(lock), when_(when) {}

  /// At least `target` bytes, if there are so many. `stop` as in ScavengePages(). @see Go:
  /// scavenge.
  template <class Stop>
  ScavengeResult Scavenge(ByteCount target, ScavengeMode mode, Stop&& stop) {
    return ScavengePages(
        allocator_, lock_, target, mode, [this](PageRange pages) { return Release(pages); }, stop);
  }
  ScavengeResult Scavenge(ByteCount target, ScavengeMode mode) {
    return Scavenge(target, mode, [] { return false; });
  }
  /// Everything that is free (Go: debug.FreeOSMemory).
  ScavengeResult ScavengeAll() { return Scavenge(kAllMemory, ScavengeMode::kForced); }

  // The rest of what BackgroundScavenger asks for; the other two take the lock.
  static void FlushCaches() {}  // a PageAllocator knows of none
  void NextScavengeGeneration() {
    lock_.lock();
    allocator_.NextScavengeGeneration();
    lock_.unlock();
  }
  [[nodiscard]] auto PageStats() {  // HeapStats
    lock_.lock();
    const auto stats = allocator_.stats();
    lock_.unlock();
    return stats;
  }

 private:
  OsStatus Release(PageRange pages) {
    return window_.Release(G::AddressOf(pages.begin), BytesOf(pages.size()), when_);
  }

  Allocator& allocator_;
  HeapWindow& window_;
  Lock& lock_;
  ReleaseMoment when_;
};

}  // namespace pagealloc
