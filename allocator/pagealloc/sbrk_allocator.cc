#include "pagealloc/sbrk_allocator.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>

#include "pagealloc/contract.h"

namespace pagealloc {
namespace {

std::uint64_t Number(const std::byte* at) { return reinterpret_cast<std::uintptr_t>(at); }

ByteCount Distance(const std::byte* begin, const std::byte* end) {
  PA_EXPECT(Number(begin) <= Number(end), Number(begin), Number(end));
  return ByteCount{Number(end) - Number(begin)};
}

}  // namespace

SbrkAllocator::SbrkAllocator(BreakSource& source) : source_(source), page_(source.page_size()) {
  PA_EXPECT(page_.raw >= sizeof(FreeBlocks::Node) && std::has_single_bit(page_.raw), page_);
  const BreakSource::Spare spare = source.Start();
  PA_EXPECT(Number(spare.begin) % page_.raw == 0 && Number(spare.end) % page_.raw == 0,
            Number(spare.begin), Number(spare.end));
  first_ = bloc_ = spare.begin;
  bloc_max_ = spare.end;
}

SbrkAllocator::Reservation SbrkAllocator::Allocate(ByteCount size) {
  if (std::byte* const block = AllocateNoGrow(size)) return {OsStatus::Ok(), block};
  return Extend(size);
}

std::byte* SbrkAllocator::AllocateNoGrow(ByteCount size) {
  PA_EXPECT(size.raw >= 1, size);
  const ByteCount bytes = Round(size);
  if (bytes.raw == 0) return nullptr;
  std::byte* const block = free_.TakeHigh(bytes);
  if (block != nullptr) live_ += bytes;
  return block;
}

SbrkAllocator::Reservation SbrkAllocator::AllocateAligned(ByteCount size, ByteCount align) {
  PA_EXPECT(size.raw >= 1 && std::has_single_bit(align.raw), size, align);
  const ByteCount bytes = Round(size);
  if (bytes.raw == 0) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  const ByteCount unit = std::max(align, page_);
  if (std::byte* const block = free_.TakeAligned(bytes, unit)) {
    live_ += bytes;
    return {OsStatus::Ok(), block};
  }
  return FromTail(bytes, unit);
}

SbrkAllocator::Reservation SbrkAllocator::Extend(ByteCount size) {
  PA_EXPECT(size.raw >= 1, size);
  const ByteCount bytes = Round(size);
  if (bytes.raw == 0) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  return FromTail(bytes, page_);
}

SbrkAllocator::Reservation SbrkAllocator::FromTail(ByteCount size, ByteCount align) {
  const Reservation refused{{OsCall::kReserve, ENOMEM, size}, nullptr};
  // Bytes from `at` to the end of the block that would begin at the next multiple of align; 0 if
  // that is beyond the host's last address.
  const auto needed = [&](const std::byte* at) -> std::uint64_t {
    const std::uint64_t skip = (align.raw - Number(at) % align.raw) % align.raw;
    const std::uint64_t room = UINTPTR_MAX - Number(at);
    return skip <= room && size.raw <= room - skip ? skip + size.raw : 0;
  };

  std::byte* from = bloc_;
  std::uint64_t bytes = needed(from);
  if (bytes == 0) return refused;
  if (const ByteCount tail = Distance(bloc_, bloc_max_); bytes > tail.raw) {
    std::byte* const here = source_.Position();
    std::uint64_t missing = bytes - tail.raw;
    if (here != bloc_max_) {  // somebody moved the break; the block must begin behind his memory
      from = here;
      missing = bytes = needed(from);
      if (bytes == 0) return refused;
    }
    if (const OsStatus status = source_.Extend(ByteCount{missing}); !status.ok()) {
      return {status, nullptr};
    }
    if (from != bloc_) {
      holes_ += Distance(bloc_max_, from);
      if (tail.raw > 0) free_.Add(bloc_, tail);
      bloc_ = from;
    }
    bloc_max_ = from + bytes;
  }
  if (bytes > size.raw) free_.Add(bloc_, ByteCount{bytes - size.raw});
  bloc_ = from + bytes;
  live_ += size;
  return {OsStatus::Ok(), bloc_ - size.raw};
}

void SbrkAllocator::Free(std::byte* begin, ByteCount size) {
  if (begin == nullptr) return;
  const ByteCount bytes = Round(size);
  PA_EXPECT(bytes.raw > 0 && Number(begin) % page_.raw == 0, Number(begin), size);
  PA_EXPECT(Number(begin) >= Number(first_) && Number(begin) <= Number(bloc_) &&
                bytes <= Distance(begin, bloc_),
            Number(begin), size, Number(bloc_));
  PA_EXPECT(!free_.Overlaps(begin, bytes), Number(begin), size);
  std::memset(begin, 0, static_cast<std::size_t>(bytes.raw));
  live_ -= bytes;
  if (begin + bytes.raw != bloc_) {
    free_.Add(begin, bytes);
    return;
  }
  bloc_ = begin;
  if (std::byte* const below = free_.TakeEndingAt(bloc_)) bloc_ = below;
}

ByteCount SbrkAllocator::Round(ByteCount size) const {
  const std::uint64_t mask = page_.raw - 1;
  return ByteCount{(size.raw + mask) & ~mask};
}

SbrkStats SbrkAllocator::stats() const {
  return {live_, free_.total(), holes_, Distance(bloc_, bloc_max_)};
}

}  // namespace pagealloc
