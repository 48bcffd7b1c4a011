/// execute_on.h: the bodies of execute.h for one layout and one allocator type.
///
/// Included only by the execute_*.cc files, which instantiate it for every layout: one file an
/// allocator, so that they compile side by side.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "harness/base/clock.h"
#include "harness/report/histogram.h"
#include "harness/run/arrivals.h"
#include "harness/run/cell.h"
#include "harness/run/heap_state.h"
#include "harness/run/null_subject.h"
#include "harness/run/occupancy.h"
#include "harness/run/place_check.h"
#include "harness/run/region.h"
#include "harness/run/region_meter.h"
#include "harness/run/runner.h"
#include "harness/run/stage.h"
#include "harness/trace/judge.h"
#include "harness/trace/program.h"
#include "pagealloc/layout.h"

namespace pagealloc::bench {

/// The user's words for a refusal of the operating system.
absl::Status RefusedMemory(const CellOptions& options, OsStatus status);
/// What to say when two passes over the same program place differently.
absl::Status PassesDiffer(const CellOptions& options);

/// A null subject over the same batches, three times; the fastest, as neighbours only add time.
template <Layout L>
std::vector<Batch> TimeEmptyLoop(const Program& program, HeapState& runs, const Clock& clock,
                                 std::vector<Batch> batches) {
  std::vector<Batch> fastest;
  for (int i = 0; i < 3; ++i) {
    NullSubject nothing;
    Runner<L, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
    // It cannot fail: there is no memory to refuse.
    static_cast<void>(runner.TimeBatches(clock, batches));
    if (fastest.empty() || TotalTicks(batches) < TotalTicks(fastest)) fastest = batches;
  }
  return fastest;
}

/// Where a subject places otherwise than the model, growth on demand may not leave the window,
/// whether there is one or not: every pass grows alike.
template <Layout L, Subject S>
void LimitGrowth(const CellOptions& options, Runner<L, S>& runner) {
  if constexpr (!kPlacesAsModel<S>) runner.set_extent(options.heap_pages);
}

/// Nothing where the operating system has a say in the places.
template <Layout L, Subject S>
std::optional<std::uint64_t> HashOf(const Runner<L, S>& runner) {
  if constexpr (kMapsItsMemory<S>) return std::nullopt;
  return runner.result_hash();
}

/// One timed pass on a fresh stage: set-up, then `loop(runner)` under a meter.
///
/// @param longest_batch  of the loop, in ops.
/// @param costs          receives what happened around the loop.
/// @param result         gets hash and memory of the first pass; a later one must place alike.
template <Layout L, Subject S, class Loop>
absl::Status TimePass(const CellOptions& options, const Program& program, HeapState& runs,
                      std::uint64_t longest_batch, bool first, RegionCosts& costs,
                      TimedResult& result, Loop loop) {
  const std::uint64_t resident = ResidentBytes();
  const auto stage = std::make_unique<Stage<L, S>>();
  if (const OsStatus status = stage->Open(options); !status.ok()) {
    return RefusedMemory(options, status);
  }
  // A program that never grows has no window, and nothing to touch.
  HeapWindow* const window = stage->committed_window(options);
  Runner<L, S> runner(stage->subject(), program, runs, window,
                      options.memory == HeapMemory::kTouch && window != nullptr, longest_batch);
  LimitGrowth(options, runner);
  if (!runner.SetUp()) return RefusedMemory(options, runner.failure());
  RegionMeter meter;
  runner.set_meter(&meter);
  if (!loop(runner)) return RefusedMemory(options, runner.failure());
  costs = meter.Stop();
  if (!first) {
    return result.result_hash == HashOf(runner) ? absl::OkStatus() : PassesDiffer(options);
  }
  result.rss_bytes = ResidentBytes() - std::min(resident, ResidentBytes());
  result.result_hash = HashOf(runner);
  return absl::OkStatus();
}

template <Layout L, Subject S>
absl::Status TimeBatchPass(const CellOptions& options, const Program& program, HeapState& runs,
                           const Clock& clock, TimedResult& result) {
  std::vector<Batch> batches = CutBatches(program, options.batch, options.batches_by_kind);
  absl::Status status = TimePass<L, S>(options, program, runs,
                                       std::min<std::uint64_t>(options.batch, program.ops.size()),
                                       true, result.batch_costs, result, [&](Runner<L, S>& runner) {
                                         runner.set_slowdown(options.slowdown_percent);
                                         return runner.TimeBatches(clock, batches);
                                       });
  if (!status.ok()) return status;
  const std::vector<Batch> empty = TimeEmptyLoop<L>(program, runs, clock, batches);
  result.batches = SumUpBatches(program, clock, batches, empty, result.batch_costs.lost_ns,
                                options.batches_by_kind);
  return absl::OkStatus();
}

/// Times of single operations, sorted by kind.
template <class Ticks>
void RecordByKind(const Program& program, std::span<const Ticks> ticks,
                  std::span<Histogram> histograms) {
  for (std::size_t i = 0; i < ticks.size(); ++i) {
    const RowOp op = RowOpOf(program.ops[program.measured_from + i].kind);
    histograms[static_cast<std::size_t>(op)].Record(ticks[i]);
  }
}

template <Layout L, Subject S>
absl::Status TimeOpPass(const CellOptions& options, const Program& program, HeapState& runs,
                        const Clock& clock, TimedResult& result) {
  std::vector<std::uint32_t> ticks(program.ops.size() - program.measured_from);
  absl::Status status = TimePass<L, S>(
      options, program, runs, 1, !options.time_batches, result.op_costs, result,
      [&clock, &ticks](Runner<L, S>& runner) { return runner.TimeOps(clock, ticks); });
  if (!status.ok()) return status;
  RecordByKind<std::uint32_t>(program, ticks, result.service);
  NullSubject nothing;
  Runner<L, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
  static_cast<void>(runner.TimeOps(clock, ticks));
  for (const std::uint32_t taken : ticks) result.null_op.Record(taken);
  return absl::OkStatus();
}

/// The open loop: arrivals are planned first, then come as they come.
template <Layout L, Subject S>
absl::Status TimeResponsePass(const CellOptions& options, const Program& program, HeapState& runs,
                              const Clock& clock, TimedResult& result) {
  const std::vector<std::uint64_t> plan = PlanArrivals(
      program.ops.size() - program.measured_from, *options.open_loop, options.clock.ns_per_tick);
  std::vector<std::uint64_t> times = plan;
  std::uint64_t elapsed = 0;
  absl::Status status = TimePass<L, S>(options, program, runs, 1, true, result.op_costs, result,
                                       [&clock, &times, &elapsed](Runner<L, S>& runner) {
                                         return runner.TimeResponses(clock, times, elapsed);
                                       });
  if (!status.ok() || plan.empty()) return status;
  result.open_loop = OpenLoopTime{plan.size(), clock.ToNs(plan.back()), clock.ToNs(elapsed)};
  RecordByKind<std::uint64_t>(program, times, result.response);
  // The first of them are enough to see what the loop itself reads, and do not double the wait.
  constexpr std::size_t kMostEmpty = 20'000;
  times.assign(plan.begin(),
               plan.begin() + static_cast<std::ptrdiff_t>(std::min(kMostEmpty, plan.size())));
  NullSubject nothing;
  Runner<L, NullSubject> runner(nothing, program, runs, nullptr, false, 0);
  static_cast<void>(runner.TimeResponses(clock, std::span<std::uint64_t>(times), elapsed));
  for (const std::uint64_t taken : times) result.null_op.Record(taken);
  return absl::OkStatus();
}

template <Layout L, Subject S>
absl::StatusOr<TimedResult> ExecuteTimedOn(const CellOptions& options, const Program& program) {
  const Clock clock(options.clock);
  HeapState runs(program.id_count);
  TimedResult result;
  if (options.open_loop) {
    const absl::Status status = TimeResponsePass<L, S>(options, program, runs, clock, result);
    if (!status.ok()) return status;
  }
  if (options.time_batches) {
    const absl::Status status = TimeBatchPass<L, S>(options, program, runs, clock, result);
    if (!status.ok()) return status;
  }
  if (options.time_ops) {
    const absl::Status status = TimeOpPass<L, S>(options, program, runs, clock, result);
    if (!status.ok()) return status;
  }
  return result;
}

/// The subject's work counters as rows know them; nothing for a subject that has no tree.
template <Subject S>
std::optional<TreeWork> WorkOf(const S& subject) {
  if constexpr (requires { subject.counters().index_lines_read; }) {
    const auto& counters = subject.counters();
    return TreeWork{counters.bitmap_words_scanned, counters.index_lines_read,
                    counters.index_entries_written};
  } else {
    return std::nullopt;
  }
}

/// Checks a pass over a program, in parts, against what the model says of it.
template <Layout L, Subject S>
class PassCheck {
 public:
  /// @param verify  false: only against what the trace expects, if the subject places as the model.
  PassCheck(const Program& program, const Judgement& judgement, bool verify)
      : program_(program), verify_(verify), model_(&judgement) {
    if (!verify) return;
    if constexpr (!kPlacesAsModel<S>) {
      constexpr bool kRefusesRoom = requires { requires S::kRefusesRoom; };
      places_.emplace(program.chunk_pages, kRefusesRoom);
    } else if (program.FirstOf({OpKind::kScavenge}) != nullptr) {
      auto judged = Judge(
          program, {.max_ops = judgement.judged, .scavenged_chunk = Geometry<L>::kChunkPages});
      PA_EXPECT(judged.ok());
      of_this_layout_ = std::move(judged).value();
      model_ = &*of_this_layout_;
    }
  }

  /// Runner::Check for ops [begin, end); the parts follow one another from 0.
  [[nodiscard]] bool Run(Runner<L, S>& runner, std::size_t begin, std::size_t end,
                         std::optional<Mismatch>& mismatch) {
    if constexpr (kPlacesAsModel<S>) {
      return runner.Check(begin, end, verify_ ? model_ : nullptr, mismatch);
    } else {
      runner.set_outcomes(&outcomes_);
      return runner.CheckPlaces(begin, end, places_ ? &*places_ : nullptr, mismatch);
    }
  }

  /// Of the whole program, after its last operation; nothing where the places are not known.
  [[nodiscard]] std::optional<Occupancy> OccupancyAtEnd() const {
    if constexpr (kPlacesAsModel<S>) {
      if (!verify_ || model_->judged != program_.ops.size()) return std::nullopt;
      return OccupancyOf(program_, model_->outcomes);
    } else {
      return OccupancyOf(program_, outcomes_);
    }
  }

  /// Compares the pages by state after the last operation.
  std::optional<Mismatch> End(S& subject) {
    if (!verify_) return std::nullopt;
    if constexpr (!kPlacesAsModel<S>) {
      if constexpr (requires { subject.FlushCaches(); }) subject.FlushCaches();
      return places_->CheckEnd(program_.ops.size(), subject.stats());
    } else {
      if (model_->judged != program_.ops.size()) return std::nullopt;
      return CheckStatistics(program_.ops.size(), subject.stats(), *model_);
    }
  }

 private:
  const Program& program_;
  const bool verify_;
  const Judgement* model_;
  std::optional<Judgement> of_this_layout_;  ///< what is scavenged depends on it
  std::optional<PlaceCheck> places_;
  std::vector<Outcome> outcomes_;  ///< of a subject that chooses its places itself
};

template <Layout L, Subject S>
absl::StatusOr<CheckedResult> ExecuteCheckedOn(CellOptions options, const Program& program,
                                               const Judgement& judgement, bool verify) {
  // Nothing is timed, and no allocator looks at the heap's own pages.
  options.memory = HeapMemory::kSimulate;
  options.prefault = false;
  const auto stage = std::make_unique<Stage<L, S>>();
  if (const OsStatus status = stage->Open(options); !status.ok()) {
    return RefusedMemory(options, status);
  }
  HeapState runs(program.id_count);
  Runner<L, S> runner(stage->subject(), program, runs, nullptr, false, 0);
  LimitGrowth(options, runner);
  PassCheck<L, S> check(program, judgement, verify);
  CheckedResult result;
  if (!check.Run(runner, 0, program.measured_from, result.mismatch)) {
    return RefusedMemory(options, runner.failure());
  }
  if (result.mismatch) return result;
  const std::optional<TreeWork> before = WorkOf(stage->subject());
  if (!check.Run(runner, program.measured_from, program.ops.size(), result.mismatch)) {
    return RefusedMemory(options, runner.failure());
  }
  if (result.mismatch) return result;
  result.work = WorkOf(stage->subject());
  if (result.work) {
    result.work->words_scanned -= before->words_scanned;
    result.work->summary_visits -= before->summary_visits;
    result.work->summary_updates -= before->summary_updates;
  }
  result.mismatch = check.End(stage->subject());
  result.occupancy = check.OccupancyAtEnd();
  result.metadata_bytes = stage->subject().metadata().committed.raw;
  result.result_hash = HashOf(runner);
  return result;
}

}  // namespace pagealloc::bench
