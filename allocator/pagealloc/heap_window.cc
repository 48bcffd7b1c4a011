#include "pagealloc/heap_window.h"

#include <cerrno>

#include "pagealloc/contract.h"

namespace pagealloc {

HeapWindow::~HeapWindow() {
  // Nothing can be done about a refusal here; the address space stays reserved.
  if (os_ != nullptr) static_cast<void>(os_->Unreserve(memory_, size_));
}

OsStatus HeapWindow::Reserve(OsMemory& os, Address first, ByteCount size, Placement placement) {
  PA_EXPECT(os_ == nullptr);
  PA_EXPECT(size.raw > 0 && size.raw % os.page_size().raw == 0, size, os.page_size());
  std::byte* at = nullptr;
  if (placement == Placement::kExact) {
    if (first.raw == 0 || first.raw > UINTPTR_MAX || size.raw > UINTPTR_MAX - first.raw) {
      return {OsCall::kReserve, EINVAL, size};  // the host has no such addresses
    }
    at = reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(first.raw));
  }
  const OsMemory::Reservation got = os.Reserve(size, at);
  if (!got.status.ok()) return got.status;
  os_ = &os;
  memory_ = got.begin;
  first_ = first;
  size_ = size;
  return OsStatus::Ok();
}

OsStatus HeapWindow::Commit(Address first, ByteCount size) {
  ExpectInside(first, size);
  return os_->Commit(memory_ + (first.raw - first_.raw), size);
}

OsStatus HeapWindow::Release(Address first, ByteCount size, ReleaseMoment when) {
  ExpectInside(first, size);
  std::byte* const begin = memory_ + (first.raw - first_.raw);
  return when == ReleaseMoment::kAtOnce ? os_->Release(begin, size)
                                        : os_->ReleaseLazily(begin, size);
}

std::byte* HeapWindow::Host(Address at) const {
  ExpectInside(at, ByteCount{1});
  return memory_ + (at.raw - first_.raw);
}

std::uint64_t HeapWindow::slide() const {
  return reinterpret_cast<std::uintptr_t>(memory_) - first_.raw;
}

void HeapWindow::ExpectInside(Address first, ByteCount size) const {
  PA_EXPECT(os_ != nullptr);
  // Modulo 2^64, as addresses are: a window may end at the highest of all, and begin below 0.
  const std::uint64_t offset = first.raw - first_.raw;
  PA_EXPECT(offset <= size_.raw && size.raw <= size_.raw - offset, first, size, first_, size_);
}

}  // namespace pagealloc
