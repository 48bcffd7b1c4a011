/// sbrk_memory.h: an OsMemory over a single growing break, for hosts like wasm and plan9.
///
/// There is no "reserved" state: Reserve() hands out memory, Commit() finds it there already, and
/// nothing can fault. What OsMemory promises about contents holds all the same: committed memory is
/// zero, and so is released memory, because Reserve, Release and Fault leave zeroes. Release saves
/// no memory, and what Fault covers stays readable. Any number of threads: one mutex.
///
/// Forks: the child has a copy and can use it (fork_safety.h), whatever other threads were doing.
/// The mutex is taken after the locks of all heaps on this memory, as they came later. Where the
/// process cannot register that, every Reserve() is refused.
///
/// @see Go: mem_sbrk.go: sysReserveOS, sysFreeOS; sysUsedOS, sysMapOS, sysHugePageOS,
/// sysNoHugePageOS, sysHugePageCollapseOS are no-ops here as there; sysUnusedOS and sysFaultOS are
/// no-ops there and zero the range here (Go 1.26 zeroes when it uses the memory again:
/// needZeroAfterSysUnusedOS).
#pragma once

#include <pthread.h>

#include <cstddef>

#include "pagealloc/break_source.h"
#include "pagealloc/fork_safety.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/sbrk_allocator.h"
#include "pagealloc/units.h"

namespace pagealloc {

class SbrkMemory final : public OsMemory, private ForkParticipant {
 public:
  /// @param source  initialised; outlives this, and feeds only this.
  explicit SbrkMemory(BreakSource& source) : allocator_(source), forks_(JoinForks()) {}
  ~SbrkMemory() override { LeaveForks(); }

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return allocator_.page_size(); }
  /// A place other than the end of our memory (Go: bloc) is refused with EEXIST.
  Reservation Reserve(ByteCount size, std::byte* at) override;
  OsStatus Commit(std::byte* begin, ByteCount size) override;
  OsStatus Release(std::byte* begin, ByteCount size) override;
  OsStatus Fault(std::byte* begin, ByteCount size) override;
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override;
  /// Any whole pages of a reservation.
  OsStatus Unreserve(std::byte* begin, ByteCount size) override;

  /// Memory at a multiple of `align`, a power of two. @see Go: sysReserveAlignedSbrk.
  Reservation ReserveAligned(ByteCount size, ByteCount align);

  [[nodiscard]] SbrkStats stats() const;
  /// Without the lock: while no other thread uses this memory.
  [[nodiscard]] const SbrkAllocator& allocator() const { return allocator_; }

 private:
  void LockForFork() override;
  void UnlockAfterFork() override;

  SbrkAllocator allocator_;
  OsStatus forks_;  // of joining them: at once, as who calls Reserve() may hold a heap's locks
  mutable pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;  // std::mutex may throw (Go: memlock)
};

}  // namespace pagealloc
