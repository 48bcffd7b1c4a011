#include "pagealloc/break_source.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>

#include "pagealloc/contract.h"

namespace pagealloc {
namespace {

std::uintptr_t Number(const void* at) { return reinterpret_cast<std::uintptr_t>(at); }

/// Bytes from `at` up to the next multiple of `unit`, a power of two.
std::uintptr_t GapTo(const void* at, ByteCount unit) {
  return static_cast<std::uintptr_t>((unit.raw - Number(at) % unit.raw) % unit.raw);
}

}  // namespace

EmulatedBreak::~EmulatedBreak() {
  // Nothing can be done about a refusal here; the address space stays reserved.
  if (os_ != nullptr) static_cast<void>(os_->Unreserve(reserved_, reserved_bytes_));
}

OsStatus EmulatedBreak::Init(OsMemory& os, Shape shape) {
  PA_EXPECT(os_ == nullptr);
  PA_EXPECT(std::has_single_bit(shape.page.raw) && shape.page >= os.page_size(), shape.page);
  PA_EXPECT(std::has_single_bit(shape.alignment.raw) && shape.alignment >= shape.page,
            shape.alignment, shape.page);
  PA_EXPECT(shape.limit >= shape.page && shape.limit.raw % shape.page.raw == 0, shape.limit);
  PA_EXPECT(shape.spare <= shape.limit && shape.spare.raw % shape.page.raw == 0, shape.spare);
  if (shape.limit.raw > SIZE_MAX - std::min<std::uint64_t>(shape.alignment.raw, SIZE_MAX)) {
    return {OsCall::kReserve, ENOMEM, shape.limit};
  }
  const ByteCount wanted = shape.limit + shape.alignment;
  const OsMemory::Reservation got = os.Reserve(wanted);
  if (!got.status.ok()) return got.status;
  std::byte* const begin = got.begin + GapTo(got.begin, shape.alignment);
  if (shape.spare.raw > 0) {
    if (const OsStatus status = os.Commit(begin, shape.spare); !status.ok()) {
      static_cast<void>(os.Unreserve(got.begin, wanted));
      return status;
    }
  }
  os_ = &os;
  reserved_ = got.begin;
  reserved_bytes_ = wanted;
  begin_ = begin;
  used_ = shape.spare;
  shape_ = shape;
  return OsStatus::Ok();
}

OsStatus EmulatedBreak::Extend(ByteCount size) {
  PA_EXPECT(os_ != nullptr);
  PA_EXPECT(size.raw > 0 && size.raw % shape_.page.raw == 0, size, shape_.page);
  if (size > shape_.limit - used_) return {OsCall::kReserve, ENOMEM, size};
  if (const OsStatus status = os_->Commit(begin_ + used_.raw, size); !status.ok()) {
    return {OsCall::kReserve, ENOMEM, size};
  }
  used_ += size;
  return OsStatus::Ok();
}

std::byte* EmulatedBreak::MoveAsSomebodyElse(ByteCount size) {
  std::byte* const begin = Position();
  return Extend(size).ok() ? begin : nullptr;
}

ProcessBreak::ProcessBreak() : page_size_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))) {
  PA_EXPECT(std::has_single_bit(page_size_.raw), page_size_);
}

BreakSource::Spare ProcessBreak::Start() {
  std::byte* const here = Position();  // what lies between break and page border stays unused
  return {here, here};
}

std::byte* ProcessBreak::Position() {
  auto* const here = static_cast<std::byte*>(::sbrk(0));
  return here + GapTo(here, page_size_);
}

OsStatus ProcessBreak::Extend(ByteCount size) {
  PA_EXPECT(size.raw > 0 && size.raw % page_size_.raw == 0, size, page_size_);
  void* const before = ::sbrk(0);
  const std::uint64_t step = size.raw + GapTo(before, page_size_);
  if (step > static_cast<std::uint64_t>(INTPTR_MAX)) return {OsCall::kReserve, ENOMEM, size};
  void* const got = ::sbrk(static_cast<std::intptr_t>(step));
  if (Number(got) == UINTPTR_MAX) return {OsCall::kReserve, ENOMEM, size};
  PA_EXPECT(got == before, Number(got), Number(before));  // another thread moved the break
  return OsStatus::Ok();
}

}  // namespace pagealloc
