#include "harness/run/cell_rows.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "harness/report/aggregate.h"

namespace pagealloc::bench {
namespace {

void Place(ResultRow& row, RepetitionPlace place) {
  row.rep = place.rep;
  row.seq = place.seq;
}

void Append(std::vector<ResultRow>& rows, const std::vector<ResultRow>& more) {
  rows.insert(rows.end(), more.begin(), more.end());
}

std::vector<ResultRow> Distributions(const CellColumns& cell, std::span<const Histogram> service,
                                     std::span<const Histogram> response, const Histogram& null_op,
                                     double ns_per_tick, std::span<const double> percentiles,
                                     const ResultRow& columns) {
  std::vector<ResultRow> rows;
  const auto add = [&](RowOp op, std::string_view metric, const Histogram& histogram) {
    ResultRow prototype = MakeRow(cell, RowOpName(op), metric, std::nullopt);
    prototype.rep = columns.rep;
    prototype.seq = columns.seq;
    prototype.lost_ns = columns.lost_ns;
    prototype.nivcsw = columns.nivcsw;
    prototype.status = columns.status;
    prototype.result_hash = columns.result_hash;
    Append(rows, DistributionRows(prototype, histogram, ns_per_tick, percentiles));
  };
  for (std::size_t i = 0; i < service.size(); ++i) {
    add(static_cast<RowOp>(i), "service_ns", service[i]);
  }
  for (std::size_t i = 0; i < response.size(); ++i) {
    add(static_cast<RowOp>(i), "response_ns", response[i]);
  }
  add(RowOp::kAll, "null_op_ns", null_op);
  return rows;
}

RowStatus StatusOf(const RegionCosts& costs, double region_ns) {
  constexpr double kNoisyShare = 0.05;
  return costs.lost_ns.value_or(0) > kNoisyShare * region_ns ? RowStatus::kNoisy : RowStatus::kOk;
}

double TotalNs(std::span<const Histogram> histograms, double ns_per_tick) {
  double ticks = 0;
  for (const Histogram& histogram : histograms) {
    ticks += histogram.mean() * static_cast<double>(histogram.count());
  }
  return ticks * ns_per_tick;
}

/// How long the pass took that `op_costs` speaks of.
double OpRegionNs(const TimedResult& result, double ns_per_tick) {
  return result.open_loop ? result.open_loop->elapsed_ns : TotalNs(result.service, ns_per_tick);
}

}  // namespace

std::string HashText(std::optional<std::uint64_t> hash) {
  return hash ? absl::StrFormat("%016x", *hash) : "";
}

std::vector<ResultRow> CheckedRows(const CellColumns& cell, RepetitionPlace place,
                                   const CheckedResult& result, std::uint64_t ops) {
  std::vector<ResultRow> rows;
  const auto add = [&](std::string_view metric, std::uint64_t value) {
    ResultRow row = MakeRow(cell, RowOpName(RowOp::kAll), metric, static_cast<double>(value));
    Place(row, place);
    row.n = ops;
    row.result_hash = HashText(result.result_hash);
    rows.push_back(row);
  };
  if (result.metadata_bytes) add("metadata_bytes", *result.metadata_bytes);
  if (result.occupancy) {
    add("span_bytes", result.occupancy->span.raw);
    add("live_bytes", result.occupancy->live.raw);
    add("no_room", result.occupancy->no_room);
  }
  if (result.work) {
    add("words_scanned", result.work->words_scanned);
    add("summary_visits", result.work->summary_visits);
    add("summary_updates", result.work->summary_updates);
  }
  return rows;
}

std::vector<ResultRow> TimedRows(const CellColumns& cell, RepetitionPlace place,
                                 const TimedResult& result, const CellOptions& options,
                                 std::span<const double> percentiles) {
  std::vector<ResultRow> rows;
  const std::string hash = HashText(result.result_hash);
  RowStatus status = RowStatus::kOk;
  if (!result.batches.empty()) {
    const BatchTimes& all = result.batches.front();
    const double region_ns = (all.ns + all.overhead_ns) * static_cast<double>(all.ops);
    status = StatusOf(result.batch_costs, region_ns);
    if (options.slowdown_percent > 0) status = RowStatus::kNoisy;
  }
  for (const BatchTimes& batch : result.batches) {
    ResultRow row = MakeRow(cell, RowOpName(batch.op), "batch_ns", batch.ns);
    Place(row, place);
    row.stat = batch.op == RowOp::kAll ? "mean" : "median";
    row.n = batch.ops;
    row.batch = batch.batch;
    row.overhead_ns = batch.overhead_ns;
    row.lost_ns = result.batch_costs.lost_ns;
    row.nivcsw = result.batch_costs.nivcsw;
    row.status = status;
    row.result_hash = hash;
    rows.push_back(row);
  }
  if (!result.batches.empty() && result.batches.front().ns > 0) {
    const BatchTimes& all = result.batches.front();
    ResultRow row = MakeRow(cell, RowOpName(all.op), "ops_per_s", options.threads * 1e9 / all.ns);
    Place(row, place);
    row.n = all.ops;
    row.status = status;
    row.result_hash = hash;
    rows.push_back(row);
  }
  const double ns_per_tick = options.clock.ns_per_tick;
  ResultRow columns;
  Place(columns, place);
  columns.lost_ns = result.op_costs.lost_ns;
  columns.nivcsw = result.op_costs.nivcsw;
  columns.status = StatusOf(result.op_costs, OpRegionNs(result, ns_per_tick));
  columns.result_hash = hash;
  if (result.open_loop && result.open_loop->elapsed_ns > 0) {
    ResultRow row =
        MakeRow(cell, RowOpName(RowOp::kAll), "ops_per_s", result.open_loop->achieved_ops_per_s());
    Place(row, place);
    row.n = result.open_loop->ops;
    row.status = columns.status;
    row.result_hash = hash;
    rows.push_back(row);
  }
  Append(rows, Distributions(cell, result.service, result.response, result.null_op, ns_per_tick,
                             percentiles, columns));
  const RegionCosts& costs = result.batches.empty() ? result.op_costs : result.batch_costs;
  for (const auto& [metric, value] :
       {std::pair<std::string_view, std::uint64_t>{"rss_bytes", result.rss_bytes},
        {"minor_faults", costs.minor_faults}}) {
    ResultRow row = MakeRow(cell, RowOpName(RowOp::kAll), metric, static_cast<double>(value));
    Place(row, place);
    row.result_hash = hash;
    rows.push_back(row);
  }
  return rows;
}

void PooledTimes::Add(const TimedResult& result, double ns_per_tick) {
  status_ = std::max(status_, StatusOf(result.op_costs, OpRegionNs(result, ns_per_tick)));
  for (std::size_t i = 0; i < kRowOps; ++i) {
    service_[i].Merge(result.service[i]);
    response_[i].Merge(result.response[i]);
  }
  null_op_.Merge(result.null_op);
  if (result.op_costs.lost_ns) {
    costs_.lost_ns = costs_.lost_ns.value_or(0) + *result.op_costs.lost_ns;
  }
  costs_.nivcsw += result.op_costs.nivcsw;
  result_hash_ = HashText(result.result_hash);
}

std::vector<ResultRow> PooledTimes::Rows(const CellColumns& cell, double ns_per_tick,
                                         std::span<const double> percentiles) const {
  ResultRow columns;
  columns.lost_ns = costs_.lost_ns;
  columns.nivcsw = costs_.nivcsw;
  columns.status = status_;
  columns.result_hash = result_hash_;
  return Distributions(cell, service_, response_, null_op_, ns_per_tick, percentiles, columns);
}

}  // namespace pagealloc::bench
