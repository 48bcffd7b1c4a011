/// frontend_sched: threads on one Heap, interleaved as the input says (fibers.h).
///
/// The shipped Heap over locks that are points of a scheduler: who goes on after a lock, before
/// one, and while the operating system has memory, is a byte of the input. Whatever is found is
/// found again by the same input. Checked: no page has two holders; pages are zero where that is
/// said; every request takes a lock; "no room" for a page is said only if there may have been none;
/// nobody waits for ever;
/// statistics add up at every moment; and after the last thread no page is lost, all invariants
/// hold, and the whole heap is one free run again.

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "fuzz/decode_ops.h"
#include "fuzz/fibers.h"
#include "fuzz/frontend_program.h"
#include "fuzz/story.h"
#include "fuzz/target.h"
#include "pagealloc/heap.h"
#include "testing/heap_access.h"
#include "testing/invariants.h"
#include "testing/region_memory.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {
namespace {

using Input = std::span<const std::uint8_t>;
using L = testing::TinyWordChunks;
using G = Geometry<L>;
using FiberHeap = Heap<L, FiberMutex>;

std::uint64_t g_operations = 0;  // NOLINT(*-identifier-naming): a global that may change

/// Memory whose releases take a while.
class SlowMemory final : public testing::RegionMemory {
 public:
  using RegionMemory::RegionMemory;
  OsStatus Release(std::byte* begin, ByteCount size) override {
    Fibers::Point();
    const OsStatus status = RegionMemory::Release(begin, size);
    Fibers::Point();
    return status;
  }
  [[nodiscard]] ByteCount huge_page_size() const override { return G::kChunkBytes; }
  OsStatus CollapseHugePages(std::byte*, ByteCount) override {
    Fibers::Point();
    return OsStatus::Ok();
  }
};

/// All that is known from outside, exactly: only one fiber runs at a time.
class Watch {
 public:
  Watch(Story& story, std::uint64_t limit) : story_(story), limit_(limit) {}

  /// @param anywhere  any free run will do
  void Asking(PageCount want, bool anywhere = true) {
    story_.Step("asks (thread, pages)", {Fibers::Current(), want.raw});
    Request& request = asking_[Fibers::Current()];
    request = {want.raw, anywhere, 0, Fibers::LocksTaken()};
    taken_ += want.raw;
    Raise();
  }
  void Answered(const HeapAllocation& got) {
    story_.Step("gets (thread, pages, zeroed)",
                {Fibers::Current(), got.ok() ? got.pages.raw : 0, got.zeroed});
    Request& request = asking_[Fibers::Current()];
    story_.Expect("a request takes no lock", Fibers::LocksTaken() > request.locks);
    story_.Expect("memory is refused", got.status.ok());
    if (!got.ok()) {
      // All that others held or might have held, at the worst moment.
      story_.Expect("no room for a page, although one was free all the time",
                    request.want > 1 || !request.anywhere || request.most > limit_);
      taken_ -= request.want;
      return;
    }
    const auto begin = reinterpret_cast<std::uintptr_t>(got.memory);
    const std::uintptr_t end = begin + static_cast<std::uintptr_t>(BytesOf(got.pages).raw);
    const auto above = held_.lower_bound(end);
    story_.Expect("a page has two holders",
                  above == held_.begin() || std::prev(above)->second <= begin);
    held_[begin] = end;
  }
  void Freeing(const HeapRun& run) {
    story_.Step("frees (thread, pages)", {Fibers::Current(), run.pages.raw});
    const auto begin = reinterpret_cast<std::uintptr_t>(run.memory);
    const auto at = std::prev(held_.upper_bound(begin));
    if (at->first == begin) {
      held_.erase(at);
    } else {
      at->second = begin;
    }
  }
  void Freed(PageCount pages) { taken_ -= pages.raw; }
  void Report(const char* what) { story_.Stop(what); }

 private:
  struct Request {
    std::uint64_t want = 0;
    bool anywhere = false;
    std::uint64_t most = 0;   ///< of all pages in use or wanted, since it began; its own included
    std::uint64_t locks = 0;  ///< that its thread had taken before
  };

  void Raise() {
    for (Request& request : asking_) request.most = std::max(request.most, taken_);
  }

  Story& story_;
  std::uint64_t limit_;
  std::uint64_t taken_ = 0;  // pages held, asked for, or on their way back
  std::array<Request, FrontendProgram::kMostThreads> asking_{};
  std::map<std::uintptr_t, std::uintptr_t> held_;
};

void Run(Input input) {
  Story story("frontend_sched", input);
  ByteReader in(input);
  FrontendProgram program(in);
  // The last third says who goes on; past its end all in turn.
  const std::size_t split = input.size() - input.size() / 3;
  ByteReader ops(
      input.subspan(std::min<std::size_t>(2, split), split - std::min<std::size_t>(2, split)));
  ByteReader schedule(input.subspan(split));
  program.Read(ops);

  // One for all inputs: in a new mapping each page that is touched costs a page fault, two thirds
  // of the time. When all of it was returned, which is checked, all of it is zero again.
  static SlowMemory os(ByteCount{32 * G::kChunkBytes.raw}, G::kChunkBytes);
  auto heap = std::make_unique<FiberHeap>();
  story.Expect("Init()", heap->Init(os, program.options).ok());
  story.Step("start (threads, caches, chunks)",
             {program.threads.size(), program.options.caches, program.chunks});
  Watch watch(story, program.chunks * G::kChunkPages.raw);
  std::vector<FrontendThread<FiberHeap, Watch>> threads;
  for (unsigned i = 0; i < program.threads.size(); ++i) {
    threads.emplace_back(*heap, i, program, watch);
  }
  const auto run_all = [&](const std::function<void(FrontendThread<FiberHeap, Watch>&)>& part) {
    std::vector<std::function<void()>> bodies;
    bodies.reserve(threads.size());
    for (auto& thread : threads) bodies.emplace_back([&part, &thread] { part(thread); });
    Fibers fibers(
        [&schedule](std::size_t n) { return schedule.empty() ? n : schedule.Byte() % n; });
    const Fibers::End end = fibers.Run(std::move(bodies));
    story.Expect("a deadlock", end != Fibers::End::kDeadlock);
    story.Expect("nobody comes to an end", end == Fibers::End::kAllDone);
  };
  run_all([](auto& thread) { thread.Run(); });

  PageCount held;
  for (const auto& thread : threads) held += thread.held();
  HeapStatistics stats = heap->Stats();
  story.Expect("pages in use", stats.in_use.raw, held.raw);
  story.Expect("pages held in the end", stats.held.raw, 0);
  story.Check(testing::CheckInvariants(testing::HeapAccess::pages(*heap)));
  story.Step("all give everything back");
  run_all([](auto& thread) { thread.End(); });
  heap->FlushCaches();
  stats = heap->Stats();
  story.Expect("pages lost", stats.free.raw, stats.grown.raw);
  story.Check(testing::CheckInvariants(testing::HeapAccess::pages(*heap)));
  if (testing::HeapAccess::pages(*heap).ranges().ranges().size() == 1) {
    story.Expect("the heap is one free run again", heap->Allocate(stats.grown, 0U).ok());
  }
  heap.reset();
  story.Expect("address space is left over", os.AllReturned());
  g_operations += story.steps();
}

}  // namespace

std::uint64_t CheckedOperations() { return g_operations; }

}  // namespace pagealloc::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  pagealloc::fuzz::Run({bytes, std::min<std::size_t>(size, 500)});
  return 0;
}
