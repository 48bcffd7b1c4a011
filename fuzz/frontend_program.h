/// frontend_program.h: what one of several threads does to a Heap; for fibers and for real threads.
///
/// A program is a header and operations of two bytes, dealt to the threads in turn. Each thread
/// holds runs of its own and marks every page that it holds, so a page that was given twice, or
/// given back too early, is seen by its owner. What a test knows besides is its Watch:
///
///   Asking(want, anywhere)                before a request; any free pages can serve it, or not
///   Answered(run or none)                 after every request
///   Freeing(run), Freed(pages)            around each free
///   Report(what)                          a finding
///
///   byte 0  threads, caches     byte 1  the heap's limit, huge pages
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/decode_ops.h"
#include "pagealloc/heap.h"
#include "testing/tiny_layouts.h"

namespace pagealloc::fuzz {

struct FrontendOp {
  unsigned kind;
  unsigned a;
  unsigned b;
};

struct FrontendProgram {
  static constexpr std::size_t kMostThreads = 4;
  static constexpr std::size_t kMostOps = 150;

  explicit FrontendProgram(ByteReader& in) {
    const unsigned first = in.Byte();
    const unsigned second = in.Byte();
    threads.resize(first % 3 + 2);
    options.caches = first / 4 % 4;
    chunks = second % 6 + 1;
    options.max_bytes = ByteCount{chunks * Geometry<testing::TinyWordChunks>::kChunkBytes.raw};
    options.huge_pages = (second & 128) != 0 ? HugePageUse::kDenseChunks : HugePageUse::kSystem;
  }
  /// The operations: all that is left of `in`, but for what is taken in between.
  void Read(ByteReader& in) {
    for (std::size_t i = 0; i < kMostOps && !in.empty(); ++i) {
      const unsigned byte = in.Byte();
      threads[i % threads.size()].push_back({byte % 16, byte / 16, in.Byte()});
    }
  }

  HeapOptions options;
  std::uint64_t chunks = 1;
  std::vector<std::vector<FrontendOp>> threads;
};

template <class H, class Watch>
class FrontendThread {
 public:
  FrontendThread(H& heap, unsigned number, const FrontendProgram& program, Watch& watch)
      : heap_(heap),
        number_(number),
        limit_(program.options.max_bytes.raw >> kPageBits),
        ops_(program.threads[number]),
        watch_(watch) {}

  void Run() {
    for (const FrontendOp& op : ops_) Step(op);
  }
  /// Gives everything back.
  void End() {
    while (!runs_.empty()) FreeOne(0);
  }
  [[nodiscard]] PageCount held() const {
    PageCount sum;
    for (const Held& run : runs_) sum += run.run.pages;
    return sum;
  }

 private:
  struct Held {
    HeapRun run;
    std::uint64_t mark;
  };
  static constexpr std::size_t kWords = kPageBytes.raw / sizeof(std::uint64_t);

  void Step(const FrontendOp& op) {
    switch (op.kind) {
      case 0:
      case 1:
      case 2:
      case 3:
        return Take(PageCount{op.a + 1U},
                    [&](PageCount want) { return heap_.Allocate(want, op.b % 4U); });
      case 4:
        return Take(PageCount{op.b % 150U + 1},
                    [&](PageCount want) { return heap_.Allocate(want, op.a); });
      case 5: {
        const ByteCount alignment{kPageBytes.raw << op.a % 8};
        const PageCount want{op.b % 20U + 1};
        watch_.Asking(want, false);
        const HeapAllocation got = heap_.Allocate(want, alignment);
        Expect(reinterpret_cast<std::uintptr_t>(got.memory) % alignment.raw == 0,
               "not at a multiple of the alignment");
        watch_.Answered(got);
        return Keep(got);
      }
      case 6: {
        if (runs_.empty()) return;
        const HeapRun& run = runs_[op.b % runs_.size()].run;
        std::byte* const behind = static_cast<std::byte*>(run.memory) + BytesOf(run.pages).raw;
        const PageCount want{op.a % 3 + 1U};
        watch_.Asking(want, false);
        const HeapAllocation got = heap_.AllocateAt(behind, want);
        Expect(got.memory == nullptr || got.memory == behind, "another place than asked for");
        watch_.Answered(got);
        return Keep(got);
      }
      case 7:
      case 8:
      case 9:
        if (!runs_.empty()) FreeOne((op.a * 8 + op.b) % runs_.size());
        return;
      case 10:
        return FreeEnd(op.b, op.a);
      case 11:
        return FreeSome(op.a % 5U + 1);
      case 12:
        return heap_.FlushCaches();
      case 13: {
        const ScavengeResult got =
            op.a == 15 ? heap_.ReleaseAll() : heap_.ReleaseMemory(BytesOf(PageCount{op.b + 1U}));
        return Expect(got.status.ok(), "a release is refused");
      }
      case 14: {
        const HeapStatistics s = heap_.Stats();
        Expect(s.grown == s.in_use + s.cached + s.held + s.padding + s.free,
               "statistics do not add up");
        if (op.a < 8) return;
        // All that there may be room for but a few pages: then each one matters.
        const std::uint64_t left = limit_.raw - (s.in_use + s.padding).raw;
        if (left > op.b % 4U) {
          Take(PageCount{left - op.b % 4U},
               [&](PageCount want) { return heap_.Allocate(want, 0); });
        }
        return;
      }
      default:
        if (op.a < 8) return heap_.NextScavengeGeneration();
        static_cast<void>(heap_.Scavenge(BytesOf(PageCount{op.b + 1U}), ScavengeMode::kBackground,
                                         [] { return false; }));
        return;
    }
  }

  void Expect(bool holds, const char* what) {
    if (!holds) watch_.Report(what);
  }

  template <class Ask>
  void Take(PageCount want, Ask&& ask) {
    watch_.Asking(want);
    const HeapAllocation got = ask(want);
    watch_.Answered(got);
    Keep(got);
  }

  void Keep(const HeapAllocation& got) {
    Expect(got.status.ok(), "memory is refused");
    if (!got.ok()) return;
    const Held held{{got.memory, got.pages}, (std::uint64_t{number_} + 1) << 48 | ++count_ << 16};
    for (std::uint64_t i = 0; i < got.pages.raw; ++i) {
      std::uint64_t* const words = Words(held.run, i);
      Expect(!got.zeroed || (words[0] == 0 && words[kWords - 1] == 0), "zeroed, but not zero");
      words[0] = words[kWords - 1] = held.mark + i;
    }
    runs_.push_back(held);
  }

  void CheckMarks(const Held& held, std::uint64_t from) {
    for (std::uint64_t i = from; i < held.run.pages.raw; ++i) {
      const std::uint64_t* const words = Words(held.run, i);
      Expect(words[0] == held.mark + i && words[kWords - 1] == held.mark + i,
             "a page bears the mark of another");
    }
  }

  void FreeOne(std::size_t index) {
    std::swap(runs_[index], runs_.back());
    const Held held = runs_.back();
    runs_.pop_back();
    CheckMarks(held, 0);
    watch_.Freeing(held.run);
    heap_.Free(held.run.memory, held.run.pages);
    watch_.Freed(held.run.pages);
  }

  /// The last pages of a run.
  void FreeEnd(std::size_t index, std::uint64_t count) {
    if (runs_.empty()) return;
    Held& held = runs_[index % runs_.size()];
    count = std::min(count + 1, held.run.pages.raw - 1);
    if (count == 0) return;
    const std::uint64_t keep = held.run.pages.raw - count;
    CheckMarks(held, keep);
    const HeapRun end{Words(held.run, keep), PageCount{count}};
    held.run.pages = PageCount{keep};
    watch_.Freeing(end);
    heap_.Free(end.memory, end.pages);
    watch_.Freed(end.pages);
  }

  void FreeSome(std::size_t count) {
    std::vector<HeapRun> batch;
    PageCount pages;
    for (; count > 0 && !runs_.empty(); --count) {
      CheckMarks(runs_.back(), 0);
      batch.push_back(runs_.back().run);
      pages += batch.back().pages;
      watch_.Freeing(batch.back());
      runs_.pop_back();
    }
    heap_.FreeBatch(batch);
    watch_.Freed(pages);
  }

  static std::uint64_t* Words(const HeapRun& run, std::uint64_t page) {
    return static_cast<std::uint64_t*>(run.memory) + page * kWords;
  }

  H& heap_;
  unsigned number_;
  PageCount limit_;
  std::span<const FrontendOp> ops_;
  Watch& watch_;
  std::vector<Held> runs_;
  std::uint64_t count_ = 0;
};

}  // namespace pagealloc::fuzz
