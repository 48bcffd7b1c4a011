#include "pagealloc/os_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>

namespace pagealloc {
namespace {

OsStatus Outcome(OsCall call, int result, ByteCount size) {
  return result == 0 ? OsStatus::Ok() : OsStatus{call, errno, size};
}

void ExpectWholePages(const std::byte* begin, ByteCount size, ByteCount page) {
  // The address is compared as a number, nothing is read through it.
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  PA_EXPECT(size.raw > 0 && size.raw % page.raw == 0 && at % page.raw == 0, at, size, page);
}

/// The kernel's transparent huge page; 0 where it has none, or does not say.
ByteCount KernelsHugePage() {
  const int file =
      ::open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY | O_CLOEXEC);
  if (file < 0) return ByteCount{0};
  std::array<char, 32> text{};
  const auto got = ::read(file, text.data(), text.size() - 1);
  ::close(file);
  std::uint64_t size = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') break;
    size = size * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return got > 0 && std::has_single_bit(size) ? ByteCount{size} : ByteCount{0};
}

}  // namespace

const char* OsStatus::call_name() const {
  switch (call) {
    case OsCall::kReserve:
      return "reserve";
    case OsCall::kCommit:
      return "commit";
    case OsCall::kRelease:
      return "release";
    case OsCall::kFault:
      return "fault";
    case OsCall::kHugePages:
      return "hint huge pages for";
    case OsCall::kUnreserve:
      return "unreserve";
    case OsCall::kThread:
      return "start a thread with";
  }
  return "?";
}

MmapMemory::MmapMemory()
    : page_size_(static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE))),
      huge_page_size_(KernelsHugePage()) {
  PA_EXPECT(std::has_single_bit(page_size_.raw), page_size_);
}

OsMemory::Reservation MmapMemory::Reserve(ByteCount size, std::byte* at) {
  ExpectWholePages(at, size, page_size_);
  if (size.raw > SIZE_MAX) return {{OsCall::kReserve, ENOMEM, size}, nullptr};
  // A place is a hint to mmap, and the answer tells whether it was free. MAP_FIXED_NOREPLACE would
  // save a call where it was not, but ThreadSanitizer takes it for a hint and maps at address 0.
  void* got = ::mmap(at, static_cast<std::size_t>(size.raw), PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (got == MAP_FAILED) return {{OsCall::kReserve, errno, size}, nullptr};
  if (at != nullptr && got != at) {
    ::munmap(got, static_cast<std::size_t>(size.raw));
    return {{OsCall::kReserve, EEXIST, size}, nullptr};
  }
  return {OsStatus::Ok(), static_cast<std::byte*>(got)};
}

OsStatus MmapMemory::Commit(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
  return Outcome(OsCall::kCommit,
                 ::mprotect(begin, static_cast<std::size_t>(size.raw), PROT_READ | PROT_WRITE),
                 size);
}

OsStatus MmapMemory::Release(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
  return Outcome(OsCall::kRelease,
                 ::madvise(begin, static_cast<std::size_t>(size.raw), MADV_DONTNEED), size);
}

OsStatus MmapMemory::ReleaseLazily(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
  const int result = ::madvise(begin, static_cast<std::size_t>(size.raw), MADV_FREE);
  if (result != 0 && errno == EINVAL) return Release(begin, size);  // a kernel before 4.5
  return Outcome(OsCall::kRelease, result, size);
}

OsStatus MmapMemory::Fault(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
  // A fresh mapping in place of the old one drops contents and access in one step.
  void* got = ::mmap(begin, static_cast<std::size_t>(size.raw), PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  return Outcome(OsCall::kFault, got == MAP_FAILED ? -1 : 0, size);
}

OsStatus MmapMemory::HintHugePages(std::byte* begin, ByteCount size, HugePages want) {
  ExpectWholePages(begin, size, page_size_);
  const int advice = want == HugePages::kPrefer ? MADV_HUGEPAGE : MADV_NOHUGEPAGE;
  const int result = ::madvise(begin, static_cast<std::size_t>(size.raw), advice);
  if (result != 0 && errno == EINVAL) return OsStatus::Ok();  // a kernel without huge pages
  return Outcome(OsCall::kHugePages, result, size);
}

OsStatus MmapMemory::CollapseHugePages(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
#ifdef MADV_COLLAPSE
  constexpr int kCollapse = MADV_COLLAPSE;
#else
  constexpr int kCollapse = 25;  // Linux 6.1; the C library's headers may be older than the kernel
#endif
  return Outcome(OsCall::kHugePages,
                 ::madvise(begin, static_cast<std::size_t>(size.raw), kCollapse), size);
}

OsStatus MmapMemory::Unreserve(std::byte* begin, ByteCount size) {
  ExpectWholePages(begin, size, page_size_);
  return Outcome(OsCall::kUnreserve, ::munmap(begin, static_cast<std::size_t>(size.raw)), size);
}

}  // namespace pagealloc
