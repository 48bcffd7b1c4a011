#include "pagealloc/arena_source.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdint>

#include "pagealloc/contract.h"

namespace pagealloc {
namespace {

// Addresses are numbers here; nothing is read or written through them.
std::byte* Pointer(HostAddress at) {
  return reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(at.raw));
}
HostAddress Number(const std::byte* at) {
  return HostAddress{reinterpret_cast<std::uintptr_t>(at)};
}
HostRange RangeOf(HostAddress begin, ByteCount size) {
  return {begin, HostAddress{begin.raw + size.raw}};
}
/// Numbers are wider than the addresses of a 32-bit host: cut off, one would name another place. 0
/// is no place: to the operating system it means any.
bool OnHost(HostAddress begin, ByteCount size) {
  return begin != HostAddress{0} && begin.raw <= UINTPTR_MAX &&
         size.raw - 1 <= UINTPTR_MAX - begin.raw;
}

}  // namespace

ArenaSource::~ArenaSource() {
  // Nothing can be done about a refusal here; the address space stays reserved.
  for (const auto& range : held_.ranges()) {
    static_cast<void>(
        os_->Unreserve(Pointer(range.begin), ByteCount{range.end.raw - range.begin.raw}));
  }
}

void ArenaSource::Init(OsMemory& os, const Options& options) {
  PA_EXPECT(os_ == nullptr);
  PA_EXPECT(std::has_single_bit(options.arena.raw) && options.arena.raw % os.page_size().raw == 0,
            options.arena, os.page_size());
  PA_EXPECT(options.hints.size() <= kMaxHints &&
                options.first_reservations.size() <= first_reservations_.size(),
            options.hints.size(), options.first_reservations.size());
  os_ = &os;
  arena_ = options.arena;
  for (std::size_t i = options.hints.size(); i > 0; --i) Push({options.hints[i - 1], false});
  std::copy(options.first_reservations.begin(), options.first_reservations.end(),
            first_reservations_.begin());
}

void ArenaSource::SetWindow(HostAddress begin, ByteCount size) {
  window_begin_ = begin;
  window_size_ = size;
}

ArenaSource::Result ArenaSource::Reserve(ByteCount size) {
  PA_EXPECT(os_ != nullptr && size.raw > 0 && size.raw % arena_.raw == 0, size, arena_);
  if (first_) {
    for (const ByteCount larger : first_reservations_) {
      if (larger <= size) continue;
      const Result got = Place(larger);
      if (got.arena.empty()) continue;
      linear_ = got.arena;
      break;
    }
  }
  if (linear_.size() >= size) {
    first_ = false;
    const HostRange arena = RangeOf(linear_.begin, size);
    linear_.begin = arena.end;
    return {OsStatus::Ok(), arena};
  }
  const Result got = Place(size);
  if (!got.arena.empty()) first_ = false;
  return got;
}

ArenaSource::Result ArenaSource::Place(ByteCount size) {
  // The list may need memory of its own; once the place is there, nothing may fail any more.
  if (const OsStatus status = held_.PrepareAdd(*os_); !status.ok()) return {status, {}};
  OsStatus refused;
  const auto fits = [this](const Hint& hint, ByteCount bytes) {
    if (hint.downwards && hint.at < HostAddress{bytes.raw}) return false;
    const HostAddress at = PlaceOf(hint, bytes);
    return OnHost(at, bytes) && InWindow(at, bytes);
  };
  for (std::size_t i = hint_count_; i-- > 0 && refused.ok();) {
    Hint& hint = hints_[i];
    if (!fits(hint, arena_)) {
      Drop(i);  // no more room there for anything
    } else if (fits(hint, size)) {
      const HostAddress at = PlaceOf(hint, size);
      const OsMemory::Reservation got = os_->Reserve(size, Pointer(at));
      if (got.status.ok()) {
        const HostRange arena = RangeOf(at, size);
        hint.at = hint.downwards ? arena.begin : arena.end;
        held_.Add({arena.begin, arena.end});
        return {OsStatus::Ok(), arena};
      }
      if (got.status.error_number == EEXIST) {
        Drop(i);
      } else {
        refused = got.status;  // no memory at all, or none at this place: PlaceAnywhere() will tell
      }
    }
  }
  const Result got = PlaceAnywhere(size);
  if (got.arena.empty()) return got;
  if (!refused.ok()) hint_count_ = 0;  // the host has no such addresses
  Push({got.arena.begin, true});
  Push({got.arena.end, false});
  held_.Add({got.arena.begin, got.arena.end});
  return got;
}

ArenaSource::Result ArenaSource::PlaceAnywhere(ByteCount size) {
  OsMemory::Reservation got = os_->Reserve(size);
  if (!got.status.ok()) return {got.status, {}};
  HostAddress begin = Number(got.begin);
  if (begin.raw % arena_.raw != 0) {
    // Larger by an arena, there is an aligned place inside; what lies around it goes back.
    static_cast<void>(os_->Unreserve(got.begin, size));
    got = os_->Reserve(size + arena_);
    if (!got.status.ok()) return {got.status, {}};
    const HostAddress first = Number(got.begin);
    begin = HostAddress{(first.raw + arena_.raw - 1) & ~(arena_.raw - 1)};
    const ByteCount head{begin.raw - first.raw};
    const ByteCount tail = arena_ - head;  // never empty
    if (head.raw > 0) static_cast<void>(os_->Unreserve(got.begin, head));
    static_cast<void>(os_->Unreserve(Pointer(HostAddress{begin.raw + size.raw}), tail));
  }
  if (!InWindow(begin, size)) {
    static_cast<void>(os_->Unreserve(Pointer(begin), size));
    return {};
  }
  return {OsStatus::Ok(), RangeOf(begin, size)};
}

bool ArenaSource::InWindow(HostAddress begin, ByteCount size) const {
  if (!window_size_) return true;
  const std::uint64_t offset = begin.raw - window_begin_.raw;  // wraps, as the window may
  return size <= *window_size_ && offset <= window_size_->raw - size.raw;
}

HostAddress ArenaSource::PlaceOf(const Hint& hint, ByteCount size) {
  return hint.downwards ? HostAddress{hint.at.raw - size.raw} : hint.at;
}

void ArenaSource::Drop(std::size_t index) {
  std::copy(hints_.begin() + static_cast<std::ptrdiff_t>(index) + 1,
            hints_.begin() + static_cast<std::ptrdiff_t>(hint_count_),
            hints_.begin() + static_cast<std::ptrdiff_t>(index));
  --hint_count_;
}

void ArenaSource::Push(Hint hint) {
  if (hint_count_ < kMaxHints) hints_[hint_count_++] = hint;
}

}  // namespace pagealloc
