/// system_subject.h: allocators that map their own memory, behind the interface of a subject: the
/// mallocs of others by page-aligned allocation, and the kernel.
///
/// A page's number is its host address divided by the page size.
#pragma once

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>

#include "harness/run/malloc_library.h"
#include "harness/run/only_allocates.h"
#include "harness/run/subject.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// A malloc from a library.
class LibraryCalls {
 public:
  void Open(std::string_view allocator) { calls_ = LoadMalloc(allocator); }
  void* Allocate(std::size_t size) const { return calls_.allocate(kPageBytes.raw, size); }
  bool Free(void* memory, std::size_t /*size*/) const {
    calls_.free(memory);
    return true;
  }

 private:
  MallocCalls calls_;
};

/// A mapping for each run.
class KernelCalls {
 public:
  void Open(std::string_view /*allocator*/) {}
  static void* Allocate(std::size_t size) {
    void* const got = Map(size);
    if (got == nullptr || IsAligned(got)) [[likely]]
      return got;
    return MapAligned(got, size);
  }
  /// False, with errno: the kernel would have to split a mapping, and there are too many.
  static bool Free(void* memory, std::size_t size) { return munmap(memory, size) == 0; }

 private:
  static void* Map(std::size_t size) {
    void* const got =
        mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return got == MAP_FAILED ? nullptr : got;
  }
  static bool IsAligned(const void* at) {
    return reinterpret_cast<std::uintptr_t>(at) % kPageBytes.raw == 0;
  }
  // The kernel's pages are smaller, and it puts mappings side by side: after something of an odd
  // number of its pages was mapped, all that follows is aligned again.
  [[gnu::noinline]] static void* MapAligned(void* misaligned, std::size_t size) {
    munmap(misaligned, size);
    const std::size_t odd = kPageBytes.raw / 2;
    auto* const got = static_cast<std::byte*>(Map(size + odd));
    if (got == nullptr) return nullptr;
    std::byte* const run = IsAligned(got) ? got : got + odd;
    munmap(run == got ? got + size : got, odd);
    return run;
  }
};

template <class Calls>
class SystemSubject : public OnlyAllocates {
 public:
  /// Before Init().
  void set_allocator(std::string_view name) { calls_.Open(name); }
  OsStatus Init(OsMemory& /*os*/) { return OsStatus::Ok(); }

  std::optional<Allocation> Allocate(PageCount want, unsigned /*processor*/) {
    void* const got = calls_.Allocate(want.raw << kPageBits);
    if (got == nullptr) [[unlikely]] {
      refusal_ = {OsCall::kCommit, errno, BytesOf(want)};
      return std::nullopt;
    }
    const auto address = reinterpret_cast<std::uintptr_t>(got);
    misaligned_ |= address;
    return Allocation{PageOffset{address >> kPageBits}, PageCount{0}};
  }
  std::optional<Allocation> Allocate(PageCount want) { return Allocate(want, 0); }
  void Free(PageRange pages) {
    const ByteCount size = BytesOf(pages.size());
    if (calls_.Free(HostOf(pages.begin), size.raw)) [[likely]]
      return;
    refusal_ = {OsCall::kRelease, errno, size};
  }

  /// What the operating system refused last.
  [[nodiscard]] OsStatus refusal() const { return refusal_; }
  /// Whether every run began at a page.
  [[nodiscard]] bool aligned() const { return misaligned_ % kPageBytes.raw == 0; }

  static std::byte* HostOf(PageOffset page) {
    return reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(page.raw << kPageBits));
  }

 private:
  Calls calls_;
  std::uintptr_t misaligned_ = 0;  ///< all addresses, put together
  OsStatus refusal_;
};

}  // namespace pagealloc::bench
