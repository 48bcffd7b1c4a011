#include "harness/compare/procedure.h"

#include <algorithm>
#include <utility>

#include "pagealloc/contract.h"

namespace pagealloc::bench {
namespace {

constexpr std::size_t kFirstLook = 10;
constexpr std::size_t kLongestRepeat = 20;

std::string NameOf(const CellColumns& cell, const std::string& op, const std::string& metric) {
  std::string name;
  for (const std::string* part :
       {&cell.suite, &cell.workload, &cell.params, &cell.allocator, &cell.layout, &op, &metric}) {
    name.append(*part).append(1, '\0');
  }
  for (const auto& number : {cell.heap_bytes, cell.seed}) {
    name.append(number ? std::to_string(*number) : "").append(1, '\0');
  }
  return name;
}
std::string NameOf(const ComparedRow& row) {
  // The stat tells percentiles apart, which share everything else.
  return NameOf(row.cell, row.op, row.metric) + row.stat;
}

bool IsGatedTime(const ComparedRow& row) { return row.gated && row.better != "exact"; }

/// The rows of the rounds from `first` on that are about one of the named rows.
ResultsFile Excerpt(const ResultsFile& file, std::size_t first,
                    const std::set<std::string>& names) {
  ResultsFile excerpt;
  excerpt.runs = file.runs;
  for (const ResultsFile::Row& row : file.rows) {
    if (!row.result.rep || *row.result.rep < first) continue;
    const std::string prefix = NameOf(row.result.cell, row.result.op, row.result.metric);
    const auto name = names.lower_bound(prefix);
    if (name != names.end() && name->starts_with(prefix)) excerpt.rows.push_back(row);
  }
  return excerpt;
}

}  // namespace

std::vector<std::size_t> LooksUpTo(std::size_t most) {
  PA_EXPECT(most > 0);
  std::vector<std::size_t> looks;
  for (std::size_t look = kFirstLook; look < most; look *= 2) looks.push_back(look);
  looks.push_back(most);
  return looks;
}

AbProcedure::AbProcedure(CompareOptions options, std::size_t most)
    : options_(std::move(options)), looks_(LooksUpTo(most)), wanted_(looks_.front()) {
  options_.pairing = Pairing::kRounds;
}

Comparison AbProcedure::Judge(const Side& base, const Side& candidate) const {
  CompareOptions options = options_;
  options.alpha = options_.alpha / static_cast<double>(looks_.size());
  return Compare(base, candidate, options);
}

void AbProcedure::LookAgainAfter(std::size_t rounds) {
  const auto next = std::upper_bound(looks_.begin(), looks_.end(), rounds);
  wanted_ = next == looks_.end() ? std::nullopt : std::optional(*next);
}

void AbProcedure::Look(const Side& base, const Side& candidate) {
  PA_EXPECT(wanted_.has_value());
  const std::size_t rounds = *wanted_;
  if (confirming()) {
    Confirm(base, candidate);
    suspects_.clear();
    LookAgainAfter(rounds);
    if (!confirmed_.empty()) wanted_.reset();
    return;
  }
  bool all_decided = true;
  for (const ComparedRow& row : Judge(base, candidate).rows) {
    if (!IsGatedTime(row)) continue;
    if (row.verdict == Verdict::kRegressed) suspects_.insert(NameOf(row));
    if (row.verdict == Verdict::kUnclear) all_decided = false;
  }
  if (confirming()) {
    repeat_from_ = rounds;
    wanted_ = rounds + std::min(rounds, kLongestRepeat);
  } else if (all_decided) {
    wanted_.reset();
  } else {
    LookAgainAfter(rounds);
  }
}

void AbProcedure::Confirm(const Side& base, const Side& candidate) {
  const ResultsFile here = Excerpt(*base.file, repeat_from_, suspects_);
  const ResultsFile there = Excerpt(*candidate.file, repeat_from_, suspects_);
  for (const ComparedRow& row :
       Compare({base.name, &here}, {candidate.name, &there}, options_).rows) {
    if (row.verdict == Verdict::kRegressed && suspects_.contains(NameOf(row))) {
      confirmed_.insert(NameOf(row));
    }
  }
}

Comparison AbProcedure::Result(const Side& base, const Side& candidate) const {
  Comparison comparison = Judge(base, candidate);
  comparison.counts = {};
  for (ComparedRow& row : comparison.rows) {
    if (IsGatedTime(row)) {
      if (confirmed_.contains(NameOf(row))) {
        row.verdict = Verdict::kRegressed;
      } else if (row.verdict == Verdict::kRegressed) {
        row.verdict = Verdict::kUnclear;
        row.note = "slower, but a repeat did not confirm it";
      }
    }
    ++comparison.counts[static_cast<std::size_t>(row.verdict)];
  }
  SortRows(comparison.rows);
  return comparison;
}

}  // namespace pagealloc::bench
