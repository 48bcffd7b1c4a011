/// reserved_array.h: a large array of which only the parts in use are backed by memory.
///
/// Reserve() takes address space for all entries; MakeAccessible() commits the operating-system
/// pages behind some of them, and never a page twice (committing again could zero it). What is
/// committed is remembered page by page, so holes cost nothing and a refusal half-way leaves every
/// entry that was accessible as it was. Entries begin as zero bytes. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "pagealloc/address_ranges.h"
#include "pagealloc/contract.h"
#include "pagealloc/os_memory.h"

namespace pagealloc {

template <class T>
class ReservedArray {
  static_assert(std::is_trivially_copyable_v<T> && std::is_trivially_destructible_v<T>,
                "entries come to life as zero bytes and are never destroyed");

 public:
  ReservedArray() = default;
  ReservedArray(const ReservedArray&) = delete;
  ReservedArray& operator=(const ReservedArray&) = delete;
  ~ReservedArray() {
    // Nothing can be done about a refusal here; the address space stays reserved.
    if (os_ != nullptr) static_cast<void>(os_->Unreserve(memory_, reserved_));
  }

  /// Address space for `entries` of T. Once (contract); on a refusal it may be tried again.
  OsStatus Reserve(OsMemory& os, std::uint64_t entries) {
    PA_EXPECT(os_ == nullptr && entries >= 1, entries);
    const ByteCount size = os.RoundUp(ByteCount{entries * sizeof(T)});
    const OsMemory::Reservation got = os.Reserve(size);
    if (!got.status.ok()) return got.status;
    os_ = &os;
    memory_ = got.begin;
    reserved_ = size;
    entries_ = entries;
    return OsStatus::Ok();
  }

  /// Commits what is missing behind entries [begin, end). On a refusal the entries that were
  /// accessible still are; some new ones may be too, which metadata() counts and a retry uses.
  OsStatus MakeAccessible(std::uint64_t begin, std::uint64_t end) {
    PA_EXPECT(begin < end && end <= entries_, begin, end, entries_);
    const std::uint64_t page = os_->page_size().raw;
    OsPage at{begin * sizeof(T) / page};
    const OsPage last{(end * sizeof(T) + page - 1) / page};
    while (at < last) {
      const std::size_t next = committed_.Successor(at);
      const auto ranges = committed_.ranges();
      if (next > 0 && at < ranges[next - 1].end) {
        at = ranges[next - 1].end;
        continue;
      }
      const OsPage stop =
          next < ranges.size() && ranges[next].begin < last ? ranges[next].begin : last;
      if (const OsStatus status = committed_.PrepareAdd(*os_, {at, stop}); !status.ok()) {
        return status;
      }
      const ByteCount size{(stop.raw - at.raw) * page};
      if (const OsStatus status = os_->Commit(memory_ + at.raw * page, size); !status.ok()) {
        return status;
      }
      committed_.Add({at, stop});
      at = stop;
    }
    return OsStatus::Ok();
  }

  /// First entry. Only accessible entries may be read.
  [[nodiscard]] T* data() const {
    return reinterpret_cast<T*>(memory_);  // page aligned, zero bytes are a T
  }
  [[nodiscard]] std::uint64_t size() const { return entries_; }
  [[nodiscard]] bool accessible(std::uint64_t begin, std::uint64_t end) const {
    const std::uint64_t page = os_->page_size().raw;
    return committed_.ContainsAll(
        {OsPage{begin * sizeof(T) / page}, OsPage{(end * sizeof(T) + page - 1) / page}});
  }
  [[nodiscard]] MetadataStats metadata() const {
    if (os_ == nullptr) return {};
    return MetadataStats{reserved_, ByteCount{committed_.total() * os_->page_size().raw}} +
           committed_.metadata();
  }

 private:
  using OsPage = Strong<struct OsPageTag>;  // position: operating-system pages from memory_

  OsMemory* os_ = nullptr;
  std::byte* memory_ = nullptr;
  ByteCount reserved_;
  std::uint64_t entries_ = 0;
  RangeSet<OsPage> committed_;
};

}  // namespace pagealloc
