/// stage.h: an allocator in its initial state, with the memory behind its heap.
#pragma once

#include <cstddef>
#include <memory>

#include "harness/run/cell.h"
#include "harness/run/subject.h"
#include "pagealloc/heap_window.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

/// Asks for huge pages wherever memory is committed, for `--thp always`.
class HugePageMemory final : public OsMemory {
 public:
  using OsMemory::Reserve;
  [[nodiscard]] ByteCount page_size() const override { return os_.page_size(); }
  Reservation Reserve(ByteCount size, std::byte* at) override { return os_.Reserve(size, at); }
  OsStatus Commit(std::byte* begin, ByteCount size) override {
    if (const OsStatus status = os_.Commit(begin, size); !status.ok()) return status;
    return os_.HintHugePages(begin, size, HugePages::kPrefer);
  }
  OsStatus Release(std::byte* begin, ByteCount size) override { return os_.Release(begin, size); }
  OsStatus Fault(std::byte* begin, ByteCount size) override { return os_.Fault(begin, size); }
  OsStatus HintHugePages(std::byte* begin, ByteCount size, HugePages want) override {
    return os_.HintHugePages(begin, size, want);
  }
  OsStatus Unreserve(std::byte* begin, ByteCount size) override {
    return os_.Unreserve(begin, size);
  }

 private:
  MmapMemory os_;
};

/// Members are destroyed in reverse order: allocator and window before the OsMemory they use.
template <Layout L, Subject S>
class Stage {
 public:
  /// Makes the allocator and, unless the heap is only simulated, its window.
  OsStatus Open(const CellOptions& options) {
    OsMemory& os = options.huge_pages == HugePageMode::kAlways ? static_cast<OsMemory&>(huge_)
                                                               : static_cast<OsMemory&>(plain_);
    if constexpr (requires { subject_.set_caches(options.caches); }) {
      subject_.set_caches(options.caches);
    }
    if constexpr (requires { subject_.set_allocator(options.allocator); }) {
      subject_.set_allocator(options.allocator);
    }
    if constexpr (requires { subject_.set_limit(options.heap_pages); }) {
      subject_.set_limit(options.heap_pages);
    }
    if (const OsStatus status = subject_.Init(os); !status.ok()) return status;
    ReleaseAsJudged(subject_, os);
    has_window_ = options.memory != HeapMemory::kSimulate && options.heap_pages > PageCount{0};
    if (!has_window_) return OsStatus::Ok();
    const ByteCount size = os.RoundUp(BytesOf(options.heap_pages));
    const OsStatus status = window_.Reserve(
        os, L::kHeapBase, size, options.place_exact ? Placement::kExact : Placement::kAnywhere);
    if (!status.ok() || !options.prefault) return status;
    if (const OsStatus done = window_.Commit(L::kHeapBase, size); !done.ok()) return done;
    std::byte* const host = window_.Host(L::kHeapBase);
    for (std::uint64_t at = 0; at < size.raw; at += os.page_size().raw) host[at] = std::byte{1};
    return status;
  }

  S& subject() { return subject_; }
  /// Null where growth commits nothing: the heap is simulated or only reserved.
  HeapWindow* committed_window(const CellOptions& options) {
    const bool commits =
        options.memory == HeapMemory::kCommit || options.memory == HeapMemory::kTouch;
    return has_window_ && commits ? &window_ : nullptr;
  }

 private:
  MmapMemory plain_;
  HugePageMemory huge_;
  HeapWindow window_;
  S subject_;
  bool has_window_ = false;
};

}  // namespace pagealloc::bench
