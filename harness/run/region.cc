#include "harness/run/region.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <optional>

#include "harness/report/statistics.h"
#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

// Number `index` of a file that holds numbers only; nothing when there is no such file.
std::optional<std::uint64_t> NumberInFile(const char* path, int index) {
  std::FILE* file = std::fopen(path, "re");
  if (file == nullptr) return std::nullopt;
  unsigned long long value = 0;  // NOLINT(google-runtime-int): what %llu reads
  bool read = true;
  for (int i = 0; i <= index && read; ++i) read = std::fscanf(file, "%llu", &value) == 1;
  std::fclose(file);
  if (!read) return std::nullopt;
  return value;
}

// Nanoseconds an op of each batch of one kind, and the batches' lengths, leaving out remainders,
// which the cost of the time stamps would dominate.
struct KindBatches {
  std::vector<double> ns;
  std::vector<double> ops;
};
KindBatches BatchesOf(const Program& program, const Clock& clock, std::span<const Batch> batches,
                      RowOp kind) {
  std::uint64_t longest = 0;
  KindBatches values;
  for (const bool collect : {false, true}) {
    std::uint64_t begin = program.measured_from;
    for (const Batch& batch : batches) {
      const std::uint64_t ops = batch.end - begin;
      if (RowOpOf(program.ops[begin].kind) == kind) {
        if (!collect) longest = std::max(longest, ops);
        if (collect && 2 * ops >= longest) {
          values.ns.push_back(clock.ToNs(batch.ticks) / static_cast<double>(ops));
          values.ops.push_back(static_cast<double>(ops));
        }
      }
      begin = batch.end;
    }
  }
  return values;
}

// What others took of the CPU inside the batches: at most `lost_ns`.
double LostInBatches(const Clock& clock, std::span<const Batch> batches, double lost_ns) {
  if (lost_ns <= 0) return 0;  // nearly always, and a median takes time
  std::vector<double> ns;
  ns.reserve(batches.size());
  for (const Batch& batch : batches) ns.push_back(clock.ToNs(batch.ticks));
  const double median = Median(ns);
  double excess = 0;
  for (const double value : ns) {
    if (value > 10 * median) excess += value - median;
  }
  return std::min(lost_ns, excess);
}

std::uint64_t MedianLength(std::span<const double> lengths) {
  return static_cast<std::uint64_t>(std::llround(Median(lengths)));
}

}  // namespace

std::vector<Batch> CutBatches(const Program& program, std::uint64_t batch, bool by_kind) {
  PA_EXPECT(batch > 0);
  std::vector<Batch> batches;
  std::uint64_t in_batch = 0;
  for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
    const bool kind_changes =
        in_batch > 0 && by_kind && RowOpOf(program.ops[i].kind) != RowOpOf(program.ops[i - 1].kind);
    if (in_batch == batch || kind_changes) {
      batches.push_back({i, 0});
      in_batch = 0;
    }
    ++in_batch;
  }
  if (in_batch > 0) batches.push_back({program.ops.size(), 0});
  return batches;
}

std::uint64_t TotalTicks(std::span<const Batch> batches) {
  std::uint64_t ticks = 0;
  for (const Batch& batch : batches) ticks += batch.ticks;
  return ticks;
}

std::vector<BatchTimes> SumUpBatches(const Program& program, const Clock& clock,
                                     std::span<const Batch> timed, std::span<const Batch> empty,
                                     std::optional<double> lost_ns, bool by_kind) {
  PA_EXPECT(timed.size() == empty.size(), timed.size(), empty.size());
  std::vector<BatchTimes> times;
  const std::uint64_t ops = program.ops.size() - program.measured_from;
  if (ops == 0) return times;
  const double lost = LostInBatches(clock, timed, lost_ns.value_or(0));
  const double gross = (clock.ToNs(TotalTicks(timed)) - lost) / static_cast<double>(ops);
  const double overhead = clock.ToNs(TotalTicks(empty)) / static_cast<double>(ops);
  std::vector<double> lengths;
  std::uint64_t begin = program.measured_from;
  for (const Batch& batch : timed) {
    lengths.push_back(static_cast<double>(batch.end - begin));
    begin = batch.end;
  }
  times.push_back(
      {RowOp::kAll, std::max(0.0, gross - overhead), overhead, ops, MedianLength(lengths)});
  if (!by_kind) return times;
  std::array<std::uint64_t, kRowOps> ops_of{};
  for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
    ++ops_of[static_cast<std::size_t>(RowOpOf(program.ops[i].kind))];
  }
  for (std::size_t i = 0; i < kRowOps; ++i) {
    if (ops_of[i] == 0) continue;
    const auto kind = static_cast<RowOp>(i);
    const KindBatches of_kind = BatchesOf(program, clock, timed, kind);
    const double kind_gross = Median(of_kind.ns);
    const double kind_overhead = Median(BatchesOf(program, clock, empty, kind).ns);
    times.push_back({kind, std::max(0.0, kind_gross - kind_overhead), kind_overhead, ops_of[i],
                     MedianLength(of_kind.ops)});
  }
  return times;
}

std::uint64_t ResidentBytes() {
  const auto pages = NumberInFile("/proc/self/statm", 1);
  return pages ? *pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace pagealloc::bench
