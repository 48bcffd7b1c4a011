// recorder.cc: the library that `trace record` has other programs load (LD_PRELOAD).
//
// It stands before the C library's malloc family, mmap, munmap and mremap, notes what is about a
// page of ours or more (raw_events.h), and passes the call on. It changes nothing else, needs
// nothing but the C library, holds no file open, allocates nothing and keeps errno.
//
// An event takes a slot by one atomic addition and is written into a mapped file, so threads do not
// wait for each other but for the one that maps the next window. Room for a window is asked of the
// file system beforehand: a full disk loses events, it does not kill the program.
#include <dlfcn.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "harness/recorder/raw_events.h"

#define PAGEALLOC_EXPORT extern "C" __attribute__((visibility("default")))

namespace pagealloc::recorder {
namespace {

/// The functions that come after ours.
struct Next {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  void (*free)(void*);
  void* (*memalign)(std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  std::size_t (*usable)(void*);
};
Next g_next;

enum class Stage : int { kNothing, kLooking, kReady };
std::atomic<Stage> g_stage{Stage::kNothing};

// While the next functions are looked for, the dynamic linker itself may ask for memory. It gets it
// from here, and what is from here is never given back.
alignas(16) unsigned char g_arena[1 << 16];  // NOLINT(*-avoid-c-arrays)
std::atomic<std::size_t> g_arena_used{0};

void* FromArena(std::size_t bytes) {
  const std::size_t rounded = (bytes + 15) / 16 * 16;
  if (bytes > sizeof(g_arena)) return nullptr;
  const std::size_t at = g_arena_used.fetch_add(rounded);
  return at + rounded <= sizeof(g_arena) ? g_arena + at : nullptr;
}
bool InArena(const void* at) {
  const auto place = reinterpret_cast<std::uintptr_t>(at);
  const auto begin = reinterpret_cast<std::uintptr_t>(g_arena);
  return place >= begin && place < begin + sizeof(g_arena);
}

template <class Function>
void Look(Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

// False: another call further out, or another thread, is at it.
bool Ready() {
  if (g_stage.load(std::memory_order_acquire) == Stage::kReady) return true;
  Stage expected = Stage::kNothing;
  if (!g_stage.compare_exchange_strong(expected, Stage::kLooking)) {
    return g_stage.load(std::memory_order_acquire) == Stage::kReady;
  }
  Look(g_next.malloc, "malloc");
  Look(g_next.calloc, "calloc");
  Look(g_next.realloc, "realloc");
  Look(g_next.free, "free");
  Look(g_next.memalign, "memalign");
  Look(g_next.aligned_alloc, "aligned_alloc");
  Look(g_next.posix_memalign, "posix_memalign");
  Look(g_next.usable, "malloc_usable_size");
  g_stage.store(Stage::kReady, std::memory_order_release);
  return true;
}

// ---- The file.

char g_path[1024];  // NOLINT(*-avoid-c-arrays): empty: nothing is recorded
std::atomic<RawHeader*> g_header{nullptr};
unsigned char* g_base = nullptr;  // the whole of what may be mapped
std::atomic<std::size_t> g_windows{0};
std::atomic<bool> g_mapping{false};
std::atomic<bool> g_opened{false};
std::atomic<bool> g_full{false};

// initial-exec: no allocation behind an access.
__attribute__((tls_model("initial-exec"))) thread_local bool t_inside = false;
__attribute__((tls_model("initial-exec"))) thread_local std::uint32_t t_thread = 0;  // from 1
std::atomic<std::uint32_t> g_threads{0};

void* MapRaw(void* at, std::size_t bytes, int access, int flags, int file, off_t offset) {
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, access, flags, file, offset));
}

// Adds [offset, offset + bytes) to the file and maps it.
bool Extend(std::size_t offset, std::size_t bytes) {
  rlimit limit{};
  // Beyond the limit there is a signal, not only an error.
  if (getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_cur < offset + bytes) return false;
  const int file = open(g_path, O_RDWR | O_CLOEXEC);
  if (file < 0) return false;
  bool grown = fallocate(file, 0, static_cast<off_t>(offset), static_cast<off_t>(bytes)) == 0;
  if (!grown && errno == EOPNOTSUPP) {
    static const char kZeros[4096] = {};  // NOLINT(*-avoid-c-arrays)
    grown = true;
    for (std::size_t at = offset; at < offset + bytes && grown; at += sizeof(kZeros)) {
      grown = pwrite(file, kZeros, sizeof(kZeros), static_cast<off_t>(at)) ==
              static_cast<ssize_t>(sizeof(kZeros));
    }
  }
  void* mapped = MAP_FAILED;
  if (grown) {
    mapped = MapRaw(g_base + offset, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file,
                    static_cast<off_t>(offset));
  }
  close(file);
  return mapped != MAP_FAILED;
}

// Makes this process's file. Without one, nothing is recorded.
void Open() {
  g_header = nullptr;
  g_windows = 0;
  g_full = false;
  const char* const folder = getenv(kFolderVariable);
  if (folder == nullptr || *folder == '\0') return;
  int file = -1;
  for (int number = 0; number < 1000 && file < 0; ++number) {
    const int length = snprintf(g_path, sizeof(g_path), "%s/%d.%d", folder, getpid(), number);
    if (length < 0 || static_cast<std::size_t>(length) >= sizeof(g_path)) return;
    file = open(g_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (file < 0 && errno != EEXIST) return;
  }
  if (file < 0) return;
  close(file);
  void* const base = MapRaw(nullptr, kHeaderBytes + kWindows * kWindowBytes, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return;
  g_base = static_cast<unsigned char*>(base);
  if (!Extend(0, kHeaderBytes)) return;
  auto* const header = reinterpret_cast<RawHeader*>(base);
  const ssize_t size = readlink("/proc/self/exe", header->program, sizeof(header->program) - 1);
  header->program[size > 0 ? size : 0] = '\0';
  header->magic = kMagic;
  g_header = header;
}

bool HasWindow(std::size_t window) {
  if (window < g_windows.load(std::memory_order_acquire)) return true;
  while (g_mapping.exchange(true, std::memory_order_acquire)) {
    if (g_full) return false;
  }
  std::size_t have = g_windows.load(std::memory_order_acquire);
  while (have <= window && !g_full) {
    if (have < kWindows && Extend(kHeaderBytes + have * kWindowBytes, kWindowBytes)) {
      g_windows.store(++have, std::memory_order_release);
    } else {
      g_full = true;
    }
  }
  g_mapping.store(false, std::memory_order_release);
  return window < have;
}

// The constructors of the program's libraries come before ours, so the first event opens the file;
// not one from before the C library knows its environment.
void OpenOnce() {
  if (g_opened.load(std::memory_order_acquire) || environ == nullptr) return;
  if (!g_opened.exchange(true)) Open();
}

void Record(RawKind kind, const void* address, std::size_t bytes) {
  if (t_inside) return;
  t_inside = true;
  const int error = errno;
  OpenOnce();
  RawHeader* const header = g_header.load(std::memory_order_acquire);
  if (header == nullptr) {
    t_inside = false;
    errno = error;
    return;
  }
  if (t_thread == 0) t_thread = ++g_threads;
  const std::uint64_t slot = header->taken.fetch_add(1);
  const std::size_t window = slot / kEventsInWindow;
  if (HasWindow(window)) {
    auto* const events = reinterpret_cast<RawEvent*>(g_base + kHeaderBytes);
    RawEvent& event = events[slot];
    event.address = reinterpret_cast<std::uintptr_t>(address);
    event.bytes = bytes;
    event.thread = t_thread - 1;
    event.kind.store(kind, std::memory_order_release);
  } else {
    ++header->lost;
  }
  errno = error;
  t_inside = false;
}

// The child has its parent's mappings; it gets a file of its own.
void AfterFork() {
  const int error = errno;
  if (g_base != nullptr) syscall(SYS_munmap, g_base, kHeaderBytes + kWindows * kWindowBytes);
  g_base = nullptr;
  g_mapping = false;
  g_threads = 0;
  t_thread = 0;
  t_inside = false;
  if (g_header.load() != nullptr) Open();
  errno = error;
}

__attribute__((constructor)) void Begin() {
  Ready();
  const int error = errno;
  OpenOnce();  // a program without any event is a recorded one too
  errno = error;
  pthread_atfork(nullptr, nullptr, AfterFork);
}

void* Noted(void* at, std::size_t bytes) {
  if (at != nullptr && bytes >= kLeastBytes) Record(RawKind::kAllocate, at, bytes);
  return at;
}

}  // namespace
}  // namespace pagealloc::recorder

using namespace pagealloc::recorder;  // NOLINT(google-build-using-namespace): the C names below

PAGEALLOC_EXPORT void* malloc(std::size_t bytes) {
  return Ready() ? Noted(g_next.malloc(bytes), bytes) : FromArena(bytes);
}

PAGEALLOC_EXPORT void* calloc(std::size_t count, std::size_t each) {
  std::size_t bytes = 0;
  const bool fits = !__builtin_mul_overflow(count, each, &bytes);
  if (!Ready()) return fits ? FromArena(bytes) : nullptr;
  return Noted(g_next.calloc(count, each), fits ? bytes : 0);
}

PAGEALLOC_EXPORT void free(void* at) {
  if (at == nullptr || InArena(at) || !Ready()) return;
  if (g_next.usable(at) >= kLeastBytes) Record(RawKind::kFree, at, 0);
  g_next.free(at);
}

PAGEALLOC_EXPORT void* realloc(void* at, std::size_t bytes) {
  if (at == nullptr) return malloc(bytes);
  if (InArena(at) || !Ready()) {
    void* const moved = malloc(bytes);
    const std::size_t left =
        static_cast<std::size_t>(g_arena + sizeof(g_arena) - static_cast<unsigned char*>(at));
    if (moved != nullptr) memcpy(moved, at, bytes < left ? bytes : left);
    return moved;
  }
  const std::size_t had = g_next.usable(at);
  if (had >= kLeastBytes) Record(RawKind::kFree, at, 0);
  void* const got = g_next.realloc(at, bytes);
  // It failed: the old memory is still there.
  if (got == nullptr && bytes > 0) {
    Noted(at, had);
    return nullptr;
  }
  return Noted(got, bytes);
}

PAGEALLOC_EXPORT void* reallocarray(void* at, std::size_t count, std::size_t each) {
  std::size_t bytes = 0;
  if (!__builtin_mul_overflow(count, each, &bytes)) return realloc(at, bytes);
  errno = ENOMEM;
  return nullptr;
}

PAGEALLOC_EXPORT void* memalign(std::size_t alignment, std::size_t bytes) {
  return Ready() ? Noted(g_next.memalign(alignment, bytes), bytes) : nullptr;
}

PAGEALLOC_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  return Ready() ? Noted(g_next.aligned_alloc(alignment, bytes), bytes) : nullptr;
}

PAGEALLOC_EXPORT int posix_memalign(void** at, std::size_t alignment, std::size_t bytes) {
  if (!Ready()) return ENOMEM;
  const int error = g_next.posix_memalign(at, alignment, bytes);
  if (error == 0) Noted(*at, bytes);
  return error;
}

PAGEALLOC_EXPORT void* valloc(std::size_t bytes) {
  return memalign(static_cast<std::size_t>(sysconf(_SC_PAGESIZE)), bytes);
}

PAGEALLOC_EXPORT void* pvalloc(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return memalign(page, (bytes + page - 1) / page * page);
}

PAGEALLOC_EXPORT void* mmap(void* at, std::size_t bytes, int access, int flags, int file,
                            off_t offset) {
  if ((flags & MAP_FIXED) != 0) Record(RawKind::kUnmap, at, bytes);
  void* const got = MapRaw(at, bytes, access, flags, file, offset);
  // Address space without access is a plan, not memory.
  const bool memory = (flags & MAP_ANONYMOUS) != 0 && access != PROT_NONE;
  if (got != MAP_FAILED && memory && bytes >= kLeastBytes) Record(RawKind::kMap, got, bytes);
  return got;
}

PAGEALLOC_EXPORT void* mmap64(void* at, std::size_t bytes, int access, int flags, int file,
                              off_t offset) {
  return mmap(at, bytes, access, flags, file, offset);
}

PAGEALLOC_EXPORT int munmap(void* at, std::size_t bytes) {
  Record(RawKind::kUnmap, at, bytes);
  return static_cast<int>(syscall(SYS_munmap, at, bytes));
}

PAGEALLOC_EXPORT void* mremap(void* at, std::size_t old_bytes, std::size_t new_bytes, int flags,
                              ...) {
  void* target = nullptr;
  if ((flags & MREMAP_FIXED) != 0) {
    va_list rest;
    va_start(rest, flags);
    target = va_arg(rest, void*);
    va_end(rest);
    Record(RawKind::kUnmap, target, new_bytes);
  }
  Record(RawKind::kRemapFrom, at, old_bytes);
  auto* const got =
      reinterpret_cast<void*>(syscall(SYS_mremap, at, old_bytes, new_bytes, flags, target));
  const bool moved = got != MAP_FAILED;
  Record(RawKind::kRemapTo, moved ? got : at, moved ? new_bytes : old_bytes);
  return got;
}
