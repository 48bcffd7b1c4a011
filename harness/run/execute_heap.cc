// execute_heap.cc: the library's front end Heap<L>: alone like any subject, or under several
// threads that each run a program on one heap.
#include <algorithm>
#include <barrier>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "harness/run/execute_on.h"
#include "harness/run/execute_with.h"
#include "harness/run/heap_subject.h"
#include "harness/run/live_runs.h"
#include "harness/run/occupancy.h"
#include "harness/run/watched.h"
#include "harness/run/with_layout.h"

namespace pagealloc::bench {
namespace {

/// How one thread fared.
struct ThreadEnd {
  OsStatus failure;
  std::optional<Mismatch> mismatch;  ///< checked
  std::vector<Outcome> outcomes;     ///< checked
  std::uint64_t begin = 0, end = 0;  ///< timed: ticks
};

template <Layout L>
ThreadEnd CheckThread(Heap<L>& heap, LiveRuns& live, std::size_t number, const Program& program) {
  Watched<HeapSubject<L>> subject(live, number + 1, heap);
  WatchedEnd watched = RunWatched<L>(subject, program, absl::StrCat(" (thread ", number, ")"));
  ThreadEnd end;
  end.failure = watched.failure;
  end.mismatch = std::move(watched.mismatch);
  end.outcomes = std::move(watched.outcomes);
  return end;
}

/// Starts a thread for each program, calls work(number, program) in it, and `at_start` here once
/// all wait at `start`; returns when all have ended.
template <class Work, class AtStart>
std::vector<ThreadEnd> RunThreads(std::span<const Program* const> programs, std::barrier<>& start,
                                  Work work, AtStart at_start) {
  std::vector<ThreadEnd> ends(programs.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    threads.emplace_back([&, i] { ends[i] = work(i, *programs[i]); });
  }
  at_start();
  start.arrive_and_wait();
  for (std::thread& thread : threads) thread.join();
  return ends;
}

std::ptrdiff_t WithMain(std::span<const Program* const> programs) {
  return static_cast<std::ptrdiff_t>(programs.size()) + 1;
}

template <Layout L>
absl::StatusOr<CheckedResult> CheckOn(CellOptions options,
                                      std::span<const Program* const> programs) {
  const auto stage = std::make_unique<Stage<L, HeapSubject<L>>>();
  if (const OsStatus status = stage->Open(options); !status.ok()) {
    return RefusedMemory(options, status);
  }
  Heap<L>& heap = stage->subject().heap();
  LiveRuns live;
  std::barrier start(WithMain(programs));
  const std::vector<ThreadEnd> ends = RunThreads(
      programs, start,
      [&](std::size_t number, const Program& program) {
        start.arrive_and_wait();
        return CheckThread<L>(heap, live, number, program);
      },
      [] {});
  CheckedResult result;
  for (const ThreadEnd& end : ends) {
    if (!end.failure.ok()) return RefusedMemory(options, end.failure);
    if (!result.mismatch) result.mismatch = end.mismatch;
  }
  if (result.mismatch) return result;
  heap.FlushCaches();
  const HeapStatistics stats = heap.Stats();
  if (stats.in_use != live.pages() || stats.grown.raw != stats.in_use.raw + stats.free.raw) {
    result.mismatch = Mismatch{programs.front()->ops.size(),
                               absl::StrCat(live.pages().raw, " pages in use and all others free"),
                               absl::StrCat(stats.grown.raw, " pages grown, ", stats.in_use.raw,
                                            " in use, ", stats.free.raw, " free")};
  }
  result.metadata_bytes = stats.metadata.committed.raw;
  if (ends.size() == 1 && !result.mismatch) {
    result.occupancy =
        OccupancyOf(*programs.front(), ends.front().outcomes, Geometry<L>::kHeapBasePage);
  }
  return result;
}

template <Layout L>
absl::StatusOr<TimedResult> TimeThreadsOn(const CellOptions& options,
                                          std::span<const Program* const> programs) {
  const Clock clock(options.clock);
  const std::uint64_t resident = ResidentBytes();
  const auto stage = std::make_unique<Stage<L, HeapSubject<L>>>();
  if (const OsStatus status = stage->Open(options); !status.ok()) {
    return RefusedMemory(options, status);
  }
  Heap<L>& heap = stage->subject().heap();
  std::barrier start(WithMain(programs));
  std::optional<RegionMeter> meter;
  const auto work = [&](std::size_t /*number*/, const Program& program) {
    HeapSubject<L> subject(heap);
    HeapState runs(program.id_count);
    Runner<L, HeapSubject<L>> runner(subject, program, runs, nullptr, false, 0);
    std::vector<Batch> whole = CutBatches(program, program.ops.size() + 1, false);
    const bool ready = runner.SetUp();
    start.arrive_and_wait();
    ThreadEnd end;
    end.begin = clock.Begin();
    if (!ready || !runner.TimeBatches(clock, whole)) end.failure = runner.failure();
    end.end = clock.End();
    return end;
  };
  const std::vector<ThreadEnd> ends =
      RunThreads(programs, start, work, [&meter] { meter.emplace(); });
  TimedResult result;
  result.batch_costs = meter->Stop();
  result.batch_costs.lost_ns.reset();  // the kernel says it of this thread, which only waited
  result.rss_bytes = ResidentBytes() - std::min(resident, ResidentBytes());
  std::uint64_t begin = ends.front().begin;
  std::uint64_t end = ends.front().end;
  for (const ThreadEnd& thread : ends) {
    if (!thread.failure.ok()) return RefusedMemory(options, thread.failure);
    begin = std::min(begin, thread.begin);
    end = std::max(end, thread.end);
  }
  // One batch, as long as all threads together took: an operation of one thread in wall time.
  const Program& first = *programs.front();
  std::vector<Batch> whole = CutBatches(first, first.ops.size() + 1, false);
  for (Batch& batch : whole) batch.ticks = end - begin;
  HeapState runs(first.id_count);
  const std::vector<Batch> empty = TimeEmptyLoop<L>(first, runs, clock, whole);
  // Wall time: what is lost while others of the threads go on is not known.
  result.batches = SumUpBatches(first, clock, whole, empty, std::nullopt, false);
  return result;
}

}  // namespace

void CheckHeap(const CellOptions& options, std::span<const Program* const> programs,
               absl::StatusOr<CheckedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() { result = CheckOn<L>(options, programs); });
}

void TimeHeap(const CellOptions& options, std::span<const Program* const> programs,
              absl::StatusOr<TimedResult>& result) {
  WithLayout(options.layout, [&]<Layout L>() {
    result = programs.size() > 1 ? TimeThreadsOn<L>(options, programs)
                                 : ExecuteTimedOn<L, HeapSubject<L>>(options, *programs.front());
  });
}

}  // namespace pagealloc::bench
