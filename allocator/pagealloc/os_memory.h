/// os_memory.h: what the library asks of the operating system, and all that it asks.
///
/// Host memory goes through these states (Go: None, Reserved, Prepared/Ready):
///
///   none  --Reserve-->  reserved (address space, no access)  --Commit-->  committed (read, write)
///         <-Unreserve-                                        <--Fault--
///                                       committed  --Release-->  committed, memory given back
///
/// Freshly committed memory is zero. A refusal is a value (OsStatus), never an abort, and changes
/// nothing. Sizes and places are multiples of page_size() (contract). Implementations are called by
/// one thread at a time per heap; those for a Heap that scavenges or asks for huge pages must bear
/// calls for different ranges at once. MmapMemory is the real one; testing/fake_memory.h the other.
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "pagealloc/units.h"

namespace pagealloc {

enum class OsCall : std::uint8_t {
  kReserve,
  kCommit,
  kRelease,
  kFault,
  kHugePages,
  kUnreserve,
  kThread
};

/// The outcome of a call to the operating system: fine, or which call refused what, and why.
struct [[nodiscard]] OsStatus {
  OsCall call = OsCall::kReserve;
  int error_number = 0;  ///< errno; 0 = fine
  ByteCount bytes;       ///< size that was asked for

  static constexpr OsStatus Ok() { return {}; }
  [[nodiscard]] constexpr bool ok() const { return error_number == 0; }
  /// "reserve", "commit", … : the verb for a message.
  [[nodiscard]] const char* call_name() const;
};

/// A hint about huge pages for a range.
enum class HugePages : std::uint8_t { kPrefer, kAvoid };

class OsMemory {
 public:
  OsMemory() = default;
  OsMemory(const OsMemory&) = delete;
  OsMemory& operator=(const OsMemory&) = delete;
  virtual ~OsMemory() = default;

  struct [[nodiscard]] Reservation {
    OsStatus status;
    std::byte* begin = nullptr;
  };

  /// The operating system's page, a power of two (Go: physPageSize).
  [[nodiscard]] virtual ByteCount page_size() const = 0;

  /// Its huge page, a power of two; 0: there are none (Go: physHugePageSize).
  [[nodiscard]] virtual ByteCount huge_page_size() const { return ByteCount{0}; }

  /// Address space without access and without swap. `at` null: anywhere. Otherwise exactly there,
  /// never over something that exists: a place that is taken is a refusal (EEXIST).
  virtual Reservation Reserve(ByteCount size, std::byte* at) = 0;
  Reservation Reserve(ByteCount size) { return Reserve(size, nullptr); }
  /// Makes reserved memory readable and writable; it is zero at first.
  virtual OsStatus Commit(std::byte* begin, ByteCount size) = 0;
  /// Gives the memory of a committed range back; it stays accessible and reads as zero.
  virtual OsStatus Release(std::byte* begin, ByteCount size) = 0;
  /// The same, whenever it likes: until then the memory counts as ours, and each page reads as what
  /// was written or as zero. Cheaper where it is soon used again. Where that is unknown: Release().
  virtual OsStatus ReleaseLazily(std::byte* begin, ByteCount size) { return Release(begin, size); }
  /// Back to reserved: contents are lost and every access faults.
  virtual OsStatus Fault(std::byte* begin, ByteCount size) = 0;
  /// Says whether huge pages are wanted for a range. Where there are none: fine, no effect.
  virtual OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) = 0;
  /// Puts huge pages behind a committed range now: contents stay, memory that is not there is
  /// brought in. A refusal where that cannot be asked for.
  virtual OsStatus CollapseHugePages(std::byte* /*begin*/, ByteCount size) {
    return {OsCall::kHugePages, ENOTSUP, size};
  }
  /// Returns address space, reserved or committed.
  virtual OsStatus Unreserve(std::byte* begin, ByteCount size) = 0;

  /// `size` rounded up to whole pages of the operating system.
  [[nodiscard]] ByteCount RoundUp(ByteCount size) const {
    const std::uint64_t mask = page_size().raw - 1;
    return ByteCount{(size.raw + mask) & ~mask};
  }
};

/// When released memory leaves the process.
enum class ReleaseMoment : std::uint8_t {
  kAtOnce,         ///< MADV_DONTNEED: the resident size falls, the next touch costs a fault
  kUnderPressure,  ///< MADV_FREE: cheap if it is soon used again; the resident size stays at first
};

/// The process's address space: mmap, mprotect, madvise, munmap.
class MmapMemory final : public OsMemory {
 public:
  MmapMemory();

  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return page_size_; }
  [[nodiscard]] ByteCount huge_page_size() const override { return huge_page_size_; }
  Reservation Reserve(ByteCount size, std::byte* at) override;
  OsStatus Commit(std::byte* begin, ByteCount size) override;
  OsStatus Release(std::byte* begin, ByteCount size) override;
  OsStatus ReleaseLazily(std::byte* begin, ByteCount size) override;
  OsStatus Fault(std::byte* begin, ByteCount size) override;
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override;
  OsStatus CollapseHugePages(std::byte* begin, ByteCount size) override;
  OsStatus Unreserve(std::byte* begin, ByteCount size) override;

 private:
  ByteCount page_size_;
  ByteCount huge_page_size_;
};

/// Metadata of a structure: address space held, and what of it is committed.
struct MetadataStats {
  ByteCount reserved;
  ByteCount committed;

  friend constexpr MetadataStats operator+(MetadataStats a, MetadataStats b) {
    return {a.reserved + b.reserved, a.committed + b.committed};
  }
  friend constexpr bool operator==(MetadataStats, MetadataStats) = default;
};

}  // namespace pagealloc
