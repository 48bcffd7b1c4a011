#include "harness/report/aggregate.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "harness/report/statistics.h"

namespace pagealloc::bench {
namespace {

/// The rows of one aggregate, in order of repetition.
using Group = std::vector<const ResultRow*>;

bool SameGroup(const ResultRow& a, const ResultRow& b) {
  return a.op == b.op && a.metric == b.metric && a.stat == b.stat && a.cell == b.cell;
}

/// The members of all rows that have one.
template <class T>
std::vector<T> ValuesOf(const Group& group, std::optional<T> ResultRow::*member) {
  std::vector<T> values;
  for (const ResultRow* row : group) {
    if (row->*member) values.push_back(*(row->*member));
  }
  return values;
}

/// The value that all rows share, or an empty one.
template <class T>
T CommonOf(const Group& group, T ResultRow::*member) {
  const bool common = std::all_of(group.begin(), group.end(), [&](const ResultRow* row) {
    return row->*member == group.front()->*member;
  });
  return common ? group.front()->*member : T{};
}

template <class T>
std::optional<T> SumOf(const std::vector<T>& values) {
  if (values.empty()) return std::nullopt;
  T sum{};
  for (const T value : values) sum += value;
  return sum;
}

void SetValue(ResultRow& row, std::span<const double> values, Aggregate how) {
  switch (how) {
    case Aggregate::kFastestQuarter:
      row.stat = "fastest_quarter";
      row.value = row.better == "higher" ? HighestQuarterMean(values) : FastestQuarterMean(values);
      return;
    case Aggregate::kExact: {
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      row.stat = *least == *most ? "value" : "max";
      row.value = *most;
      if (*least != *most) row.status = std::max(row.status, RowStatus::kNoisy);
      return;
    }
    case Aggregate::kMedian:
    case Aggregate::kPooled:
      row.stat = "median";
      row.value = Median(values);
      return;
  }
}

Aggregate HowToAggregate(const std::string& metric) {
  const MetricInfo* const info = FindMetric(metric);
  return info == nullptr ? Aggregate::kMedian : info->aggregate;
}

ResultRow AggregateOf(Group group) {
  Group measured = group;
  std::erase_if(measured, [](const ResultRow* row) {
    return row->status == RowStatus::kSkipped || !row->value;
  });
  ResultRow row = *group.front();
  if (!measured.empty()) group = std::move(measured);
  row.rep.reset();
  row.seq.reset();
  row.batch = CommonOf(group, &ResultRow::batch);
  row.result_hash = CommonOf(group, &ResultRow::result_hash);
  const std::vector<double> overheads = ValuesOf(group, &ResultRow::overhead_ns);
  row.overhead_ns.reset();
  if (!overheads.empty()) row.overhead_ns = Median(overheads);
  row.lost_ns = SumOf(ValuesOf(group, &ResultRow::lost_ns));
  row.nivcsw = SumOf(ValuesOf(group, &ResultRow::nivcsw));
  row.status = RowStatus::kOk;
  for (const ResultRow* part : group) row.status = std::max(row.status, part->status);
  const std::vector<double> values = ValuesOf(group, &ResultRow::value);
  // An exact number stands for one repetition as well as for all, so its n stays what it was.
  const Aggregate how = HowToAggregate(row.metric);
  row.n = how == Aggregate::kExact ? CommonOf(group, &ResultRow::n) : values.size();
  row.value.reset();
  if (!values.empty()) SetValue(row, values, how);
  return row;
}

}  // namespace

std::vector<ResultRow> AggregateRows(std::span<const ResultRow> rows) {
  std::vector<Group> groups;
  // Buckets by the texts that differ most often keep the search for a row's group short.
  std::multimap<std::pair<std::string, std::string>, std::size_t> by_key;
  for (const ResultRow& row : rows) {
    if (!row.rep || HowToAggregate(row.metric) == Aggregate::kPooled) continue;
    std::pair key(row.cell.workload + ' ' + row.cell.params, row.op + ' ' + row.metric);
    const auto [first, last] = by_key.equal_range(key);
    const auto found = std::find_if(first, last, [&](const auto& entry) {
      return SameGroup(*groups[entry.second].front(), row);
    });
    if (found != last) {
      groups[found->second].push_back(&row);
    } else {
      by_key.emplace(std::move(key), groups.size());
      groups.push_back({&row});
    }
  }
  std::vector<ResultRow> aggregates;
  aggregates.reserve(groups.size());
  for (Group& group : groups) aggregates.push_back(AggregateOf(std::move(group)));
  return aggregates;
}

std::vector<ResultRow> DistributionRows(const ResultRow& prototype, const Histogram& histogram,
                                        double ns_per_unit, std::span<const double> percentiles) {
  std::vector<ResultRow> rows;
  if (histogram.count() == 0) return rows;
  const auto add = [&](std::string stat, std::uint64_t value) {
    ResultRow row = prototype;
    row.stat = std::move(stat);
    row.value = static_cast<double>(value) * ns_per_unit;
    row.n = histogram.count();
    rows.push_back(std::move(row));
  };
  for (const double percent : percentiles) {
    add(PercentileName(percent), *histogram.Percentile(percent));
  }
  add("max", histogram.max());
  return rows;
}

}  // namespace pagealloc::bench
