#include "testing/fake_memory.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "pagealloc/contract.h"

#if defined(__SANITIZE_ADDRESS__)
#define PAGEALLOC_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define PAGEALLOC_ASAN 1
#endif
#endif
#ifdef PAGEALLOC_ASAN
// Of its runtime; the header belongs to the compiler's packages.
extern "C" void __asan_poison_memory_region(const volatile void* begin, std::size_t size);
extern "C" void __asan_unpoison_memory_region(const volatile void* begin, std::size_t size);
#endif

namespace pagealloc::testing {
namespace {

/// From now on an access is, or is not, reported by AddressSanitizer.
void Forbid([[maybe_unused]] const void* begin, [[maybe_unused]] std::uint64_t size) {
#ifdef PAGEALLOC_ASAN
  __asan_poison_memory_region(begin, static_cast<std::size_t>(size));
#endif
}
void Permit([[maybe_unused]] const void* begin, [[maybe_unused]] std::uint64_t size) {
#ifdef PAGEALLOC_ASAN
  __asan_unpoison_memory_region(begin, static_cast<std::size_t>(size));
#endif
}

}  // namespace

FakeMemory::FakeMemory(ByteCount page_size) : page_size_(page_size) {}

FakeMemory::~FakeMemory() { PA_EXPECT(blocks_.empty(), blocks_.size(), reserved_); }

void FakeMemory::FailAfter(std::uint64_t calls, bool once) {
  fail_after_ = calls;
  fail_once_ = once;
}

bool FakeMemory::Refuse() {
  ++calls_;
  if (!fail_after_) return false;
  if (*fail_after_ > 0) {
    --*fail_after_;
    return false;
  }
  if (fail_once_) fail_after_.reset();
  return true;
}

OsMemory::Reservation FakeMemory::Reserve(ByteCount size, std::byte* at) {
  PA_EXPECT(size.raw > 0 && size.raw % page_size_.raw == 0, size, page_size_);
  if (Refuse()) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  if (at != nullptr) return {{OsCall::kReserve, EEXIST, size}, nullptr};  // no place is free
  if (size.raw > SIZE_MAX - page_size_.raw) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  // Untouched zero pages of a large block cost nothing, so 512 MiB of summaries are fine.
  const std::uint64_t alignment =
      std::max(page_size_.raw, std::min(std::bit_floor(size.raw), kMaxAlignment.raw));
  void* memory = std::calloc(1, static_cast<std::size_t>(size.raw + alignment));
  if (memory == nullptr) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  const auto mask = static_cast<std::uintptr_t>(alignment - 1);
  const std::uintptr_t begin = (reinterpret_cast<std::uintptr_t>(memory) + mask) & ~mask;
  blocks_.emplace(begin, Block{static_cast<std::byte*>(memory),
                               std::vector<bool>(HostSize(size.raw / page_size_.raw), false)});
  reserved_ += size;
  Forbid(reinterpret_cast<void*>(begin), size.raw);
  return {OsStatus::Ok(), reinterpret_cast<std::byte*>(begin)};
}

std::pair<FakeMemory::Blocks::iterator, std::size_t> FakeMemory::Locate(std::byte* begin,
                                                                        ByteCount size) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  PA_EXPECT(size.raw > 0 && size.raw % page_size_.raw == 0, size);
  auto found = blocks_.upper_bound(at);
  PA_EXPECT(found != blocks_.begin(), at);
  --found;
  const std::uint64_t offset = at - found->first;
  PA_EXPECT(offset % page_size_.raw == 0 &&
                (offset + size.raw) / page_size_.raw <= found->second.committed.size(),
            at, size);
  return {found, static_cast<std::size_t>(offset / page_size_.raw)};
}

OsStatus FakeMemory::Commit(std::byte* begin, ByteCount size) {
  const auto [block, first] = Locate(begin, size);
  if (Refuse()) return {OsCall::kCommit, ENOMEM, size};
  for (std::size_t i = first; i < first + size.raw / page_size_.raw; ++i) {
    const bool committed_already = block->second.committed[i];
    PA_EXPECT(!committed_already, i);
    block->second.committed[i] = true;
  }
  committed_ += size;
  Permit(begin, size.raw);
  return OsStatus::Ok();
}

OsStatus FakeMemory::Release(std::byte* begin, ByteCount size) {
  const auto [block, first] = Locate(begin, size);
  for (std::size_t i = first; i < first + size.raw / page_size_.raw; ++i) {
    const bool committed = block->second.committed[i];
    PA_EXPECT(committed, i);
  }
  if (release_error_ != 0) return {OsCall::kRelease, release_error_, size};
  std::memset(begin, 0, static_cast<std::size_t>(size.raw));
  return OsStatus::Ok();
}

OsStatus FakeMemory::ReleaseLazily(std::byte* begin, ByteCount size) {
  static_cast<void>(Locate(begin, size));
  for (std::uint64_t at = 0; at < size.raw; at += 2 * page_size_.raw) {
    if (const OsStatus status = Release(begin + at, page_size_); !status.ok()) return status;
  }
  return OsStatus::Ok();
}

OsStatus FakeMemory::Fault(std::byte* begin, ByteCount size) {
  const auto [block, first] = Locate(begin, size);
  for (std::size_t i = first; i < first + size.raw / page_size_.raw; ++i) {
    if (block->second.committed[i]) committed_ -= page_size_;
    block->second.committed[i] = false;
  }
  Permit(begin, size.raw);
  std::memset(begin, 0, static_cast<std::size_t>(size.raw));
  Forbid(begin, size.raw);
  return OsStatus::Ok();
}

OsStatus FakeMemory::HintHugePages(std::byte* begin, ByteCount size, HugePages want) {
  static_cast<void>(Locate(begin, size));
  if (huge_pages_error_ != 0) return {OsCall::kHugePages, huge_pages_error_, size};
  huge_calls_.push_back({begin, size, want, false});
  return OsStatus::Ok();
}

OsStatus FakeMemory::CollapseHugePages(std::byte* begin, ByteCount size) {
  static_cast<void>(Locate(begin, size));
  if (huge_pages_error_ != 0) return {OsCall::kHugePages, huge_pages_error_, size};
  huge_calls_.push_back({begin, size, HugePages::kPrefer, true});
  return OsStatus::Ok();
}

OsStatus FakeMemory::Unreserve(std::byte* begin, ByteCount size) {
  const auto [block, first] = Locate(begin, size);
  PA_EXPECT(first == 0 && size.raw / page_size_.raw == block->second.committed.size(), first, size);
  const auto pages = static_cast<std::uint64_t>(
      std::count(block->second.committed.begin(), block->second.committed.end(), true));
  committed_ -= ByteCount{pages * page_size_.raw};
  reserved_ -= size;
  Permit(begin, size.raw);
  std::free(block->second.memory);
  blocks_.erase(block);
  return OsStatus::Ok();
}

}  // namespace pagealloc::testing
