#include "harness/run/region.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
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

RegionCosts CostsSoFar() {
  RegionCosts costs;
  // Field 2: nanoseconds that this process was ready to run and did not.
  if (const auto waited = NumberInFile("/proc/self/schedstat", 1)) {
    costs.lost_ns = static_cast<double>(*waited);
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  costs.nivcsw = static_cast<std::uint64_t>(usage.ru_nivcsw);
  costs.minor_faults = static_cast<std::uint64_t>(usage.ru_minflt);
  return costs;
}

// Nanoseconds an op of each batch of one kind, leaving out remainders, which the cost of the time
// stamps would dominate.
std::vector<double> PerOp(const Program& program, const Clock& clock,
                          std::span<const Batch> batches, RowOp kind) {
  std::uint64_t longest = 0;
  std::vector<double> values;
  for (const bool collect : {false, true}) {
    std::uint64_t begin = program.measured_from;
    for (const Batch& batch : batches) {
      const std::uint64_t ops = batch.end - begin;
      if (RowOpOf(program.ops[begin].kind) == kind) {
        if (!collect) longest = std::max(longest, ops);
        if (collect && 2 * ops >= longest) {
          values.push_back(clock.ToNs(batch.ticks) / static_cast<double>(ops));
        }
      }
      begin = batch.end;
    }
  }
  return values;
}

}  // namespace

bool HasBlocksOfKinds(const Program& program) {
  constexpr std::uint64_t kShortestBlock = 16;
  std::uint64_t in_block = 0;
  for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
    if (in_block > 0 && RowOpOf(program.ops[i].kind) != RowOpOf(program.ops[i - 1].kind)) {
      if (in_block < kShortestBlock) return false;
      in_block = 0;
    }
    ++in_block;
  }
  return true;
}

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
                                     bool by_kind) {
  PA_EXPECT(timed.size() == empty.size(), timed.size(), empty.size());
  std::vector<BatchTimes> times;
  const std::uint64_t ops = program.ops.size() - program.measured_from;
  if (ops == 0) return times;
  const double gross = clock.ToNs(TotalTicks(timed)) / static_cast<double>(ops);
  const double overhead = clock.ToNs(TotalTicks(empty)) / static_cast<double>(ops);
  times.push_back({RowOp::kAll, std::max(0.0, gross - overhead), overhead, ops});
  if (!by_kind) return times;
  std::array<std::uint64_t, kRowOps> ops_of{};
  for (std::size_t i = program.measured_from; i < program.ops.size(); ++i) {
    ++ops_of[static_cast<std::size_t>(RowOpOf(program.ops[i].kind))];
  }
  for (std::size_t i = 0; i < kRowOps; ++i) {
    if (ops_of[i] == 0) continue;
    const auto kind = static_cast<RowOp>(i);
    const double kind_gross = Median(PerOp(program, clock, timed, kind));
    const double kind_overhead = Median(PerOp(program, clock, empty, kind));
    times.push_back({kind, std::max(0.0, kind_gross - kind_overhead), kind_overhead, ops_of[i]});
  }
  return times;
}

RegionMeter::RegionMeter() : start_(CostsSoFar()) {}

RegionCosts RegionMeter::Stop() const {
  RegionCosts costs = CostsSoFar();
  if (costs.lost_ns && start_.lost_ns) *costs.lost_ns -= *start_.lost_ns;
  costs.nivcsw -= start_.nivcsw;
  costs.minor_faults -= start_.minor_faults;
  return costs;
}

std::uint64_t ResidentBytes() {
  const auto pages = NumberInFile("/proc/self/statm", 1);
  return pages ? *pages * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)) : 0;
}

}  // namespace pagealloc::bench
