#include "pagealloc/sbrk_memory.h"

#include <cerrno>
#include <cstring>

#include "pagealloc/contract.h"

namespace pagealloc {
namespace {

class Lock {
 public:
  explicit Lock(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;
  ~Lock() { pthread_mutex_unlock(&mutex_); }

 private:
  pthread_mutex_t& mutex_;
};

void ExpectWholePages(const std::byte* begin, ByteCount size, ByteCount page) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  PA_EXPECT(size.raw > 0 && size.raw % page.raw == 0 && at % page.raw == 0, at, size, page);
}

}  // namespace

OsMemory::Reservation SbrkMemory::Reserve(ByteCount size, std::byte* at) {
  ExpectWholePages(at, size, page_size());
  if (!forks_.ok()) return {forks_, nullptr};
  const Lock lock(mutex_);
  if (at == nullptr) return allocator_.Allocate(size);
  if (at != allocator_.bloc()) return {{OsCall::kReserve, EEXIST, size}, nullptr};
  const Reservation got = allocator_.Extend(size);
  if (!got.status.ok() || got.begin == at) return got;
  allocator_.Free(got.begin, size);  // somebody moved the break: the place is his
  return {{OsCall::kReserve, EEXIST, size}, nullptr};
}

OsStatus SbrkMemory::Commit(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size());
  return OsStatus::Ok();
}

OsStatus SbrkMemory::Release(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size());
  std::memset(begin, 0, static_cast<std::size_t>(size.raw));
  return OsStatus::Ok();
}

OsStatus SbrkMemory::Fault(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size());
  std::memset(begin, 0, static_cast<std::size_t>(size.raw));
  return OsStatus::Ok();
}

OsStatus SbrkMemory::HintHugePages(std::byte* begin, ByteCount size, HugePages) {
  ExpectWholePages(begin, size, page_size());
  return OsStatus::Ok();
}

OsStatus SbrkMemory::Unreserve(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size());
  const Lock lock(mutex_);
  allocator_.Free(begin, size);
  return OsStatus::Ok();
}

OsMemory::Reservation SbrkMemory::ReserveAligned(ByteCount size, ByteCount align) {
  ExpectWholePages(nullptr, size, page_size());
  if (!forks_.ok()) return {forks_, nullptr};
  const Lock lock(mutex_);
  return allocator_.AllocateAligned(size, align);
}

SbrkStats SbrkMemory::stats() const {
  const Lock lock(mutex_);
  return allocator_.stats();
}

void SbrkMemory::LockForFork() { pthread_mutex_lock(&mutex_); }
void SbrkMemory::UnlockAfterFork() { pthread_mutex_unlock(&mutex_); }

}  // namespace pagealloc
