#include "harness/trace/trace_statistics.h"

#include <algorithm>
#include <bit>
#include <map>
#include <utility>

namespace pagealloc::bench {
namespace {

/// Who holds which page, and who holds pages of one allocation still.
class HeldPages {
 public:
  explicit HeldPages(PageCount chunk_pages) : chunk_pages_(chunk_pages.raw) {}

  /// Pages that are freed, but belong to nobody whose lifetime is of interest.
  static constexpr std::uint32_t kAnonymous = 1;

  void Grow(TraceOffset begin, TraceOffset end) {
    for (std::uint64_t c = begin.raw / chunk_pages_; c < end.raw / chunk_pages_; ++c) chunks_[c];
    heap_ += end - begin;
  }

  /// A holder for pages to be taken by an operation.
  std::uint32_t NewHolder(std::size_t born, PageCount pages, bool is_block) {
    holders_.push_back({born, pages.raw, is_block});
    return static_cast<std::uint32_t>(holders_.size() - 1) + kFirstHolder;
  }

  void Take(TraceOffset first, PageCount n, std::uint32_t holder) {
    in_use_ += n;
    ForEachChunk(first, n, [&](Chunk& chunk, std::uint64_t begin, std::uint64_t end) {
      if (chunk.holder.empty()) chunk.holder.assign(static_cast<std::size_t>(chunk_pages_), kFree);
      chunk.used += end - begin;
      std::fill(chunk.holder.begin() + static_cast<std::ptrdiff_t>(begin),
                chunk.holder.begin() + static_cast<std::ptrdiff_t>(end), holder);
    });
  }

  /// Calls `ended(born, is_block)` for everything whose last page is among these.
  template <class Ended>
  void Release(TraceOffset first, PageCount n, Ended ended) {
    in_use_ -= n;
    ForEachChunk(first, n, [&](Chunk& chunk, std::uint64_t begin, std::uint64_t end) {
      chunk.used -= end - begin;
      for (std::uint64_t page = begin; page < end; ++page) {
        std::uint32_t& holder = chunk.holder[static_cast<std::size_t>(page)];
        if (holder >= kFirstHolder) {
          Holder& held = holders_[holder - kFirstHolder];
          if (--held.pages_left == 0) ended(held.born, held.is_block);
        }
        holder = kFree;
      }
    });
  }

  /// Calls `visit(born, is_block)` for everything that still has pages.
  template <class Visit>
  void ForEachLeft(Visit visit) const {
    for (const Holder& held : holders_) {
      if (held.pages_left > 0) visit(held.born, held.is_block);
    }
  }

  [[nodiscard]] PageCount heap() const { return heap_; }
  [[nodiscard]] PageCount in_use() const { return in_use_; }

  [[nodiscard]] HeapSample Sample(std::size_t op_index) const {
    HeapSample sample{op_index, heap_, in_use_, PageCount{0}, 0, 0, PageCount{0}};
    std::uint64_t run = 0;
    const auto end_run = [&] {
      if (run == 0) return;
      ++sample.free_runs;
      sample.single_runs += run == 1 ? 1U : 0U;
      sample.largest_run = std::max(sample.largest_run, PageCount{run});
      run = 0;
    };
    std::uint64_t below = 0;  // pages of the heap before this chunk
    std::uint64_t next_index = 0;
    for (const auto& [index, chunk] : chunks_) {
      if (index != next_index) end_run();
      next_index = index + 1;
      if (chunk.used == 0) {
        run += chunk_pages_;
      } else {
        for (std::uint64_t page = 0; page < chunk_pages_; ++page) {
          if (chunk.holder[static_cast<std::size_t>(page)] == kFree) {
            ++run;
          } else {
            end_run();
            sample.below_top = PageCount{below + page + 1};
          }
        }
      }
      below += chunk_pages_;
    }
    end_run();
    return sample;
  }

 private:
  static constexpr std::uint32_t kFree = 0;
  static constexpr std::uint32_t kFirstHolder = 2;

  struct Holder {
    std::size_t born;  // index of the operation
    std::uint64_t pages_left;
    bool is_block;
  };
  struct Chunk {
    std::uint64_t used = 0;
    std::vector<std::uint32_t> holder;  // by page; empty until the first is taken
  };

  template <class Body>
  void ForEachChunk(TraceOffset first, PageCount n, Body body) {
    const std::uint64_t end = (first + n).raw;
    for (std::uint64_t page = first.raw; page < end;) {
      const std::uint64_t begin_in_chunk = page % chunk_pages_;
      const std::uint64_t end_in_chunk = std::min(chunk_pages_, begin_in_chunk + (end - page));
      body(chunks_.at(page / chunk_pages_), begin_in_chunk, end_in_chunk);
      page += end_in_chunk - begin_in_chunk;
    }
  }

  std::uint64_t chunk_pages_;
  PageCount heap_, in_use_;
  std::map<std::uint64_t, Chunk> chunks_;
  std::vector<Holder> holders_;
};

/// Calls `body(first, n)` for each run of ones in a block's mask.
template <class Body>
void ForEachRun(TraceOffset block, std::uint64_t mask, Body body) {
  for (std::uint64_t at = 0; mask != 0;) {
    const std::uint64_t skip = static_cast<std::uint64_t>(std::countr_zero(mask));
    mask >>= skip;
    const std::uint64_t run = static_cast<std::uint64_t>(std::countr_one(mask));
    body(block + PageCount{at + skip}, PageCount{run});
    at += skip + run;
    mask = run == 64 ? 0 : mask >> run;
  }
}

std::size_t SizeClassOf(PageCount n) {
  std::size_t c = 0;
  while (kSizeClasses[c].high != 0 && kSizeClasses[c].high < n.raw) ++c;
  return c;
}

LifetimeStatistics SummaryOf(std::vector<std::uint64_t>& lifetimes, std::uint64_t never_freed) {
  LifetimeStatistics summary;
  summary.freed = lifetimes.size();
  summary.never_freed = never_freed;
  if (lifetimes.empty()) return summary;
  std::sort(lifetimes.begin(), lifetimes.end());
  // The smallest value that at least this share of all does not exceed.
  const auto quartile = [&](std::size_t quarters) {
    return lifetimes[(lifetimes.size() * quarters + 3) / 4 - 1];
  };
  summary.lower = quartile(1);
  summary.median = quartile(2);
  summary.upper = quartile(3);
  summary.by_log2.resize(static_cast<std::size_t>(std::bit_width(lifetimes.back())), 0);
  for (std::uint64_t lifetime : lifetimes) {
    ++summary.by_log2[static_cast<std::size_t>(std::bit_width(lifetime)) - 1];
  }
  return summary;
}

double Ratio(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void FillMeans(TraceStatistics& statistics) {
  const auto mean = [&](auto of_sample, auto counts) {
    double sum = 0;
    std::uint64_t n = 0;
    for (const HeapSample& sample : statistics.samples) {
      if (!counts(sample)) continue;
      sum += of_sample(sample);
      ++n;
    }
    return n == 0 ? 0 : sum / static_cast<double>(n);
  };
  const auto has_heap = [](const HeapSample& s) { return s.heap.raw > 0; };
  const auto has_use = [](const HeapSample& s) { return s.below_top.raw > 0; };
  const auto has_free = [](const HeapSample& s) { return s.free_runs > 0; };
  statistics.mean_occupancy_below_top =
      mean([](const HeapSample& s) { return Ratio(s.in_use.raw, s.below_top.raw); }, has_use);
  statistics.free_runs_per_1000_pages =
      mean([](const HeapSample& s) { return 1000 * Ratio(s.free_runs, s.heap.raw); }, has_heap);
  statistics.single_run_share =
      mean([](const HeapSample& s) { return Ratio(s.single_runs, s.free_runs); }, has_free);
  statistics.largest_run_share =
      mean([](const HeapSample& s) { return Ratio(s.largest_run.raw, (s.heap - s.in_use).raw); },
           has_free);
}

}  // namespace

TraceStatistics ComputeStatistics(const Program& program, const Judgement& judgement,
                                  std::size_t samples) {
  PA_EXPECT(judgement.outcomes.size() == program.ops.size());
  const std::size_t from = program.measured_from;
  TraceStatistics statistics;
  statistics.set_up_events = from;
  statistics.events = program.ops.size() - from;
  samples = std::min<std::size_t>(samples, program.ops.size() - from);

  struct Range {
    TraceOffset first;
    PageCount pages;
  };
  std::vector<Range> range_of_id(program.id_count);
  std::vector<std::uint64_t> lifetimes, block_lifetimes;
  HeldPages heap(program.chunk_pages);
  TraceOffset heap_end;
  auto growth = judgement.growth.begin();
  double occupancy_sum = 0;

  for (std::size_t i = 0; i < program.ops.size(); ++i) {
    const Op& op = program.ops[i];
    const Outcome& outcome = judgement.outcomes[i];
    const bool measured = i >= from;
    for (; growth != judgement.growth.end() && growth->op_index == i; ++growth) {
      if (op.kind != OpKind::kGrow) heap.Grow(heap_end, growth->heap_end);  // on demand
      heap_end = growth->heap_end;
    }
    const auto ended = [&](std::size_t born, bool is_block) {
      if (born >= from) (is_block ? block_lifetimes : lifetimes).push_back(i - born);
    };
    const auto release = [&](TraceOffset first, PageCount n) { heap.Release(first, n, ended); };

    bool none = false;
    switch (op.kind) {
      case OpKind::kGrow:
        heap.Grow(op.at, op.at + op.count);
        break;
      case OpKind::kAllocate:
        none = outcome.first == Outcome::kNone;
        if (none) break;
        range_of_id[op.id] = {TraceOffset{outcome.first}, op.count};
        heap.Take(TraceOffset{outcome.first}, op.count, heap.NewHolder(i, op.count, false));
        if (!measured) break;
        ++statistics.allocations;
        ++statistics.by_size[SizeClassOf(op.count)];
        statistics.allocated_pages += op.count;
        statistics.largest_allocation = std::max(statistics.largest_allocation, op.count);
        break;
      case OpKind::kFree:
        release(range_of_id[op.id].first, range_of_id[op.id].pages);
        break;
      case OpKind::kAllocateRange:
        heap.Take(op.at, op.count, HeldPages::kAnonymous);
        break;
      case OpKind::kFreeRange:
        release(op.at, op.count);
        break;
      case OpKind::kTakeCache: {
        none = outcome.first == Outcome::kNone;
        if (none) break;
        const PageCount pages{static_cast<std::uint64_t>(std::popcount(outcome.mask))};
        const std::uint32_t holder = heap.NewHolder(i, pages, true);
        ForEachRun(TraceOffset{outcome.first}, outcome.mask,
                   [&](TraceOffset first, PageCount n) { heap.Take(first, n, holder); });
        if (!measured) break;
        ++statistics.refills;
        statistics.refill_pages += pages;
        statistics.whole_blocks += pages.raw == 64 ? 1U : 0U;
        break;
      }
      case OpKind::kReturnCache:
        ForEachRun(op.at, op.mask, release);
        break;
      case OpKind::kFind:
        none = outcome.first == Outcome::kNone;
        break;
      case OpKind::kScavenge:
      case OpKind::kNextGeneration:
        break;
    }
    if (!measured) continue;

    auto& events = statistics.by_kind[static_cast<std::size_t>(op.kind)];
    ++events.count;
    events.none += none ? 1U : 0U;
    const double occupancy = Ratio(heap.in_use().raw, heap.heap().raw);
    occupancy_sum += occupancy;
    statistics.peak_occupancy = std::max(statistics.peak_occupancy, occupancy);
    statistics.peak_in_use = std::max(statistics.peak_in_use, heap.in_use());
    // Sample k comes after event k / samples of all, rounded up: the last one after the last.
    const std::size_t event = i - from + 1;
    if (event * samples / statistics.events > (event - 1) * samples / statistics.events) {
      statistics.samples.push_back(heap.Sample(i));
    }
  }

  std::uint64_t never_freed = 0, blocks_never_freed = 0;
  heap.ForEachLeft([&](std::size_t born, bool is_block) {
    if (born >= from) ++(is_block ? blocks_never_freed : never_freed);
  });
  statistics.lifetimes = SummaryOf(lifetimes, never_freed);
  statistics.block_lifetimes = SummaryOf(block_lifetimes, blocks_never_freed);
  if (statistics.events > 0) {
    statistics.mean_occupancy = occupancy_sum / static_cast<double>(statistics.events);
  }
  statistics.final_heap = heap.heap();
  FillMeans(statistics);
  return statistics;
}

}  // namespace pagealloc::bench
