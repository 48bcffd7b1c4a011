/// frontend_tsan: the programs of frontend_sched on real threads, for ThreadSanitizer.
///
/// Who goes on when is the machine's affair here, so a finding need not come again: what this
/// target adds is that every access is judged, those between two points of frontend_sched, too.
/// Marks, statistics and the end are checked as there.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <thread>
#include <vector>

#include "fuzz/decode_ops.h"
#include "fuzz/frontend_program.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "pagealloc/heap.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"
#include "testing/mapped_memory.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using L = testing::TinyWordChunks;
using ThreadHeap = Heap<L>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Keeps the first finding.
class Watch {
 public:
  void Asking(PageCount, bool /*anywhere*/ = true) {}
  void Answered(const HeapAllocation&) {}
  void Freeing(const HeapRun&) {}
  void Freed(PageCount) {}
  void Report(const char* what) { first_.store(what, std::memory_order_relaxed); }
  [[nodiscard]] const char* first() const { return first_.load(std::memory_order_relaxed); }

 private:
  std::atomic<const char*> first_{nullptr};
};

void Run(std::span<const std::uint8_t> input) {
  Story story("frontend_tsan", input);
  ByteReader in(input);
  FrontendProgram program(in);
  program.Read(in);
  story.Step("threads, caches, chunks",
             {program.threads.size(), program.options.caches, program.chunks});
  testing::MappedMemory os;
  auto heap = std::make_unique<ThreadHeap>();
  story.Expect("Init()", heap->Init(os, program.options).ok());
  Watch watch;
  std::vector<FrontendThread<ThreadHeap, Watch>> parts;
  for (unsigned i = 0; i < program.threads.size(); ++i) {
    parts.emplace_back(*heap, i, program, watch);
  }
  std::vector<std::thread> threads;
  threads.reserve(parts.size());
  for (auto& part : parts) threads.emplace_back([&part] { part.Run(); });
  for (std::thread& thread : threads) thread.join();
  for (auto& part : parts) part.End();
  heap->FlushCaches();
  if (watch.first() != nullptr) story.Stop(watch.first());
  const HeapStatistics stats = heap->Stats();
  story.Expect("pages lost", stats.free.raw, stats.grown.raw);
  story.Check(testing::CheckInvariants(testing::HeapAccess::pages(*heap)));
  for (const auto& ops : program.threads) g_operations += ops.size();
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pagealloc::fuzz::Run({bytes, size < 340 ? size : 340});
  return 0;
}
