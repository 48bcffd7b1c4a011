/// heap_window.h: host memory behind a range of a layout's addresses.
///
/// A layout's addresses are numbers. A window reserves host memory of the same size and remembers
/// the constant slide between the two: host address = layout address + slide (modulo 2^64). The
/// kernel chooses the place; Placement::kExact asks for slide 0, which fails where something else
/// lies there (never a mapping over it) or where the host has no such address. One thread at a
/// time.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

enum class Placement : std::uint8_t {
  kAnywhere,  ///< where the kernel likes
  kExact,     ///< host address = layout address
};

class HeapWindow {
 public:
  HeapWindow() = default;
  HeapWindow(const HeapWindow&) = delete;
  HeapWindow& operator=(const HeapWindow&) = delete;
  ~HeapWindow();

  /// Reserves host memory for the layout addresses [first, first + size), whole operating-system
  /// pages (contract); no access, no swap. Once (contract); after a refusal it may be tried again.
  /// `os` must outlive the window.
  OsStatus Reserve(OsMemory& os, Address first, ByteCount size, Placement placement);

  /// Makes a part readable and writable. Inside the window, whole operating-system pages
  /// (contract).
  OsStatus Commit(Address first, ByteCount size);
  /// Gives the memory of a committed part back. At once: it reads as zero afterwards. Under
  /// pressure: each page reads as zero or as before, until it is written.
  OsStatus Release(Address first, ByteCount size, ReleaseMoment when = ReleaseMoment::kAtOnce);

  /// Where a layout address lies on the host. Inside the window (contract).
  [[nodiscard]] std::byte* Host(Address at) const;
  /// Host address minus layout address, modulo 2^64. 0 with Placement::kExact.
  [[nodiscard]] std::uint64_t slide() const;
  [[nodiscard]] ByteCount size() const { return size_; }

 private:
  void ExpectInside(Address first, ByteCount size) const;

  OsMemory* os_ = nullptr;
  std::byte* memory_ = nullptr;
  Address first_;
  ByteCount size_;
};

}  // namespace pagealloc
