/// heap_subject.h: the library's front end, Heap<L>, behind the interface of a subject.
///
/// The heap maps its own memory, grows by itself and uses the page cache of the processor that runs
/// the thread, as in a program. Several subjects can share one heap: one for each thread. A page's
/// number is its host address divided by the page size. What names pages has no meaning here; who
/// replays leaves such programs out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "harness/run/allocators.h"
#include "harness/run/only_allocates.h"
#include "harness/run/subject.h"
#include "pagealloc/heap.h"
#include "pagealloc/layout.h"
#include "pagealloc/os_memory.h"
#include "pagealloc/units.h"

namespace pagealloc::bench {

template <Layout L>
class HeapSubject : public OnlyAllocates {
 public:
  HeapSubject() = default;
  /// Another thread's view of a heap, which outlives it.
  explicit HeapSubject(Heap<L>& shared) : heap_(&shared) {}

  /// The heap does not grow beyond; 0: as far as the layout goes. Before Init().
  void set_limit(PageCount pages) { limit_ = pages; }
  /// Which of the two it is. Before Init().
  void set_allocator(std::string_view name) { locked_ = name == kHeapLocked; }
  /// Makes a heap of its own.
  OsStatus Init(OsMemory& os) {
    owned_ = std::make_unique<Heap<L>>();
    heap_ = owned_.get();
    HeapOptions options;
    if (locked_) options.caches = 0;
    if (limit_ > PageCount{0}) options.max_bytes = BytesOf(limit_);
    return heap_->Init(os, options);
  }

  std::optional<Allocation> Allocate(PageCount want, unsigned /*processor*/) {
    const HeapAllocation got = heap_->Allocate(want);
    if (!got.ok()) [[unlikely]] {
      refusal_ = got.status;
      return std::nullopt;
    }
    return Allocation{PageOffset{reinterpret_cast<std::uintptr_t>(got.memory) >> kPageBits},
                      PageCount{0}};
  }
  std::optional<Allocation> Allocate(PageCount want) { return Allocate(want, 0); }
  void Free(PageRange pages) { heap_->Free(HostOf(pages.begin), pages.size()); }
  PageCount Scavenge(PageCount target, ScavengeMode mode) {
    const ScavengeResult result = heap_->Scavenge(BytesOf(target), mode, [] { return false; });
    refusal_ = result.status;
    return PageCount{result.released.raw >> kPageBits};
  }
  void NextScavengeGeneration() { heap_->NextScavengeGeneration(); }
  /// What the operating system refused to the last allocation or release that failed.
  [[nodiscard]] OsStatus refusal() const { return refusal_; }

  [[nodiscard]] HeapStats stats() const { return heap_->PageStats(); }
  [[nodiscard]] MetadataStats metadata() const { return heap_->Stats().metadata; }
  Heap<L>& heap() { return *heap_; }

  static std::byte* HostOf(PageOffset page) {
    return reinterpret_cast<std::byte*>(static_cast<std::uintptr_t>(page.raw << kPageBits));
  }

 private:
  std::unique_ptr<Heap<L>> owned_;
  Heap<L>* heap_ = nullptr;
  PageCount limit_;
  bool locked_ = false;
  OsStatus refusal_;
};

}  // namespace pagealloc::bench
