/// break_source.h: memory that grows at its end, where the break is, and never shrinks.
///
/// What an sbrk allocator stands on. EmulatedBreak grows inside a reservation up to a limit, as
/// wasm's linear memory does; ProcessBreak is sbrk(2) of this process, which malloc moves too.
///
///   Start()                Position()
///   |  used | spare |      |  Extend(n)  -->  |
///   ----------------^ break              ------^ break           new memory is zero
///
/// When somebody else moves the break, Position() says so: it no longer is where the last Extend()
/// ended. What lies between is a hole: not ours, never handed out, never written.
#pragma once

#include <cstddef>
#include <cstdint>

#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc {

class BreakSource {
 public:
  /// Memory below the break that nobody uses yet; zero.
  struct Spare {
    std::byte* begin;
    std::byte* end;
  };

  BreakSource() = default;
  BreakSource(const BreakSource&) = delete;
  BreakSource& operator=(const BreakSource&) = delete;
  virtual ~BreakSource() = default;

  /// Unit of growth, a power of two (Go: physPageSize).
  [[nodiscard]] virtual ByteCount page_size() const = 0;
  /// What an allocator may use at once; asked for once, before anything is extended (Go: initBloc).
  [[nodiscard]] virtual Spare Start() = 0;
  /// Where the next Extend() begins: the break, rounded up to a page.
  [[nodiscard]] virtual std::byte* Position() = 0;
  /// Makes [Position(), + size) readable and writable; whole pages (contract). It is zero. A
  /// refusal is ENOMEM, with OsCall::kReserve, and changes nothing.
  virtual OsStatus Extend(ByteCount size) = 0;
};

/// A break inside a reservation of an OsMemory.
class EmulatedBreak final : public BreakSource {
 public:
  struct Shape {
    ByteCount limit;                ///< how far it can grow, at least one page
    ByteCount page{65536};          ///< unit of growth; a multiple of the OsMemory's page
    ByteCount spare;                ///< there at the start; wasm 1.24 and later uses it first
    ByteCount alignment{4u << 20};  ///< of the first byte; a power of two, at least a page
  };

  EmulatedBreak() = default;
  ~EmulatedBreak() override;

  /// Reserves the limit and commits what is spare. Comes first; on a refusal it may be tried again.
  /// Sizes are whole pages (contract). `os` must outlive the break.
  OsStatus Init(OsMemory& os, Shape shape);

  [[nodiscard]] ByteCount page_size() const override { return shape_.page; }
  [[nodiscard]] Spare Start() override { return {begin_, begin_ + shape_.spare.raw}; }
  [[nodiscard]] std::byte* Position() override { return begin_ + used_.raw; }
  OsStatus Extend(ByteCount size) override;

  /// What a program does that moves the break by itself: `size` bytes, whole pages (contract), that
  /// belong to it from now on. Null when the limit is reached or the OsMemory refuses.
  [[nodiscard]] std::byte* MoveAsSomebodyElse(ByteCount size);

 private:
  OsMemory* os_ = nullptr;
  std::byte* reserved_ = nullptr;
  ByteCount reserved_bytes_;
  std::byte* begin_ = nullptr;
  ByteCount used_;  // from begin_ to the break
  Shape shape_{};
};

/// The break of this process. One object at a time; nothing is ever given back. Not while another
/// thread calls malloc: sbrk(2) itself cannot stand that.
class ProcessBreak final : public BreakSource {
 public:
  ProcessBreak();

  [[nodiscard]] ByteCount page_size() const override { return page_size_; }
  [[nodiscard]] Spare Start() override;
  [[nodiscard]] std::byte* Position() override;
  OsStatus Extend(ByteCount size) override;

 private:
  ByteCount page_size_;
};

}  // namespace pagealloc
