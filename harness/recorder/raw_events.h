/// raw_events.h: what the recorder inside a program writes, and `trace record` reads.
///
///   DIR/PID.N    a file for each process, and for each program that a process becomes by exec
///
///   [ header, 4 KiB | window, 1 MiB of events | window | ... ]
///
/// The file is mapped, so what was written is there however the program ends. Events stand in the
/// order in which they took a slot: a free before the allocator gets the memory back, an allocation
/// after it was made, hence no address is given out before it was freed. A slot that was taken and
/// not written (the thread was killed between) has kind 0.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace pagealloc::recorder {

/// Requests below a page of ours are not recorded.
inline constexpr std::size_t kLeastBytes = 8192;

/// Names the folder to a program that is recorded; without it nothing is.
inline constexpr const char* kFolderVariable = "PAGEALLOC_RECORD_DIR";

inline constexpr std::uint64_t kMagic = 0x31646365726770;  // "pgrecd1"
inline constexpr std::size_t kHeaderBytes = 4096;
inline constexpr std::size_t kWindowBytes = std::size_t{1} << 20;
inline constexpr std::size_t kWindows = 1024;

enum class RawKind : std::uint32_t {
  kNone = 0,
  kAllocate = 1,   ///< malloc and its family gave `bytes` at `address`
  kFree = 2,       ///< `address` goes back, if the recorder knows it
  kMap = 3,        ///< anonymous memory was mapped
  kUnmap = 4,      ///< whatever is mapped in [address, address + bytes) goes
  kRemapFrom = 5,  ///< mremap: it goes there, and
  kRemapTo = 6,    ///< comes here, if it was known; the same thread's next event
};

struct RawEvent {
  std::uint64_t address;
  std::uint64_t bytes;
  std::uint32_t thread;       ///< numbered from 0 in order of the threads' first events
  std::atomic<RawKind> kind;  ///< written last
  std::uint64_t unused;
};
static_assert(sizeof(RawEvent) == 32 && std::atomic<RawKind>::is_always_lock_free);
inline constexpr std::size_t kEventsInWindow = kWindowBytes / sizeof(RawEvent);

struct RawHeader {
  std::uint64_t magic;
  std::atomic<std::uint64_t> taken;  ///< slots
  std::atomic<std::uint64_t> lost;   ///< events without a slot: the file could not grow
  char program[1024];                ///< NOLINT(*-avoid-c-arrays): its path, ended by NUL
};
static_assert(sizeof(RawHeader) <= kHeaderBytes);

}  // namespace pagealloc::recorder
