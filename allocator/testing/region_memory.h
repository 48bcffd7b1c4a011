/// region_memory.h: an address space of some megabytes, for heaps that are made anew thousands of
/// times a second.
///
/// Reserve() gives the lowest free place, at a multiple of the alignment; a place that is asked for
/// is given if it is inside and free. So neighbours can be had, as on a host, and where everything
/// lies does not depend on the machine. Behind it is one mapping for the life of the object; what
/// comes back is zeroed. Every page has a state, and a call that does not fit it stops the program.
/// One thread at a time.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "pagealloc/contract.h"
#include "pagealloc/os_memory.h"

namespace pagealloc::testing {

class RegionMemory : public OsMemory {
 public:
  static constexpr ByteCount kPage{4096};

  /// @param size, alignment  multiples of kPage; alignment is a power of two
  RegionMemory(ByteCount size, ByteCount alignment)
      : alignment_(HostSize(alignment.raw / kPage.raw)), states_(HostSize(size.raw / kPage.raw)) {
    const Reservation got = os_.Reserve(size + alignment);
    PA_EXPECT(got.status.ok() && os_.Commit(got.begin, size + alignment).ok());
    mapping_ = got.begin;
    mapped_ = size + alignment;
    const auto at = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(mapping_));
    begin_ = mapping_ + ((at + alignment.raw - 1) / alignment.raw * alignment.raw - at);
  }
  ~RegionMemory() override { static_cast<void>(os_.Unreserve(mapping_, mapped_)); }

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return kPage; }
  Reservation Reserve(ByteCount size, std::byte* at) override {
    const std::size_t pages = HostSize(size.raw / kPage.raw);
    std::size_t first = at == nullptr ? 0 : PageOf(at);
    if (at != nullptr && (at < begin_ || !IsFree(first, pages))) {
      return {{OsCall::kReserve, EEXIST, size}, nullptr};
    }
    while (at == nullptr && first < states_.size() && !IsFree(first, pages)) first += alignment_;
    if (first >= states_.size()) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
    Set(first, pages, State::kNone, State::kReserved);
    return {OsStatus::Ok(), begin_ + first * kPage.raw};
  }
  OsStatus Commit(std::byte* begin, ByteCount size) override {
    Set(PageOf(begin), HostSize(size.raw / kPage.raw), State::kReserved, State::kCommitted);
    return OsStatus::Ok();
  }
  OsStatus Release(std::byte* begin, ByteCount size) override {
    Set(PageOf(begin), HostSize(size.raw / kPage.raw), State::kCommitted, State::kCommitted);
    std::memset(begin, 0, HostSize(size.raw));
    return OsStatus::Ok();
  }
  OsStatus Fault(std::byte* begin, ByteCount size) override {
    Set(PageOf(begin), HostSize(size.raw / kPage.raw), State::kCommitted, State::kReserved);
    std::memset(begin, 0, HostSize(size.raw));
    return OsStatus::Ok();
  }
  OsStatus HintHugePages(std::byte*, ByteCount, HugePages) override { return OsStatus::Ok(); }
  OsStatus Unreserve(std::byte* begin, ByteCount size) override {
    const std::size_t first = PageOf(begin);
    for (std::size_t i = first; i < first + size.raw / kPage.raw; ++i) {
      PA_EXPECT(i < states_.size() && states_[i] != State::kNone, i);
      if (states_[i] == State::kCommitted) std::memset(begin_ + i * kPage.raw, 0, kPage.raw);
      states_[i] = State::kNone;
    }
    return OsStatus::Ok();
  }

  /// Whether all of this memory may be read and written.
  [[nodiscard]] bool Accessible(const std::byte* begin, ByteCount size) const {
    if (begin < begin_) return false;
    const std::size_t first = PageOf(begin);
    const std::size_t end = first + HostSize((size.raw + kPage.raw - 1) / kPage.raw);
    return end <= states_.size() &&
           std::all_of(states_.begin() + static_cast<std::ptrdiff_t>(first),
                       states_.begin() + static_cast<std::ptrdiff_t>(end),
                       [](State state) { return state == State::kCommitted; });
  }
  /// Whether nothing is reserved.
  [[nodiscard]] bool AllReturned() const { return IsFree(0, states_.size()); }

 private:
  enum class State : std::uint8_t { kNone, kReserved, kCommitted };

  [[nodiscard]] std::size_t PageOf(const std::byte* at) const {
    return static_cast<std::size_t>(at - begin_) / kPage.raw;
  }
  [[nodiscard]] bool IsFree(std::size_t first, std::size_t pages) const {
    if (first > states_.size() || pages > states_.size() - first) return false;
    const auto begin = states_.begin() + static_cast<std::ptrdiff_t>(first);
    return std::all_of(begin, begin + static_cast<std::ptrdiff_t>(pages),
                       [](State state) { return state == State::kNone; });
  }
  void Set(std::size_t first, std::size_t pages, State from, State to) {
    PA_EXPECT(pages > 0 && first + pages <= states_.size(), first, pages);
    for (std::size_t i = first; i < first + pages; ++i) {
      PA_EXPECT(states_[i] == from, i, static_cast<unsigned>(states_[i]));
      states_[i] = to;
    }
  }

  MmapMemory os_;
  std::byte* mapping_ = nullptr;
  ByteCount mapped_;
  std::byte* begin_ = nullptr;
  std::size_t alignment_;  // in pages
  std::vector<State> states_;
};

}  // namespace pagealloc::testing
