/// address_space.h: an OsMemory of addresses without memory, which says what it was asked.
///
/// For what decides places and never touches them. Nothing is ever read or written at its
/// addresses, so any place that the host's pointers can say will do. log() is the sequence of calls
/// in words, sizes in KiB:
///
///   "reserve c000000000 65536", "commit c000000000 4096", "reserve c000000000 taken"
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pagealloc/contract.h"
#include "pagealloc/os_memory.h"

namespace pagealloc::testing {

class AddressSpace final : public OsMemory {
 public:
  /// Places for callers that do not ask for one begin at `anywhere`, an address of every host.
  explicit AddressSpace(std::uint64_t anywhere = 0xc0000000) : anywhere_(anywhere) {}

  /// Somebody else's memory.
  void Occupy(std::uint64_t begin, std::uint64_t size) { taken_[begin] = begin + size; }
  /// Where the next caller who does not care is put; and the one after that, if it is not behind.
  void SetAnywhere(std::uint64_t begin, std::optional<std::uint64_t> then = std::nullopt) {
    anywhere_ = begin;
    then_ = then;
  }
  /// No address at or above it exists (ENOMEM).
  void SetEnd(std::uint64_t end) { end_ = end; }
  /// At most this much may be reserved or committed, in bytes (ENOMEM).
  void LimitReserved(std::uint64_t bytes) { reserve_limit_ = bytes; }
  void LimitCommitted(std::uint64_t bytes) { commit_limit_ = bytes; }

  /// The calls since the last call of TakeLog().
  std::vector<std::string> TakeLog() { return std::exchange(log_, {}); }
  [[nodiscard]] std::uint64_t reserved() const { return reserved_; }

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return ByteCount{4096}; }

  Reservation Reserve(ByteCount size, std::byte* at) override {
    const std::uint64_t begin = at == nullptr ? anywhere_ : reinterpret_cast<std::uintptr_t>(at);
    const char* asked = at == nullptr ? "reserve anywhere" : "reserve";
    const bool exists = begin < end_ && size.raw <= end_ - begin;
    if (!exists || reserved_ + size.raw > reserve_limit_) {
      Log(asked, begin, size, "refused");
      return {{OsCall::kReserve, ENOMEM, size}, nullptr};
    }
    const auto above = taken_.upper_bound(begin);
    if ((above != taken_.end() && above->first < begin + size.raw) ||
        (above != taken_.begin() && std::prev(above)->second > begin)) {
      PA_EXPECT(at != nullptr, begin);  // the test put "anywhere" over something
      Log(asked, begin, size, "taken");
      return {{OsCall::kReserve, EEXIST, size}, nullptr};
    }
    taken_[begin] = begin + size.raw;
    reserved_ += size.raw;
    if (at == nullptr) anywhere_ = std::exchange(then_, std::nullopt).value_or(begin + size.raw);
    Log(asked, begin, size, "");
    // A number that nobody reads or writes through.
    return {OsStatus::Ok(), reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(begin))};
  }
  OsStatus Commit(std::byte* begin, ByteCount size) override {
    const bool refused = committed_ + size.raw > commit_limit_;
    Log("commit", reinterpret_cast<std::uintptr_t>(begin), size, refused ? "refused" : "");
    if (refused) return {OsCall::kCommit, ENOMEM, size};
    committed_ += size.raw;
    return OsStatus::Ok();
  }
  OsStatus Release(std::byte*, ByteCount) override { return OsStatus::Ok(); }
  OsStatus Fault(std::byte*, ByteCount) override { return OsStatus::Ok(); }
  OsStatus HintHugePages(std::byte*, ByteCount, HugePages) override { return OsStatus::Ok(); }
  /// Any part of what is reserved, as munmap.
  OsStatus Unreserve(std::byte* at, ByteCount size) override {
    const std::uint64_t begin = reinterpret_cast<std::uintptr_t>(at);
    const std::uint64_t end = begin + size.raw;
    Log("unreserve", begin, size, "");
    reserved_ -= size.raw;
    std::uint64_t done = 0;
    for (auto it = taken_.begin(); it != taken_.end();) {
      const auto [from, to] = *it;
      if (to <= begin || from >= end) {
        ++it;
        continue;
      }
      done += std::min(to, end) - std::max(from, begin);
      it = taken_.erase(it);
      if (from < begin) taken_[from] = begin;
      if (to > end) taken_[end] = to;
    }
    PA_EXPECT(done == size.raw, begin, size, done);
    return OsStatus::Ok();
  }

 private:
  void Log(const char* what, std::uint64_t at, ByteCount size, const char* outcome) {
    char line[96];
    const auto kib = static_cast<unsigned long long>(size.raw >> 10);
    std::snprintf(line, sizeof line, "%s %llx %llu%s%s", what, static_cast<unsigned long long>(at),
                  kib, *outcome == '\0' ? "" : " ", outcome);
    log_.emplace_back(line);
  }

  std::uint64_t anywhere_;
  std::optional<std::uint64_t> then_;
  std::uint64_t end_ = ~std::uint64_t{0};
  std::uint64_t reserve_limit_ = ~std::uint64_t{0};
  std::uint64_t commit_limit_ = ~std::uint64_t{0};
  std::uint64_t reserved_ = 0;
  std::uint64_t committed_ = 0;
  std::map<std::uint64_t, std::uint64_t> taken_;  // begin to end
  std::vector<std::string> log_;
};

}  // namespace pagealloc::testing
